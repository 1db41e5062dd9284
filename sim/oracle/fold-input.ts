/** What the fold is given: the pipeline and what went in, and what the run under test left behind. No types of the engine. */
import type { Entry, Item, Script, Sums } from "../workload/program.ts";

export interface FoldShape {
  readonly injectors: readonly { readonly name: string; readonly stream: string }[];
  readonly computations: readonly { readonly name: string; readonly inputs: readonly string[]; readonly outputs: readonly string[]; readonly other: boolean }[];
  readonly sinks: readonly { readonly name: string; readonly stream: string; readonly inStore?: boolean }[];
  readonly effects?: readonly { readonly name: string; readonly stream: string; readonly results: string | undefined }[];
}

export interface FoldInput {
  readonly shape: FoldShape;
  readonly scripts: ReadonlyMap<string, Script>;
  /** Tries of a record or timer, after which it is a dead letter. */
  readonly attempts: number;
  /** Do the timers `due` go by a percentile watermark, which each call's log has first of what it read? */
  readonly percentile: boolean;
  /** By injector: whether it knows ids, may go idle; its partitions' items, with the watermark promised before each. */
  readonly injectors: ReadonlyMap<string, FoldInjector>;
}

export interface FoldInjector {
  readonly ids: boolean;
  /** Records that are older than this behind the watermark are refused where there are ids, ms. */
  readonly retention: number;
  readonly idles: boolean;
  readonly partitions: readonly (readonly FoldItem[])[];
}

export interface FoldItem {
  /** undefined: a mark. */
  readonly item: Item | undefined;
  /** Refused at the door: no timestamp that can be, or no value. */
  readonly refused: boolean;
  readonly timestamp: number;
  /** Infinity: the promise goes by the clock, so that anything may be late. */
  readonly promisedBefore: number;
}

export interface Counted {
  readonly processed: number;
  readonly late: number;
  readonly produced: number;
  readonly duplicates: number;
  readonly deadLetters: number;
  readonly timersFired: number;
  /** Counted, not foretold: whether a setting comes at the end of time depends on the schedule. */
  readonly droppedTimers?: number;
}

/** What a run left behind. */
export interface Found {
  readonly logs: ReadonlyMap<string, ReadonlyMap<string, readonly Entry[]>>;
  readonly sums: ReadonlyMap<string, ReadonlyMap<string, Sums>>;
  /** By sink, in order. */
  readonly sinks: ReadonlyMap<string, readonly { readonly item: Item; readonly timestamp: number; readonly key: string }[]>;
  /** By participant, dead letters, also those that were discarded: a record's id, or `<timer>:<tag>:<time>`, with its key. */
  readonly dead: ReadonlyMap<string, readonly FoundLetter[]>;
  /** By participant, each time that a dead letter was brought back. */
  readonly revived: ReadonlyMap<string, readonly FoundLetter[]>;
  /** By computation, what operators had done to timers, in order. */
  readonly operated: ReadonlyMap<string, readonly FoundCommand[]>;
  /** By effect. */
  readonly performed: ReadonlyMap<string, readonly FoundPerformed[]>;
  readonly results: ReadonlyMap<string, readonly FoundResult[]>;
  readonly barriers: readonly FoundBarrier[];
  /** Has the store ever lost its tail? */
  readonly tailLost: boolean;
  /** By participant. */
  readonly counted: ReadonlyMap<string, Counted>;
}

export interface FoundLetter {
  readonly what: string;
  readonly key: string;
}

/** What was done to a key's timer, `<timer>:<tag>`, that was set for `time`. */
export interface FoundCommand {
  /** Calls of the key that were committed before. */
  readonly calls: number;
  readonly key: string;
  readonly timer: string;
  readonly time: number;
  readonly action: "move" | "fire" | "delete";
  /** The time that it was moved to. */
  readonly to: number | undefined;
  /** Output timestamp of one that was fired. */
  readonly output: number | undefined;
}

/** What the outside was told under one idempotency key. */
export interface FoundPerformed {
  /** Id of the item. */
  readonly item: string;
  readonly idempotencyKey: string;
  readonly succeeded: number;
  /** What a call that succeeds, or fails, has to come to. */
  readonly value: string;
  readonly failure: string;
}

export interface FoundResult {
  readonly ok: boolean;
  readonly idempotencyKey: string;
  readonly input: Item;
  readonly timestamp: number;
  /** What it came to, or the error. */
  readonly value: unknown;
}

/** A barrier that was passed, of the items of a partition after position `from` up to `to`, and what was committed then. */
export interface FoundBarrier {
  readonly injector: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  readonly committed: Pick<Found, "logs" | "dead" | "sinks">;
}
