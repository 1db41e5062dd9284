/** Schedules one after the other, in this thread. */
import { Tape } from "../src/testing/simulation/tape.ts";
import { run, type RunOptions } from "./schedule.ts";
import { addRun, noTotals, type Totals } from "./totals.ts";

/** Where a stack was taken is of no use for errors that are scripted, and takes longer than all that follows from them. */
const STACK = 0;

/** Runs `count` seeds from `from` on, up to the first violation, and adds what comes of them to `totals`. */
export async function runSeeds(from: number, count: number, options: RunOptions = {}, totals: Totals = noTotals()): Promise<Totals> {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK;
  try {
    for (let seed = from; seed < from + count && totals.violations.length === 0; seed++) {
      const tape = Tape.seeded(seed);
      addRun(totals, seed, () => tape.read(), await run(tape, options));
    }
  } finally {
    Error.stackTraceLimit = before;
  }
  return totals;
}
