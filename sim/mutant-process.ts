/** Simulates in the copy of the engine that this file lies in: the seed to begin with and how many schedules are its arguments. */
import { runSeeds } from "./run-seeds.ts";

const [, , seed, schedules] = process.argv;
const totals = await runSeeds(Number(seed), Number(schedules));
const [failing] = totals.violations;
console.log(JSON.stringify(failing === undefined ? {} : { found: failing.seed - Number(seed) + 1, rule: failing.rule }));
