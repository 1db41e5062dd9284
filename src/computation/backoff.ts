/** How long to wait between the attempts of what failed. */
import { checkInteger } from "./checks.ts";

/** Waits between attempts, ms: `first`, and twice as long each time, up to `most`. */
export interface Backoff {
  readonly kind: "backoff";
  readonly first: number;
  readonly most: number;
}

/** Waits `first` ms before the second attempt and twice as long before each further one, up to `most` ms. */
export function exponential(first: number, most: number): Backoff {
  checkInteger("exponential(first, most)", "first, ms,", first, 1);
  checkInteger("exponential(first, most)", "most, ms,", most, first);
  return Object.freeze({ kind: "backoff", first, most });
}
