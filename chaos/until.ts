/** Waiting on a condition, with an end: a run that does not come to it says what was waited for, and never passes. */
import { setTimeout as delay } from "node:timers/promises";

export interface UntilOptions {
  /** ms between two looks. Default 10. */
  readonly every?: number;
  /** ms after which it is given up. Default 60,000. */
  readonly within?: number;
  /** Told with the error. */
  readonly among?: () => readonly string[];
}

export async function until(what: string, holds: () => boolean | Promise<boolean>, options: UntilOptions = {}): Promise<void> {
  const { every = 10, within = 60_000, among } = options;
  const end = Date.now() + within;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error([`within ${within} ms it did not come to this: ${what}`, ...(among?.() ?? []).slice(-20)].join("\n  "));
    await delay(every);
  }
}

/** True: it came to it; false: not within `within` ms. */
export async function comesTo(holds: () => boolean | Promise<boolean>, within: number, every = 10): Promise<boolean> {
  const end = Date.now() + within;
  while (!(await holds())) {
    if (Date.now() > end) return false;
    await delay(every);
  }
  return true;
}
