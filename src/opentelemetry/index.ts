/**
 * `millrace/opentelemetry`: spans for what a pipeline does, by OpenTelemetry's API. It alone imports that package, which is
 * an optional peer; which exporter the spans go to, and how many are sampled, is said to the SDK that the program sets up.
 */
import { createRequire } from "node:module";
import type * as Api from "@opentelemetry/api";
import { ConfigError } from "../errors.ts";
import { checkOptions, show } from "../options.ts";
import type { TraceContext } from "../computation/trace-context.ts";
import type { TracedWork, Tracing, WorkSpan } from "../worker/tracing.ts";

export type { Tracing } from "../worker/tracing.ts";

export interface OpenTelemetryOptions {
  /** Write keys and ids of records into spans, as `millrace.key` and `millrace.record.id`. Default: false, for both are often about persons. */
  readonly keys?: boolean | undefined;
}

/**
 * For the option `tracing` of `run`: a span for each record that is read, each call of a handler and each record that is
 * written. A handler runs as a part of its span, so that spans of its own (`fetch`, a database) are parts of it too. A
 * record's spans are one trace through all that it meets, over processes and restarts: where it goes on is stored with each
 * record that is produced, 26 bytes. It goes on from the `traceparent` header of a posted record, and from the span in which
 * the program pushes one; a timer begins a trace of its own. What fails is marked so, and has another span when it is tried again.
 *
 * Throws `ConfigError` where `@opentelemetry/api` is not installed.
 */
export function openTelemetry(options: OpenTelemetryOptions = {}): Tracing {
  checkOptions("openTelemetry", options, ["keys"]);
  if (options.keys !== undefined && typeof options.keys !== "boolean")
    throw new ConfigError(`openTelemetry: keys is true or false, but it is ${show(options.keys)}`);
  return new OpenTelemetryTracing(api(), options.keys ?? false);
}

function api(): typeof Api {
  try {
    return createRequire(import.meta.url)("@opentelemetry/api") as typeof Api;
  } catch (error) {
    throw new ConfigError("openTelemetry: the package @opentelemetry/api is not installed: npm install @opentelemetry/api", { cause: error });
  }
}

/** The attribute that names the participant. */
const WHO = { record: "millrace.computation", timer: "millrace.computation", inject: "millrace.injector", write: "millrace.sink" } as const;

class OpenTelemetryTracing implements Tracing {
  readonly kind = "tracing";
  readonly #api: typeof Api;
  readonly #keys: boolean;
  readonly #tracer: Api.Tracer;

  constructor(api: typeof Api, keys: boolean) {
    this.#api = api;
    this.#keys = keys;
    this.#tracer = api.trace.getTracer("millrace");
  }

  begin(work: TracedWork): WorkSpan {
    const { trace, ROOT_CONTEXT, SpanKind } = this.#api;
    // Not what is active now: that is whatever has made the engine turn.
    const before = work.parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, remote(work.parent));
    const attributes: Api.Attributes = { "millrace.pipeline": work.pipeline, [WHO[work.kind]]: work.participant };
    if (work.time !== undefined) attributes["millrace.time"] = work.time;
    if (work.attempt !== undefined) attributes["millrace.attempt"] = work.attempt;
    if (this.#keys && work.key !== undefined) attributes["millrace.key"] = work.key;
    if (this.#keys && work.id !== undefined) attributes["millrace.record.id"] = work.id;
    const kind = work.kind === "inject" ? SpanKind.PRODUCER : SpanKind.CONSUMER;
    const span = this.#tracer.startSpan(`${work.participant} ${work.kind}`, { kind, attributes }, before);
    return new OpenSpan(this.#api, span, trace.setSpan(before, span));
  }

  active(): TraceContext | undefined {
    const context = contextOf(this.#api, this.#api.trace.getActiveSpan());
    // As a header would carry it: another worker may take the record.
    return context && { ...context, flags: context.flags & this.#api.TraceFlags.SAMPLED };
  }
}

/** Also what is not sampled is carried on, or the next computation would begin to sample in the middle of a trace. */
function contextOf(api: typeof Api, span: Api.Span | undefined): TraceContext | undefined {
  const about = span?.spanContext();
  return about !== undefined && api.isSpanContextValid(about) ? { traceId: about.traceId, spanId: about.spanId, flags: about.traceFlags } : undefined;
}

const remote = ({ traceId, spanId, flags }: TraceContext): Api.SpanContext => ({ traceId, spanId, traceFlags: flags, isRemote: true });

class OpenSpan implements WorkSpan {
  readonly #api: typeof Api;
  readonly #span: Api.Span;
  readonly #within: Api.Context;

  constructor(api: typeof Api, span: Api.Span, within: Api.Context) {
    this.#api = api;
    this.#span = span;
    this.#within = within;
  }

  get context(): TraceContext | undefined {
    return contextOf(this.#api, this.#span);
  }

  run(handler: () => unknown): unknown {
    return this.#api.context.with(this.#within, handler);
  }

  end(failure?: { readonly error: unknown }): void {
    if (failure !== undefined) {
      const { error } = failure;
      this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR });
      this.#span.recordException(error instanceof Error ? error : String(error));
    }
    this.#span.end();
  }
}
