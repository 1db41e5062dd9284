/**
 * Members in the order of (time, member): the in-memory head of a shard's timers, and of its holds.
 *
 * It may know only a head of what is stored. Everything stored below `horizon` is here; from there on only the store
 * knows. Pure: no I/O, no clock.
 *
 * Members of one time are kept together, for the windows of all keys end at once: a heap has the times, each with a list
 * that is put in order when they are due. What is deleted or moved stays listed until it is met, or until there is
 * more of it than of what is here.
 *
 * I1  `first()` is the smallest member of all, unless it is undefined or not below the horizon.
 * I2  A member is here at most once; setting it again moves it.
 * I3  A member is at the time of the moment that `#moments` has for it; where another lists it, that is left over.
 */
import { compareBytes } from "./text.ts";

/** Only beyond this does the order of JavaScript differ from that of the bytes. */
const BEYOND = /[\ud800-\uffff]/;

/** All members of one time. */
class Moment {
  readonly time: number;
  /** Also what is left over; before `from` is nothing any more. */
  readonly members: string[];
  from = 0;
  #inOrder = true;
  /** They are being taken one after the other: what comes is put where it belongs. */
  #begun = false;

  constructor(time: number, member: string) {
    this.time = time;
    this.members = [member];
  }

  add(member: string): void {
    const { members } = this;
    if (this.#inOrder && compareBytes(members[members.length - 1] as string, member) < 0) members.push(member);
    else if (this.#begun) members.splice(this.#placeOf(member), 0, member);
    else {
      members.push(member);
      this.#inOrder = false;
    }
  }

  begin(): void {
    this.#begun = true;
    if (this.#inOrder) return;
    const { members } = this;
    members.splice(0, this.from);
    this.from = 0;
    if (members.some((member) => BEYOND.test(member))) members.sort(compareBytes);
    else members.sort();
    this.#inOrder = true;
  }

  /** The first place from which on none is smaller. They are in order. */
  #placeOf(member: string): number {
    let low = this.from;
    let high = this.members.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareBytes(this.members[middle] as string, member) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class TimeIndex {
  #heap = new Heap<Moment>();
  readonly #byTime = new Map<number, Moment>();
  readonly #moments = new Map<string, Moment>();
  /** In all moments, with what is left over. */
  #listed = 0;
  #horizon = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#moments.size;
  }

  /** All stored members with a smaller time are here. Infinity: all members are. */
  get horizon(): number {
    return this.#horizon;
  }

  /** No member, here or stored, has a smaller time than this; Infinity if there is none at all. */
  get bound(): number {
    return Math.min(this.#earliest()?.time ?? Number.POSITIVE_INFINITY, this.#horizon);
  }

  /** As `bound`, of those whose time is not below `from`; where that is not known, of all. */
  boundFrom(from: number): number {
    if (this.bound >= from || this.#horizon < from) return this.bound;
    for (const moment of this.#inOrder()) if (moment.time >= from && this.#hasAny(moment)) return Math.min(moment.time, this.#horizon);
    return this.#horizon;
  }

  timeOf(member: string): number | undefined {
    return this.#moments.get(member)?.time;
  }

  set(member: string, time: number): void {
    const known = this.#moments.get(member);
    if (known !== undefined) {
      if (known.time === time) return;
      this.#moments.delete(member);
    }
    if (time >= this.#horizon) return;
    this.#list(member, time);
    if (this.#listed > 64 && this.#listed > 2 * this.#moments.size) this.#rebuild();
  }

  delete(member: string): void {
    this.#moments.delete(member);
  }

  /** The smallest member that is here, if its time is not after `until`. */
  first(until = Number.POSITIVE_INFINITY): { readonly time: number; readonly member: string } | undefined {
    let moment = this.#earliest();
    if (moment === undefined || moment.time > until) return undefined;
    moment.begin();
    moment = this.#earliest() as Moment;
    return { time: moment.time, member: moment.members[moment.from] as string };
  }

  /** Members with time <= `until`, in order, at most `limit`; they stay. */
  upTo(until: number, limit: number): string[] {
    const found: string[] = [];
    for (const moment of this.#inOrder()) {
      if (moment.time > until) break;
      moment.begin();
      for (let at = moment.from; at < moment.members.length; at++) {
        if (found.length >= limit) return found;
        const member = moment.members[at] as string;
        // One that went and came back is listed twice, side by side.
        if (this.#moments.get(member) === moment && found.at(-1) !== member) found.push(member);
      }
    }
    return found;
  }

  /** Replaces all that is known by a head read from the store; `complete` if there is nothing after it. */
  load(head: readonly { readonly member: string; readonly time: number }[], complete: boolean): void {
    this.#clear();
    this.#horizon = Number.POSITIVE_INFINITY;
    for (const { member, time } of head) this.set(member, time);
    if (!complete) this.#cutAt(head.at(-1)?.time ?? 0);
  }

  /**
   * Forgets the later members, so that about `keep` remain of those whose times are after `until`, and all others. What is
   * forgotten must be in the store when it is read again.
   */
  shrink(keep: number, until = Number.NEGATIVE_INFINITY): void {
    const times = [...this.#moments.values()].map((moment) => moment.time).sort((a, b) => a - b);
    const cut = times[keep + times.filter((time) => time <= until).length];
    if (cut !== undefined && cut > (times[0] ?? cut)) this.#cutAt(cut);
  }

  #cutAt(time: number): void {
    this.#horizon = Math.min(this.#horizon, time);
    for (const [member, moment] of this.#moments) if (moment.time >= this.#horizon) this.delete(member);
    this.#rebuild();
  }

  /** Without what is left over. */
  #rebuild(): void {
    const members = [...this.#moments].map(([member, { time }]) => ({ member, time }));
    this.#clear();
    for (const { member, time } of members) this.#list(member, time);
  }

  #clear(): void {
    this.#heap = new Heap();
    this.#byTime.clear();
    this.#moments.clear();
    this.#listed = 0;
  }

  #list(member: string, time: number): void {
    let moment = this.#byTime.get(time);
    if (moment === undefined) {
      moment = new Moment(time, member);
      this.#byTime.set(time, moment);
      this.#heap.push(moment);
    } else moment.add(member);
    this.#moments.set(member, moment);
    this.#listed += 1;
  }

  /** The first moment that has a member, which is at its `from`. Its members need not be in order. */
  #earliest(): Moment | undefined {
    for (;;) {
      const moment = this.#heap.items[0];
      if (moment === undefined) return undefined;
      const { members } = moment;
      for (; moment.from < members.length; moment.from++, this.#listed--) {
        if (this.#moments.get(members[moment.from] as string) === moment) return moment;
      }
      this.#heap.pop();
      this.#byTime.delete(moment.time);
    }
  }

  #hasAny(moment: Moment): boolean {
    for (let at = moment.from; at < moment.members.length; at++) if (this.#moments.get(moment.members[at] as string) === moment) return true;
    return false;
  }

  /** All moments, the earliest first, of which no more are looked at than are taken. */
  *#inOrder(): Generator<Moment> {
    const { items } = this.#heap;
    // Places whose parents have been given.
    const next = new Heap<{ readonly time: number; readonly place: number }>();
    const visit = (place: number): void => {
      const moment = items[place];
      if (moment !== undefined) next.push({ time: moment.time, place });
    };
    visit(0);
    for (let least = next.pop(); least !== undefined; least = next.pop()) {
      yield items[least.place] as Moment;
      visit(2 * least.place + 1);
      visit(2 * least.place + 2);
    }
  }
}

/** The item of the least time is the first. */
class Heap<T extends { readonly time: number }> {
  readonly items: T[] = [];

  push(item: T): void {
    this.#rise(this.items.push(item) - 1, item);
  }

  pop(): T | undefined {
    const { items } = this;
    const first = items[0];
    const last = items.pop();
    if (first === undefined || last === undefined || items.length === 0) return first;
    // The last is mostly late: the gap goes down to a leaf, with one comparison a level instead of two, and it rises from there.
    let gap = 0;
    for (let child = 1; child < items.length; child = 2 * gap + 1) {
      const right = items[child + 1];
      if (right !== undefined && right.time < (items[child] as T).time) child++;
      items[gap] = items[child] as T;
      gap = child;
    }
    this.#rise(gap, last);
    return first;
  }

  /** Puts `item` at `place`, or above it, where it belongs. */
  #rise(place: number, item: T): void {
    const { items } = this;
    let child = place;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if ((items[parent] as T).time <= item.time) break;
      items[child] = items[parent] as T;
      child = parent;
    }
    items[child] = item;
  }
}
