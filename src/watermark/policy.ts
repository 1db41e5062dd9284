/**
 * How an injector promises event time. A policy is configuration; an estimator is its running state, saved in the
 * injector's commits, so a restart promises neither more nor less than before.
 */
export interface WatermarkPolicy {
  readonly kind: "watermark-policy";
  /** For people: "bounded disorder 5000 ms". */
  readonly description: string;
  /** ms of silence after which the injector is idle and no longer holds its consumers; undefined: never. */
  readonly idleAfter: number | undefined;
  /** ms between two times at which a silent injector's estimator is told the time; undefined: never, it goes by records alone. */
  readonly tellEvery?: number | undefined;
  /** A new estimator, from what an earlier one saved. */
  start(saved: unknown): WatermarkEstimator;
}

export interface WatermarkEstimator {
  /** A record with this timestamp is being injected. */
  observe(timestamp: number): void;
  /** The source itself promises that no later record is below `watermark`. */
  promise(watermark: number): void;
  /** It is `now` by the store's clock, ms, and every item that has come is injected. Called about every `tellEvery`. */
  tell?(now: number): void;
  /** No later record is expected below this: integer ms, `BEGINNING` if nothing is known. Never falls. */
  current(): number;
  /** Plain data that `start` takes. */
  save(): unknown;
}
