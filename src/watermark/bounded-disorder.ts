/**
 * The policy that trusts a bound on disorder: the watermark is the largest timestamp seen less the bound.
 *
 * P1  current() never falls, not even where a restart brings a wider bound.
 */
import { ConfigError } from "../errors.ts";
import type { WatermarkEstimator, WatermarkPolicy } from "./policy.ts";
import { idleAfterOf, type PolicyOptions } from "./policy-options.ts";
import { type SavedEstimate, savedEstimate } from "./saved-estimate.ts";

/**
 * For sources whose records are at most `disorder` ms behind the largest timestamp before them. A record exactly that
 * far behind is on time.
 *
 * @param disorder integer ms, 0 or more; ConfigError otherwise.
 */
export function boundedDisorder(disorder: number, options: PolicyOptions = {}): WatermarkPolicy {
  if (!Number.isSafeInteger(disorder) || disorder < 0) {
    throw new ConfigError(`boundedDisorder: the disorder is ${disorder}; give integer ms, 0 or more`);
  }
  return {
    kind: "watermark-policy",
    description: `bounded disorder ${disorder} ms`,
    idleAfter: idleAfterOf("boundedDisorder", options),
    start: (saved) => new BoundedEstimator(disorder, savedEstimate(saved)),
  };
}

/** `ascending` is a bound of 0. */
export class BoundedEstimator implements WatermarkEstimator {
  readonly #disorder: number;
  #largest: number;
  #watermark: number;

  constructor(disorder: number, saved: SavedEstimate) {
    this.#disorder = disorder;
    this.#largest = saved.largest;
    this.#watermark = Math.max(saved.watermark, saved.largest - disorder);
  }

  observe(timestamp: number): void {
    if (timestamp <= this.#largest) return;
    this.#largest = timestamp;
    if (timestamp - this.#disorder > this.#watermark) this.#watermark = timestamp - this.#disorder;
  }

  /** A bound is the whole promise; marks of the source are for `byHand` alone. */
  promise(): void {}

  current(): number {
    return this.#watermark;
  }

  save(): SavedEstimate {
    return { largest: this.#largest, watermark: this.#watermark };
  }
}
