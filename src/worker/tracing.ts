/**
 * Traces of what computations do: a span for each call of a handler, which goes on where the record was produced. Those of
 * injectors and sinks are made by `traced-edges.ts`. It knows no tracing library: `src/opentelemetry` does.
 *
 * S1  What a call produces carries the call's span, in the same commit as the record itself.
 * S2  A call that is made again has a span of its own: spans tell what was tried, results what was committed.
 */
import { standAround } from "../computation/around-handlers.ts";
import { headBytes, writeHead } from "../computation/envelope.ts";
import { TRACE_BYTES, type TraceContext, traceOf, writeTrace } from "../computation/trace-context.ts";
import type { Call } from "./call.ts";
import type { Keyed } from "./keyed.ts";
import type { Production } from "./parcel.ts";
import type { Plan } from "./plan.ts";
import { isPromise } from "./running-calls.ts";
import { UserRecord, type UserTimer } from "./user-view.ts";

/** Who makes spans. Made by `openTelemetry` of `millrace/opentelemetry`. */
export interface Tracing {
  readonly kind: "tracing";
  begin(work: TracedWork): WorkSpan;
  /** The span that the program is in where this is called, for what it hands in from there; undefined: it is in none. */
  active(): TraceContext | undefined;
}

export interface TracedWork {
  readonly pipeline: string;
  /** By name. */
  readonly participant: string;
  /** What a computation, an injector, or a sink does. */
  readonly kind: "record" | "timer" | "inject" | "write";
  /** undefined: an injector's records have none. */
  readonly key: string | undefined;
  /** Event time of the record, or the timer's time; ms since the epoch; undefined: not known before the value is looked at. */
  readonly time: number | undefined;
  /** Of the record; undefined: it has none yet, or it is a timer. */
  readonly id: string | undefined;
  /** From 1; undefined: it is counted for computations alone. */
  readonly attempt: number | undefined;
  /** The span that produced the record, or from which it came in; undefined: there is none, or this is a timer. */
  readonly parent: TraceContext | undefined;
}

export interface WorkSpan {
  /** What productions carry; undefined: nothing. */
  readonly context: TraceContext | undefined;
  /** Calls `handler` as a part of the span, what it waits for included. */
  run(handler: () => unknown): unknown;
  end(failure?: { readonly error: unknown }): void;
}

/** From now on, every call of these instances has a span. */
export function trace(tracing: Tracing, plan: Plan, instances: ReadonlyMap<number, Keyed>): void {
  for (const participant of plan.participants) {
    const instance = instances.get(participant.id)?.instance;
    if (instance === undefined) continue;
    standAround(instance, (seen, context, handler) => {
      // The engine gives its own.
      const [given, call] = [seen as UserRecord | UserTimer, context as Call];
      const span = tracing.begin({ pipeline: plan.graph.pipeline, participant: participant.name, ...about(given, call) });
      return within(span, call, () => handler(context));
    });
  }
}

function about(given: UserRecord | UserTimer, call: Call): Omit<TracedWork, "pipeline" | "participant"> {
  const { key, attempt } = call;
  if (!(given instanceof UserRecord)) return { kind: "timer", key, attempt, time: given.time, id: undefined, parent: undefined };
  const { bytes, from, to } = UserRecord.stored(given);
  return { kind: "record", key, attempt, time: given.timestamp, id: given.id, parent: traceOf(bytes, from, to) };
}

function within(span: WorkSpan, call: Call, handler: () => unknown): unknown {
  const succeeded = (result: unknown): unknown => {
    if (span.context !== undefined) call.effects.bytes += carry(span.context, call.effects.productions, 0);
    span.end();
    return result;
  };
  const failed = (error: unknown): never => {
    span.end({ error });
    throw error;
  };
  let result: unknown;
  try {
    result = span.run(handler);
  } catch (error) {
    return failed(error);
  }
  return isPromise(result) ? result.then(succeeded, failed) : succeeded(result);
}

/** Puts the span before the value of each production from `from` on, and gives the bytes that they have grown by. */
export function carry(context: TraceContext, productions: readonly Production[], from: number): number {
  let bytes = 0;
  for (let i = from; i < productions.length; i++) {
    const production = productions[i] as Production;
    // What was refused is a reason, not a value; an entry is no record of ours any more.
    if (production.refused || production.entry !== undefined) continue;
    production.inEnvelope(traced(context, production));
    bytes += TRACE_BYTES;
  }
  return bytes;
}

function traced(context: TraceContext, { codec, bytes: given, from, to }: Production): Uint8Array {
  const bytes = Buffer.allocUnsafe(TRACE_BYTES + (codec === undefined ? 0 : headBytes(codec)) + to - from);
  writeTrace(context, bytes);
  bytes.set(given.subarray(from, to), codec === undefined ? TRACE_BYTES : writeHead(codec, bytes, TRACE_BYTES));
  return bytes;
}
