/** An input and an output watermark, as HTTP answers with them: the low ones, or those of a percentile. Types alone. */

/** A watermark: ms since the epoch, `null` before anything is known, "end" when every input has finished. */
export type EventTime = number | "end" | null;

export interface WatermarkPair {
  /** Of an injector: what it has promised; the output watermark follows when that is committed. */
  readonly input: EventTime;
  readonly inputIso: string | null;
  readonly output: EventTime;
  readonly outputIso: string | null;
}

/** Percentile watermarks that timers, here or downstream, fire by. Nowhere below the low watermarks. */
export interface PercentileWatermarks extends WatermarkPair {
  /** Percent, as in 99.5. */
  readonly percentile: number;
}
