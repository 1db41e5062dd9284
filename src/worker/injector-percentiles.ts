/**
 * The percentile watermarks of one shard of an injector: what its records so far say of each. They are values of the
 * shard's image, and what they are learned from is in its checkpoint.
 *
 * P1  Promised is what is committed, once all that came before is delivered; it never falls, and is never below the low
 *     watermark.
 */
import { BEGINNING } from "../time.ts";
import { PercentileEstimator } from "../watermark/percentile-estimator.ts";
import { follow, percentilesOf, type Track } from "../watermark/percentile.ts";
import type { WatermarkEstimator } from "../watermark/policy.ts";
import type { ShardImage } from "./image.ts";
import { PercentileOutputs } from "./percentile-outputs.ts";

export class InjectorPercentiles {
  readonly estimator: PercentileEstimator;
  readonly outputs = new PercentileOutputs();
  readonly #values: Map<number, number>;

  private constructor(percentiles: readonly number[], low: WatermarkEstimator, values: Map<number, number>, saved: unknown) {
    this.estimator = new PercentileEstimator(low, percentiles, saved);
    this.#values = values;
    follow(percentiles, values, BEGINNING);
  }

  /**
   * undefined: none is followed. `low`: the estimator of the injector's policy; `saved`: the estimate of its checkpoint;
   * `number`: of its last commit.
   */
  static of(
    tracks: readonly Track[],
    low: WatermarkEstimator,
    { image, number }: { readonly image: ShardImage; readonly number: number },
    saved: unknown,
  ): InjectorPercentiles | undefined {
    const percentiles = percentilesOf(tracks);
    if (percentiles.length === 0) {
      image.percentiles.clear();
      return undefined;
    }
    const followed = new InjectorPercentiles(percentiles, low, image.percentiles, saved);
    followed.seal(image.input, number);
    return followed;
  }

  /** The commit of this number is sealed, with the low watermark `input`. */
  seal(input: number, number: number): void {
    for (const [percentile, value] of this.#values) this.#values.set(percentile, Math.max(value, input, this.estimator.learned(percentile)));
    this.outputs.add(number, new Map(this.#values));
  }
}
