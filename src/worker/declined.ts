/**
 * How a worker tells the others that it leaves a participant to them, for stored values that only newer code than its own
 * can read: by a name that it announces beside its own. Pure.
 */

import { standing } from "./place.ts";

const MARK = "!";

/** No worker has such a name. */
export const declinedName = (participant: number, worker: string): string => `${MARK}${participant}${MARK}${worker}`;

/** What was announced, taken apart. What a worker said that is not alive any more counts for nothing, nor does one that has a successor. */
export function parseAnnounced(announced: readonly string[]): {
  readonly workers: readonly string[];
  readonly declines: (worker: string, participant: number) => boolean;
} {
  const declined = new Set(announced.filter((name) => name.startsWith(MARK)));
  const workers = standing(declined.size === 0 ? announced : announced.filter((name) => !declined.has(name)));
  return { workers, declines: (worker, participant) => declined.size > 0 && declined.has(declinedName(participant, worker)) };
}
