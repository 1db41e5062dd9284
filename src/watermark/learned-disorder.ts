/**
 * The policy that learns how late records come: the watermark trails the largest timestamp by a delay that is read
 * off a rolling histogram of lags. A record's lag is how far it is behind the largest timestamp before it, 0 if it is
 * not behind; a record is late exactly if its lag exceeds the delay. So the share of late records is asked for, and
 * the delay follows from what was seen.
 *
 * P1  current() never falls. When records begin to come later than they used to, the watermark therefore stands until
 *     event time has moved by the difference, and the records between are late.
 * P2  There is no first promise before the lags seen suffice for one (L1 of `lag-histogram.ts`: 1 / late - 1 records)
 *     and SETTLING times the delay has passed in event time: a source that has just begun has not shown its slow records.
 */
import { ConfigError } from "../errors.ts";
import { BEGINNING } from "../time.ts";
import { LagHistogram, type SavedHistogram } from "./lag-histogram.ts";
import type { WatermarkEstimator, WatermarkPolicy } from "./policy.ts";
import { idleAfterOf, type PolicyOptions } from "./policy-options.ts";
import { type SavedEstimate, savedEstimate } from "./saved-estimate.ts";

export interface LearnedDisorderOptions extends PolicyOptions {
  /** The share of records that may be late, from 0.0001 to 0.5. Default 0.01. */
  readonly late?: number | undefined;
  /**
   * Records that are remembered, at most; half as many at least. A shorter window adapts sooner, a longer one is steadier.
   * Default: 100 / late, but no less than 2,000. At least 10 / late.
   */
  readonly window?: number | undefined;
}

/** Without it the first window of a fast source with long delays had five times too many late records. */
const SETTLING = 2;

/** For sources whose delays are unknown or change: about the share `late` of records is late, between half and twice as many. */
export function learnedDisorder(options: LearnedDisorderOptions = {}): WatermarkPolicy {
  const { late = 0.01 } = options;
  if (!(late >= 0.0001 && late <= 0.5)) throw new ConfigError(`learnedDisorder: late is ${late}; give a share of records from 0.0001 to 0.5`);
  const window = options.window ?? Math.max(2_000, Math.ceil(100 / late));
  if (!(Number.isSafeInteger(window) && window >= 10 / late && window < 2 ** 31)) {
    throw new ConfigError(`learnedDisorder: the window is ${window}; give a whole number of records, at least ${Math.ceil(10 / late)} (10 / late)`);
  }
  return {
    kind: "watermark-policy",
    description: `learned disorder, ${Number((late * 100).toPrecision(6))}% late`,
    idleAfter: idleAfterOf("learnedDisorder", options),
    start: (saved) => new LearnedEstimator(late, Math.ceil(window / 2), saved),
  };
}

interface SavedLearned extends SavedEstimate {
  /** The first timestamp observed. */
  readonly first: number;
  readonly lags: SavedHistogram;
}

class LearnedEstimator implements WatermarkEstimator {
  readonly #lags: LagHistogram;
  #first: number;
  #largest: number;
  #watermark: number;

  constructor(late: number, generation: number, saved: unknown) {
    const { largest, watermark } = savedEstimate(saved);
    const learned = isSavedLearned(saved) ? saved : undefined;
    this.#lags = new LagHistogram(late, generation, learned?.lags);
    this.#first = learned?.first ?? BEGINNING;
    this.#largest = largest;
    this.#watermark = watermark;
  }

  observe(timestamp: number): void {
    if (this.#first === BEGINNING) this.#first = timestamp;
    const lag = timestamp < this.#largest ? this.#largest - timestamp : 0;
    if (lag === 0) this.#largest = timestamp;
    this.#lags.add(lag);
    const delay = this.#lags.delay();
    if (delay === undefined) return;
    if (this.#watermark === BEGINNING && this.#largest - this.#first < SETTLING * delay) return;
    if (this.#largest - delay > this.#watermark) this.#watermark = this.#largest - delay;
  }

  /** What is learned is the whole promise; marks of the source are for `byHand` alone. */
  promise(): void {}

  current(): number {
    return this.#watermark;
  }

  save(): SavedLearned {
    return { first: this.#first, largest: this.#largest, watermark: this.#watermark, lags: this.#lags.save() };
  }
}

/** Has another policy saved this, or nothing? */
function isSavedLearned(saved: unknown): saved is SavedLearned {
  const { lags, first } = Object(saved) as { readonly lags?: Partial<SavedHistogram> | null; readonly first?: unknown };
  return lags?.previous instanceof Uint8Array && lags.current instanceof Uint8Array && Number.isSafeInteger(first);
}
