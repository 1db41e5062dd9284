/**
 * A pipeline's data in LMDB, as an audit reads it: beside the process that has the directory open, or in it, or when
 * none has. What is in the database is whole commits only, since a group of writes is one transaction.
 *
 * Z1  Each call looks at one snapshot and lets go of it, so that the pages it keeps from being used again are few.
 * Z2  A key is judged by where it lies: what is in no range that the graph accounts for is a stray.
 */
import type { RootDatabase, Transaction } from "lmdb";
import { IncompatibleDataError, messageOf } from "../errors.ts";
import { indexOf, participantOf, type ShardRef } from "../key.ts";
import type { Authority } from "../watermark/authority.ts";
import { participantOfTrack } from "../watermark/percentile.ts";
import type { ShardCounts } from "./embedded-shard.ts";
import {
  APPENDS,
  AUTHORITY,
  CLIENT_ID,
  DEAD,
  FORMAT,
  GRAPH,
  headKey,
  HELD,
  HOLD,
  IMAGE,
  LEASES,
  MARK,
  numberKey,
  numberOf,
  OUTBOX,
  OWNER,
  outboxPlaceOf,
  PARCEL,
  PIPELINE,
  RECORD,
  REMOVED,
  rangeOf,
  rangeOfParticipant,
  refKey,
  refOf,
  STATE,
  textKey,
  textOf,
  timeKey,
  type TimeKinds,
  WALL,
  WATERMARK,
} from "./lmdb-keys.ts";
import type { Range } from "./lmdb-reader.ts";
import { decodeRecord, type RecordFields } from "./lmdb-record.ts";
import { OUTBOX_HEAD } from "./lmdb-shard.ts";
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
} from "./reader.ts";
import type { StoredGraph } from "./stored-graph.ts";

/** Bytes of values after which a page ends. */
const PAGE_BYTES = 4 << 20;
/** Strays that are told. */
const STRAYS = 1_000;

const ENTRIES: Readonly<Record<EntryKind, number>> = { state: STATE, held: HELD, dead: DEAD, outbox: OUTBOX };
const TIMES: Readonly<Record<TimeKind, TimeKinds>> = { watermark: WATERMARK, wall: WALL, holds: HOLD, ids: CLIENT_ID };

type Db = RootDatabase<Buffer, Buffer>;

export class LmdbStoreReader implements StoreReader {
  readonly description: string;
  readonly generation = 0;
  readonly #db: Db;
  readonly #closed: () => Promise<void>;

  /** `closed`: called by `close`. */
  constructor(db: Db, description: string, closed: () => Promise<void>) {
    this.#db = db;
    this.description = description;
    this.#closed = closed;
  }

