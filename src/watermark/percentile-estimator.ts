/**
 * What an injector promises of percentile watermarks, beside what its policy promises of the low one: each trails the
 * largest timestamp by a delay that only the asked-for share of lags exceeds, read off a rolling histogram of its own.
 *
 * P1  A percentile watermark never falls, and is never below the low watermark.
 * P2  Before the lags seen suffice for a delay (`learned-disorder.ts`) it is the low watermark.
 */
import { learnedDisorder } from "./learned-disorder.ts";
import { shareBehind } from "./percentile.ts";
import type { WatermarkEstimator } from "./policy.ts";

export class PercentileEstimator implements WatermarkEstimator {
  readonly #low: WatermarkEstimator;
  readonly #learned: ReadonlyMap<number, WatermarkEstimator>;

  /** `saved`: what one of these, or the policy's own estimator alone, has saved. */
  constructor(low: WatermarkEstimator, percentiles: readonly number[], saved: unknown) {
    this.#low = low;
    const { percentiles: before } = Object(saved) as { readonly percentiles?: unknown };
    const known = new Map(Array.isArray(before) ? (before as [number, unknown][]) : []);
    this.#learned = new Map(percentiles.map((percentile) => [percentile, learnedDisorder({ late: shareBehind(percentile) }).start(known.get(percentile))]));
  }

  observe(timestamp: number): void {
    this.#low.observe(timestamp);
    for (const learned of this.#learned.values()) learned.observe(timestamp);
  }

  promise(watermark: number): void {
    this.#low.promise(watermark);
  }

  tell(now: number): void {
    this.#low.tell?.(now);
  }

  /** The low watermark. */
  current(): number {
    return this.#low.current();
  }

  /** What the lags alone say of a percentile; the low watermark may be further. */
  learned(percentile: number): number {
    return this.#learned.get(percentile)?.current() ?? this.current();
  }

  save(): unknown {
    const percentiles = Array.from(this.#learned, ([percentile, learned]) => [percentile, learned.save()]);
    return { ...(this.#low.save() as object), percentiles };
  }
}
