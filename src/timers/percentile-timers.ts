/**
 * The pending event timers of a shard whose computation has percentile timers: those fire when their percentile watermark
 * has come to their time, the others when the low watermark has. Pure.
 *
 * P1  A timer that both watermarks have passed fires in the order of all; the low watermark goes first.
 * P2  Of a percentile that timers here go by, the output is held by these alone.
 * P3  What a page of the store does not reach is asked for until the horizon is behind every percentile watermark. So none
 *     of what these have passed is let go of.
 */
import { TimeIndex } from "../time-index.ts";
import { TimerQueue } from "./timer-queue.ts";

export class PercentileTimers extends TimerQueue {
  readonly #percentileOf: (member: string) => number | undefined;
  /** The percentile watermarks in force, which rise. */
  readonly #watermarks: ReadonlyMap<number, number>;
  /** By percentile, those that are here and not aside. */
  readonly #early: ReadonlyMap<number, TimeIndex>;
  readonly #setAside = new Set<string>();
  /** How many timers there were when it was last looked whether some can be let go of. */
  #looked = 0;

  constructor(
    keyOf: (member: string) => string,
    percentileOf: (member: string) => number | undefined,
    percentiles: Iterable<number>,
    watermarks: ReadonlyMap<number, number>,
  ) {
    super("watermark", keyOf);
    this.#percentileOf = percentileOf;
    this.#watermarks = watermarks;
    this.#early = new Map(Array.from(percentiles, (percentile) => [percentile, new TimeIndex()]));
  }

  override set(member: string, time: number, output?: number, key?: string): void {
    super.set(member, time, output, key);
    this.#setAside.delete(member);
    const index = this.#indexOf(member);
    if (time < this.horizon) index?.set(member, time);
    else index?.delete(member);
  }

  override delete(member: string, key?: string): void {
    super.delete(member, key);
    this.#setAside.delete(member);
    this.#indexOf(member)?.delete(member);
  }

  override due(now: number): { readonly time: number; readonly member: string } | undefined {
    const first = super.due(now);
    return first ?? this.#dueEarly();
  }

  #dueEarly(): { readonly time: number; readonly member: string } | undefined {
    let next: { readonly time: number; readonly member: string } | undefined;
    for (const [percentile, index] of this.#early) {
      const first = index.first(this.#reached(percentile));
      if (first !== undefined && (next === undefined || first.time < next.time)) next = first;
    }
    return next;
  }

  override putAside(member: string): void {
    super.putAside(member);
    const index = this.#indexOf(member);
    if (index === undefined) return;
    index.delete(member);
    this.#setAside.add(member);
  }

  override takeBack(key: string): void {
    super.takeBack(key);
    if (this.#setAside.size === 0) return;
    for (const member of this.ofKey(key)) if (this.#setAside.delete(member)) this.#enterEarly(member);
  }

  override allDue(now: number, limit: number): string[] {
    const members = super.allDue(now, limit);
    for (const [percentile, index] of this.#early) members.push(...index.upTo(this.#reached(percentile), limit));
    return members;
  }

  override needsMore(now: number): boolean {
    return super.needsMore(now) || this.#hidden;
  }

  override get page(): number {
    return this.#hidden ? 2 * this.size : 0;
  }

  /** Where timers go by this percentile, only they hold it: the others correct, or clean up. */
  override boundFrom(percentile: number, from: number): number {
    const index = this.#early.get(percentile);
    if (index === undefined) return super.boundFrom(percentile, from);
    let bound = Math.min(index.boundFrom(from), this.horizon);
    for (const member of this.#setAside) {
      const time = this.timeOf(member) ?? bound;
      if (time >= from && time < bound && this.#percentileOf(member) === percentile) bound = time;
    }
    return bound;
  }

  override load(head: Parameters<TimerQueue["load"]>[0], complete: boolean): void {
    super.load(head, complete);
    this.#setAside.clear();
    for (const index of this.#early.values()) index.load([], true);
    for (const { member } of head) this.#enterEarly(member);
  }

  override trim(): void {
    const { horizon, size } = this;
    // Where nearly all of very many have been passed, not each look sorts them again.
    if (size >= this.#looked / 2 && size < 2 * this.#looked) return;
    super.trim(Math.max(...Array.from(this.#early.keys(), (percentile) => this.#reached(percentile))));
    this.#looked = this.size;
    if (this.horizon === horizon) return;
    for (const index of this.#early.values())
      for (const member of index.upTo(Number.POSITIVE_INFINITY, index.size)) if (this.timeOf(member) === undefined) index.delete(member);
  }

  /** May the store know of timers that a percentile watermark has passed, and that are not here? */
  get #hidden(): boolean {
    for (const percentile of this.#early.keys()) if (this.horizon <= this.#reached(percentile)) return true;
    return false;
  }

  #enterEarly(member: string): void {
    const time = this.timeOf(member);
    if (time !== undefined) this.#indexOf(member)?.set(member, time);
  }

  #indexOf(member: string): TimeIndex | undefined {
    const percentile = this.#percentileOf(member);
    return percentile === undefined ? undefined : this.#early.get(percentile);
  }

  #reached(percentile: number): number {
    return this.#watermarks.get(percentile) ?? Number.NEGATIVE_INFINITY;
  }
}
