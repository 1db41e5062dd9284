/** A stopped pipeline's contents, read from its store page by page: memory stays flat whatever there is. */
import { createHash } from "node:crypto";
import { IncompatibleDataError, StoreRefusedError } from "../errors.ts";
import { indexOf, participantOf, type ShardRef } from "../key.ts";
import type { EntryKind, Page, ShardHead, StoreReader } from "../store/reader.ts";
import type { StoredGraph } from "../store/stored-graph.ts";
import type { Published } from "../watermark/authority.ts";
import { type Contents, type ContentsEntry, ENTRIES_KINDS, type HeadPiece, type InboxPiece, type Piece, TIMES_KINDS } from "./contents.ts";
import { shardsOf, type StoppedPipeline } from "./stopped-pipeline.ts";
import { deliverAll } from "./undelivered.ts";

/** Entries asked for at once. */
const ENTRIES = 2_000;
/** Bytes of parcels that one piece has about. */
const PARCEL_BYTES = 1 << 20;
const PARCELS = 256;
/** Bytes of entries after which a piece ends. */
const PIECE_BYTES = 2 << 20;

export class StoredContents implements Contents {
  readonly description: string;
  readonly graph: StoredGraph;
  readonly fingerprint: string;
  readonly watermarks: ReadonlyMap<number, Published>;
  readonly #reader: StoreReader;
  readonly #stopped: StoppedPipeline;

  private constructor(reader: StoreReader, stopped: StoppedPipeline, fingerprint: string, watermarks: ReadonlyMap<number, Published>) {
    this.description = reader.description;
    this.graph = stopped.graph;
    this.fingerprint = fingerprint;
    this.watermarks = watermarks;
    this.#reader = reader;
    this.#stopped = stopped;
  }

  /** Of a pipeline all of whose shards are held. `reader` gives values whole. */
  static async of(reader: StoreReader, stopped: StoppedPipeline): Promise<StoredContents> {
    const { graph, store } = stopped;
    await deliverAll(store, shardsOf(graph), () => stopped.keep());
    const authorities = await reader.readAuthorities(graph.participants.map(({ id }) => id));
    const watermarks = new Map([...authorities].map(([id, { published }]) => [id, published]));
    return new StoredContents(reader, stopped, await fingerprintOf(reader, stopped), watermarks);
  }

  /** What was read is what is stored still. */
  async checkUnchanged(): Promise<void> {
    await this.#stopped.keep("now");
    if ((await fingerprintOf(this.#reader, this.#stopped)) === this.fingerprint) return;
    throw new StoreRefusedError(
      `pipeline "${this.graph.pipeline}" in ${this.description} was changed meanwhile: stop its workers, and give this command again`,
    );
  }

  async *pieces(wanted: (shard: ShardRef) => boolean): AsyncGenerator<Piece> {
    for (const shard of shardsOf(this.graph)) {
      await this.#stopped.keep();
      const head = await this.#reader.readHead(shard);
      yield await this.#headPiece(shard, head);
      if (!wanted(shard)) continue;
      yield* this.#entries(shard);
      yield* this.#inbox(shard, head);
    }
  }

  async #headPiece(shard: ShardRef, { monotonic, image }: ShardHead): Promise<HeadPiece> {
    const { there: counts } = await this.#reader.countEntries(shard);
    const held = counts.held === 0 ? [] : await this.#ids(shard, "held");
    const dead = counts.dead === 0 ? [] : await this.#ids(shard, "dead");
    return { kind: "shard", shard, monotonic, image, held, dead, counts };
  }

  async #ids(shard: ShardRef, kind: EntryKind): Promise<number[]> {
    const ids = new Set<number>();
    for await (const entries of this.#pages((cursor) => this.#reader.readEntries(shard, kind, cursor, ENTRIES)))
      for (const { name } of entries) ids.add(Number(name));
    return [...ids].sort((a, b) => a - b);
  }

  async *#entries(shard: ShardRef): AsyncGenerator<Piece> {
    for (const kind of ENTRIES_KINDS) {
      for await (const page of this.#pages((cursor) => this.#reader.readEntries(shard, kind, cursor, ENTRIES))) {
        const entries = page.map(({ name, bytes }): ContentsEntry => {
          if (bytes === undefined) throw new IncompatibleDataError(`${this.#name(shard)}: entry ${name} of ${kind} cannot be read: millrace audit tells more`);
          return { name, bytes };
        });
        for (const part of partsBySize(entries)) yield { kind, shard, entries: part };
      }
    }
    for (const kind of TIMES_KINDS) {
      for await (const entries of this.#pages((cursor) => this.#reader.readTimes(shard, kind, cursor, ENTRIES)))
        yield { kind, shard, entries: entries.map(({ member, time }) => ({ member, time })) };
    }
  }

  async *#inbox(shard: ShardRef, { position, offset, tail }: ShardHead): AsyncGenerator<InboxPiece> {
    let most = 1;
    for (let from = position; from < tail; ) {
      const { parcels } = await this.#reader.readParcels(shard, from, most);
      const whole = parcels.filter((parcel) => parcel !== undefined);
      if (whole.length === 0 || whole.length < parcels.length)
        throw new IncompatibleDataError(`${this.#name(shard)}: parcel ${from} of its inbox is missing: millrace audit tells more`);
      yield { kind: "inbox", shard, from, offset: from === position ? offset : 0, parcels: whole };
      from += whole.length;
      const bytes = whole.reduce((sum, { length }) => sum + length, 0);
      most = Math.max(1, Math.min(PARCELS, Math.floor((PARCEL_BYTES * whole.length) / Math.max(bytes, 1))));
      await this.#stopped.keep();
    }
  }

  async *#pages<Entry>(read: (cursor: string | undefined) => Promise<Page<Entry>>): AsyncGenerator<readonly Entry[]> {
    let cursor: string | undefined;
    do {
      const page = await read(cursor);
      if (page.entries.length > 0) yield page.entries;
      cursor = page.next;
      await this.#stopped.keep();
    } while (cursor !== undefined);
  }

  #name(shard: ShardRef): string {
    return `shard ${indexOf(shard)} of "${this.graph.participants.find(({ id }) => id === participantOf(shard))?.name}" in ${this.description}`;
  }
}

function partsBySize(entries: readonly ContentsEntry[]): ContentsEntry[][] {
  const parts: ContentsEntry[][] = [[]];
  let bytes = 0;
  for (const entry of entries) {
    if (bytes >= PIECE_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    bytes += entry.bytes.length;
    (parts.at(-1) as ContentsEntry[]).push(entry);
  }
  return parts;
}

/** Every change is a commit or an append, and these show both. Who owns a shard is no part of it. */
async function fingerprintOf(reader: StoreReader, stopped: StoppedPipeline): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify(await reader.readGraph()));
  for (const shard of shardsOf(stopped.graph)) {
    const { number, id, position, offset, tail } = await reader.readHead(shard);
    hash.update(`${shard} ${number} ${id} ${position} ${offset} ${tail}\n`);
    await stopped.keep();
  }
  return hash.digest("hex");
}
