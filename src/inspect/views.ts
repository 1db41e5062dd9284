/**
 * What the HTTP routes answer with, as JSON. Types alone; the functions that make them are beside this file.
 *
 * Times are integer milliseconds since the epoch, durations integer milliseconds. A field whose name ends in `Iso` says
 * the same time again for people, as in "2026-03-01T12:00:00.000Z"; it is null where the time is no date.
 */
import type { TimerClock } from "../store/commit.ts";
import type { Status } from "../store/store.ts";
import type { Counters } from "../worker/image.ts";
import type { HolderKind } from "../worker/holder.ts";
import type { LostConfirmed, LostShard } from "../worker/lost-tails.ts";
import type { EventTime, PercentileWatermarks, WatermarkPair } from "./watermark-pair.ts";

export type { EventTime } from "./watermark-pair.ts";

export type ParticipantKind = "injector" | "computation" | "sink";

export interface WatermarksView {
  readonly pipeline: string;
  /** The worker that answers: it knows its own shards best. */
  readonly worker: string;
  readonly now: number;
  readonly nowIso: string | null;
  /** Upstream before downstream. */
  readonly participants: readonly ParticipantWatermarks[];
}

/** The watermarks in force of an injector, a computation or a sink: the least of all its shards, of all workers. */
export interface ParticipantWatermarks extends WatermarkPair {
  readonly name: string;
  readonly kind: ParticipantKind;
  readonly status: Status;
  /** Absent where no timer, here or downstream, fires by a percentile. */
  readonly percentiles?: readonly PercentileWatermarks[];
  /** Since when the output watermark has this value. */
  readonly since: number;
  readonly sinceIso: string | null;
  readonly lag: Lag;
  /** What has to happen before the output watermark can rise; null at the end of time. */
  readonly heldBy: HolderView | null;
}

export interface Lag {
  /** How far the output watermark is behind the clock, ms; null before anything is known, 0 at the end of time. */
  readonly clock: number | null;
  /** How far it is behind what the inputs allow, ms; null for injectors and where nothing is known. */
  readonly inputs: number | null;
}

/**
 * What holds a watermark. Besides what a shard can say of itself: `report`, it has risen and is about to be reported;
 * `unowned` and `recovering`, a shard without an owner and one whose owner is reading it; `elsewhere`, a shard of another
 * worker, which can say more; `back-pressure`, it waits until a full inbox downstream has been worked off; `full`, an
 * injector waits until the store has room again.
 */
export interface HolderView {
  readonly kind: Exclude<HolderKind, "upstream" | "end"> | "report" | "unowned" | "recovering" | "elsewhere" | "back-pressure" | "full";
  /** The whole answer in a sentence. */
  readonly text: string;
  readonly participant: string;
  readonly shard: number | null;
  /** From the one that was asked about up to the one that holds, both included. */
  readonly path: readonly string[];
  readonly at: EventTime;
  readonly atIso: string | null;
  /** Since when it holds the watermark there. */
  readonly since: number;
  readonly sinceIso: string | null;
  readonly key?: string;
  /** Name and tag of a timer. */
  readonly timer?: string;
  readonly tag?: string | number;
  /** Timestamp of the record, or time of the timer. */
  readonly time?: number;
  /** Failed tries so far. */
  readonly attempts?: number;
  readonly retryAt?: number;
  readonly records?: number;
  readonly commit?: number;
  /** An injector's watermark policy, or where a sink writes. */
  readonly detail?: string;
  /** Who owns the shard. */
  readonly worker?: string;
  /** Full inboxes that have to be worked off first, the nearest first. */
  readonly blockedBy?: readonly { readonly participant: string; readonly shard: number; readonly queued: number }[];
}

export interface ParticipantShardsView extends ParticipantWatermarks {
  readonly pipeline: string;
  readonly worker: string;
  readonly now: number;
  readonly shards: readonly ShardWatermarks[];
}

export interface ShardWatermarks {
  readonly shard: number;
  /** The worker that owns it; null: no one does. */
  readonly owner: string | null;
  /** As last committed where another worker owns it. */
  readonly input: EventTime;
  readonly inputIso: string | null;
  /** null as well where another worker owns it: only that one knows. */
  readonly output: EventTime;
  readonly outputIso: string | null;
  /** Records in its inbox that are not processed. */
  readonly queued: number;
  readonly heldBy: HolderView | null;
}

