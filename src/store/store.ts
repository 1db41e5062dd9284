/**
 * The Store contract. A `Store` is what a user names; `open` gives the part of it in which one pipeline's data lives.
 * Three stores implement it (memory, LMDB, Redis) and one conformance suite (`test/store/conformance.ts`) runs on each.
 *
 * Only `init`, `announce`, `depart`, `acquire`, `renew`, `release`, `commit`, `deliver`, `register` and `report` write.
 *
 * S1  Each writing call is atomic: all of it is visible to the next call, or none.
 * S2  Of one list, every commit gets its own outcome; one that is refused changes nothing and does not hinder others.
 *     A list has at most one commit of each shard (else InvariantError).
 * S3  Every structure of a shard exists from `init` on and is never empty (Redis: else TRYAGAIN while a slot moves).
 * S4  A call that throws `StoreUnavailableError` may or may not have been applied; the caller sends the same again.
 * S5  Inbox order is append order; parcels of one call are appended in the order of its commits.
 * S6  A shard that is not in the stored graph is an InvariantError, before any write of the call. Except where a worker
 *     with an older graph may honestly name one: `commit` answers `fenced`, `renew` lost, `report` refused, `release`
 *     leaves it alone, and the targets of a commit are looked at only if its graph version is the stored one (of one that
 *     is refused for another reason, a store may leave them alone too); `deliver` answers `gone`.
 * S7  Calls of one caller that concern shards of the same domain take effect, and are answered, in the order in which they
 *     were made: the engine merges what a read says with what it has committed since it asked. (An exclusive store may answer
 *     a read before a commit that has had its effect and is still being written.)
 * S8  Bytes given to a store or read from it are never changed by either side; a store may keep them without a copy.
 */
import type { Clock } from "../clock.ts";
import type { ShardRef } from "../key.ts";
import type { Random } from "../random.ts";
import type { Commit, CommitOutcome, HoldSet, Numbered, OutboxKey, Place, Sequencer, TimerClock } from "./commit.ts";
import type { Page } from "./reader.ts";
import type { StoredGraph } from "./stored-graph.ts";

/** What `run` takes as `store`. */
export interface Store {
  readonly kind: "store";
  /** Checks that the store can be used (each refusal is a `StoreRefusedError` that says what to do) and connects. */
  open(options: OpenOptions): Promise<PipelineStore>;
}

export interface OpenOptions {
  readonly pipeline: string;
  readonly clock: Clock;
  readonly random: Random;
}

export interface PipelineStore {
  /** Only one process can have this store open, so leases of earlier processes are dead and may be taken at once. */
  readonly exclusive: boolean;
  /** For people: "lmdb:./data", "redis://127.0.0.1:6379/0". Without credentials. */
  readonly description: string;
  /**
   * Rises whenever the server turns out to be another (restart, failover): what was read before may not be there now.
   * The engine then drops all it remembers and acquires anew.
   */
  readonly generation: number;

  /**
   * How many atomic domains the shards are in; fixed for the life of the data. A commit may append to inboxes of its own
   * shard's domain; to others it goes by the outbox and `deliver`.
   */
  readonly domains: number;
  /** From 0. Shards of one index are in one domain, whatever their participants: an edge that keeps the key stays in it. */
  domainOf(shard: ShardRef): number;

  // ── the graph ───────────────────────────────────────────────────────────────────────────────────────────────────
  readGraph(): Promise<StoredGraph | undefined>;
  /**
   * Stores `graph` and creates the structures of its shards, if the stored version is `expected` (undefined: none).
   * All data of participants that are no longer in it is removed. A participant's number of shards never changes.
   */
  init(graph: StoredGraph, expected: number | undefined): Promise<"stored" | "changed-meanwhile">;
  /** Entries of state, timers, inbox, held and dead letters of a participant: what dropping it would orphan. */
  countEntries(participant: number, shards: number): Promise<EntryCounts>;

  /**
   * Can commits append to these streams (`Commit.entries`)? Throws a `StoreRefusedError` where the store has no streams, or not
   * in one step with a commit, where a key holds something else, or where it is not allowed. Called once, at the start.
   */
  checkStreams(keys: readonly string[]): Promise<void>;

