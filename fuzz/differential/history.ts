/**
 * A history: what is done to a store, as data. A step is a seed from which its call is drawn once the state of the model
 * is known, so any part of a history is a history too, and shrinking is leaving out.
 */
import { Prng } from "../../test/support/prng.ts";

export interface Step {
  readonly seed: number;
  /** Parts of commits that are left empty: what shrinking took away. */
  readonly without: readonly CommitPart[];
}
export type History = readonly Step[];

/** What a commit can do besides having a number: each can be left out alone. */
export const COMMIT_PARTS = ["consumed", "state", "timers", "holds", "held", "dead", "ids", "parcels", "outbox"] as const;
export type CommitPart = (typeof COMMIT_PARTS)[number];

/** Steps of a history: from 30 on, this many at most more. */
const LEAST = 30;
const SPREAD = 41;

/** The `n`th history of a run: the same for the same seed, whatever ran before. */
export function historyOf(seed: number, n: number): History {
  const random = new Prng(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(n + 1, 0x85ebca6b));
  return Array.from({ length: LEAST + random.below(SPREAD) }, () => ({ seed: random.below(2 ** 32), without: [] }));
}

/** Attempts to make a history smaller. */
const ATTEMPTS = 300;

/**
 * The smallest history found for which `fails` still gives something, with what it gave. First runs of steps are left
 * out, half of the history down to single ones, then parts of commits.
 */
export async function shrink<Failure>(
  history: History,
  failure: Failure,
  fails: (history: History) => Promise<Failure | undefined>,
): Promise<{ readonly history: History; readonly failure: Failure }> {
  let smallest = { history, failure };
  let attempts = 0;
  const tryOne = async (candidate: History): Promise<boolean> => {
    if (attempts++ >= ATTEMPTS) return false;
    const found = await fails(candidate);
    if (found !== undefined) smallest = { history: candidate, failure: found };
    return found !== undefined;
  };
  for (let size = history.length >> 1; size >= 1; size = size === 1 && !(await withoutRuns(1)) ? 0 : Math.max(size >> 1, 1)) {
    if (size > 1) await withoutRuns(size);
  }
  for (let at = 0; at < smallest.history.length; at++) {
    for (const part of COMMIT_PARTS) {
      await tryOne(smallest.history.map((step, i) => (i === at ? { ...step, without: [...step.without, part] } : step)));
    }
  }
  return smallest;

  /** Leaves out each run of `size` steps that is not needed; was there one? */
  async function withoutRuns(size: number): Promise<boolean> {
    let found = false;
    for (let from = Math.max(smallest.history.length - size, 0); from >= 0 && attempts < ATTEMPTS; from -= size) {
      const shorter = smallest.history.filter((_, i) => i < from || i >= from + size);
      if (shorter.length < smallest.history.length && (await tryOne(shorter))) found = true;
    }
    return found;
  }
}
