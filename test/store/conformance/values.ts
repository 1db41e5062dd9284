/** The graph, shards and values that conformance cases work with. Without Vitest, so processes of their own can use it. */
import type { Clock } from "../../../src/clock.ts";
import { HASH_NAME, shardRef, type ShardRef } from "../../../src/key.ts";
import { NO_EFFECTS, PARCEL_IDENTITY_BYTES, type Commit, type Consumption, type ParcelAppend } from "../../../src/store/commit.ts";
import { DATA_FORMAT, type StoredGraph, type StoredParticipant } from "../../../src/store/stored-graph.ts";

export const SOURCE = 1;
export const COUNTER = 2;
export const JOINER = 3;
export const REPORT = 4;

const participant = (id: number, name: string, kind: StoredParticipant["kind"], shards: number): StoredParticipant => ({
  id,
  name,
  kind,
  shards,
  inputs: [],
  outputs: [],
  cells: [],
  timers: [],
});

export const GRAPH: StoredGraph = {
  format: DATA_FORMAT,
  version: 1,
  pipeline: "conformance",
  shards: 4,
  hash: HASH_NAME,
  nextId: 5,
  participants: [
    participant(SOURCE, "source", "injector", 2),
    participant(COUNTER, "counter", "computation", 4),
    participant(JOINER, "joiner", "computation", 4),
    participant(REPORT, "report", "sink", 1),
  ],
};

/** The graph without `removed`, with a participant 5 named "late" of 3 shards if `added`. */
export function nextGraph(version: number, { removed = [], added = false }: { removed?: readonly number[]; added?: boolean } = {}): StoredGraph {
  const kept = GRAPH.participants.filter(({ id }) => !removed.includes(id));
  return { ...GRAPH, version, nextId: 6, participants: added ? [...kept, participant(5, "late", "computation", 3)] : kept };
}

/** Four shards of one atomic domain in any store, so commits of one may append to the others. */
export const source: ShardRef = shardRef(SOURCE, 0);
export const counter: ShardRef = shardRef(COUNTER, 0);
export const joiner: ShardRef = shardRef(JOINER, 0);
export const report: ShardRef = shardRef(REPORT, 0);
/** Two that may be in domains of their own. */
export const far: ShardRef = shardRef(COUNTER, 1);
export const farther: ShardRef = shardRef(JOINER, 2);

/** Longer than anything that a case stores. */
export const ALL = 1_000_000;
export const LEASE = 600_000;

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (value: Uint8Array | undefined): string | undefined => (value === undefined ? undefined : new TextDecoder().decode(value));

/** A parcel's bytes: `name`, filled up to the length of an identity, and a body. */
export function parcel(name: string, body = ""): Uint8Array {
  return bytes(name.padEnd(PARCEL_IDENTITY_BYTES, ".") + body);
}
export const append = (target: ShardRef, name: string, records = 1, body = ""): ParcelAppend => ({ target, records, bytes: parcel(name, body) });
export const identity = (name: string): Uint8Array => parcel(name);
export const consumed = (position: number, offset: number, records: number, name: string): Consumption => ({
  position,
  offset,
  records,
  identity: name === "" ? new Uint8Array(0) : identity(name),
});

/** What a case says of a commit; the rest is empty. */
export type Parts = Partial<Commit>;

/** A commit with nothing in it but an image. */
export const NOTHING = {
  ...NO_EFFECTS,
  graphVersion: 1,
  image: bytes("image"),
} as const;

export class TestClock implements Clock {
  time = 1_000_000_000_000;
  now(): number {
    return this.time;
  }
  after(): () => void {
    throw new Error("a store waits for nothing");
  }
  soon(wake: () => void): void {
    setImmediate(wake);
  }
}
