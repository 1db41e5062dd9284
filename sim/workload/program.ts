/**
 * The language of simulated pipelines: what a handler does is a list of steps, kept as data, so that the computation
 * under test (`scripted.ts`) and the fold it is compared with (`fold.ts`) can both carry them out, each in its own way.
 */

/** Of its timers `due`, `flush` and `release` are event timers, `wait` is a wall timer; `due` and `wait` have a tag. */
export type Step =
  | { readonly do: "add"; readonly by: number }
  /** Produces to the computation's output number `to`; `after`: ms after the call's own timestamp. */
  | { readonly do: "produce"; readonly to: number; readonly key: string; readonly other: string; readonly program: number; readonly after: number }
  /** Produces at the time of the hold that the key had before the call, if it had one. */
  | { readonly do: "produce-held"; readonly to: number; readonly key: string; readonly other: string; readonly program: number }
  /** Sets a timer; `tag` is also the program that it runs. `output`: ms after the call's own time, for event timers. */
  | {
      readonly do: "set";
      readonly timer: "due" | "flush" | "wait";
      readonly tag: number;
      readonly from: "call" | "watermark";
      readonly after: number;
      readonly output: number | "none" | undefined;
    }
  | { readonly do: "delete"; readonly timer: "due" | "flush" | "wait"; readonly tag: number }
  /** Holds the output watermark at `after` from the call's own time, and sets the timer `release` that gives it up. */
  | { readonly do: "hold"; readonly after: number; readonly until: number }
  | { readonly do: "release" }
  | { readonly do: "clear" }
  /** Writes, deletes or reads the cell that expires. */
  | { readonly do: "put"; readonly value: number }
  | { readonly do: "drop" }
  | { readonly do: "look" }
  /** Throws at its first `tries` tries; Infinity: always. */
  | { readonly do: "fail"; readonly tries: number }
  /** The rest of the steps runs later. */
  | { readonly do: "wait" };

export type Program = readonly Step[];

/** The programs of one computation. */
export interface Script {
  /** A record's program is its number in here. */
  readonly records: readonly Program[];
  /** A timer's program is its tag's number in here. */
  readonly timers: readonly Program[];
  readonly flush: Program;
  /** What its inputs' filters say of a record, by the number of its program; undefined: they have none. */
  readonly filter: readonly Verdict[] | undefined;
}

/** "refused": the filter throws. */
export type Verdict = "taken" | "passed over" | "refused";

export const verdictOf = ({ filter }: Script, { program }: Item): Verdict => filter?.[program] ?? "taken";

/** What every stream carries. */
export interface Item {
  /** Unique: `<injector>/<partition>/<position>`, or `<computation>/<key>/<number of the call>/<number of the production>`. */
  readonly id: string;
  /** The keys of this item, for consumers that differ. */
  readonly key: string;
  readonly other: string;
  readonly program: number;
}

/**
 * One committed call of a key, as the key's own log has it: a record (its id) or a timer (`<name>:<tag>:<time>`), the
 * input watermark and the processing time it saw, whether it was late, and what it read by the way: first the percentile
 * watermark, where timers `due` go by one.
 */
export type Entry = readonly [what: string, watermark: number, now: number, late: boolean, ...saw: number[]];

/** The numbers a key keeps. `fuel` bounds what timers set again; `hold` is -1 where there is none. */
export interface Sums {
  total: number;
  fuel: number;
  hold: number;
}

/** ms that the cell `brief` lives after it was written. */
export const BRIEF = 150;
/** Timers that the timers of one key may set. */
export const FUEL = 12;
/** From here on nothing is added to a time: it is the end of time. */
export const LATEST = Number.MAX_SAFE_INTEGER - 172_800_000;
