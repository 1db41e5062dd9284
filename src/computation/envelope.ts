/**
 * The envelope: what stands around every stored value, so that code which reads it knows how it was written.
 *
 *   u8  codec: 0 cbor, 1 json, 63 named by its id; + 64 if it expires
 *   [   u8 length, ASCII id              if named    ]
 *   [   f64 LE expiry, ms since the epoch if it expires ]
 *   u16 LE version of the codec
 *       the codec's bytes
 *
 * Before the envelope of a record's value may stand where its trace goes on (`trace-context.ts`); reading passes over that.
 *
 * E1  The layout is part of the stored format (`DATA_FORMAT`).
 * E2  Whatever the bytes are, reading gives a value or throws `DecodeError` or `IncompatibleDataError`, nothing else.
 */
import { DecodeError, IncompatibleDataError, InvalidUseError, messageOf, NewerDataError } from "../errors.ts";
import { decodePlain, encodeAndCopy, encodeKept, isDefaultCodec } from "./cbor-codec.ts";
import type { Codec } from "./codec.ts";
import { NOT_PLAIN, type Written } from "./plain-cbor.ts";
import { isTraced, TRACE_BYTES, TRACED } from "./trace-context.ts";

const CBOR = 0;
const JSON_TEXT = 1;
const NAMED = 0x3f;
const EXPIRES = 0x40;

export interface Opened {
  readonly value: unknown;
  /** ms since the epoch; undefined: never. */
  readonly expiresAt: number | undefined;
}

/** The value in its envelope, in bytes that nobody writes again. Throws `InvalidUseError` where the codec refuses the value. */
export function sealValue(codec: Codec<unknown>, value: unknown, expiresAt?: number): Uint8Array {
  const head = headBytes(codec) + (expiresAt === undefined ? 0 : 8);
  const whole = isDefaultCodec(codec) ? encodeKept(value, head) : undefined;
  if (whole !== undefined) {
    writeHead(codec, whole, 0, expiresAt);
    return whole;
  }
  const { bytes, from, to } = encodePayload(codec, value);
  const sealed = Buffer.allocUnsafe(head + to - from);
  sealed.set(bytes.subarray(from, to), writeHead(codec, sealed, 0, expiresAt));
  return sealed;
}

/** Bytes of an envelope without expiry, besides the payload. */
export function headBytes(codec: Codec<unknown>): number {
  return codec.id === "cbor" || codec.id === "json" ? 3 : 4 + codec.id.length;
}

/** Writes what goes before the payload at `at`, and gives where the payload goes. */
export function writeHead(codec: Codec<unknown>, target: Buffer, start: number, expiresAt?: number): number {
  const mark = codec.id === "cbor" ? CBOR : codec.id === "json" ? JSON_TEXT : NAMED;
  let at = start + 1;
  target[start] = expiresAt === undefined ? mark : mark | EXPIRES;
  if (mark === NAMED) {
    target[at] = codec.id.length;
    at += 1 + target.write(codec.id, at + 1, "latin1");
  }
  if (expiresAt !== undefined) at = target.writeDoubleLE(expiresAt, at);
  target[at] = codec.version & 0xff;
  target[at + 1] = codec.version >>> 8;
  return at + 2;
}

/** What an envelope says of its value: which codec wrote it, in which version, and when it expires. */
export interface Head {
  readonly codec: string;
  readonly version: number;
  readonly expiresAt: number | undefined;
}

/** The head of an envelope; undefined: these bytes begin none. They need not go on to its end. */
export function headOf(bytes: Uint8Array): Head | undefined {
  const first = bytes[0] ?? 0xff;
  if (first === TRACED && isTraced(bytes, 0, bytes.length)) return headOf(bytes.subarray(TRACE_BYTES));
  const mark = first & NAMED;
  const named = mark === NAMED;
  const at = named ? 2 + (bytes[1] ?? 0) : 1;
  const end = at + ((first & EXPIRES) === 0 ? 2 : 10);
  if (first > 0x7f || bytes.length < end || (!named && mark !== CBOR && mark !== JSON_TEXT)) return undefined;
  const codec = named ? asciiOf(bytes, 2, at) : mark === CBOR ? "cbor" : "json";
  const version = (bytes[end - 2] as number) | ((bytes[end - 1] as number) << 8);
  return { codec, version, expiresAt: (first & EXPIRES) === 0 ? undefined : float64(bytes, at) };
}

