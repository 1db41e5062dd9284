/**
 * Is what was written what was read? Goes over the contents once more and asks the target for each thing by its name;
 * equal counts then say that it has nothing else. What has an order (inboxes) is compared by a hash of all of it in order.
 */
import { createHash, type Hash } from "node:crypto";
import { indexOf, participantOf, type ShardRef } from "../key.ts";
import type { EntryCount, StoreReader } from "../store/reader.ts";
import type { StoredParticipant } from "../store/stored-graph.ts";
import { decodeImage, newImage, type ShardImage } from "../worker/image.ts";
import { recordsOf } from "../worker/parcel.ts";
import type { ContentsEntry, HeadPiece, InboxPiece, Piece, TimesPiece } from "./contents.ts";
import type { Contents } from "./contents.ts";
import type { CopyTarget } from "./copy-target.ts";
import type { Placing } from "./placing.ts";
import { summed } from "./merged-image.ts";

/** Differences that are told. */
const TOLD = 20;
const PARCELS = 64;

/** What there is of a participant, here and there. */
export interface ComparedParticipant {
  readonly name: string;
  readonly kind: StoredParticipant["kind"];
  readonly shards: readonly [number, number];
  readonly counts: Readonly<Record<ComparedKind, readonly [number, number]>>;
}
export type ComparedKind = Exclude<keyof EntryCount, "outbox"> | "waiting" | "processed";

export interface Comparison {
  readonly participants: readonly ComparedParticipant[];
  /** All that differs; of the sentences, the first few. */
  readonly differing: number;
  readonly differences: readonly string[];
}

const KINDS = ["state", "watermark", "wall", "holds", "ids", "held", "dead"] as const;

/** `reader`: of the target; it gives values whole. */
export async function compare(contents: Contents, target: CopyTarget, reader: StoreReader): Promise<Comparison> {
  const comparer = new Comparer(contents, target, reader);
  const participants: ComparedParticipant[] = [];
  let part: ParticipantComparison | undefined;
  for await (const piece of contents.pieces(() => true)) {
    const id = participantOf(piece.shard);
    if (part?.id !== id) {
      if (part !== undefined) participants.push(await part.end());
      part = new ParticipantComparison(id, comparer);
    }
    await part.piece(piece);
    await target.stopped.keep();
  }
  if (part !== undefined) participants.push(await part.end());
  await comparer.watermarks();
  return { participants, differing: comparer.differing, differences: comparer.differences };
}

class Comparer {
  readonly contents: Contents;
  readonly target: CopyTarget;
  readonly reader: StoreReader;
  differing = 0;
  readonly differences: string[] = [];

  constructor(contents: Contents, target: CopyTarget, reader: StoreReader) {
    this.contents = contents;
    this.target = target;
    this.reader = reader;
  }

  differs(participant: string, what: string): void {
    this.differing += 1;
    if (this.differences.length < TOLD) this.differences.push(`${participant}: ${what}`);
  }

  async watermarks(): Promise<void> {
    const { participants } = this.target.stopped.graph;
    const there = await this.reader.readAuthorities(participants.map(({ id }) => id));
    for (const { id, name } of participants) {
      const [here, found] = [this.contents.watermarks.get(id)?.output, there.get(id)?.published.output];
      if (here !== undefined && here !== found) this.differs(name, `its watermark is ${here} and was written as ${found}`);
    }
  }
}

class ParticipantComparison {
  readonly id: number;
  readonly #comparer: Comparer;
  readonly #from: StoredParticipant;
  readonly #to: StoredParticipant;
  readonly #placing: Placing;
  readonly #heads: HeadPiece[] = [];
  readonly #inboxes = new Map<ShardRef, Hash>();
  /** Sums of hashes, since these come in any order; each once. */
  readonly #numbered = { held: new Map<string, string>(), dead: new Map<string, string>() };
  #waiting = 0;

  constructor(id: number, comparer: Comparer) {
    const find = (participants: readonly StoredParticipant[]) => participants.find((each) => each.id === id) as StoredParticipant;
    this.id = id;
    this.#comparer = comparer;
    this.#from = find(comparer.contents.graph.participants);
    this.#to = find(comparer.target.stopped.graph.participants);
    this.#placing = comparer.target.placing(id);
  }

