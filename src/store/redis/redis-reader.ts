/**
 * A pipeline's data in Redis, as an audit reads it: over a connection on which nothing is written. A replica will do.
 *
 * Y1  Each call is one script without writes, or one command, so it is one moment; `readStrays` alone is many, of keys
 *     that come and go only with the graph.
 */
import { Buffer } from "node:buffer";
import { IncompatibleDataError, messageOf } from "../../errors.ts";
import { shardRef, type ShardRef } from "../../key.ts";
import type { Authority } from "../../watermark/authority.ts";
import type {
  EntryCount,
  EntryKind,
  Found,
  Names,
  Page,
  ParcelPage,
  ReadEntry,
  ReadTime,
  ShardHead,
  StoreReader,
  Stray,
  TimeKind,
  ValuesRead,
} from "../reader.ts";
import { STATE_HEAD } from "../reader.ts";
import type { StoredGraph } from "../stored-graph.ts";
import { parseAuthority, parsePublished } from "./authority-bytes.ts";
import { Calls } from "./calls.ts";
import type { Keys, Structure } from "./keys.ts";
import type { Line, Servers } from "./line.ts";
import { parseOutboxEntry } from "./outbox-text.ts";
import { asBytes, asList, asNumber, asText } from "./reply.ts";
import { encode } from "./request.ts";
import { slotOf } from "./slots.ts";
import { LOOK_UP, READ_COUNTS, READ_ENTRIES, READ_HEAD, READ_PARCELS, READ_TIMES, READ_VALUES } from "./scripts.ts";

/** Bytes of values that a page should have about: how large they are is learned from the page before. */
const PAGE_BYTES = 4 << 20;
/** Entries of the first page, of which nothing is known. */
const FIRST_PAGE = 64;
/** More bytes than a value can have. */
const WHOLE = 2 ** 31;
/** Keys that one SCAN looks at, and types asked for at once. */
const SCANNED = 1_000;
/** Where an inbox has consumed nothing, its head is this. */
const NO_PARCEL = "_";

const STRUCTURE: Readonly<Record<EntryKind | TimeKind, Structure>> = {
  state: "state",
  held: "held",
  dead: "dead",
  outbox: "outbox",
  watermark: "timers",
  wall: "wall",
  holds: "holds",
  ids: "ids",
};
const KINDS = ["state", "held", "dead", "outbox", "watermark", "wall", "holds", "ids"] as const;

export class RedisReader implements StoreReader {
  readonly #servers: Servers;
  readonly #keys: Keys;
  /** On the pipeline's own keys; and by domain. */
  readonly #calls: Calls;
  readonly #byDomain: readonly Calls[];
  readonly #stateBytes: number;

  /** `whole`: give state values whole. */
  constructor(servers: Servers, keys: Keys, whole = false) {
    this.#servers = servers;
    this.#calls = new Calls(servers.line(keys.slot));
    this.#byDomain = Array.from({ length: keys.domains }, (_, domain) => (keys.domains === 1 ? this.#calls : new Calls(servers.line(keys.slotOf(domain)))));
    this.#keys = keys;
    this.#stateBytes = whole ? WHOLE : STATE_HEAD;
  }

