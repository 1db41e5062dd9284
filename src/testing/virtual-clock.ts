/**
 * A clock that stands still until it is told to move, so that a test waits for nothing and gives the same result every
 * time. It owns the pending wake-ups and nothing else: what a wake-up starts asynchronously is the caller's to await.
 *
 * V1  Wake-ups run in the order of their times, those of one time in the order in which they were asked for, and each
 *     of them sees its own time in `now()`.
 * V2  A wake-up asked for by another one runs within the same `advance` if its time is reached.
 */
import type { Clock } from "../clock.ts";
import { InvalidUseError } from "../errors.ts";

interface WakeUp {
  readonly time: number;
  readonly wake: () => void;
}

export class VirtualClock implements Clock {
  #now: number;
  /** In the order of V1. Tests have few pending at once, so a sorted array it is. */
  readonly #pending: WakeUp[] = [];

  /** @param now ms since the epoch at which it starts. */
  constructor(now = 0) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  after(delay: number, wake: () => void): () => void {
    const added: WakeUp = { time: this.#now + Math.max(delay, 0), wake };
    let at = this.#pending.length;
    while (at > 0 && this.#pending[at - 1]!.time > added.time) at--;
    this.#pending.splice(at, 0, added);
    return () => {
      const index = this.#pending.indexOf(added);
      if (index >= 0) this.#pending.splice(index, 1);
    };
  }

  /** In a microtask: before anything else that would need time. */
  soon(wake: () => void): void {
    queueMicrotask(wake);
  }

  /** When the next wake-up is due, ms since the epoch; undefined if nothing waits. */
  next(): number | undefined {
    return this.#pending[0]?.time;
  }

  /** Moves on by `by` ms, running every wake-up on the way. InvalidUseError if `by` is negative: this clock has no way back. */
  advance(by: number): void {
    if (!(by >= 0)) throw new InvalidUseError(`VirtualClock.advance(${by}): give ms, 0 or more`);
    const target = this.#now + by;
    for (let due = this.#pending[0]; due !== undefined && due.time <= target; due = this.#pending[0]) {
      this.#pending.shift();
      this.#now = Math.max(this.#now, due.time);
      due.wake();
    }
    this.#now = Math.max(this.#now, target);
  }
}