  #differs(what: string): void {
    this.#comparer.differs(this.#from.name, what);
  }

  async piece(piece: Piece): Promise<void> {
    switch (piece.kind) {
      case "shard":
        this.#heads.push(piece);
        return this.#placing.begin(piece);
      case "state":
        return await this.#state(piece.shard, piece.entries);
      case "held":
      case "dead":
        for (const entry of piece.entries) {
          const [shard, id] = piece.kind === "held" ? this.#placing.ofHeld(piece.shard, entry) : this.#placing.ofDead(piece.shard, entry);
          this.#numbered[piece.kind].set(`${shard}/${id}`, digestOf(entry.bytes));
        }
        return undefined;
      case "inbox":
        return this.#inbox(piece);
      default:
        return await this.#times(piece);
    }
  }

  async #state(shard: ShardRef, entries: readonly ContentsEntry[]): Promise<void> {
    for (const [target, part] of grouped(entries, (entry) => this.#placing.ofState(shard, entry))) {
      const fields = part.map(({ name }) => name);
      const values = await this.#comparer.target.stopped.store.readState(target, fields);
      part.forEach(({ name, bytes }, i) => {
        if (values[i] === undefined || Buffer.compare(values[i], bytes) !== 0)
          this.#differs(`state ${JSON.stringify(name)} is ${values[i] === undefined ? "missing" : "another"} in shard ${indexOf(target)}`);
      });
    }
  }

  async #times({ kind, shard, entries }: TimesPiece): Promise<void> {
    for (const [target, part] of grouped(entries, ({ member }) => this.#placing.ofTime(shard, kind, member))) {
      const names = part.map(({ member }) => member);
      const { reader, target: there } = this.#comparer;
      if (kind === "ids") {
        const known = await there.stopped.store.readIds(target, names);
        part.forEach(({ member }, i) => known[i] || this.#differs(`client id ${JSON.stringify(member)} is missing`));
        continue;
      }
      const found = (await reader.lookUp(target, { state: [], watermark: [], wall: [], holds: [], [kind]: names }))[kind];
      part.forEach(({ member, time }, i) => found[i] === time || this.#differs(`${kind} ${JSON.stringify(member)} is at ${found[i]}, not ${time}`));
    }
  }

  #inbox({ shard, offset, parcels }: InboxPiece): void {
    parcels.forEach((parcel, i) => {
      for (const { target, bytes, records } of this.#placing.ofParcel(shard, parcel, i === 0 ? offset : 0)) {
        this.#waiting += records;
        const hash = this.#inboxes.get(target) ?? createHash("sha256");
        this.#inboxes.set(target, hash.update(bytes));
      }
    });
  }

  async end(): Promise<ComparedParticipant> {
    const there = { state: 0, watermark: 0, wall: 0, holds: 0, ids: 0, held: 0, dead: 0, waiting: 0 };
    const images: ShardImage[] = [];
    for (let index = 0; index < this.#to.shards; index++) {
      const shard = this.id * 65_536 + index;
      const { there: counts } = await this.#comparer.reader.countEntries(shard);
      for (const kind of KINDS) there[kind] += counts[kind];
      if (counts.held > 0) await this.#checkNumbered(shard, "held");
      if (counts.dead > 0) await this.#checkNumbered(shard, "dead");
      there.waiting += await this.#checkInbox(shard);
      const { image } = await this.#comparer.reader.readHead(shard);
      images.push(image === undefined ? newImage() : decodeImage(image));
      this.#checkImage(index, image);
    }
    for (const kind of ["held", "dead"] as const) if (this.#numbered[kind].size > 0) this.#differs(`${this.#numbered[kind].size} ${kind} are missing`);
    const here = (kind: (typeof KINDS)[number]) => this.#heads.reduce((sum, { counts }) => sum + counts[kind], 0);
    const before = this.#heads.map(({ image }) => (image === undefined ? newImage() : decodeImage(image)));
    const counted: [ComparedKind, number, number][] = KINDS.map((kind) => [kind, here(kind), there[kind]]);
    counted.push(["waiting", this.#waiting, there.waiting], ["processed", summed(before).processed, summed(images).processed]);
    for (const [kind, from, to] of counted) if (from !== to) this.#differs(`${from} of ${kind} were read, ${to} are there`);
    const counts = Object.fromEntries(counted.map(([kind, from, to]) => [kind, [from, to]])) as unknown as ComparedParticipant["counts"];
    return { name: this.#from.name, kind: this.#from.kind, shards: [this.#from.shards, this.#to.shards], counts };
  }

  async #checkNumbered(shard: ShardRef, kind: "held" | "dead"): Promise<void> {
    const wanted = this.#numbered[kind];
    const seen = new Set<string>();
    let cursor: string | undefined;
    do {
      const page = await this.#comparer.reader.readEntries(shard, kind, cursor, 1_000);
      for (const { name, bytes } of page.entries) {
        const place = `${shard}/${name}`;
        if (seen.has(place)) continue;
        seen.add(place);
        if (bytes === undefined || wanted.get(place) !== digestOf(bytes)) this.#differs(`${kind} ${name} of shard ${indexOf(shard)} is not what was read`);
        wanted.delete(place);
      }
      cursor = page.next;
    } while (cursor !== undefined);
  }

  /** Gives the records that wait. */
  async #checkInbox(shard: ShardRef): Promise<number> {
    const hash = createHash("sha256");
    let records = 0;
    for (let from = 0, tail = 1; from < tail; ) {
      const page = await this.#comparer.reader.readParcels(shard, from, PARCELS);
      tail = page.tail;
      for (const parcel of page.parcels) {
        if (parcel === undefined) continue;
        hash.update(parcel);
        records += recordsOf(parcel);
      }
      if (page.parcels.length === 0) break;
      from = page.from + page.parcels.length;
    }
    const wanted = this.#inboxes.get(shard) ?? createHash("sha256");
    if (wanted.digest("hex") !== hash.digest("hex")) this.#differs(`what waits for shard ${indexOf(shard)} is not what was read, or not in its order`);
    return records;
  }

  /** A shard that stays what it was has the image that it had: its checkpoint above all. */
  #checkImage(index: number, image: Uint8Array | undefined): void {
    const before = this.#from.shards === this.#to.shards ? this.#heads[index]?.image : undefined;
    if (before !== undefined && (image === undefined || Buffer.compare(before, image) !== 0)) this.#differs(`the image of shard ${index} is another`);
  }
}

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("base64");

function grouped<Entry>(entries: readonly Entry[], targetOf: (entry: Entry) => ShardRef): Map<ShardRef, Entry[]> {
  const groups = new Map<ShardRef, Entry[]>();
  for (const entry of entries) {
    const target = targetOf(entry);
    const group = groups.get(target);
    if (group === undefined) groups.set(target, [entry]);
    else group.push(entry);
  }
  return groups;
}
