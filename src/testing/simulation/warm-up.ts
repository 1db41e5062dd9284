/** The beginning of a run: who is there, and a while in which nothing goes wrong yet, else most faults hit workers that have not come to work. */
import { type ShardRef, shardRef } from "../../key.ts";
import type { Simulation } from "./simulation.ts";

/** Of a thousand hasty runs, how many have one. */
const WARM = 700;
/** It ends after so many commits, or so many steps. */
const COMMITS = [1, 2, 4, 8];
const STEPS = 150;

/** Is there, or was there, another one than the first? */
export function isAmongOthers({ options, tape }: Simulation): boolean {
  const { exclusive, begins } = options.settings;
  return !exclusive && begins !== "warm" && tape.chance(500);
}

/** In some runs one who is gone has acquired some of the shards: as these get free one by one, workers come to share participants. */
export function leaveBehind(simulation: Simulation): void {
  if (!isAmongOthers(simulation)) return;
  const { options, tape } = simulation;
  const shards: ShardRef[] = [];
  for (const { id, shards: count } of options.plan.participants)
    for (let index = 0; index < count; index++) if (tape.choose(2) === 1) shards.push(shardRef(id, index));
  if (shards.length > 0) simulation.apply("w0", { kind: "acquire", shards });
}

export function warmUp(simulation: Simulation): void {
  const { options, tape, store } = simulation;
  const { hasty, begins } = options.settings;
  const warm = hasty && tape.chance(WARM);
  if (!hasty || begins === "cold" || (begins === undefined && !warm)) return;
  const commits = tape.pick(COMMITS);
  simulation.faultsFrom = Number.POSITIVE_INFINITY;
  while (simulation.steps < STEPS && store.commits < commits && !store.audit.finished) simulation.step();
  simulation.faultsFrom = simulation.steps;
  simulation.faultsUntil += simulation.steps;
}