  // ── workers ─────────────────────────────────────────────────────────────────────────────────────────────────────
  /**
   * The worker is alive for `ms` from now on, by the store's clock. Forgets those whose time is over, and gives the names
   * of all that are alive, this one among them, sorted. For assigning shards; safety does not depend on it. An exclusive
   * store may forget all of it when it is closed. `about`: what it says of itself to those who ask, in the place of what
   * it has said before; the store does not look into it.
   */
  announce(worker: string, ms: number, about?: string): Promise<Announced>;
  /** The worker is gone, as if its time were over. */
  depart(worker: string): Promise<void>;
  /** The workers that are alive, by name, with what they say of themselves. */
  readWorkers(): Promise<{ readonly workers: readonly StoredWorker[]; readonly now: number }>;

  // ── ownership ───────────────────────────────────────────────────────────────────────────────────────────────────
  acquire(request: AcquireRequest): Promise<readonly AcquireOutcome[]>;
  /**
   * Renews leases that are still held, and makes one of them in each domain; tells which shards are not held. A shard that
   * is not listed is not in it, and is free when the one before, or what `acquire` has granted, is over.
   * `confirm` false: where the worker has such a lease in a domain, and no other has taken any of its shards, it is
   * prolonged as it is, and the shards are not looked at one by one. So whoever has not confirmed what it lists since it
   * acquired or forgot something does that first. What the worker itself, or one of an older version, has acquired anew
   * meanwhile may go unnoticed.
   */
  renew(worker: string, leases: readonly Lease[], leaseMs: number, confirm?: boolean): Promise<{ readonly lost: readonly ShardRef[]; readonly now: number }>;
  /** Gives leases up, so that another worker may acquire at once. Leases that are no longer held are left alone. */
  release(worker: string, leases: readonly Lease[]): Promise<void>;
  /** What a new owner needs, and no scan: called after `acquire`, before the first commit. */
  recover(shards: readonly ShardRef[], limits: RecoverLimits): Promise<readonly RecoveredShard[]>;

  // ── the life of a record ────────────────────────────────────────────────────────────────────────────────────────
  /** Applies commits, all of one domain. Sequencer, number, id, graph version and parcel identity are all checked before the first write. */
  commit(commits: readonly Commit[]): Promise<CommitReply>;
  /** Puts outbox entries into the inboxes of one domain, each once, in order. */
  deliver(deliveries: readonly Delivery[]): Promise<DeliverReply>;
  /**
   * Parcels of an inbox from an absolute position on, up to `maxParcels` (at least one, if there is one). Where those
   * are consumed and gone, it begins at the first that is kept: `from` of the reply says where.
   * They outlive the process, or with `early` as soon as a later commit does: for who does nothing with them but commit.
   */
  readInbox(shard: ShardRef, from: number, maxParcels: number, early?: boolean): Promise<InboxRead>;
  /** Values of state fields, in their order. */
  readState(shard: ShardRef, fields: readonly string[]): Promise<readonly (Uint8Array | undefined)[]>;
  /**
   * Names of state fields, or members of timers, that begin with one of the prefixes (of ASCII): a page of about `limit`, which
   * may be empty though others follow. `cursor` is undefined at first, then the last page's `next`. What is there from the first
   * page to the last is on one of them at least.
   */
  readNames(shard: ShardRef, kind: NamedKind, prefixes: readonly string[], cursor: string | undefined, limit: number): Promise<Page<string>>;
  /** The earliest timers, by (time, UTF-8 bytes of the member), with the times of their entries in `holds` (`timerHold(clock, member)`). */
  readTimers(shard: ShardRef, clock: TimerClock, limit: number): Promise<readonly StoredTimerEntry[]>;
  /** The smallest holds, by (time, UTF-8 bytes of the member). */
  readHolds(shard: ShardRef, limit: number): Promise<readonly HoldSet[]>;
  /** Which of these client ids an earlier commit of this shard took. */
  readIds(shard: ShardRef, ids: readonly string[]): Promise<readonly boolean[]>;
  /** Ends of inboxes of one domain, as of one moment, with the domain's append counter of that moment. */
  readTails(shards: readonly ShardRef[]): Promise<{ readonly tails: readonly InboxTail[]; readonly appends: number }>;
  readDeadLetters(shard: ShardRef, limit: number): Promise<readonly Numbered[]>;
  /** How far shards are with what was appended to them, each as of one moment: for who waits until all that comes of something is committed. */
  readProgress(shards: readonly ShardRef[]): Promise<readonly ShardProgress[]>;
  /** What is stored of shards, for people (HTTP, the command line): never on the record path. */
  summarize(shards: readonly ShardRef[]): Promise<readonly ShardSummary[]>;

