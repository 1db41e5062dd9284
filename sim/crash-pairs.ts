/**
 * Two crash points in one run: something happens at a place, and something more at another one when that is reached next,
 * by whoever reaches it: the worker that goes on, the one that takes over, or a zombie that has woken.
 */
import { NO_FAULTS } from "../src/testing/simulation/faults.ts";
import type { Place, Trap } from "../src/testing/simulation/place.ts";
import type { Simulation } from "../src/testing/simulation/simulation.ts";
import { act, type Action, inOrder, MOST, PLACES, type Subject, SUBJECTS, timesReached, withHandOver, workloadOf } from "./crash-points.ts";
import { type RunOptions, simulate } from "./schedule.ts";

/** What takes a worker away: for good, or past its leases. */
const PAIRED = ["kill", "pause"] as const satisfies readonly Action[];

export interface CrashPair {
  readonly subject: Subject;
  readonly first: Place;
  readonly second: Place;
  readonly actions: readonly [Action, Action];
}

export interface PairTotals {
  pairs: number;
  /** One for each time that the first place was reached. */
  runs: number;
  /** Of those, in which the second place was reached after it. */
  both: number;
  readonly violations: { readonly pair: CrashPair; readonly time: number; readonly message: string }[];
}

/** All ordered pairs of places, a place with itself too, with each two of the actions. */
export function crashPairs(subjects: readonly Subject[] = SUBJECTS): CrashPair[] {
  const both = PAIRED.flatMap((one) => PAIRED.map((other) => [one, other] as const));
  return both.flatMap((actions) =>
    subjects.flatMap((subject) => PLACES.flatMap((first) => PLACES.map((second): CrashPair => ({ subject, first, second, actions })))),
  );
}

/** Runs them one after the other; `progress` is told after each. */
export async function runPairs(pairs: readonly CrashPair[], options: RunOptions = {}, progress: (totals: PairTotals) => void = () => {}): Promise<PairTotals> {
  // Where a stack was taken is of no use for errors that are part of a run.
  const stack = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  const totals: PairTotals = { pairs: 0, runs: 0, both: 0, violations: [] };
  const times = new Map<string, number>();
  for (const pair of pairs) {
    const at = `${pair.subject} ${pair.first}`;
    const reached = times.get(at) ?? Math.min(MOST, await timesReached(pair.first, pair.subject, options));
    times.set(at, reached);
    for (let time = 0; time < reached; time++) await runPair(pair, time, totals, options);
    totals.pairs++;
    progress(totals);
  }
  Error.stackTraceLimit = stack;
  return totals;
}

async function runPair(pair: CrashPair, time: number, totals: PairTotals, options: RunOptions): Promise<void> {
  const { subject, first, second, actions } = pair;
  let left = time;
  let happened = 0;
  const trapOf = (simulation: Simulation): Trap => {
    const strike: Trap = (at, worker) => {
      const isNext = happened === 0 ? at === first && left-- === 0 : happened === 1 && at === second;
      if (!isNext) return false;
      const action = actions[happened++] as Action;
      simulation.trace.line(() => `FAULT at ${at}: ${action}`);
      return act(action, at, simulation, worker);
    };
    // K13 needs someone who is told to stop, K1 someone who has to read.
    return withHandOver(subject, simulation, strike, first === "K1" || first === "K13" ? first : second);
  };
  const { violation } = await simulate(workloadOf(subject), inOrder(), NO_FAULTS, { ...options, trapOf });
  totals.runs++;
  if (happened === 2) totals.both++;
  if (violation !== undefined) totals.violations.push({ pair, time, message: violation.message });
}