/** What the store lost, as far as this worker knew it to be committed; since it started. */
export interface LostTailsView {
  readonly pipeline: string;
  readonly worker: string;
  readonly now: number;
  readonly counted: { readonly tails: number; readonly commits: number; readonly records: number; readonly confirmed: number };
  /** The latest eight, the oldest first. */
  readonly tails: readonly LostTailView[];
}

export interface LostTailView {
  readonly at: number;
  readonly atIso: string | null;
  readonly shards: readonly LostShard[];
  /** Records that a client was told of as committed, and that do not come again by themselves. */
  readonly confirmed: readonly LostConfirmed[];
}

export interface PipelineView {
  readonly pipeline: string;
  readonly worker: string;
  /** Where the data is kept, without credentials. */
  readonly store: string;
  /** Version of the stored graph. */
  readonly version: number;
  /** Shards of each computation. */
  readonly shards: number;
  readonly participants: readonly ParticipantView[];
  readonly streams: readonly StreamView[];
}

export interface ParticipantView {
  readonly name: string;
  readonly kind: ParticipantKind;
  readonly shards: number;
  readonly upstream: readonly string[];
  readonly inputs: readonly { readonly name: string; readonly stream: string }[];
  readonly outputs: readonly string[];
  /** Injectors and sinks: what they read or write. */
  readonly description?: string;
  /** Injectors: the watermark policy. */
  readonly policy?: string;
  readonly state?: readonly { readonly name: string; readonly codec: string }[];
  readonly timers?: readonly { readonly name: string; readonly clock: TimerClock }[];
  readonly onFailure?: string;
  readonly attempts?: number;
}

export interface StreamView {
  readonly name: string;
  readonly codec: string;
  readonly producers: readonly string[];
  readonly consumers: readonly string[];
}

export interface ShardsView {
  readonly pipeline: string;
  readonly worker: string;
  readonly now: number;
  readonly shards: readonly ShardView[];
}

/** What is stored of a shard, whoever owns it. */
export interface ShardView {
  readonly participant: string;
  readonly shard: number;
  readonly owner: string | null;
  readonly leaseUntil: number | null;
  readonly leaseUntilIso: string | null;
  /** By which the store knows its owner; null: it has none. */
  readonly sequencer: string | null;
  /** Number of the last commit. */
  readonly commit: number;
  readonly input: EventTime;
  readonly queued: number;
  /** Whoever feeds it waits until it has been worked off. */
  readonly full: boolean;
  /** Entries of state. */
  readonly state: number;
  readonly timers: { readonly watermark: number; readonly wall: number };
  readonly held: number;
  readonly deadLetters: number;
  readonly undelivered: number;
  /** Of a sink of `toFile`: bytes of its file that are committed and never change; what is behind them may be taken back. Else null. */
  readonly fileBytes: number | null;
  /** Since the data began, each effect counted once, whoever did the work. */
  readonly counters: Counters;
}

export interface TimersView {
  readonly pipeline: string;
  readonly now: number;
  /** Pending timers of the computations asked about. */
  readonly total: number;
  /** The earliest of them. */
  readonly timers: readonly TimerView[];
}

export interface TimerView {
  readonly computation: string;
  /** By which it can be moved, fired or deleted. */
  readonly timer: string;
  readonly shard: number;
  readonly key: string;
  readonly name: string;
  readonly tag: string | number | null;
  readonly clock: TimerClock;
  readonly time: number;
  readonly timeIso: string | null;
  /** Where it holds the computation's output watermark; null: nowhere. */
  readonly holds: number | null;
}

/** What was done with a timer. */
export interface TimerOutcomeView {
  readonly computation: string;
  readonly timer: string;
  readonly outcome: "moved" | "fired" | "deleted";
}

/** As the worker that answers has seen it, of its own shards: ask every worker. */
export interface HotKeysView {
  readonly pipeline: string;
  readonly worker: string;
  readonly now: number;
  readonly computations: readonly ComputationHotKeys[];
}

export interface ComputationHotKeys {
  readonly computation: string;
  /** Records that the counts are of: at most about the last 130,000. */
  readonly records: number;
  /** The keys that most of them have, the first first. */
  readonly keys: readonly HotKeyView[];
}

/** Counts are of a sketch that samples: `records` may be too large, by as much as it is above `atLeast`. */
export interface HotKeyView {
  readonly key: string;
  /** Of all records counted, 0 to 1. */
  readonly share: number;
  readonly records: number;
  readonly atLeast: number;
}