  #of(shard: ShardRef): Calls {
    return this.#byDomain[this.#keys.domainOf(shard)]!;
  }

  get description(): string {
    return this.#servers.description;
  }
  get generation(): number {
    return this.#servers.generation;
  }

  /** Pipelines of this prefix, by the keys that hold their graphs. */
  async pipelines(): Promise<string[]> {
    const names = new Set<string>();
    for await (const key of this.#scan(this.#keys.graphsPattern)) {
      const name = this.#keys.pipelineOf(key);
      if (name !== undefined) names.add(name);
    }
    return [...names].sort();
  }

  async readGraph(): Promise<StoredGraph | undefined> {
    const json = asBytes(await this.#calls.command("HGET", this.#calls.begin(this.#keys.graph).text("graph")));
    if (json === undefined) return undefined;
    try {
      return JSON.parse(asText(json)) as StoredGraph;
    } catch (error) {
      throw new IncompatibleDataError(`${this.description}: the stored graph cannot be read (${messageOf(error)}): restore it from a copy of the data`);
    }
  }

  async readAuthorities(participants: readonly number[]): Promise<ReadonlyMap<number, Authority>> {
    const request = this.#calls.begin(this.#keys.authority).text("published");
    for (const participant of participants) request.text(`owners:${participant}`).text(`cells:${participant}`);
    const [published, ...stored] = asList(await this.#calls.command("HMGET", request)).map(asBytes);
    const authorities = new Map<number, Authority>();
    participants.forEach((participant, i) => {
      const [owners, cells] = [stored[2 * i], stored[2 * i + 1]];
      if (published === undefined || owners === undefined || cells === undefined) return;
      try {
        const found = parsePublished(published).find((each) => each.participant === participant);
        if (found === undefined) return;
        const { output, last, status } = found;
        authorities.set(
          participant,
          parseAuthority(asText(owners), cells, { output, last, status }, (digest) => `?${digest}`),
        );
      } catch {
        // What cannot be read is not there.
      }
    });
    return authorities;
  }

  async readStrays(graph: StoredGraph): Promise<Stray[]> {
    const expected = new Map<string, { readonly type: string; readonly shard: ShardRef | undefined }>();
    for (const [name, type] of this.#keys.pipelineTypes()) expected.set(name, { type, shard: undefined });
    for (const { id, shards } of graph.participants) {
      for (let index = 0; index < shards; index++) {
        const shard = shardRef(id, index);
        for (const [name, type] of this.#keys.shardTypes(shard)) expected.set(name, { type, shard });
      }
    }
    const strays = new Map<string, Stray>();
    const probe = `${[...expected.keys()][0]?.slice(0, -1)}probe`;
    for await (const key of this.#scan(this.#keys.pattern)) {
      if (this.#keys.owns(key) && !expected.has(key) && key !== probe) strays.set(key, { key, what: "unknown", shard: undefined });
    }
    const names = [...expected];
    for (let from = 0; from < names.length; from += SCANNED) {
      const part = names.slice(from, from + SCANNED);
      const types = await Promise.all(part.map(([key, { shard }]) => this.#typeOf(key, shard)));
      part.forEach(([key, { type, shard }], i) => {
        const found = asText(types[i]);
        if (found === "none") strays.set(key, { key, what: "missing", shard });
        else if (found !== type) strays.set(key, { key, what: "of another type", shard });
      });
    }
    return [...strays.values()];
  }

  /** Keys that are no shard's are the pipeline's or a domain's. */
  async #typeOf(key: string, shard: ShardRef | undefined): Promise<unknown> {
    const line = shard === undefined ? this.#servers.line(slotOf(key)) : undefined;
    const calls = line === undefined ? this.#of(shard as ShardRef) : new Calls(line);
    return calls.command("TYPE", calls.begin(encode(key)));
  }

  async readHead(shard: ShardRef): Promise<ShardHead> {
    const { meta, inbox } = this.#keys.of(shard);
    const calls = this.#of(shard);
    const reply = asList(await calls.run(READ_HEAD, calls.begin(meta, inbox)));
    const [sequencer, monotonic, owner, until, number, id, image, position, offset, tail, queued, length, consumed] = reply;
    const head = asText(consumed);
    return {
      shard,
      sequencer: textOf(sequencer),
      monotonic: numberOf(monotonic),
      owner: textOf(owner),
      leaseUntil: numberOf(until),
      number: numberOf(number),
      id: textOf(id) ?? "",
      image: asBytes(image),
      position: numberOf(position),
      offset: numberOf(offset),
      tail: numberOf(tail),
      queued: numberOf(queued),
      consumed: head === NO_PARCEL ? new Uint8Array(0) : (asBytes(consumed) as Uint8Array),
      parcels: asNumber(length) - 1,
    };
  }

  async countEntries(shard: ShardRef): Promise<{ readonly counted: EntryCount; readonly there: EntryCount }> {
    const keys = this.#keys.of(shard);
    const calls = this.#of(shard);
    const counts = asList(await calls.run(READ_COUNTS, calls.begin(...KINDS.map((kind) => keys[STRUCTURE[kind]])))).map(asNumber);
    // Whoever counts takes the sentinel to be there.
    const counted = Object.fromEntries(KINDS.map((kind, i) => [kind, counts[2 * i]! - 1])) as EntryCount;
    const there = Object.fromEntries(KINDS.map((kind, i) => [kind, counts[2 * i]! - counts[2 * i + 1]!])) as EntryCount;
    return { counted, there };
  }

  async readParcels(shard: ShardRef, from: number, maxParcels: number): Promise<ParcelPage> {
    const { meta, inbox } = this.#keys.of(shard);
    const calls = this.#of(shard);
    const reply = asList(await calls.run(READ_PARCELS, calls.begin(meta, inbox).integer(from).integer(Math.max(maxParcels, 1))));
    const [start, position, offset, tail, queued, parcels] = reply;
    return {
      from: asNumber(start),
      position: numberOf(position),
      offset: numberOf(offset),
      tail: numberOf(tail),
      queued: numberOf(queued),
      parcels: asList(parcels) as Uint8Array[],
    };
  }

  async readEntries(shard: ShardRef, kind: EntryKind, cursor: string | undefined, limit: number): Promise<Page<ReadEntry>> {
    const [at, count] = placeOf(cursor, limit);
    const calls = this.#of(shard);
    const request = calls.begin(this.#keys.of(shard)[STRUCTURE[kind]]).text(at).integer(count);
    const [next, bytes, packed] = asList(await calls.run(READ_ENTRIES, request.integer(kind === "state" ? this.#stateBytes : WHOLE)));
    const entries: ReadEntry[] = [];
    let name: string | undefined;
    for (const part of packedTexts(asBytes(packed) as Buffer)) {
      if (name === undefined) {
        name = part.toString();
        continue;
      }
      if (name !== "") entries.push(kind === "outbox" ? outboxEntry(name, part) : { name, bytes: part });
      name = undefined;
    }
    return { entries, next: nextOf(asText(next), Math.max(16, Math.floor((PAGE_BYTES * Math.max(entries.length, 1)) / Math.max(asNumber(bytes), 1)))) };
  }

  async readTimes(shard: ShardRef, kind: TimeKind, cursor: string | undefined, limit: number): Promise<Page<ReadTime>> {
    const [at, count] = placeOf(cursor, limit);
    const calls = this.#of(shard);
    const [next, packed] = asList(await calls.run(READ_TIMES, calls.begin(this.#keys.of(shard)[STRUCTURE[kind]]).text(at).integer(count)));
    const entries: ReadTime[] = [];
    let member: string | undefined;
    for (const part of packedTexts(asBytes(packed) as Buffer)) {
      if (member === undefined) {
        member = part.toString();
        continue;
      }
      if (member !== "") entries.push({ member, time: Number(part.toString("latin1")), ordered: true });
      member = undefined;
    }
    return { entries, next: nextOf(asText(next), limit) };
  }

  async lookUp(shard: ShardRef, { state, watermark, wall, holds }: Names): Promise<Found> {
    const keys = this.#keys.of(shard);
    const calls = this.#of(shard);
    const request = calls.begin(keys.state, keys.timers, keys.wall, keys.holds).integer(STATE_HEAD);
    request.integer(state.length).integer(watermark.length).integer(wall.length);
    for (const name of [...state, ...watermark, ...wall, ...holds]) request.text(name);
    const [values, ...times] = asList(await calls.run(LOOK_UP, request)).map(asList);
    const [timers, walls, held] = times.map((part) => part.map((time) => (time === null ? undefined : asNumber(time))));
    return { state: values!.map(asBytes), watermark: timers!, wall: walls!, holds: held! };
  }

  async readValues(shard: ShardRef, fields: readonly string[]): Promise<ValuesRead> {
    const { meta, state } = this.#keys.of(shard);
    const calls = this.#of(shard);
    const request = calls.begin(meta, state);
    for (const field of fields) request.text(field);
    const [number, ...values] = asList(await calls.run(READ_VALUES, request));
    return { number: numberOf(number), values: values.map(asBytes) };
  }

  async close(): Promise<void> {
    await this.#servers.close();
  }

  async *#scan(pattern: string): AsyncGenerator<string> {
    for (const line of this.#servers.lines()) yield* this.#scanOne(line, pattern);
  }

  async *#scanOne(line: Line, pattern: string): AsyncGenerator<string> {
    const calls = new Calls(line);
    let cursor = "0";
    do {
      const request = calls.begin();
      for (const word of [cursor, "MATCH", pattern, "COUNT", String(SCANNED)]) request.text(word);
      const [next, keys] = asList(await calls.command("SCAN", request));
      cursor = asText(next);
      for (const key of asList(keys)) yield asText(key);
    } while (cursor !== "0");
  }
}

const textOf = (reply: unknown): string | undefined => (reply === null ? undefined : asText(reply));
/** NaN where there is none, or none that can be read. */
const numberOf = (reply: unknown): number => (reply === null ? Number.NaN : typeof reply === "number" ? reply : Number(asText(reply)));

/** A cursor is the server's, and how many entries to ask for. */
function placeOf(cursor: string | undefined, limit: number): [at: string, count: number] {
  if (cursor === undefined) return ["0", Math.min(limit, FIRST_PAGE)];
  const [at = "0", count] = cursor.split("/");
  return [at, Math.min(limit, Number(count))];
}
const nextOf = (cursor: string, count: number): string | undefined => (cursor === "0" ? undefined : `${cursor}/${count}`);

/** The texts of a list that `cmsgpack.pack` has made of nothing but texts. */
function packedTexts(list: Buffer): Buffer[] {
  const first = list[0] as number;
  let at = first === 0xdd ? 5 : first === 0xdc ? 3 : 1;
  const count = first === 0xdd ? list.readUInt32BE(1) : first === 0xdc ? list.readUInt16BE(1) : first & 0x0f;
  const texts: Buffer[] = [];
  for (let n = 0; n < count; n++) {
    const head = list[at] as number;
    const [bytes, length] =
      head === 0xdb
        ? [5, list.readUInt32BE(at + 1)]
        : head === 0xda
          ? [3, list.readUInt16BE(at + 1)]
          : head === 0xd9
            ? [2, list[at + 1] as number]
            : [1, head & 0x1f];
    texts.push(list.subarray(at + bytes, at + bytes + length));
    at += bytes + length;
  }
  return texts;
}

function outboxEntry(name: string, value: Uint8Array): ReadEntry {
  try {
    return { name, bytes: parseOutboxEntry(name, value).bytes };
  } catch {
    return { name, bytes: undefined };
  }
}
