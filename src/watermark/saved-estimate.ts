/**
 * What every estimator saves, whatever its policy, so that code may change its policy between two runs: the new
 * estimator starts from the largest timestamp and the watermark of the old one. It does not own what a policy saves
 * besides (a histogram).
 */
import { BEGINNING, isTimestamp } from "../time.ts";

export interface SavedEstimate {
  /** Largest timestamp observed; `BEGINNING` before the first. */
  readonly largest: number;
  /** The last promise. */
  readonly watermark: number;
}

/** Reads what any estimator has saved; anything else counts as nothing known. */
export function savedEstimate(saved: unknown): SavedEstimate {
  const { largest, watermark } = (typeof saved === "object" && saved !== null ? saved : {}) as { readonly largest?: unknown; readonly watermark?: unknown };
  return { largest: isTimestamp(largest) ? largest : BEGINNING, watermark: isWatermark(watermark) ? watermark : BEGINNING };
}

/** May `value` be promised: an integer from `BEGINNING` to `END`? */
export function isWatermark(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= BEGINNING;
}
