/**
 * Members with times in LMDB, ordered by (time, bytes of the member): timers, holds and client ids of one shard. Each
 * member has two entries, its time and its place in the order.
 *
 * It reads what is visible. So within a group of writes at most one change of it may be made, and takes all operations
 * of that change at once.
 */
import type { HoldSet, TakenId } from "./commit.ts";
import type { ShardRef } from "../key.ts";
import { headKey, rangeOf, textKey, type TimeKinds, timeKey, timeOf } from "./lmdb-keys.ts";
import { type LmdbReader, numberValue } from "./lmdb-reader.ts";
import type { LmdbWriter } from "./lmdb-writer.ts";

/** Members of which the time is remembered. */
const MEMBERS_KNOWN = 4_096;

const NO_VALUE = Buffer.alloc(0);

export class LmdbTimes {
  readonly #shard: ShardRef;
  readonly #kinds: TimeKinds;
  readonly #reader: LmdbReader;
  readonly #writer: LmdbWriter;
  /** Times of members set lately, so that moving or deleting them needs no look-up. */
  readonly #known = new Map<string, number>();
  size: number;

  constructor(shard: ShardRef, kinds: TimeKinds, size: number, reader: LmdbReader, writer: LmdbWriter) {
    this.#shard = shard;
    this.#kinds = kinds;
    this.size = size;
    this.#reader = reader;
    this.#writer = writer;
  }

  get(member: string): number | undefined {
    return this.#known.get(member) ?? this.#reader.number(textKey(this.#shard, this.#kinds.member, member));
  }

  has(member: string): boolean {
    return this.get(member) !== undefined;
  }

  /** Deletes, then sets. */
  apply(deletes: readonly string[], sets: readonly HoldSet[]): void {
    const set = deletes.length > 0 && sets.length > 0 ? new Set(sets.map(({ member }) => member)) : undefined;
    for (const member of deletes) if (set?.has(member) !== true) this.#delete(member);
    for (const { member, time } of sets) this.#set(member, time);
  }

  /** Adds ids, then forgets all, old and new, with a timestamp below `below`. */
  take(ids: readonly TakenId[], below: number): void {
    const taken = new Map(ids.map(({ id, timestamp }) => [id, timestamp]));
    for (const [id, timestamp] of taken) {
      if (timestamp < below) this.#delete(id);
      else this.#set(id, timestamp);
    }
    if (below === Number.NEGATIVE_INFINITY || this.size === 0) return;
    const range = { start: headKey(this.#shard, this.#kinds.order), end: timeKey(this.#shard, this.#kinds.order, below, "") };
    for (const key of this.#reader.keys(range, Number.POSITIVE_INFINITY)) {
      const { member, time } = timeOf(key);
      if (!taken.has(member)) this.#remove(member, time);
    }
  }

  /** The first `limit` members. */
  head(limit: number): HoldSet[] {
    return this.#reader.keys(rangeOf(this.#shard, this.#kinds.order), limit).map(timeOf);
  }

  #set(member: string, time: number): void {
    const key = textKey(this.#shard, this.#kinds.member, member);
    const before = this.#known.get(member) ?? this.#reader.number(key);
    if (this.#known.size >= MEMBERS_KNOWN) this.#known.clear();
    this.#known.set(member, time);
    if (before === time) return;
    if (before === undefined) this.size += 1;
    else this.#writer.remove(timeKey(this.#shard, this.#kinds.order, before, member));
    this.#writer.put(key, numberValue(time));
    this.#writer.put(timeKey(this.#shard, this.#kinds.order, time, member), NO_VALUE);
  }

  #delete(member: string): void {
    const time = this.get(member);
    if (time !== undefined) this.#remove(member, time);
  }

  #remove(member: string, time: number): void {
    this.size -= 1;
    this.#known.delete(member);
    this.#writer.remove(textKey(this.#shard, this.#kinds.member, member));
    this.#writer.remove(timeKey(this.#shard, this.#kinds.order, time, member));
  }
}
