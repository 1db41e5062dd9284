/**
 * Reading a pipeline's data from outside: beside the workers that change it, or without any, and without writing. What
 * an audit asks for, and who looks at state; nothing here is on the path of a record. Each of the stores implements it beside `Store`.
 *
 * V1  Nothing is written: no data, no lease, not even what a worker's connection tries out.
 * V2  What one call gives is as of one moment, whatever is committed meanwhile; moments do not run back from call to
 *     call. Calls in a row are not one moment: whoever compares them needs an order, or `lookUp`.
 * V3  Pages: an entry that was there from the first page to the last is on at least one of them.
 * V4  Sentinels, and what else only the store knows of, are never among the entries.
 */
import type { Clock } from "../clock.ts";
import type { ShardRef } from "../key.ts";
import type { Authority } from "../watermark/authority.ts";
import type { Sequencer } from "./commit.ts";
import type { StoredGraph } from "./stored-graph.ts";

/** A store whose data can be looked at from outside. */
export interface ReadableStore {
  /** Names of the pipelines that have data here, in order. */
  pipelines(clock: Clock): Promise<readonly string[]>;
  /** Throws a `StoreRefusedError` where there is nothing that can be read, or nothing of that name. */
  read(options: ReadOptions): Promise<StoreReader>;
}

/** Can this store be looked at from outside? */
export function isReadable(store: object): store is ReadableStore {
  return "read" in store && "pipelines" in store;
}

export interface ReadOptions {
  readonly pipeline: string;
  readonly clock: Clock;
  /** Give state values whole, however large. Default: at least STATE_HEAD bytes of them. */
  readonly whole?: boolean;
}

export interface StoreReader {
  /** For people; without credentials. */
  readonly description: string;
  /** Rises when the server turned out to be another: what was read before may not be there now. */
  readonly generation: number;

  readGraph(): Promise<StoredGraph | undefined>;
  /** By participant. A worker that is not known by name is in it as "?" and what is known of it. */
  readAuthorities(participants: readonly number[]): Promise<ReadonlyMap<number, Authority>>;
  /** What is stored under the pipeline's name that the graph does not account for, and what is missing of it. */
  readStrays(graph: StoredGraph): Promise<readonly Stray[]>;
  readHead(shard: ShardRef): Promise<ShardHead>;
  /** Entries by kind: as the store has counted them, and as they are there. It may have to walk over them. */
  countEntries(shard: ShardRef): Promise<{ readonly counted: EntryCount; readonly there: EntryCount }>;
  /** Parcels from `from` on, or from the first that is kept; at least one if there is one. */
  readParcels(shard: ShardRef, from: number, maxParcels: number): Promise<ParcelPage>;
  /** A page of about `limit` entries; `cursor` is undefined at first, then the last page's `next`. */
  readEntries(shard: ShardRef, kind: EntryKind, cursor: string | undefined, limit: number): Promise<Page<ReadEntry>>;
  readTimes(shard: ShardRef, kind: TimeKind, cursor: string | undefined, limit: number): Promise<Page<ReadTime>>;
  /** Entries by their names, as of one moment. */
  lookUp(shard: ShardRef, names: Names): Promise<Found>;
  /** Values of state fields, whole and in their order, as of the commit of that number. */
  readValues(shard: ShardRef, fields: readonly string[]): Promise<ValuesRead>;
  close(): Promise<void>;
}

/** Of a large state value no more than its first `STATE_HEAD` bytes need to be given; the rest is whole. */
export type EntryKind = "state" | "held" | "dead" | "outbox";
export type TimeKind = "watermark" | "wall" | "holds" | "ids";
export type EntryCount = Readonly<Record<EntryKind | TimeKind, number>>;

/** Bytes of a state value that are read at least: more than the longest head of an envelope. */
export const STATE_HEAD = 256;

export interface Stray {
  /** The key, as a person would look for it in the store. */
  readonly key: string;
  readonly what: "unknown" | "missing" | "of another type";
  /** A shard of the graph that cannot be read for it. */
  readonly shard: ShardRef | undefined;
}

export interface ShardHead {
  readonly shard: ShardRef;
  readonly sequencer: Sequencer | undefined;
  readonly monotonic: number;
  readonly owner: string | undefined;
  readonly leaseUntil: number;
  readonly number: number;
  readonly id: string;
  readonly image: Uint8Array | undefined;
  readonly position: number;
  readonly offset: number;
  readonly tail: number;
  readonly queued: number;
  /** Identity of the parcel before `position`; empty: none was consumed. */
  readonly consumed: Uint8Array;
  /** Parcels that are there, from `position` on. */
  readonly parcels: number;
}

export interface ParcelPage extends Pick<ShardHead, "position" | "offset" | "tail" | "queued"> {
  readonly from: number;
  /** undefined: there should be one. */
  readonly parcels: readonly (Uint8Array | undefined)[];
}

/** `next` undefined: that was all. */
export interface Page<Entry> {
  readonly entries: readonly Entry[];
  readonly next: string | undefined;
}

/**
 * `name`: a state field; the id of a held record or dead letter; `<target>:<monotonic>.<n>` of an outbox entry, whose
 * bytes are its parcel, or undefined where the entry cannot be taken apart.
 */
export interface ReadEntry {
  readonly name: string;
  readonly bytes: Uint8Array | undefined;
}

export interface ReadTime {
  readonly member: string;
  readonly time: number;
  /** Is it found by its time as well as by its name? */
  readonly ordered: boolean;
}

export interface Names {
  readonly state: readonly string[];
  readonly watermark: readonly string[];
  readonly wall: readonly string[];
  readonly holds: readonly string[];
}

/** `number`: of the shard's last commit; 0 before the first. `values`: undefined, not there. */
export interface ValuesRead {
  readonly number: number;
  readonly values: readonly (Uint8Array | undefined)[];
}

/** In the order of the names; undefined: not there. */
export interface Found {
  readonly state: readonly (Uint8Array | undefined)[];
  readonly watermark: readonly (number | undefined)[];
  readonly wall: readonly (number | undefined)[];
  readonly holds: readonly (number | undefined)[];
}
