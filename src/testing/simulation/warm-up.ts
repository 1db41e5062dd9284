/** The beginning of a run, in which nothing goes wrong yet: else most faults hit workers that have not come to work. */
import type { Simulation } from "./simulation.ts";

/** Of a thousand hasty runs, how many have one. */
const WARM = 700;
/** It ends after so many commits, or so many steps. */
const COMMITS = [1, 2, 4, 8];
const STEPS = 150;

export function warmUp(simulation: Simulation): void {
  const { options, tape, store } = simulation;
  const { hasty, cold = false } = options.settings;
  if (!hasty || !tape.chance(WARM) || cold) return;
  const commits = tape.pick(COMMITS);
  simulation.faultsFrom = Number.POSITIVE_INFINITY;
  while (simulation.steps < STEPS && store.commits < commits && !store.audit.finished) simulation.step();
  simulation.faultsFrom = simulation.steps;
  simulation.faultsUntil += simulation.steps;
}