  // ── watermarks: the authority ───────────────────────────────────────────────────────────────────────────────────
  /**
   * Declares the worker the owner of these shards for reports, before its first commit. Shards leave the worker that
   * had them; their last reported values stay in force until the new owner reports. The generation given back must
   * accompany this worker's reports of that participant.
   */
  register(worker: string, intervals: readonly Interval[]): Promise<readonly Registration[]>;
  /**
   * Takes the monotone maximum of each report and gives the vector of all participants' output watermarks. At most one
   * report of each participant: stores may publish after each, or once for all.
   */
  report(worker: string, reports: readonly WatermarkReport[]): Promise<ReportReply>;

  // ── the rest ────────────────────────────────────────────────────────────────────────────────────────────────────
  /**
   * Settles once the bytes of all calls have left the process, or are lost; undefined: they have. None leaves it while its thread
   * works, so a server waits for the end of a large call as long as that. A store without a connection has nothing to send.
   */
  sent(): Promise<void> | undefined;
  /** Settles when everything committed before the call is as durable as this store makes it. */
  flushed(): Promise<void>;
  /**
   * Why `flushed` does not say that all of it is on the disk, to outlive a failure of the machine: a sentence with what
   * to set. undefined: it does say that, as the store is set up now.
   */
  whyNotFsynced(): Promise<string | undefined>;
  close(): Promise<void>;
}

export interface EntryCounts {
  readonly state: number;
  readonly timers: number;
  readonly queued: number;
  readonly held: number;
  readonly dead: number;
  readonly outbox: number;
}

export interface Announced {
  readonly workers: readonly string[];
  /** The store has no room for more than what empties it: injectors pause. Heard within about a second. */
  readonly full: boolean;
  /** Version of the stored graph: a worker that runs another one has to leave, for its commits are refused. */
  readonly graph: number;
  /** Store clock, ms. */
  readonly now: number;
}

/** `until`: store clock, ms. `about` undefined: it has said nothing, as one of an older version. */
export interface StoredWorker {
  readonly worker: string;
  readonly until: number;
  readonly about: string | undefined;
}

export interface Lease {
  readonly shard: ShardRef;
  readonly sequencer: Sequencer;
}

export interface AcquireRequest {
  readonly worker: string;
  /** Each once. */
  readonly shards: readonly ShardRef[];
  readonly leaseMs: number;
  /** Take shards although another worker's lease has not run out: only where the store is exclusive, or in tests. */
  readonly steal?: boolean;
}
/**
 * `held-by` says who owns it and until when (store clock, ms). A worker may always re-acquire its own. `abandoned`: another
 * had it and never released it, so it has died, or is cut off.
 */
export type AcquireOutcome =
  | { readonly kind: "acquired"; readonly sequencer: Sequencer; readonly now: number; readonly abandoned: boolean }
  | { readonly kind: "held-by"; readonly worker: string; readonly until: number };

export interface RecoverLimits {
  readonly timers: number;
  readonly holds: number;
}

export interface RecoveredShard {
  readonly shard: ShardRef;
  /** Number of the last commit; 0 before the first. */
  readonly number: number;
  readonly image: Uint8Array | undefined;
  /** First parcel not wholly consumed, records of it already consumed, end of the inbox, records waiting. */
  readonly position: number;
  readonly offset: number;
  readonly tail: number;
  readonly queued: number;
  /** Entries of state: none means that every key is new. */
  readonly stateCount: number;
  readonly idCount: number;
  readonly deadCount: number;
  readonly watermarkTimers: readonly StoredTimerEntry[];
  readonly wallTimers: readonly StoredTimerEntry[];
  readonly watermarkTimerCount: number;
  readonly wallTimerCount: number;
  readonly holds: readonly HoldSet[];
  readonly holdCount: number;
  /** By id. */
  readonly held: readonly Numbered[];
  /** By (target, place). */
  readonly outbox: readonly StoredOutboxEntry[];
  /** Last place of every channel to this shard from another domain is kept by the store; nothing to recover. */
}

