/**
 * Members with times, ordered by (time, bytes of the member): timers, holds and ids in memory. The counterpart of a
 * Redis sorted set.
 *
 * The order is kept in chunks of bounded length, so that a change moves at most one chunk however many members there are.
 */
import { compareBytes } from "../text.ts";
import type { HoldSet } from "./commit.ts";

/** Members of a chunk before it is cut in two. */
const CHUNK = 256;

export class MemoryTimes {
  readonly #times: Map<string, number> = new Map();
  /** In order, none empty. */
  #chunks: HoldSet[][] = [];

  get size(): number {
    return this.#times.size;
  }

  get(member: string): number | undefined {
    return this.#times.get(member);
  }

  set(member: string, time: number): void {
    if (this.#times.get(member) === time) return;
    this.delete(member);
    this.#times.set(member, time);
    const entry = { member, time };
    const at = Math.min(this.#chunkOf(entry), this.#chunks.length - 1);
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#chunks.push([entry]);
      return;
    }
    chunk.splice(firstNotBefore(chunk, entry), 0, entry);
    if (chunk.length > CHUNK) this.#chunks.splice(at + 1, 0, chunk.splice(CHUNK >> 1));
  }

  delete(member: string): void {
    const time = this.#times.get(member);
    if (time === undefined) return;
    this.#times.delete(member);
    const at = this.#chunkOf({ member, time });
    const chunk = this.#chunks[at];
    if (chunk === undefined) return;
    chunk.splice(firstNotBefore(chunk, { member, time }), 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /** In no order. */
  members(): string[] {
    return [...this.#times.keys()];
  }

  /** The first `limit` members. */
  head(limit: number): HoldSet[] {
    const head: HoldSet[] = [];
    for (const chunk of this.#chunks) {
      for (const entry of chunk) {
        if (head.length >= limit) return head;
        head.push(entry);
      }
    }
    return head;
  }

  /** Forgets every member with a time below `time`. */
  deleteBelow(time: number): void {
    for (let first = this.#chunks[0]?.[0]; first !== undefined && first.time < time; first = this.#chunks[0]?.[0]) this.delete(first.member);
  }

  copy(): MemoryTimes {
    const copy = new MemoryTimes();
    for (const [member, time] of this.#times) copy.#times.set(member, time);
    copy.#chunks = this.#chunks.map((chunk) => [...chunk]);
    return copy;
  }

  /** The first chunk whose last member is not before `entry`. */
  #chunkOf(entry: HoldSet): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareTimes(this.#chunks[middle]!.at(-1)!, entry) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function firstNotBefore(chunk: readonly HoldSet[], entry: HoldSet): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareTimes(chunk[middle]!, entry) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The order of timers and holds in every store: by time, then by the bytes of the member in UTF-8. */
function compareTimes(a: HoldSet, b: HoldSet): number {
  return a.time - b.time || compareBytes(a.member, b.member);
}
