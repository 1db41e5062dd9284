/** Shards that have something left of what was dropped sweep it among all that goes wrong, and everything else is as without it. */
import { expect, test } from "vitest";
import { type Run, simulate, type Wrong } from "../../sim/schedule.ts";
import { drawWorkload } from "../../sim/workload/workload.ts";
import { swarm } from "../../src/testing/simulation/faults.ts";
import { Tape } from "../../src/testing/simulation/tape.ts";
import { sized } from "../support/size.ts";

const SCHEDULES = sized(40, 4_000);
/** Schedules within which a wrong is found. */
const SOON = 60;
/** ms for all schedules, on a slow machine. */
const LIMIT = 600_000;

async function swept(seed: number, wrong?: Wrong): Promise<Run> {
  const tape = Tape.seeded(seed);
  const workload = drawWorkload(tape);
  return await simulate(workload, tape, swarm(tape, workload.settings.exclusive), { wrong, leftovers: true });
}

test(
  `${SCHEDULES} schedules in which what was dropped is swept away, among all that goes wrong else`,
  async () => {
    let crashes = 0;
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const run = await swept(seed);
      expect([seed, run.violation]).toEqual([seed, undefined]);
      crashes += run.seen.get("crash") ?? 0;
    }
    expect(crashes).toBeGreaterThan(SCHEDULES / 4);
  },
  LIMIT,
);

test(
  "an owner that takes the first page for all of it is found out",
  async () => {
    const hasty: Wrong = {
      store: (data) => ({ readNames: (...asked) => ({ ...data.readNames(...asked), next: undefined }) }),
    };
    let rule: string | undefined;
    for (let seed = 1; seed <= SOON && rule === undefined; seed++) rule = (await swept(seed, hasty)).violation?.rule;
    expect(rule).toBe("sweep");
  },
  LIMIT,
);
