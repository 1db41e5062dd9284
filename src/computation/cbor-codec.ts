/**
 * The default codec: CBOR (RFC 8949). Plain objects, arrays, strings (well-formed Unicode), numbers, bigint, booleans,
 * null, undefined, Date, Map, Set, bytes and typed arrays come back as they were; bytes always as `Uint8Array`. What is
 * neither comes back as plain data (an instance without its methods) or is refused (functions, symbols, cycles).
 * Not kept: -0 (0), a key "__proto__" (refused by the decoder's guard against prototype pollution: "__proto_").
 *
 * C1  The bytes of a value do not depend on what was encoded before: no shared structures, no records, no references.
 */
import { Buffer } from "node:buffer";
import { addExtension, Encoder } from "cbor-x";
import { DecodeError, messageOf } from "../errors.ts";
import type { Codec } from "./codec.ts";
import { HANDLE } from "./handle.ts";
import { NOT_PLAIN, Pages, readPlain, writeAndCopy, writePlain, type Written } from "./plain-cbor.ts";

/**
 * `useRecords`, `structuredClone`: C1. `mapsAsObjects`: CBOR maps are objects and a Map has a tag of its own.
 * `variableMapSize`: the smallest heads. `tagUint8Array`: untagged bytes, as others' decoders expect them.
 * `copyBuffers`: bytes in a decoded value must not share memory with a reply of the store.
 */
const encoder = new Encoder({
  useRecords: false,
  structuredClone: false,
  mapsAsObjects: true,
  variableMapSize: true,
  tagUint8Array: false,
  copyBuffers: true,
});

/**
 * The library reads integers beyond 64 bits byte by byte, in a time that is the square of their length: 4 s for 100 KB. This
 * gives the same values in one step. It can be told so only for the whole process.
 */
readTag(2, bigintOf);
readTag(3, (bytes) => -1n - bigintOf(bytes));

/** Without a class: encoding stays as it is. */
function readTag(tag: number, decode: (item: unknown) => unknown): void {
  addExtension({ tag, decode } as unknown as Parameters<typeof addExtension>[0]);
}

function bigintOf(bytes: unknown): bigint {
  if (!(bytes instanceof Uint8Array)) throw new DecodeError("a big integer that is not made of bytes");
  return BigInt(`0x0${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")}`);
}

const shared: Codec<any> = Object.freeze({ [HANDLE]: true, id: "cbor", version: 0, encode: encodePlain, decode: (bytes: Uint8Array) => decodePlain(bytes) });

/** The default codec, for use where T is not known to the compiler, or to say it. */
export function cbor<T>(): Codec<T> {
  return shared;
}

/** CBOR of plain data. The bytes may share memory with other encoded values; they are never written again. */
export function encodePlain(value: unknown): Uint8Array {
  return writePlain(value, passing) ?? encoder.encode(value);
}

/** As `encodePlain`, with a copy of the value where there can be one. */
export function encodeAndCopy(value: unknown): Written {
  const plain = writeAndCopy(value, passing);
  if (plain !== undefined) return plain;
  const bytes = encoder.encode(value);
  return { bytes, from: 0, to: bytes.length, copy: NOT_PLAIN };
}

/** As `encodePlain`, for what is kept: behind `free` bytes for the caller to write. undefined: not of these bytes; use `encodePlain`. */
export function encodeKept(value: unknown, free: number): Buffer | undefined {
  return writePlain(value, kept, free);
}

/** The same bytes among those that are kept: so that they do not keep alive what is gone around them. */
export function moveKept(bytes: Uint8Array): Uint8Array {
  return kept.moved(bytes);
}

const passing = new Pages();
const kept = new Pages();

/** As `decodePlain`, of what the engine has stored. `what` begins the message: "a held record". Throws `DecodeError`. */
export function decodeStored(bytes: Uint8Array, what: string): unknown {
  try {
    return decodePlain(bytes);
  } catch (error) {
    throw new DecodeError(`${what} of ${bytes.length} bytes cannot be read (${messageOf(error)}); it was damaged or not written by Millrace`, { cause: error });
  }
}

/**
 * The value whose bytes are these, or those from `start` to `stop`, sharing no memory with them. Throws where they are not
 * CBOR, whatever the decoder throws: the caller classes that.
 */
export function decodePlain(bytes: Uint8Array, start = 0, stop = bytes.length): unknown {
  const value = readPlain(Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), start, stop);
  // Of a Buffer the decoder would slice Buffers.
  return value !== NOT_PLAIN ? value : encoder.decode(new Uint8Array(bytes.buffer, bytes.byteOffset + start, stop - start));
}

/** Is this codec the default one, whose values can be read where they lie? */
export const isDefaultCodec = (codec: Codec<unknown>): boolean => codec === shared;
