/**
 * The pending timers of one shard and one clock, as its owner sees them: what is stored, changed by what its
 * uncommitted batches set, deleted and fired. Pure.
 *
 * I1  A timer is due when its time has been reached, and the earliest due timer comes first; at equal times, by member.
 * I2  Timers that were put aside are not due until they are taken back; they count like the others in everything else.
 * I3  What is beyond the horizon of a head read from the store is never reported as "no more timers" (`bound`).
 */
import type { TimerClock } from "../store/commit.ts";
import { TimeIndex } from "../time-index.ts";

/** Timers of one shard and clock kept in memory; above it the later half is left to the store. */
const KEPT = 250_000;

export class TimerQueue {
  readonly clock: TimerClock;
  readonly #index = new TimeIndex();
  readonly #aside = new TimeIndex();
  /** Output timestamps of the timers here, where these are not their times. */
  readonly #outputs = new Map<string, number>();
  readonly #byKey = new Map<string, Set<string>>();
  #keyOf: (member: string) => string;

  constructor(clock: TimerClock, keyOf: (member: string) => string) {
    this.clock = clock;
    this.#keyOf = keyOf;
  }

  /** Timers here; the store may have more, from `horizon` on. */
  get size(): number {
    return this.#index.size + this.#aside.size;
  }
  get horizon(): number {
    return this.#index.horizon;
  }
  /** No timer is set for an earlier time than this; Infinity if there is none. */
  get bound(): number {
    return Math.min(this.#index.bound, this.#aside.bound);
  }

  timeOf(member: string): number | undefined {
    return this.#index.timeOf(member) ?? this.#aside.timeOf(member);
  }

  /** What it holds and produces at, if that is not its time; undefined also where only the store knows. */
  outputOf(member: string): number | undefined {
    return this.#outputs.get(member);
  }

  /** Members of a key's timers that are here. */
  ofKey(key: string): Iterable<string> {
    return this.#byKey.get(key) ?? [];
  }

  /** `key`: the member's, where the caller knows it. */
  set(member: string, time: number, output?: number, key = this.#keyOf(member)): void {
    this.#aside.delete(member);
    this.#index.set(member, time);
    if (time < this.#index.horizon) this.#enter(member, key, output);
    else this.#leave(member, key);
  }

  delete(member: string, key = this.#keyOf(member)): void {
    this.#index.delete(member);
    this.#aside.delete(member);
    this.#leave(member, key);
  }

  /** The earliest timer, if it is due at `now`. */
  due(now: number): { readonly time: number; readonly member: string } | undefined {
    return this.#due(now);
  }

  #due(now: number): { readonly time: number; readonly member: string } | undefined {
    return this.#index.first(now);
  }

  /** The earliest timer of all, aside or not, if its time is not after `until`. */
  earliest(until: number): { readonly time: number; readonly member: string } | undefined {
    const first = this.#due(until);
    const aside = this.#aside.first(until);
    return aside !== undefined && (first === undefined || aside.time < first.time) ? aside : first;
  }

  /** Its key has other work to do first: so that it is not met again and again until that is done. */
  putAside(member: string): void {
    const time = this.#index.timeOf(member);
    if (time === undefined) return;
    this.#index.delete(member);
    this.#aside.set(member, time);
  }

  /** The key can take timers again. */
  takeBack(key: string): void {
    if (this.#aside.size === 0) return;
    for (const member of this.ofKey(key)) {
      const time = this.#aside.timeOf(member);
      if (time === undefined) continue;
      this.#aside.delete(member);
      this.#index.set(member, time);
    }
  }

  /** Up to `limit` members due at `now`, in order. */
  allDue(now: number, limit: number): string[] {
    return this.#index.upTo(now, limit);
  }

  /** Are timers due at `now` that only the store knows? */
  needsMore(now: number): boolean {
    return this.#index.horizon <= now && this.#due(Math.min(now, this.#index.horizon - 1)) === undefined;
  }

  /** How many have to be read at least for that; 0: any page goes further. */
  get page(): number {
    return 0;
  }

  /** As `bound`, of the timers that hold the output of this percentile watermark and are not set for before `from`. */
  boundFrom(_percentile: number, from: number): number {
    return Math.min(this.#index.boundFrom(from), this.#aside.boundFrom(from));
  }

  load(head: readonly { readonly member: string; readonly time: number; readonly hold?: number | undefined }[], complete: boolean): void {
    this.#index.load(head, complete);
    this.#aside.load([], true);
    this.#byKey.clear();
    this.#outputs.clear();
    for (const { member, hold } of head) if (this.#index.timeOf(member) !== undefined) this.#enter(member, this.#keyOf(member), hold);
  }

  /** Lets go of the later timers when there are too many, but of none up to `until`. Only while none of them is uncommitted. */
  trim(until?: number): void {
    if (this.#index.size <= KEPT) return;
    this.#index.shrink(KEPT / 2, until);
    for (const members of this.#byKey.values()) for (const member of members) if (this.timeOf(member) === undefined) this.#leave(member, this.#keyOf(member));
  }

  #enter(member: string, key: string, output: number | undefined): void {
    if (output !== undefined) this.#outputs.set(member, output);
    else if (this.#outputs.size > 0) this.#outputs.delete(member);
    const members = this.#byKey.get(key);
    if (members === undefined) this.#byKey.set(key, new Set([member]));
    else members.add(member);
  }

  #leave(member: string, key: string): void {
    if (this.#outputs.size > 0) this.#outputs.delete(member);
    const members = this.#byKey.get(key);
    if (members?.delete(member) && members.size === 0) this.#byKey.delete(key);
  }
}
