/**
 * The policy that goes by the clock: event time trails processing time by a fixed delay, whether or not anything comes.
 * For sources without an end that may be silent for long, and whose timers are to fire all the same.
 *
 * P1  current() never falls, whatever the clock does.
 */
import { ConfigError } from "../errors.ts";
import type { WatermarkEstimator, WatermarkPolicy } from "./policy.ts";
import { type SavedEstimate, savedEstimate } from "./saved-estimate.ts";

/** ms between looks at the clock: each that moves the watermark is a commit of the injector. */
const LEAST = 10;
const MOST = 250;

/**
 * For records that come at most `delay` ms after they happened: the watermark is the clock less `delay`. What comes later
 * is late. While records that have come wait to be injected, it stands.
 *
 * @param delay integer ms, 0 or more; ConfigError otherwise.
 */
export function trailingClock(delay: number): WatermarkPolicy {
  if (!Number.isSafeInteger(delay) || delay < 0) throw new ConfigError(`trailingClock: the delay is ${delay}; give integer ms, 0 or more`);
  return {
    kind: "watermark-policy",
    description: `trailing the clock by ${delay} ms`,
    idleAfter: undefined,
    tellEvery: Math.min(Math.max(Math.floor(delay / 8), LEAST), MOST),
    start: (saved) => new TrailingEstimator(delay, savedEstimate(saved)),
  };
}

class TrailingEstimator implements WatermarkEstimator {
  readonly #delay: number;
  #largest: number;
  #watermark: number;

  constructor(delay: number, saved: SavedEstimate) {
    this.#delay = delay;
    this.#largest = saved.largest;
    this.#watermark = saved.watermark;
  }

  observe(timestamp: number): void {
    if (timestamp > this.#largest) this.#largest = timestamp;
  }

  /** Marks of the source are for `byHand` alone. */
  promise(): void {}

  tell(now: number): void {
    this.#watermark = Math.max(this.#watermark, now - this.#delay);
  }

  current(): number {
    return this.#watermark;
  }

  save(): SavedEstimate {
    return { largest: this.#largest, watermark: this.#watermark };
  }
}
