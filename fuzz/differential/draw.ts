/** Draws values of which stores might make something else: keys, times at the ends of their range, bytes of all kinds. */
import type { ShardRef } from "../../src/key.ts";
import { PARCEL_IDENTITY_BYTES, type Place } from "../../src/store/commit.ts";
import type { Status } from "../../src/store/store.ts";
import { END } from "../../src/time.ts";
import { Prng } from "../../test/support/prng.ts";

export const KEYS = ["a", "b", "c\u0000", "🔑", "d\r\n", "é", "\uFFFF", "k".repeat(300)];
export const FIELDS = [...KEYS.map((key) => `2:${key}`), "3:a"];
export const WORKERS = ["w1", "w 2", "w/3;", "wörk"];
const STATUSES: readonly Status[] = ["live", "live", "idle", "back-pressured", "finished"];
export const TIMES = [-1, 0, 1, 2, 3, 50, 51, 1_700_000_000_123, 1_700_000_000_124, END - 1, END];
/** More than there is of anything. */
export const ALL = 1_000_000;

export class Draw {
  readonly #random: Prng;

  constructor(seed: number) {
    this.#random = new Prng(seed);
  }

  below(bound: number): number {
    return this.#random.below(bound);
  }
  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }
  one<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
  /** Up to `most` of them, each once. */
  some<T>(list: readonly T[], most: number): T[] {
    return [...new Set(Array.from({ length: this.below(most + 1) }, () => this.one(list)))];
  }
  /** Splits at random: what becomes a set and what a delete. */
  parted<T>(list: readonly T[]): [T[], T[]] {
    const sets = list.filter(() => this.once(2));
    return [sets, list.filter((each) => !sets.includes(each))];
  }

  time(): number {
    return this.one(TIMES);
  }
  status(): Status {
    return this.one(STATUSES);
  }
  /** How many to read at most: often too few. */
  limit(): number {
    return this.one([0, 1, 2, 5, ALL]);
  }
  place(): Place {
    return { monotonic: 1 + this.below(3), n: this.one([1, 1, 1, 2, 3]) };
  }

  bytes(): Uint8Array {
    const length = this.once(40) ? 3_000 + this.below(70_000) : this.below(24);
    const bytes = new Uint8Array(length);
    const text = this.once(2);
    for (let i = 0; i < length; i++) bytes[i] = text ? 0x61 + (i % 26) : this.below(256);
    return bytes;
  }
  /** A parcel that no other in this history equals: `name` makes it so. */
  parcel(name: string): Uint8Array {
    const body = this.bytes();
    const parcel = new Uint8Array(PARCEL_IDENTITY_BYTES + body.length).fill(0x2e);
    for (let i = 0; i < name.length; i++) parcel[i] = name.charCodeAt(i);
    parcel.set(body, PARCEL_IDENTITY_BYTES);
    return parcel;
  }
  previous(): Place | undefined {
    return this.once(2) ? undefined : this.place();
  }
  shard(shards: readonly ShardRef[]): ShardRef {
    return this.one(shards);
  }
}