export interface StoredTimerEntry {
  readonly member: string;
  readonly time: number;
  readonly hold: number | undefined;
}
export interface StoredOutboxEntry extends OutboxKey {
  readonly records: number;
  readonly bytes: Uint8Array;
  readonly previous?: Place | undefined;
}

export interface CommitReply {
  /** In the order of the commits. */
  readonly outcomes: readonly CommitOutcome[];
  /** Of every shard that this call appended to, once each, in no order, as after the whole call. */
  readonly tails: readonly InboxTail[];
  /** Calls that have appended to any inbox of the domain so far, this one included. */
  readonly appends: number;
  /** Store clock, ms. */
  readonly now: number;
}

/** `tail`: parcels ever appended. `queued`: records waiting. */
export interface InboxTail {
  readonly shard: ShardRef;
  readonly tail: number;
  readonly queued: number;
}

export interface Delivery {
  readonly from: ShardRef;
  readonly to: ShardRef;
  readonly place: Place;
  readonly previous?: Place | undefined;
  readonly records: number;
  readonly bytes: Uint8Array;
}
/**
 * `delivered`: appended now. `duplicate`: it, or all of an older owner's channel, was there already. `behind`: entries
 * before it are missing; resend from the mark. `after-loss`: appended, and one of the two had lost a tail before it.
 * `gone`: the graph has no such shard any more.
 */
export type DeliverOutcome = "delivered" | "duplicate" | "behind" | "after-loss" | "gone";
export interface DeliverReply {
  readonly outcomes: readonly { readonly outcome: DeliverOutcome; readonly mark: Place | undefined }[];
  readonly tails: readonly InboxTail[];
  readonly appends: number;
}

/** What has names that a worker looks for: state, and the timers of a clock. */
export type NamedKind = "state" | TimerClock;

export interface InboxRead {
  readonly from: number;
  readonly parcels: readonly Uint8Array[];
  readonly tail: number;
}

/** `position`: the first parcel that is not wholly consumed. */
export interface ShardProgress {
  readonly shard: ShardRef;
  readonly position: number;
  readonly tail: number;
  readonly image: Uint8Array | undefined;
  /** Ids of what stands aside, ascending. */
  readonly held: readonly number[];
  /** Names of what is not delivered yet, as in `ReadEntry`; in no order. */
  readonly outbox: readonly string[];
}

export interface ShardSummary {
  readonly shard: ShardRef;
  readonly sequencer: Sequencer | undefined;
  readonly owner: string | undefined;
  readonly leaseUntil: number;
  readonly number: number;
  readonly image: Uint8Array | undefined;
  readonly queued: number;
  readonly tail: number;
  readonly stateCount: number;
  readonly watermarkTimers: number;
  readonly wallTimers: number;
  readonly held: number;
  readonly dead: number;
  readonly outbox: number;
}

export type Status = "live" | "idle" | "back-pressured" | "finished";

export interface Interval {
  /** Here and in what follows: its id, for its low watermark, or that of one of its percentile tracks (`watermark/percentile.ts`). */
  readonly participant: number;
  readonly shards: readonly number[];
  readonly of: number;
}
export interface Registration {
  readonly participant: number;
  readonly generation: number;
  /** What was reported of these shards so far, the least of it: no report of a new owner may be taken for less. */
  readonly output: number;
}

/**
 * One worker's share of one participant. `last`: the largest event time it knows of, for the end of input. `number`:
 * each report of a worker has a larger one than those before it; a report that comes after a larger one changes nothing.
 */
export interface WatermarkReport {
  readonly participant: number;
  readonly generation: number;
  readonly number: number;
  readonly output: number;
  readonly status: Status;
  readonly last: number;
}
/** A participant's output watermark: the minimum over its workers, never smaller than before. */
export interface ParticipantWatermark {
  readonly participant: number;
  readonly output: number;
  readonly status: Status;
  readonly last: number;
}
export interface ReportReply {
  /** Participants whose report was refused: their shards are not registered to this worker as it thinks. */
  readonly refused: readonly number[];
  readonly watermarks: readonly ParticipantWatermark[];
  /**
   * By domain, as in `CommitReply`, and no older than the watermarks: equal to what the caller has seen means that it knows
   * the end of every inbox of the domain. -1: it could not be read.
   */
  readonly appends: readonly number[];
  readonly now: number;
}
