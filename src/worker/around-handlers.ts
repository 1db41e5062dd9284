/**
 * What stands around the calls of a computation's handlers: put there on one worker's instance, by those who ask for it
 * (tracing, a search for whose promise was rejected). Where no one asks, a call is what it always was.
 *
 * A1  A handler that was declared `async` stays so, for the engine looks at that.
 */
import type { Computation } from "../computation/computation.ts";
import type { Call } from "./call.ts";
import { UserRecord, type UserTimer } from "./user-view.ts";

/** Calls `handler` once, and gives what it gives. */
export type Around = (given: UserRecord | UserTimer, call: Call, handler: () => unknown) => unknown;

type Handler = (given: object, call: object) => unknown;

export function standAround(instance: Computation, around: Around): void {
  for (const name of ["processRecord", "processTimer"] as const) {
    const handler = instance[name] as Handler | undefined;
    if (handler === undefined) continue;
    const call: Handler = (given, context) => around(given as UserRecord | UserTimer, context as Call, () => handler.call(instance, given, context));
    const wrapped = handler.constructor.name === "AsyncFunction" ? async (given: object, context: object) => await call(given, context) : call;
    Object.defineProperty(instance, name, { value: wrapped, configurable: true, writable: true });
  }
}

export const isRecord = (given: UserRecord | UserTimer): given is UserRecord => given instanceof UserRecord;
