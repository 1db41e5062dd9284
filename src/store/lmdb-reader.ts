/** Reads of one LMDB database, as the store's other parts need them: whole values, keys of a range, never a cursor. */
import type { Database } from "lmdb";

export interface Range {
  readonly start: Buffer;
  readonly end: Buffer;
}

export class LmdbReader {
  readonly #db: Database<Buffer, Buffer>;

  constructor(db: Database<Buffer, Buffer>) {
    this.#db = db;
  }

  /** A copy: it stays as it is whatever is written later. */
  get(key: Buffer): Buffer | undefined {
    return this.#db.getBinary(key);
  }

  has(key: Buffer): boolean {
    return this.#db.getBinaryFast(key) !== undefined;
  }

  /** The 64-bit float that is stored there. */
  number(key: Buffer): number | undefined {
    return this.#db.getBinaryFast(key)?.readDoubleBE(0);
  }

  /** The first `limit` keys of a range, in order. */
  keys(range: Range, limit: number): Buffer[] {
    if (limit <= 0) return [];
    return [...this.#db.getKeys({ ...range, limit: Math.min(limit, 0x7fff_ffff) })];
  }

  /** The first `limit` entries of a range, in order. */
  entries(range: Range, limit = Number.POSITIVE_INFINITY): { key: Buffer; value: Buffer }[] {
    if (limit <= 0) return [];
    return [...this.#db.getRange({ ...range, limit: Math.min(limit, 0x7fff_ffff) })];
  }
}

/** A 64-bit float as a value. */
export function numberValue(number: number): Buffer {
  const value = Buffer.allocUnsafe(8);
  value.writeDoubleBE(number);
  return value;
}
