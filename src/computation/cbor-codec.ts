/**
 * The default codec: CBOR (RFC 8949). Plain objects, arrays, strings (well-formed Unicode), numbers, bigint, booleans,
 * null, undefined, Date, Map, Set, bytes and typed arrays come back as they were; bytes always as `Uint8Array`. What is
 * neither comes back as plain data (an instance without its methods) or is refused (functions, symbols, cycles).
 * Not kept: -0 (0), a key "__proto__" (refused by the decoder's guard against prototype pollution: "__proto_").
 *
 * C1  The bytes of a value do not depend on what was encoded before: no shared structures, no records, no references.
 */
import { Encoder } from "cbor-x";
import type { Codec } from "./codec.ts";
import { HANDLE } from "./handle.ts";

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

const shared: Codec<any> = Object.freeze({ [HANDLE]: true, id: "cbor", version: 0, encode: encodePlain, decode: decodePlain });

/** The default codec, for use where T is not known to the compiler, or to say it. */
export function cbor<T>(): Codec<T> {
  return shared;
}

/** CBOR of plain data. The bytes may share memory with other encoded values; they are never written again. */
export function encodePlain(value: unknown): Uint8Array {
  return encoder.encode(value);
}

/** The value, sharing no memory with `bytes`. Throws where they are not CBOR; `decodeAt` classes that. */
export function decodePlain(bytes: Uint8Array): unknown {
  // Of a Buffer the decoder would slice Buffers.
  const plain = bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return encoder.decode(plain);
}
