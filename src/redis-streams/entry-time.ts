/**
 * The policy for records that carry the time of their entry. Owns the estimator; what it is promised comes from the
 * reader, which asks Redis for its time while the stream is silent.
 *
 * P1  current() never falls.
 */
import { ConfigError } from "../errors.ts";
import { checkOptions, show } from "../options.ts";
import { seconds } from "../time.ts";
import type { WatermarkEstimator, WatermarkPolicy } from "../watermark/policy.ts";
import { type SavedEstimate, savedEstimate } from "../watermark/saved-estimate.ts";

export interface EntryTimeOptions {
  /**
   * How far behind the time of Redis the watermark stays while the stream is silent, integer ms, 0 or more. Default
   * 1,000. The room for a clock that is set back, or that of a replica which becomes the primary.
   */
  readonly slack?: number | undefined;
}

export interface EntryTimePolicy extends WatermarkPolicy {
  readonly slack: number;
}

/**
 * The default of `fromRedisStream` for records with the time of their entry. Ids ascend, so the watermark is the time of
 * the last entry; and as Redis gives every new entry (`XADD key *`) an id of its own clock, a stream that was read to its
 * end promises that clock's time, less `slack`. So timers fire while nothing arrives, about a second and the slack late.
 *
 * While Redis cannot be reached nothing is promised: what is added then, is on time. Where producers give ids of their
 * own (`XADD key 5-1`), which may be far behind the clock of Redis, use `ascending()`.
 */
export function entryTime(options: EntryTimeOptions = {}): EntryTimePolicy {
  checkOptions("entryTime", options, ["slack"]);
  const { slack = seconds(1) } = options;
  if (!Number.isSafeInteger(slack) || slack < 0) throw new ConfigError(`entryTime: slack is ${show(slack)}; give integer ms, 0 or more`);
  return {
    kind: "watermark-policy",
    description: `time of entries, ${slack} ms behind Redis in silence`,
    idleAfter: undefined,
    slack,
    start: (saved) => new EntryTimeEstimator(savedEstimate(saved)),
  };
}

export function isEntryTime(policy: WatermarkPolicy): policy is EntryTimePolicy {
  return "slack" in policy;
}

class EntryTimeEstimator implements WatermarkEstimator {
  #largest: number;
  #watermark: number;

  constructor(saved: SavedEstimate) {
    this.#largest = saved.largest;
    this.#watermark = Math.max(saved.watermark, saved.largest);
  }

  observe(timestamp: number): void {
    if (timestamp > this.#largest) this.#largest = timestamp;
    if (timestamp > this.#watermark) this.#watermark = timestamp;
  }

  promise(watermark: number): void {
    if (watermark > this.#watermark) this.#watermark = watermark;
  }

  current(): number {
    return this.#watermark;
  }

  save(): SavedEstimate {
    return { largest: this.#largest, watermark: this.#watermark };
  }
}
