/**
 * Durations by size: what a process has measured, small enough to be told to another every so often, and to be added to
 * what others have measured. It knows no clock.
 *
 * H1  A quantile is at most 1% above the true one, and never above the maximum, which is exact.
 */
const LEAST = 0.01;
const STEP = Math.log(1.01);

export interface HistogramText {
  readonly max: number;
  /** Bucket and count, in turn. */
  readonly counts: readonly number[];
}

export class Histogram {
  readonly #counts: number[] = [];
  #total = 0;
  #max = 0;

  get count(): number {
    return this.#total;
  }
  get max(): number {
    return this.#max;
  }

  /** ms. */
  add(value: number, times = 1): void {
    const bucket = value <= LEAST ? 0 : Math.ceil(Math.log(value / LEAST) / STEP);
    while (this.#counts.length <= bucket) this.#counts.push(0);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + times;
    this.#total += times;
    if (value > this.#max) this.#max = value;
  }

  /** ms; 0 where nothing was measured. */
  at(quantile: number): number {
    let seen = 0;
    const wanted = Math.max(1, Math.ceil(this.#total * quantile));
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= wanted) return Math.min(this.#max, LEAST * Math.exp(bucket * STEP));
    }
    return this.#max;
  }

  merge({ max, counts }: HistogramText): void {
    for (let i = 0; i < counts.length; i += 2) {
      const bucket = counts[i] as number;
      const times = counts[i + 1] as number;
      while (this.#counts.length <= bucket) this.#counts.push(0);
      this.#counts[bucket] = (this.#counts[bucket] ?? 0) + times;
      this.#total += times;
    }
    this.#max = Math.max(this.#max, max);
  }

  toText(): HistogramText {
    return { max: this.#max, counts: this.#counts.flatMap((count, bucket) => (count === 0 ? [] : [bucket, count])) };
  }
}
