/** OpenTelemetry's API with providers of the test's own: spans are kept in a list, contexts go with asynchronous code. */
import { AsyncLocalStorage } from "node:async_hooks";
import { type Attributes, type Context, context, ROOT_CONTEXT, type Span, type SpanContext, type SpanOptions, trace } from "@opentelemetry/api";

export interface KeptSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: SpanContext | undefined;
  readonly attributes: Attributes;
  failed: boolean;
  ended: boolean;
}

/** The spans that are begun from now on. Once in a process. */
export function keepSpans(): KeptSpan[] {
  const spans: KeptSpan[] = [];
  const digits = (n: number, length: number) => n.toString(16).padStart(length, "0");
  const startSpan = (name: string, options: SpanOptions = {}, within: Context = ROOT_CONTEXT): Span => {
    const n = spans.length + 1;
    const parent = trace.getSpanContext(within);
    const traceId = parent?.traceId ?? digits(n, 32);
    const kept: KeptSpan = { name, traceId, spanId: digits(n, 16), parent, attributes: options.attributes ?? {}, failed: false, ended: false };
    spans.push(kept);
    const span = {
      spanContext: () => ({ traceId, spanId: kept.spanId, traceFlags: 1 }),
      setStatus: () => ((kept.failed = true), span),
      recordException: () => {},
      end: () => void (kept.ended = true),
    } as unknown as Span;
    return span;
  };
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan, startActiveSpan: () => undefined as never }) });
  const active = new AsyncLocalStorage<Context>();
  context.setGlobalContextManager({
    active: () => active.getStore() ?? ROOT_CONTEXT,
    with: (within, call, self, ...given) => active.run(within, () => call.apply(self, given)),
    bind: (_, target) => target,
    enable: () => context as never,
    disable: () => context as never,
  });
  return spans;
}
