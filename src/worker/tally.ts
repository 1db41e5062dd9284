/**
 * What this worker has counted of each participant since it started, over the shards that it has and those it had. The
 * images of shards count for the life of the data; this counts the work of one process, as a monitoring system expects.
 */
import type { Counters } from "./image.ts";

export class Tally {
  readonly #counted = new Map<number, Counters>();

  /** A shard is given up: what it has counted stays. */
  add(participant: number, counters: Counters): void {
    this.#counted.set(participant, sum([this.of(participant), counters]));
  }

  /** What shards that were given up have counted. */
  of(participant: number): Counters {
    return this.#counted.get(participant) ?? sum([]);
  }
}

export function sum(all: Iterable<Counters>): Counters {
  const total: Counters = { processed: 0, late: 0, produced: 0, duplicates: 0, deadLetters: 0, timersFired: 0, failures: 0, droppedTimers: 0 };
  for (const counters of all) for (const name of Object.keys(total) as (keyof Counters)[]) total[name] += counters[name];
  return total;
}
