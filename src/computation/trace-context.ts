/**
 * Where a trace goes on: the span that produced a record, stored before its value so that whoever processes it, in
 * another process and maybe days later, joins the same trace. Only values that were produced under tracing have it.
 *
 *   u8 128 | u8 trace flags | 16 bytes trace id | 8 bytes span id | the value's envelope
 *
 * T1  A value without it begins with another byte (`envelope.ts`), so one costs nothing where no one traces.
 * T2  There is at most one before a value.
 */

/** The first byte. No envelope begins with it. */
export const TRACED = 0x80;
/** Bytes before the envelope. */
export const TRACE_BYTES = 26;

const SPAN_AT = 18;
/** Of the flags, the one that has a meaning in all versions. */
const SAMPLED = 1;

/** As W3C Trace Context has it. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** 1: sampled. */
  readonly flags: number;
}

export function writeTrace({ traceId, spanId, flags }: TraceContext, target: Buffer): void {
  target[0] = TRACED;
  target[1] = flags;
  target.write(traceId, 2, "hex");
  target.write(spanId, SPAN_AT, "hex");
}

/** Does a traced value begin there, of which more than this is there? */
export function isTraced(bytes: Uint8Array, from: number, to: number): boolean {
  return bytes[from] === TRACED && to - from > TRACE_BYTES && bytes[from + TRACE_BYTES] !== TRACED;
}

/** undefined: the value that lies there was produced without tracing. */
export function traceOf(bytes: Uint8Array, from: number, to: number): TraceContext | undefined {
  if (!isTraced(bytes, from, to)) return undefined;
  const head = Buffer.from(bytes.buffer, bytes.byteOffset + from, TRACE_BYTES);
  return { traceId: head.toString("hex", 2, SPAN_AT), spanId: head.toString("hex", SPAN_AT), flags: head[1] as number };
}

/** As a `traceparent` header has it. */
export const traceparent = ({ traceId, spanId, flags }: TraceContext): string => `00-${traceId}-${spanId}-${flags.toString(16).padStart(2, "0")}`;

const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(-.*)?$/;

/** What a `traceparent` header says; undefined: there is none, or none that is right, which is as if it were not there. */
export function traceparentOf(header: string | string[] | undefined): TraceContext | undefined {
  const [whole, traceId, spanId, flags, more] = typeof header === "string" ? (TRACEPARENT.exec(header) ?? []) : [];
  // Later versions may say more, this one may not.
  if (whole === undefined || traceId === undefined || spanId === undefined || flags === undefined || (more !== undefined && whole.startsWith("00")))
    return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) & SAMPLED };
}
