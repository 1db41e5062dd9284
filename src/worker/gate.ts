/**
 * How many calls of one participant may run at a time, and begin in a while, over all its shards in this worker.
 *
 * G1  Never more than `concurrency` between `enter` and `leave`; never more than `max` of `enter` within any `per` ms.
 */
export interface GateLimits {
  readonly concurrency: number;
  readonly rateLimit: { readonly max: number; readonly per: number } | undefined;
}

export class Gate {
  readonly #limits: GateLimits;
  #inside = 0;
  /** When the last `max` calls began, in a ring. */
  readonly #begun: number[] = [];
  #next = 0;
  readonly #waiting = new Set<() => void>();

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  /** From when on a call may begin, ms; Infinity: when another has ended. */
  opensAt(): number {
    if (this.#inside >= this.#limits.concurrency) return Number.POSITIVE_INFINITY;
    const { rateLimit } = this.#limits;
    if (rateLimit === undefined || this.#begun.length < rateLimit.max) return 0;
    return (this.#begun[this.#next] as number) + rateLimit.per;
  }

  enter(now: number): void {
    this.#inside += 1;
    const { rateLimit } = this.#limits;
    if (rateLimit === undefined) return;
    this.#begun[this.#next] = now;
    this.#next = (this.#next + 1) % rateLimit.max;
  }

  leave(): void {
    this.#inside -= 1;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Called once, when a call has ended. */
  wait(wake: () => void): void {
    this.#waiting.add(wake);
  }
}