  async readGraph(): Promise<StoredGraph | undefined> {
    return this.#look((view) => {
      const json = view.get(headKey(PIPELINE, GRAPH));
      try {
        return json === undefined ? undefined : (JSON.parse(json.toString()) as StoredGraph);
      } catch (error) {
        throw new IncompatibleDataError(`${this.description}: the stored graph cannot be read (${messageOf(error)}): restore it from a copy of the data`);
      }
    });
  }

  async readAuthorities(participants: readonly number[]): Promise<ReadonlyMap<number, Authority>> {
    return this.#look((view) => {
      const authorities = new Map<number, Authority>();
      for (const participant of participants) {
        const json = view.get(refKey(PIPELINE, AUTHORITY, participant));
        try {
          if (json !== undefined) authorities.set(participant, JSON.parse(json.toString()) as Authority);
        } catch {
          // What cannot be read is not there.
        }
      }
      return authorities;
    });
  }

  async readStrays(graph: StoredGraph): Promise<Stray[]> {
    return this.#look((view) => {
      const strays: Stray[] = [];
      const removed = new Set([...view.keys(rangeOf(PIPELINE, REMOVED))].map(refOf));
      const shards = new Map(graph.participants.map(({ id, shards }) => [id, shards]));
      // From the first key that is not accounted for to the next range, one look-up for each range.
      for (let at = headKey(0, 0); strays.length < STRAYS; ) {
        const key = view.first(at);
        if (key === undefined) break;
        const beyond = endOfKnown(key, shards, removed);
        if (beyond === undefined) strays.push({ key: key.toString("hex"), what: "unknown", shard: undefined });
        at = beyond ?? nextKey(key);
      }
      for (const kind of [GRAPH, APPENDS]) {
        if (view.get(headKey(PIPELINE, kind)) === undefined) strays.push({ key: headKey(PIPELINE, kind).toString("hex"), what: "missing", shard: undefined });
      }
      return strays;
    });
  }

  async readHead(shard: ShardRef): Promise<ShardHead> {
    return this.#look((view) => {
      const kept = view.kept(shard);
      const { sequencer, monotonic, owner, leaseUntil, number, id, position, offset, tail, queued, consumedIdentity } = kept;
      const parcels = view.count(rangeOf(shard, PARCEL));
      const image = view.get(headKey(shard, IMAGE));
      return { shard, sequencer, monotonic, owner, leaseUntil, number, id, image, position, offset, tail, queued, consumed: consumedIdentity, parcels };
    });
  }

  async countEntries(shard: ShardRef): Promise<{ readonly counted: EntryCount; readonly there: EntryCount }> {
    return this.#look((view) => {
      const { counts } = view.kept(shard);
      const there: Record<EntryKind | TimeKind, number> = { ...counts };
      for (const [kind, code] of Object.entries(ENTRIES) as [EntryKind, number][]) there[kind] = view.count(rangeOf(shard, code));
      for (const [kind, { member, order }] of Object.entries(TIMES) as [TimeKind, TimeKinds][]) {
        const members = view.count(rangeOf(shard, member));
        // Each member is there twice, by its name and by its time.
        there[kind] = members === counts[kind] ? view.count(rangeOf(shard, order)) : members;
      }
      return { counted: counts, there };
    });
  }

  async readParcels(shard: ShardRef, from: number, maxParcels: number): Promise<ParcelPage> {
    return this.#look((view) => {
      const { position, offset, tail, queued } = view.kept(shard);
      const start = Math.max(from, position);
      const end = Math.min(tail, start + Math.max(maxParcels, 1));
      const parcels: (Buffer | undefined)[] = [];
      for (let at = start; at < end; at++) parcels.push(view.get(numberKey(shard, PARCEL, at)));
      return { from: start, position, offset, tail, queued, parcels };
    });
  }

  async readEntries(shard: ShardRef, kind: EntryKind, cursor: string | undefined, limit: number): Promise<Page<ReadEntry>> {
    return this.#look((view) => {
      const code = ENTRIES[kind];
      const entries: ReadEntry[] = [];
      let bytes = 0;
      for (const { key, value } of view.entries(after(rangeOf(shard, code), cursor), limit)) {
        entries.push(entryOf(kind, key, value));
        bytes += value.length;
        if (entries.length >= limit || bytes >= PAGE_BYTES) return { entries, next: key.toString("latin1") };
      }
      return { entries, next: undefined };
    });
  }

  async readTimes(shard: ShardRef, kind: TimeKind, cursor: string | undefined, limit: number): Promise<Page<ReadTime>> {
    return this.#look((view) => {
      const kinds = TIMES[kind];
      const entries: ReadTime[] = [];
      let last: Buffer | undefined;
      for (const { key, value } of view.entries(after(rangeOf(shard, kinds.member), cursor), limit)) {
        const [member, time] = [textOf(key), value.length === 8 ? value.readDoubleBE(0) : Number.NaN];
        entries.push({ member, time, ordered: view.get(timeKey(shard, kinds.order, time, member)) !== undefined });
        last = key;
      }
      return { entries, next: entries.length < limit ? undefined : last?.toString("latin1") };
    });
  }

  async lookUp(shard: ShardRef, names: Names): Promise<Found> {
    return this.#look((view) => {
      const times = (kind: TimeKind) => names[kind as "watermark" | "wall" | "holds"].map((name) => view.number(textKey(shard, TIMES[kind].member, name)));
      return {
        state: names.state.map((name) => view.get(textKey(shard, STATE, name))),
        watermark: times("watermark"),
        wall: times("wall"),
        holds: times("holds"),
      };
    });
  }

  async readValues(shard: ShardRef, fields: readonly string[]): Promise<ValuesRead> {
    return this.#look((view) => ({ number: view.kept(shard).number, values: fields.map((field) => view.get(textKey(shard, STATE, field))) }));
  }

  close(): Promise<void> {
    return this.#closed();
  }

  #look<T>(work: (view: View) => T): T {
    const transaction = this.#db.useReadTransaction();
    try {
      return work(new View(this.#db, transaction));
    } finally {
      transaction.done();
    }
  }
}

/** One snapshot. */
class View {
  readonly #db: Db;
  readonly #transaction: Transaction;

