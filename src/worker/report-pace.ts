/**
 * When a worker reports next: soon after something has changed with it, as often as others append, rarely where all is quiet.
 *
 * Between two reports it rests, and as long again as the first of them took to be answered, within limits: a machine, or a
 * store, that has more to do than it can has better to do than to hear of watermarks every other millisecond.
 */
import type { EngineOptions } from "./engine-options.ts";
import type { Membership } from "./membership.ts";

/** ms between reports at most: where others may have changed something, where none is known but one may come, and where they cannot. */
const POLL_SHARED = 100;
const POLL_LONELY = 2_000;
const POLL_ALONE = 1_000;
/** ms between them at least, when another has just appended; and the share of the time since then that they are apart. */
const POLL_SOON = 5;
const POLL_SHARE = 1 / 50;
const RETRY = 50;
/** The most that a rest for the time of an answer may be, in `reportEvery`. */
const REST = 5;

export class ReportPace {
  readonly #options: EngineOptions;
  #lastAt = Number.NEGATIVE_INFINITY;
  /** Has the last report's answer been taken account of? */
  #rested = true;
  #restsUntil = Number.NEGATIVE_INFINITY;
  /** When another worker was last known to have appended to an inbox, by the worker's clock. */
  #othersAt = Number.NEGATIVE_INFINITY;

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /** The report goes out. */
  reported(now: number): void {
    this.#lastAt = now;
    this.#rested = false;
  }

  /** It was not answered. */
  failed(now: number): void {
    this.#lastAt = now + RETRY;
    this.#rested = true;
  }

  othersAppended(now: number): void {
    this.#othersAt = now;
  }

  /** At each turn at which none is under way. */
  rest(now: number): void {
    if (this.#rested) return;
    this.#rested = true;
    this.#restsUntil = now + Math.min(now - this.#lastAt, REST * this.#options.reportEvery);
  }

  /** When one may be made, if there is something to say. */
  get earliest(): number {
    return Math.max(this.#lastAt + this.#options.reportEvery, this.#restsUntil);
  }

  /** When one is made although nothing has changed here. */
  poll(membership: Membership): number {
    return this.#lastAt + (this.#options.exclusive ? POLL_ALONE : this.#pollShared(membership));
  }

  /** Where others append often, one that waits for it looks often; where all is quiet, it looks rarely. */
  #pollShared(membership: Membership): number {
    const { pollSoon = POLL_SOON, leaseMs } = this.#options;
    // One that has come is heard of by the announcements, and one that has just gone may have left something to hear.
    const lonely = Math.min(Math.max(leaseMs, POLL_SHARED), POLL_LONELY);
    if (membership.workers.length <= 1 && !membership.moving) return membership.withNext(this.#lastAt + lonely) - this.#lastAt;
    return Math.min(Math.max((this.#lastAt - this.#othersAt) * POLL_SHARE, pollSoon), POLL_SHARED);
  }
}
