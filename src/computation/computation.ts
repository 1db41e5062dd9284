/** The class that users extend. What is declared in its fields is read by `binding.ts`. */
import type { StreamRecord } from "../record.ts";
import type { Context } from "./context.ts";
import type { Timer } from "./timer.ts";

/** Marks computations, of this and of other copies of the library. */
const COMPUTATION: unique symbol = Symbol.for("millrace.computation") as never;

/**
 * User code: called for each record and each timer of its keys, one at a time per key.
 *
 * It declares in fields all that it touches: `input`, `output`, `state`, `timer`, `timers`. Handles in `#private`
 * fields, getters or nested objects cannot be seen and are refused when used. There is one instance a worker, made anew
 * after a crash and shared by all keys, so a field that is not a handle is configuration and never state. Constructors
 * do no I/O: one instance is made only to read its fields.
 *
 * `processRecord` and `processTimer` are all that the system takes from the class; every other name is the user's.
 * Either may be async; calls of different keys then run concurrently, those of one key never do. If one throws, what it
 * did is discarded and it is called again, as `ComputeOptions` say.
 */
export abstract class Computation {
  /** Called once for each record of each input, in the order of arrival per key. */
  abstract processRecord(record: StreamRecord<any>, context: Context): void | Promise<void>;
  /** Called once for each timer that fires, in the order of their times per key and clock. Needed where timers are declared. */
  processTimer?(timer: Timer<any>, context: Context): void | Promise<void>;
  /** @internal */
  get [COMPUTATION](): true {
    return true;
  }
}

/** Is it an instance of a computation, of this or another copy of the library? */
export function isComputation(value: unknown): value is Computation {
  return typeof value === "object" && value !== null && COMPUTATION in value;
}

/** Is it a class that extends `Computation`? */
export function isComputationClass(value: unknown): value is new () => Computation {
  return typeof value === "function" && typeof value.prototype === "object" && value.prototype !== null && COMPUTATION in value.prototype;
}
