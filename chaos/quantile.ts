/** Quantiles of what was measured. */

/** undefined where nothing was measured. Sorts a copy. */
export function quantile(values: readonly number[], at: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))];
}

export const rounded = (value: number | undefined, digits = 0): number | null => (value === undefined ? null : Number(value.toFixed(digits)));
