/** Quantiles of what was measured. */

/** undefined where nothing was measured. Sorts a copy. */
export function quantile(values: readonly number[], at: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))];
}

/** How long something waited, ms; `cut`: it is only known that it was at least so long. */
export interface Wait {
  readonly ms: number;
  readonly cut: boolean;
}

/**
 * The same of waits of which some were cut short, by the product-limit estimate (Kaplan and Meier): to leave these out would leave
 * out the longest. undefined: what is known does not reach so far.
 */
export function quantileOfWaits(waits: readonly Wait[], at: number): number | undefined {
  const sorted = waits.toSorted((a, b) => a.ms - b.ms || Number(a.cut) - Number(b.cut));
  let longer = 1;
  for (const [i, { ms, cut }] of sorted.entries()) {
    if (!cut) longer *= 1 - 1 / (sorted.length - i);
    if (!cut && longer < 1 - at - 1e-9) return ms;
  }
  return undefined;
}

export const rounded = (value: number | undefined, digits = 0): number | null => (value === undefined ? null : Number(value.toFixed(digits)));
