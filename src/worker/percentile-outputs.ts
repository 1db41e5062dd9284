/**
 * The percentile watermarks that a shard's commits leave to be published, each from when its commit is acknowledged and what
 * that stored for other domains is delivered. So what is under way never has to be looked through for what holds. Pure.
 */
import { BEGINNING } from "../time.ts";
import type { Outbox } from "./outbox.ts";

interface Noted {
  readonly number: number;
  readonly values: ReadonlyMap<number, number>;
}

export class PercentileOutputs {
  #noted: Noted[] = [];
  readonly #reached = new Map<number, number>();

  /** `number`: that of a commit, no smaller than the one before. */
  add(number: number, values: ReadonlyMap<number, number>): void {
    if (this.#noted.at(-1)?.number === number) this.#noted.pop();
    this.#noted.push({ number, values });
  }

  /** It never falls. `acknowledged`: number of the last commit that is. */
  value(percentile: number, acknowledged: number, outbox: Pick<Outbox, "deliveredTo">): number {
    while (this.#noted.length > 0) {
      const { number, values } = this.#noted[0] as Noted;
      if (number > acknowledged || !outbox.deliveredTo(number)) break;
      this.#noted.shift();
      for (const [each, value] of values) this.#reached.set(each, Math.max(this.#reached.get(each) ?? BEGINNING, value));
    }
    return this.#reached.get(percentile) ?? BEGINNING;
  }
}
