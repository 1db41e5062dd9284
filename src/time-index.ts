/**
 * Members in the order of (time, member): the in-memory head of a shard's timers, and of its holds.
 *
 * It may know only a head of what is stored. Everything stored below `horizon` is here; from there on only the store
 * knows. Pure: no I/O, no clock.
 *
 * I1  `first()` is the smallest member of all, unless it is undefined or not below the horizon.
 * I2  A member is here at most once; setting it again moves it.
 */
import { compareBytes } from "./text.ts";

interface Entry {
  readonly time: number;
  readonly member: string;
  live: boolean;
}

const before = (a: Entry, b: Entry): boolean => a.time < b.time || (a.time === b.time && compareBytes(a.member, b.member) < 0);

export class TimeIndex {
  #heap: Entry[] = [];
  readonly #entries = new Map<string, Entry>();
  #horizon = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#entries.size;
  }

  /** All stored members with a smaller time are here. Infinity: all members are. */
  get horizon(): number {
    return this.#horizon;
  }

  /** No member, here or stored, has a smaller time than this; Infinity if there is none at all. */
  get bound(): number {
    return Math.min(this.first()?.time ?? Number.POSITIVE_INFINITY, this.#horizon);
  }

  /** As `bound`, of those whose time is not below `from`; where that is not known, of all. */
  boundFrom(from: number): number {
    if (this.bound >= from || this.#horizon < from) return this.bound;
    for (let limit = 16; ; limit *= 4) {
      const members = this.upTo(Number.POSITIVE_INFINITY, limit);
      for (const member of members) {
        const time = this.timeOf(member) as number;
        if (time >= from) return Math.min(time, this.#horizon);
      }
      if (members.length < limit) return this.#horizon;
    }
  }

  timeOf(member: string): number | undefined {
    return this.#entries.get(member)?.time;
  }

  set(member: string, time: number): void {
    const known = this.#entries.get(member);
    if (known !== undefined) {
      if (known.time === time) return;
      known.live = false;
      this.#entries.delete(member);
    }
    if (time >= this.#horizon) return;
    const entry: Entry = { time, member, live: true };
    this.#entries.set(member, entry);
    this.#push(entry);
    if (this.#heap.length > 64 && this.#heap.length > 2 * this.#entries.size) this.#rebuild();
  }

  delete(member: string): void {
    const known = this.#entries.get(member);
    if (known === undefined) return;
    known.live = false;
    this.#entries.delete(member);
  }

  /** The smallest member that is here. */
  first(): { readonly time: number; readonly member: string } | undefined {
    for (;;) {
      const head = this.#heap[0];
      if (head === undefined || head.live) return head;
      this.#pop();
    }
  }

  /** Members with time <= `until`, in order, at most `limit`; they stay. */
  upTo(until: number, limit: number): string[] {
    const heap = this.#heap;
    const members: string[] = [];
    // Places in the heap whose parents have been visited: itself a heap, so that no more is looked at than is given.
    const next: number[] = [];
    const visit = (place: number) => {
      const entry = heap[place];
      if (entry === undefined || entry.time > until) return;
      let child = next.push(place) - 1;
      while (child > 0) {
        const parent = (child - 1) >> 1;
        if (!before(entry, heap[next[parent] as number] as Entry)) break;
        next[child] = next[parent] as number;
        child = parent;
      }
      next[child] = place;
    };
    visit(0);
    while (next.length > 0 && members.length < limit) {
      const place = this.#takeLeast(next);
      const entry = heap[place] as Entry;
      if (entry.live) members.push(entry.member);
      visit(2 * place + 1);
      visit(2 * place + 2);
    }
    return members;
  }

  /** Takes the first out of a heap of places. */
  #takeLeast(places: number[]): number {
    const heap = this.#heap;
    const least = places[0] as number;
    const last = places.pop() as number;
    if (places.length === 0) return least;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= places.length) break;
      const right = places[child + 1];
      if (right !== undefined && before(heap[right] as Entry, heap[places[child] as number] as Entry)) child++;
      if (!before(heap[places[child] as number] as Entry, heap[last] as Entry)) break;
      places[parent] = places[child] as number;
      parent = child;
    }
    places[parent] = last;
    return least;
  }

  /** Replaces all that is known by a head read from the store; `complete` if there is nothing after it. */
  load(head: readonly { readonly member: string; readonly time: number }[], complete: boolean): void {
    this.#entries.clear();
    this.#heap = [];
    this.#horizon = Number.POSITIVE_INFINITY;
    for (const { member, time } of head) this.set(member, time);
    if (!complete) this.#cutAt(head.at(-1)?.time ?? 0);
  }

  /**
   * Forgets the later members, so that about `keep` remain of those whose times are after `until`, and all others. What is
   * forgotten must be in the store when it is read again.
   */
  shrink(keep: number, until = Number.NEGATIVE_INFINITY): void {
    const times = [...this.#entries.values()].map((entry) => entry.time).sort((a, b) => a - b);
    const cut = times[keep + times.filter((time) => time <= until).length];
    if (cut !== undefined && cut > (times[0] ?? cut)) this.#cutAt(cut);
  }

  #cutAt(time: number): void {
    this.#horizon = Math.min(this.#horizon, time);
    for (const entry of this.#entries.values()) if (entry.time >= this.#horizon) this.delete(entry.member);
    this.#rebuild();
  }

  #rebuild(): void {
    this.#heap = [...this.#entries.values()].sort((a, b) => (before(a, b) ? -1 : 1));
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let child = heap.push(entry) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!before(entry, heap[parent] as Entry)) break;
      heap[child] = heap[parent] as Entry;
      child = parent;
    }
    heap[child] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] as Entry)) child++;
      if (!before(heap[child] as Entry, last)) break;
      heap[parent] = heap[child] as Entry;
      parent = child;
    }
    heap[parent] = last;
  }
}
