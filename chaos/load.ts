/**
 * The records of a run, as plain functions of their numbers: what the source gives, and what the oracle reckons with.
 * Neither the pipeline nor what is expected of it is here.
 *
 * L1  Record n is of partition n % partitions, and is the same whenever and wherever it is asked for.
 * L2  Within a partition no timestamp is more than DISORDER below an earlier one, but in the shape "backlog".
 */

export interface Load {
  /** Where a scenario ends when it has done its part: whatever was given by then. */
  readonly records: number;
  /** A second; 0: as fast as they are taken. */
  readonly rate: number;
  readonly keys: number;
  readonly partitions: number;
  /**
   * `even`: all keys alike. `hot-key`: from `bendsAt` on, nine of ten are of one key. `backlog`: the last record is older
   * than all others, and nothing is promised before it. `timers`: each key once, then the first of them again, all of one
   * time, and nothing is promised before the end.
   */
  readonly shape: "even" | "hot-key" | "backlog" | "timers";
  /** Number of the record from which on the shape shows. */
  readonly bendsAt: number;
  /** A record whose handler hangs once, and for how long, ms. */
  readonly hangs?: { readonly n: number; readonly ms: number } | undefined;
}

/** One record's value. */
export interface Item {
  readonly n: number;
  readonly key: string;
  readonly amount: number;
}

export const START = 1_700_000_000_000;
/** ms of a window. */
export const WINDOW = 1_000;
export const DISORDER = 60;
export const HOT_KEY = "k0";
const GROUPS = 8;

const mixed = (n: number): number => {
  const x = Math.imul(n ^ (n >>> 15), 0x2c1b3c6d);
  return (x ^ (x >>> 12)) >>> 0;
};

export function keyOf(load: Load, n: number): string {
  if (load.shape === "timers") return `t${n % load.keys}`;
  if (load.shape === "hot-key" && n >= load.bendsAt && mixed(n) % 10 < 9) return HOT_KEY;
  return `k${mixed(n + 7) % load.keys}`;
}
export const amountOf = (n: number): number => 1 + (mixed(n + 3) % 1_000);
export const itemOf = (load: Load, n: number): Item => ({ n, key: keyOf(load, n), amount: amountOf(n) });
export const windowOf = (timestamp: number): number => timestamp - (timestamp % WINDOW);
/** Event time goes on by a ms a record; in a backlog more slowly, so that there are fewer windows. */
export function timeOf(load: Load, n: number): number {
  if (load.shape === "timers") return START;
  if (load.shape !== "backlog") return START + n + DISORDER - (mixed(n + 11) % DISORDER);
  return n === load.records - 1 ? START : START + 10 * WINDOW + Math.floor(n / 10);
}
/** The key of the second stage; its shards are others than those of the first. */
export const groupOf = (key: string): string => `group ${mixed(Number(key.slice(1))) % GROUPS}`;
/** When record n is due, ms since the epoch, of a run that began at `startAt`. */
export const dueAt = (load: Load, startAt: number, n: number): number => (load.rate === 0 ? startAt : startAt + (n * 1_000) / load.rate);
