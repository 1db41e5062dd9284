/** What makes a computation whole, in types alone: it reads something, and takes all that it declares. */
import type { Computation } from "./computation.ts";
import type { Context } from "./context.ts";
import type { carries, Wrong } from "./handle.ts";
import type { Input } from "./input.ts";
import type { StreamRecord } from "../record.ts";
import type { Timer } from "./timer.ts";

type Handles<C, Kind> = { [K in keyof C]-?: C[K] extends { readonly kind: Kind } ? C[K] : never }[keyof C];
type Records<H> = H extends Input<infer T> ? StreamRecord<T> : never;
type Timers<H> = H extends { readonly [carries]: infer Tag } ? Timer<Tag> : never;
type Made<M> = M extends (new () => infer C extends Computation) | (() => infer C extends Computation) ? C : never;
type RecordTaken<C> = C extends { processRecord(record: infer R, context: Context): unknown } ? R : never;
type TimerTaken<C> = C extends { processTimer(timer: infer R, context: Context): unknown } ? R : never;

/** M, if it makes a whole computation; else the sentence that says what it lacks. */
export type Whole<M, C = Made<M>> = M extends Computation
  ? Wrong<"give the class, or () => new X(...): each worker makes its own instance">
  : [C] extends [never]
    ? Wrong<"not a Computation class, or its constructor takes arguments: give () => new X(...)">
    : [Handles<C, "input">] extends [never]
      ? Wrong<"it has no public input: add `readonly x = input(stream, { key })`">
      : [Records<Handles<C, "input">>] extends [RecordTaken<C>]
        ? [Timers<Handles<C, "timer" | "timers">>] extends [TimerTaken<C>]
          ? M
          : Wrong<"processTimer is missing, or does not take every timer that the class declares">
        : Wrong<"processRecord does not take the records of every input that the class declares">;
