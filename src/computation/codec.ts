/** Codecs: how values become bytes. The id and version of the codec are stored with every value (`computation/envelope.ts`). */

/**
 * Makes bytes of values and values of bytes, synchronously, for a stream or a cell of state. A codec whose shape has
 * changed reads what its earlier versions wrote, for values of all ages are in the store:
 *
 *     const totals: Codec<Total> = {
 *       id: "total",
 *       version: 1,                                      // 0 had no currency
 *       encode: (total) => plain.encode(total),
 *       decode: (bytes, version) => (version < 1 ? { ...plain.decode(bytes, 0), currency: "EUR" } : plain.decode(bytes, 0)),
 *     };                                                 // with plain = cbor<Total>()
 */
export interface Codec<T> {
  /** Durable: 1 to 32 of [a-z0-9.-]. Stored with every value. "cbor" and "json" are Millrace's own. */
  readonly id: string;
  /** 0 to 65535. Raise it when the shape of the bytes changes; `decode` is given the version a value was written with. */
  readonly version: number;
  /** Throws for what it cannot keep; the bytes are copied before the next call. */
  encode(value: T): Uint8Array;
  /** `version` may be older than this codec's (upcast it here), never newer: such a value is refused before. */
  decode(bytes: Uint8Array, version: number): T;
}