/** The value of an envelope. `where` begins the message of what is thrown: "state count of word-count". */
export function openValue(codec: Codec<unknown>, bytes: Uint8Array, where?: string): Opened {
  const value = openValueAt(codec, bytes, 0, bytes.length, where);
  const expires = ((bytes[0] as number) & EXPIRES) !== 0;
  return { value, expiresAt: expires ? float64(bytes, headBytes(codec) - 2) : undefined };
}

/** The value of the envelope that lies in `bytes` from `start` to `stop`. */
export function openValueAt(codec: Codec<unknown>, bytes: Uint8Array, start: number, stop: number, where = "a stored value"): unknown {
  const first = start < stop ? (bytes[start] as number) : 0;
  const mark = first & NAMED;
  let at = start + 1;
  if (mark === NAMED) at += 1 + (at < stop ? (bytes[at] as number) : 0);
  const end = at + ((first & EXPIRES) !== 0 ? 10 : 2);
  if (first === TRACED && isTraced(bytes, start, stop)) return openValueAt(codec, bytes, start + TRACE_BYTES, stop, where);
  if (stop < end) throw new DecodeError(`${where}: ${stop - start} bytes are too few for a value; it was damaged or not written by Millrace`);
  const written = mark === CBOR ? "cbor" : mark === JSON_TEXT ? "json" : mark === NAMED ? nameOf(bytes, start + 2, at, codec.id) : undefined;
  if (written === undefined || first > 0x7f) throw new DecodeError(`${where}: byte ${first} begins no value; it was damaged or not written by Millrace`);
  if (written !== codec.id) {
    throw new IncompatibleDataError(
      `${where}: written with codec ${quote(written)}, but this code reads it with ${quote(codec.id)}: give the codec it was written with`,
    );
  }
  const version = (bytes[end - 2] as number) | ((bytes[end - 1] as number) << 8);
  if (version > codec.version) {
    throw new NewerDataError(
      `${where}: written by version ${version} of codec ${quote(codec.id)}, this code has version ${codec.version}: run the newer code, which can read both`,
    );
  }
  return decode(codec, bytes, end, stop, version, where);
}

/** The codec's bytes of a value, without an envelope, and a copy of it where it is one that can be had with them. Throws `InvalidUseError` where the codec refuses the value. */
export function encodePayload(codec: Codec<unknown>, value: unknown): Written {
  let payload: unknown;
  try {
    if (isDefaultCodec(codec)) return encodeAndCopy(value);
    payload = codec.encode(value);
  } catch (error) {
    throw new InvalidUseError(`codec ${quote(codec.id)} cannot encode a value: ${messageOf(error)}`, { cause: error });
  }
  if (payload instanceof Uint8Array) return { bytes: payload, from: 0, to: payload.length, copy: NOT_PLAIN };
  throw new InvalidUseError(`codec ${quote(codec.id)}: encode gives a Uint8Array, but gave ${payload instanceof Promise ? "a promise" : typeof payload}`);
}

function decode(codec: Codec<unknown>, bytes: Uint8Array, start: number, stop: number, version: number, where: string): unknown {
  try {
    if (isDefaultCodec(codec)) return decodePlain(bytes, start, stop);
    return codec.decode(new Uint8Array(bytes.buffer, bytes.byteOffset + start, stop - start), version);
  } catch (error) {
    throw new DecodeError(`${where}: codec ${quote(codec.id)} cannot decode ${stop - start} bytes of its version ${version}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function float64(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at, 8).getFloat64(0, true);
}

/** The codec's name that is written there; `expected` itself, if it is that one. */
function nameOf(bytes: Uint8Array, from: number, to: number, expected: string): string {
  let i = 0;
  if (to - from === expected.length) while (i < expected.length && bytes[from + i] === expected.charCodeAt(i)) i++;
  return i === expected.length && to - from === i ? expected : asciiOf(bytes, from, to);
}

function asciiOf(bytes: Uint8Array, from: number, to: number): string {
  return String.fromCharCode(...bytes.subarray(from, to));
}

const quote = (text: string): string => `"${text.replace(/[^\x20-\x7e]/g, "?")}"`;
