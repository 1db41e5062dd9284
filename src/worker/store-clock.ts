/** The store's clock, as far as replies have told it. It only ever moves on. */
export class StoreClock {
  #now = 0;
  /** What a reply told last, and when: it may be less than what an earlier one told. */
  #told = { now: 0, at: 0 };

  /** The latest time that a reply has told, ms. */
  get now(): number {
    return this.#now;
  }

  /** A reply has told it at `at` by the worker's clock. Has it moved on? */
  learn(now: number, at: number): boolean {
    this.#told = { now, at };
    if (now <= this.#now) return false;
    this.#now = now;
    return true;
  }

  /** What it probably shows at `at` by the worker's clock: decides when to ask, never when to fire. */
  estimate(at: number): number {
    return this.#told.now + (at - this.#told.at);
  }
}