  constructor(db: Db, transaction: Transaction) {
    this.#db = db;
    this.#transaction = transaction;
  }

  get(key: Buffer): Buffer | undefined {
    return this.#db.get(key, { transaction: this.#transaction });
  }
  number(key: Buffer): number | undefined {
    return this.get(key)?.readDoubleBE(0);
  }
  keys(range: Range): Iterable<Buffer> {
    return this.#db.getKeys({ ...range, transaction: this.#transaction });
  }
  first(start: Buffer): Buffer | undefined {
    for (const key of this.#db.getKeys({ start, limit: 1, transaction: this.#transaction })) return key;
    return undefined;
  }
  entries(range: Range, limit: number): Iterable<{ key: Buffer; value: Buffer }> {
    return this.#db.getRange({ ...range, limit, transaction: this.#transaction });
  }
  count(range: Range): number {
    return this.#db.getKeysCount({ ...range, transaction: this.#transaction });
  }
  /** What is one value of a shard; all zero where nothing was ever written, NaN where it cannot be taken apart. */
  kept(shard: ShardRef): RecordFields & { readonly counts: EntryCount } {
    const record = this.get(headKey(shard, RECORD));
    const fields: RecordFields = { ...UNWRITTEN };
    try {
      const counts = record === undefined ? NOTHING : countsOf(decodeRecord(record, fields));
      return { ...fields, counts };
    } catch {
      return { ...UNWRITTEN, number: Number.NaN, position: Number.NaN, tail: Number.NaN, queued: Number.NaN, counts: NOTHING };
    }
  }
}

const UNWRITTEN: RecordFields = {
  sequencer: undefined,
  monotonic: 0,
  owner: undefined,
  leaseUntil: 0,
  number: 0,
  id: "",
  position: 0,
  offset: 0,
  tail: 0,
  queued: 0,
  consumedIdentity: new Uint8Array(0),
};
const NOTHING: EntryCount = { state: 0, held: 0, dead: 0, outbox: 0, watermark: 0, wall: 0, holds: 0, ids: 0 };

function countsOf({ state, held, dead, outbox, watermark, wall, holds, ids }: ShardCounts): EntryCount {
  return { state, held, dead, outbox, watermark, wall, holds, ids };
}

/** What comes after the entry at which the last page ended. */
function after(range: Range, cursor: string | undefined): Range {
  return cursor === undefined ? range : { ...range, start: nextKey(Buffer.from(cursor, "latin1")) };
}

const nextKey = (key: Buffer): Buffer => Buffer.concat([key, Buffer.alloc(1)]);

function entryOf(kind: EntryKind, key: Buffer, value: Buffer): ReadEntry {
  if (kind === "state") return { name: textOf(key), bytes: value };
  if (kind !== "outbox") return { name: String(numberOf(key)), bytes: value };
  const { target, place } = outboxPlaceOf(key);
  return { name: `${target}:${place.monotonic}.${place.n}`, bytes: value.length < OUTBOX_HEAD ? undefined : value.subarray(OUTBOX_HEAD) };
}

const OF_PIPELINE: ReadonlySet<number> = new Set([FORMAT, GRAPH, APPENDS, AUTHORITY, REMOVED, OWNER, LEASES]);
const OF_SHARD: ReadonlySet<number> = new Set([
  ...[RECORD, IMAGE, PARCEL, STATE, HELD, DEAD, OUTBOX, MARK],
  ...[WATERMARK, WALL, HOLD, CLIENT_ID].flatMap(({ member, order }) => [member, order]),
]);

/** Where the range of a key ends that the graph accounts for; undefined: it does not. */
function endOfKnown(key: Buffer, shards: ReadonlyMap<number, number>, removed: ReadonlySet<number>): Buffer | undefined {
  if (key.length < 5) return undefined;
  const [shard, kind] = [key.readUInt32BE(0), key[4] as number];
  if (shard === PIPELINE) {
    const unknown = !OF_PIPELINE.has(kind) || (kind === AUTHORITY && !shards.has(participantOfTrack(refOf(key))));
    return unknown ? undefined : nextKey(key);
  }
  if (removed.has(participantOf(shard))) return rangeOfParticipant(participantOf(shard)).end;
  if (indexOf(shard) >= (shards.get(participantOf(shard)) ?? 0)) return undefined;
  return OF_SHARD.has(kind) ? rangeOf(shard, kind).end : undefined;
}
