/**
 * What can go wrong in a simulation, and how much of it. Which kinds a run has, how often and when is on its tape; what
 * each does is `simulation.ts`.
 */
import type { Tape } from "./tape.ts";

export type FaultKind =
  /** A worker is gone at once. What it had sent may arrive or not. Another starts later. */
  | "crash"
  /** A worker does nothing for a while, perhaps past its lease, and then goes on as if nothing had happened. */
  | "stall"
  /** Another worker starts beside those that run. */
  | "join"
  /** A worker is told to stop: it finishes what it began and gives its shards up. */
  | "leave"
  /** A connection breaks; what was on its way is lost. */
  | "break"
  /** Calls time out; what was on its way arrives later, when no one waits for it. */
  | "time-out"
  /** What is on its way to the store, or back, takes longer. */
  | "delay"
  /** The lines of some workers are clogged, and freed one after the other in another order. */
  | "clog"
  /** A commit or report that the store has taken before arrives once more. */
  | "duplicate"
  /** A worker's clock jumps, forward or back. */
  | "skew"
  /** The store's clock jumps, forward or back. */
  | "store-clock"
  /** A worker finds that something of a participant is stored that only newer code can read. In no swarm: given by name. */
  | "outdated"
  /** The store comes back without the last of what it had, or with all of it. */
  | "lost-tail"
  /**
   * A commit or a read is carried out, and not confirmed in time by the replicas that it is to wait for. A run that has this
   * kind has such a store: what it has confirmed, it does not lose with its tail.
   */
  | "unconfirmed";

export interface Faults {
  readonly kinds: readonly FaultKind[];
  /** Of a thousand steps, how many are faults. */
  readonly perMille: number;
  /** Of a thousand reads, writes and openings outside the store, how many fail. */
  readonly edges: number;
  /** Of a thousand commits that the store has taken, how many no replica confirms in time, besides those of "unconfirmed". */
  readonly doubtful?: number;
  /** Do they hit workers that have a commit under way, as an adversary's, whatever the strategy? Default: no. */
  readonly adverse?: boolean;
  /** Steps after which nothing goes wrong any more, and everything has to come to its end. */
  readonly steps: number;
}

/** Nothing goes wrong. */
export const NO_FAULTS: Faults = { kinds: [], perMille: 0, edges: 0, steps: 0 };

const SHARED: readonly FaultKind[] = ["crash", "stall", "join", "leave", "break", "time-out", "delay", "clog", "duplicate", "skew", "store-clock", "lost-tail"];
/** In a store that one process has to itself there is no network and no second worker. */
const EXCLUSIVE: readonly FaultKind[] = ["crash", "stall", "leave", "delay", "skew", "store-clock"];

/** Of which one is drawn. */
export interface Rates {
  readonly perMille: readonly number[];
  readonly steps: readonly number[];
}
const RATES: Rates = { perMille: [0, 10, 20, 30, 30, 60, 100], steps: [0, 150, 240, 400, 400, 700] };

/**
 * A random subset of what can go wrong, with a random rate: with everything at once, each hides the others. `confirming`: may the
 * store be one that waits for replicas?
 */
export function swarm(tape: Tape, exclusive: boolean, confirming: boolean = !exclusive, { steps, perMille }: Rates = RATES): Faults {
  const all: readonly FaultKind[] = exclusive ? EXCLUSIVE : confirming ? [...SHARED, "unconfirmed"] : SHARED;
  const each = tape.pick([0, 300, 500, 500, 800, 800, 1_000]);
  return {
    kinds: all.filter(() => tape.chance(each)),
    perMille: tape.pick(perMille),
    edges: tape.pick([0, 0, 20, 100]),
    steps: tape.pick(steps),
  };
}
