/** How long to wait between the attempts of what failed. */
import { shardOf } from "../key.ts";
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

/** Steps of a jitter. */
const GRAINS = 4_096;

/**
 * ms to wait after so many failed attempts. `jitter`: the part of it that may be left out. How much is comes of `what` and
 * the attempt, so that what failed together does not come back together, and a simulation stays what it was.
 */
export function waitAfter(
  attempts: number,
  { backoffFirst, backoffMost, jitter }: { readonly backoffFirst: number; readonly backoffMost: number; readonly jitter: number },
  what: string,
): number {
  const whole = Math.min(backoffFirst * 2 ** Math.min(attempts - 1, 40), backoffMost);
  return jitter === 0 ? whole : Math.ceil(whole * (1 - (jitter * shardOf(`${what} ${attempts}`, GRAINS)) / GRAINS));
}
