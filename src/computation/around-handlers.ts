/**
 * What stands around the calls of an instance's handlers: put there by those who ask for it (`explain`, tracing, a search for
 * whose promise was rejected), the last around all before. Where no one asks, a call is what it always was.
 *
 * A1  A handler that was declared `async` stays so, for the engine looks at that.
 */
import type { StreamRecord } from "../record.ts";
import type { Computation } from "./computation.ts";
import type { Context } from "./context.ts";
import type { Timer } from "./timer.ts";

export type Given = StreamRecord<unknown> | Timer<unknown>;

/** Calls `handler` once, with the context or one that stands for it, and gives what it gives. */
export type Around = (given: Given, context: Context, handler: (context: Context) => unknown) => unknown;

type Handler = (given: Given, context: Context) => unknown;

export function standAround(instance: Computation, around: Around): void {
  for (const name of ["processRecord", "processTimer"] as const) {
    const handler = instance[name] as Handler | undefined;
    if (handler === undefined) continue;
    const call: Handler = (given, context) => around(given, context, (seen) => handler.call(instance, given, seen));
    const wrapped = handler.constructor.name === "AsyncFunction" ? async (given: Given, context: Context) => await call(given, context) : call;
    Object.defineProperty(instance, name, { value: wrapped, configurable: true, writable: true });
  }
}
