/**
 * So many at a time; who comes when there are as many waits for its turn, in the order of coming. Whoever looks for an owner,
 * or for room, does so again and again, and all of very many at once would leave the process no time for anything else.
 */
import type { Clock } from "../clock.ts";

export class Turns {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(most: number) {
    this.#free = most;
  }

  /** Waits for a turn, `patience` ms of the clock at most. undefined: there was none; else what ends it, once or more often. */
  async take(patience: number, clock: Clock): Promise<(() => void) | undefined> {
    if (this.#free > 0) this.#free--;
    else if (!(await this.#given(patience, clock))) return undefined;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      const [next] = this.#waiting;
      if (next === undefined) this.#free++;
      else next();
    };
  }

  #given(patience: number, clock: Clock): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (given: boolean): void => {
        cancel();
        this.#waiting.delete(next);
        resolve(given);
      };
      const next = (): void => settle(true);
      const cancel = clock.after(patience, () => settle(false));
      this.#waiting.add(next);
    });
  }
}
