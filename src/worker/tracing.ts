/**
 * Traces of what computations do: a span for each call of a handler, which goes on where the record was produced. It knows
 * no tracing library: `src/opentelemetry` does.
 *
 * S1  What a call produces carries the call's span, in the same commit as the record itself.
 * S2  A call that is made again has a span of its own: spans tell what was tried, results what was committed.
 */
import { headBytes, writeHead } from "../computation/envelope.ts";
import { TRACE_BYTES, type TraceContext, traceOf, writeTrace } from "../computation/trace-context.ts";
import { standAround, isRecord } from "./around-handlers.ts";
import type { Call } from "./call.ts";
import type { Keyed } from "./keyed.ts";
import type { Production } from "./parcel.ts";
import type { Plan } from "./plan.ts";
import { isPromise } from "./running-calls.ts";
import { UserRecord, type UserTimer } from "./user-view.ts";

/** Who makes spans. Made by `openTelemetry` of `millrace/opentelemetry`. */
export interface Tracing {
  readonly kind: "tracing";
  begin(call: TracedCall): CallSpan;
}

export interface TracedCall {
  readonly pipeline: string;
  readonly computation: string;
  readonly kind: "record" | "timer";
  readonly key: string;
  /** Event time of the record, or the timer's time; ms since the epoch. */
  readonly time: number;
  /** Of the record; undefined: it is a timer. */
  readonly id: string | undefined;
  /** From 1. */
  readonly attempt: number;
  /** The span that produced the record; undefined: it was produced without tracing, or this is a timer. */
  readonly parent: TraceContext | undefined;
}

export interface CallSpan {
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
    standAround(instance, (given, call, handler) => {
      const span = tracing.begin({ pipeline: plan.graph.pipeline, computation: participant.name, ...about(given, call) });
      return within(span, call, handler);
    });
  }
}

function about(given: UserRecord | UserTimer, call: Call): Omit<TracedCall, "pipeline" | "computation"> {
  const { key, attempt } = call;
  if (!isRecord(given)) return { kind: "timer", key, attempt, time: given.time, id: undefined, parent: undefined };
  const { bytes, from, to } = UserRecord.stored(given);
  return { kind: "record", key, attempt, time: given.timestamp, id: given.id, parent: traceOf(bytes, from, to) };
}

function within(span: CallSpan, call: Call, handler: () => unknown): unknown {
  const succeeded = (result: unknown): unknown => {
    if (span.context !== undefined) carry(span.context, call);
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

/** Puts the span before the value of each production of the call. */
function carry(context: TraceContext, { effects }: Call): void {
  effects.productions.forEach((production, i) => {
    // What was refused is a reason, not a value.
    if (production.refused) return;
    effects.productions[i] = { ...production, codec: undefined, payload: traced(context, production) };
    effects.bytes += TRACE_BYTES;
  });
}

function traced(context: TraceContext, { codec, payload }: Production): Uint8Array {
  const bytes = Buffer.allocUnsafe(TRACE_BYTES + (codec === undefined ? 0 : headBytes(codec)) + payload.length);
  writeTrace(context, bytes);
  bytes.set(payload, codec === undefined ? TRACE_BYTES : writeHead(codec, bytes, TRACE_BYTES));
  return bytes;
}
