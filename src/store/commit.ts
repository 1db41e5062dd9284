/**
 * The commit: the one value by which stored data changes. It is sealed (made whole, checked against the limits and
 * encoded) before it is first sent, and the same bytes are sent until the store gives an outcome.
 *
 * I1  A commit applies whole or not at all.
 * I2  It applies only if its sequencer is the stored one, its number is the stored one + 1, its graph version is the
 *     stored one, and the parcel that it consumes last is the one it names.
 * I3  Applying it twice is applying it once: the same number and id answer `already`.
 * I4  The checks come in the order sequencer, number and id, graph version, consumption: the first that fails is the
 *     outcome. In every structure deletes are applied before sets.
 * I5  Of a chain all are applied or none: where another of its chain is refused, one that passes its own checks is `unchained`.
 */
import type { ShardRef } from "../key.ts";

/**
 * The token that a shard's owner shows on every write, `<monotonic>.<random>`; compared for equality. The monotonic
 * part is max(stored + 1, store clock in ms), so a store that lost its tail cannot grant the same one again.
 */
export type Sequencer = string;

export const monotonicOf = (sequencer: Sequencer): number => Number(sequencer.slice(0, sequencer.indexOf(".")));

export type TimerClock = "watermark" | "wall";

/**
 * Where an inbox is consumed to. Inbox positions count parcels, absolutely, from 0; a parcel is a run of records
 * from one sender (`worker/parcel.ts` has its layout). All parcels before `position` are consumed whole, and `offset`
 * records of the parcel at `position`.
 */
export interface Consumption {
  readonly position: number;
  readonly offset: number;
  /** Records consumed by this commit: what the inbox's `queued` count falls by. */
  readonly records: number;
  /** The first PARCEL_IDENTITY_BYTES bytes of the last parcel consumed from: at `position` if offset > 0, else before it. */
  readonly identity: Uint8Array;
}

/** Bytes at the head of every parcel that no other parcel in history shares. */
export const PARCEL_IDENTITY_BYTES = 24;

/** A run of records for one target shard's inbox. */
export interface ParcelAppend {
  readonly target: ShardRef;
  readonly records: number;
  readonly bytes: Uint8Array;
}

/** A parcel for a target in another atomic domain: it waits here until `deliver` has put it there. */
export interface OutboxEntry extends ParcelAppend {
  /** Place in the channel (this shard, target): n counts from 1 per sequencer. */
  readonly n: number;
  /** The channel's last place before this sequencer's first entry; carried by n = 1 only. */
  readonly previous?: Place | undefined;
}

/** A place in a channel. `monotonic` is the sequencer's. */
export interface Place {
  readonly monotonic: number;
  readonly n: number;
}

/** An entry for a stream of the user's, in the store itself, where that has streams (`PipelineStore.checkStreams`). */
export interface EntryAppend {
  readonly stream: string;
  /** Entries that the stream keeps at least; undefined: all. */
  readonly maxLength: number | undefined;
  /** Fields and values, in turns; one field at least. */
  readonly texts: readonly (string | Uint8Array)[];
  /** How long they are, as far as characters tell. */
  readonly bytes: number;
}

export interface Commit {
  readonly shard: ShardRef;
  readonly sequencer: Sequencer;
  readonly number: number;
  readonly id: string;
  readonly graphVersion: number;
  readonly consumed?: Consumption | undefined;
  /** What only the engine reads: input watermark, processing time, counters, checkpoint. Replaces the stored one. */
  readonly image: Uint8Array;
  /** State writes, field by field (`address.ts`); undefined deletes. No field appears twice. */
  readonly stateFields: readonly string[];
  readonly stateValues: readonly (Uint8Array | undefined)[];
  /** One net operation per timer member (`address.ts`); no member appears in both lists of a clock. */
  readonly timerSets: readonly TimerSet[];
  readonly timerDeletes: readonly TimerDelete[];
  /** The index of what holds the output watermark: member -> time. One net operation per member. */
  readonly holdSets: readonly HoldSet[];
  readonly holdDeletes: readonly string[];
  /** Records that could not finish with their batch, by an id that rises in the order they must be taken up. */
  readonly heldPuts: readonly Numbered[];
  readonly heldDeletes: readonly number[];
  readonly deadPuts: readonly Numbered[];
  readonly deadDeletes: readonly number[];
  /** Client ids taken by this commit (injectors only), with their records' timestamps. */
  readonly ids: readonly TakenId[];
  /** Forget ids whose timestamp is smaller, those of this commit included. */
  readonly idsExpireBelow?: number | undefined;
  /** To inboxes of the same atomic domain, appended by this commit, in this order. */
  readonly parcels: readonly ParcelAppend[];
  /**
   * Commits of one call with the same chain apply all or none: one hands records to the next, which has consumed them before they
   * had a place in its inbox. undefined: it stands for itself.
   */
  readonly chain?: number | undefined;
  /** What is handed over in the chain. The store keeps nothing of it; it is there for whoever watches commits. */
  readonly handed: readonly ParcelAppend[];
  readonly outbox: readonly OutboxEntry[];
  /** Delivered and acknowledged: (target, place). */
  readonly outboxDeletes: readonly OutboxKey[];
  /** Appended to streams of the store by this commit, in this order. */
  readonly entries: readonly EntryAppend[];
}

/**
 * What a commit changes that changes nothing, to be spread into those of tools and tests. Not for the engine: what is made by
 * spreading is slow to read (ARCHITECTURE.md, section 9).
 */
export const NO_EFFECTS = {
  stateFields: [],
  stateValues: [],
  timerSets: [],
  timerDeletes: [],
  holdSets: [],
  holdDeletes: [],
  heldPuts: [],
  heldDeletes: [],
  deadPuts: [],
  deadDeletes: [],
  ids: [],
  parcels: [],
  handed: [],
  outbox: [],
  outboxDeletes: [],
  entries: [],
} as const satisfies Partial<Commit>;

export interface TimerSet {
  readonly clock: TimerClock;
  readonly member: string;
  readonly time: number;
}
export interface TimerDelete {
  readonly clock: TimerClock;
  readonly member: string;
}
export interface HoldSet {
  readonly member: string;
  readonly time: number;
}
export interface Numbered {
  readonly id: number;
  readonly bytes: Uint8Array;
}
export interface TakenId {
  readonly id: string;
  readonly timestamp: number;
}
export interface OutboxKey {
  readonly target: ShardRef;
  readonly place: Place;
}

export type CommitOutcome =
  /** Applied now. */
  | "committed"
  /** Applied before: this is a resend. */
  | "already"
  /** Another owner has the shard. Drop it, never retry. */
  | "fenced"
  /** The store is not where this owner left it: it lost its tail, or an earlier commit has not arrived. */
  | "gap"
  /** The graph has changed since. */
  | "stale-graph"
  /** Another commit of its chain was refused. Drop the shard: what is remembered of it has not come to be. */
  | "unchained";