export interface DeadLettersView {
  readonly pipeline: string;
  readonly total: number;
  readonly deadLetters: readonly DeadLetterView[];
}

/** A record or timer that was given up. Its value is not shown. */
export interface DeadLetterView {
  readonly participant: string;
  /** Its name among those of its participant, by which it can be tried again or discarded. */
  readonly letter: string;
  /** null: its effect's runner keeps it. */
  readonly shard: number | null;
  readonly kind: "record" | "timer";
  readonly key: string;
  readonly id: string | null;
  /** null: a record, or a timer that the code has no more, which can only be discarded. */
  readonly timer: string | null;
  /** Event time of the record, time of the timer; null where it had none that could be used. */
  readonly time: number | null;
  readonly reason: string;
  readonly attempts: number;
  readonly at: number;
  readonly atIso: string | null;
}

/** A dead letter with its value. */
export interface WholeLetterView extends DeadLetterView {
  /** As `toFile` writes it; null: it has none, or one that cannot be read. */
  readonly value: unknown;
  /** What is kept of what was read, where it was no value: as text. */
  readonly raw: string | null;
  /** Bytes that are stored of it. */
  readonly bytes: number;
}

/** The streams to which records may be posted. */
export interface StreamsView {
  readonly pipeline: string;
  readonly worker: string;
  readonly now: number;
  readonly streams: readonly StreamDoorView[];
}

export interface StreamDoorView {
  readonly stream: string;
  readonly injector: string;
  /** Are records that are posted here taken now, by this worker or by the one to which it passes them on? */
  readonly open: boolean;
  /** Why not; null: they are. */
  readonly reason: string | null;
  /** The worker that takes them; null: none does at this moment. */
  readonly owner: string | null;
  /** Records that this worker has taken itself and not confirmed yet. */
  readonly waiting: number;
}

/**
 * `committed`: they outlive the process, as the store is set up (LMDB: in the machine's memory at least; Redis: in that of
 * its server). `fsynced`: they are on the disk and outlive a failure of the machine.
 */
export type DurabilityLevel = "committed" | "fsynced";

/** The answer to `POST /v1/streams/:stream/records`: all records of the request are durable as `level` says. */
export interface TakenView {
  readonly stream: string;
  readonly level: DurabilityLevel;
  /** Records of the request. */
  readonly records: number;
  /** Of these, how many were known by their ids and change nothing. */
  readonly duplicates: number;
  /** One a record, in their order; absent where they are more than 1,000. */
  readonly results?: readonly TakenRecordView[];
  /** With `wait=effects`: is everything downstream of the records committed? Otherwise it took too long, or cannot be told. */
  readonly complete?: boolean;
  /** With `wait=effects`: the replies to the records of `results`. */
  readonly replies?: readonly ReplyView[];
}

/** A production to a stream that the pipeline marks as replies. */
export interface ReplyView {
  /** The id of the record that it answers. */
  readonly to: string;
  /** What the pipeline calls the replies. */
  readonly name: string;
  /** Of the production: the same at every read. */
  readonly id: string;
  readonly timestamp: number;
  readonly timestampIso: string | null;
  readonly value: unknown;
}

export interface RepliesView {
  readonly pipeline: string;
  readonly worker: string;
  readonly now: number;
  readonly replies: readonly ReplyView[];
}

/** What was done with a dead letter. */
export interface LetterView {
  readonly participant: string;
  readonly letter: string;
  readonly outcome: "tried again" | "discarded";
}

export interface TakenRecordView {
  readonly id: string;
  readonly duplicate: boolean;
  /** Event time; null for a duplicate, for it is the first one's that counts. */
  readonly timestamp: number | null;
  readonly timestampIso: string | null;
}

export interface ErrorView {
  readonly error: { readonly code: string; readonly message: string; readonly routes?: readonly string[] };
}

/** The answer to a request with records of which not all are taken. The numbers are absent where it was refused before it was read. */
export interface NotTakenView extends ErrorView {
  /** The first record that is refused, from 0, and why. */
  readonly index?: number;
  readonly reason?: string;
  /** All of them, or the first 1,000. */
  readonly refused?: readonly { readonly index: number; readonly reason: string }[];
  /** Records of the request that are durable all the same, and how many of these were known before. */
  readonly records?: number;
  readonly duplicates?: number;
  /** Those of which this worker does not know whether they are. */
  readonly unknown?: number;
}
