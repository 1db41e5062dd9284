/** Codecs: how values become bytes. The id and version of the codec are stored with every value (`computation/envelope.ts`). */
export interface Codec<T> {
  /** Durable: 1 to 32 of [a-z0-9.-]. Stored with every value. */
  readonly id: string;
  /** 0 to 65535. Raise it when the shape of the bytes changes; `decode` is given the version a value was written with. */
  readonly version: number;
  encode(value: T): Uint8Array;
  /** `version` may be older than this codec's (upcast it here), never newer: such a value is refused before. */
  decode(bytes: Uint8Array, version: number): T;
}
