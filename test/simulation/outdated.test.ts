/** Workers that leave participants to others, for data that only newer code can read: everything comes to its end, once, and shards to rest where they are assigned. */
import { expect, test } from "vitest";
import { sized } from "../support/size.ts";
import { type Run, simulate, type Wrong } from "../../sim/schedule.ts";
import { drawWorkload } from "../../sim/workload/workload.ts";
import { swarm } from "../../src/testing/simulation/faults.ts";
import { Tape } from "../../src/testing/simulation/tape.ts";
import { Engine } from "../../src/worker/engine.ts";

const SCHEDULES = sized(40, 400);
/** Schedules within which a wrong is found. */
const SOON = 400;
/** ms for all schedules, on a slow machine. */
const LIMIT = 300_000;

/** undefined: its store is one process's own. */
async function outdated(seed: number, wrong?: Wrong): Promise<Run | undefined> {
  const tape = Tape.seeded(seed);
  const workload = drawWorkload(tape);
  if (workload.settings.exclusive) return undefined;
  const { kinds, ...faults } = swarm(tape, false);
  return await simulate(
    workload,
    tape,
    { ...faults, kinds: [...kinds, "outdated", "outdated", "join"], perMille: Math.max(faults.perMille, 30), steps: Math.max(faults.steps, 150) },
    { wrong },
  );
}

test(
  `${SCHEDULES} schedules in which workers find what only newer code can read, among all that goes wrong else`,
  async () => {
    let met = 0;
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const run = await outdated(seed);
      expect([seed, run?.violation]).toEqual([seed, undefined]);
      if (run?.seen.has("outdated")) met += 1;
    }
    expect(met).toBeGreaterThan(SCHEDULES / 4);
  },
  LIMIT,
);

test(
  "an engine that does not hear what others leave to it is found out",
  async () => {
    const deaf: Wrong = {
      engine: (options) => {
        const engine = new Engine(options);
        const { ownership } = engine;
        const hear = ownership.onAnnounced.bind(ownership);
        ownership.onAnnounced = (announced) => {
          const heard = (name: string): boolean => !name.startsWith("!") || name.endsWith(`!${options.worker}`);
          hear(announced && { ...announced, workers: announced.workers.filter(heard) });
        };
        return engine;
      },
    };
    let rule: string | undefined;
    for (let seed = 1; seed <= SOON && rule === undefined; seed++) rule = (await outdated(seed, deaf))?.violation?.rule;
    expect(rule).toMatch(/^S[34] /);
  },
  LIMIT,
);
