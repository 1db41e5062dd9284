/**
 * The policy that knows nothing by itself: only promises move the watermark. They come as marks of the source
 * (`SourceItem.watermark`), which have a place among its records, or from code that pushes, by `advanceWatermark`. The
 * policy keeps a pushed promise until the injector's reader takes it and gives it a place.
 *
 * P1  current() never falls: a promise below an earlier one changes nothing.
 * P2  A pushed promise never takes effect before a record that the reader had got before it.
 */
import { InvalidUseError } from "../errors.ts";
import { END } from "../time.ts";
import type { WatermarkEstimator, WatermarkPolicy } from "./policy.ts";
import { idleAfterOf, type PolicyOptions } from "./policy-options.ts";
import { isWatermark, type SavedEstimate, savedEstimate } from "./saved-estimate.ts";

export interface ByHandPolicy extends WatermarkPolicy {
  /**
   * Promises that no later record is below `to` (integer ms; InvalidUseError otherwise). It takes effect after the
   * records that the source has yielded by now, so records in a queue of your own, not yet yielded, would become late:
   * yield a `watermarkMark` among them instead. The promise is kept in memory until a commit holds it; after a restart
   * the source goes back to its last committed position and has to promise again. For injectors of one partition.
   */
  advanceWatermark(to: number): void;
  /** For readers: the largest promise not yet taken; undefined if there is none. */
  takePending(): number | undefined;
  /**
   * For readers: one has been opened; `wake` is called whenever there is something to take, until the function given
   * back is called. What was promised after records that an earlier reader got is dropped, for the new one may go back
   * before them (P2). A promise made before the first reader stays.
   */
  opened(wake: () => void): () => void;
}

/** The watermark moves by the source's own marks and by `advanceWatermark`, never by timestamps. */
export function byHand(options: PolicyOptions = {}): ByHandPolicy {
  const pushed = new PushedPromise();
  return {
    kind: "watermark-policy",
    description: "by hand",
    idleAfter: idleAfterOf("byHand", options),
    start: (saved) => new PromisedEstimator(savedEstimate(saved)),
    advanceWatermark: (to) => pushed.push(to),
    takePending: () => pushed.take(),
    opened: (wake) => pushed.opened(wake),
  };
}

/** By its shape, since two copies of this library may be loaded. */
export function isByHand(policy: WatermarkPolicy): policy is ByHandPolicy {
  return "takePending" in policy && "opened" in policy;
}

class PushedPromise {
  #pending: number | undefined;
  #readers = 0;
  #wake: (() => void) | undefined;

  push(to: number): void {
    if (!isWatermark(to)) throw new InvalidUseError(`advanceWatermark(${String(to)}): give integer ms since the epoch, at most ${END}`);
    if (this.#pending === undefined || to > this.#pending) this.#pending = to;
    this.#wake?.();
  }

  take(): number | undefined {
    const pending = this.#pending;
    this.#pending = undefined;
    return pending;
  }

  opened(wake: () => void): () => void {
    if (this.#readers++ > 0) this.#pending = undefined;
    this.#wake = wake;
    return () => {
      if (this.#wake === wake) this.#wake = undefined;
    };
  }
}

class PromisedEstimator implements WatermarkEstimator {
  #largest: number;
  #watermark: number;

  constructor(saved: SavedEstimate) {
    this.#largest = saved.largest;
    this.#watermark = saved.watermark;
  }

  /** Only remembered, for a later run with another policy. */
  observe(timestamp: number): void {
    if (timestamp > this.#largest) this.#largest = timestamp;
  }

  promise(watermark: number): void {
    if (!isWatermark(watermark)) throw new InvalidUseError(`a source promised the watermark ${String(watermark)}; it must be integer ms since the epoch`);
    if (watermark > this.#watermark) this.#watermark = watermark;
  }

  current(): number {
    return this.#watermark;
  }

  save(): SavedEstimate {
    return { largest: this.#largest, watermark: this.#watermark };
  }
}
