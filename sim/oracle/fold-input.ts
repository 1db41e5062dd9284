/** What the fold is given: the pipeline and what went in, and what the run under test left behind. No types of the engine. */
import type { Entry, Item, Script, Sums } from "../workload/program.ts";

export interface FoldShape {
  readonly injectors: readonly { readonly name: string; readonly stream: string }[];
  readonly computations: readonly { readonly name: string; readonly inputs: readonly string[]; readonly outputs: readonly string[]; readonly other: boolean }[];
  readonly sinks: readonly { readonly name: string; readonly stream: string }[];
}

export interface FoldInput {
  readonly shape: FoldShape;
  readonly scripts: ReadonlyMap<string, Script>;
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
  /** By participant: a record's id, or `<timer>:<tag>:<time>`, with its key. */
  readonly dead: ReadonlyMap<string, readonly { readonly what: string; readonly key: string }[]>;
  /** By participant. */
  readonly counted: ReadonlyMap<string, Counted>;
}
