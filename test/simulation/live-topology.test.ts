/** A graph that grows by a computation while workers of the old one run: nothing is lost or doubled, and the new one is given all from the change on. */
import { expect, test } from "vitest";
import { growing, type Run, type Wrong } from "../../sim/schedule.ts";
import { drawWorkload } from "../../sim/workload/workload.ts";
import { swarm } from "../../src/testing/simulation/faults.ts";
import { Tape } from "../../src/testing/simulation/tape.ts";
import { Engine } from "../../src/worker/engine.ts";

const SCHEDULES = 25;
/** Schedules within which a wrong is found. */
const SOON = 200;
/** ms for all schedules, on a slow machine. */
const LIMIT = 300_000;

/** undefined: its store is one process's own; or a filter stands before what the new one is compared with. */
async function grown(seed: number, wrong?: Wrong): Promise<Run | undefined> {
  const tape = Tape.seeded(seed);
  const workload = drawWorkload(tape);
  if (workload.settings.exclusive || workload.variant.filtered) return undefined;
  return await growing(workload, tape, swarm(tape, false), { wrong });
}

test(
  `${SCHEDULES} schedules in which the graph grows, among all that goes wrong else`,
  async () => {
    const seen = new Map<string, number>();
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const run = await grown(seed);
      expect([seed, run?.violation]).toEqual([seed, undefined]);
      for (const what of run?.seen.keys() ?? []) seen.set(what, (seen.get(what) ?? 0) + 1);
    }
    expect(seen.get("graph grows")).toBeGreaterThan(SCHEDULES / 2);
    expect(seen.get("outdated graph")).toBeGreaterThan(SCHEDULES / 3);
    expect(seen.get("stale-graph")).toBeGreaterThan(SCHEDULES / 20);
  },
  LIMIT,
);

async function found(wrong: Wrong): Promise<string | undefined> {
  for (let seed = 1; seed <= SOON; seed++) {
    const rule = (await grown(seed, wrong))?.violation?.rule;
    if (rule !== undefined) return rule;
  }
  return undefined;
}

test(
  "a worker that does not hear of the other graph is found out: the new computation's shards wait for it",
  async () => {
    const deaf: Wrong = {
      engine: (options) => {
        const engine = new Engine(options);
        const hear = engine.ownership.onAnnounced.bind(engine.ownership);
        engine.ownership.onAnnounced = (announced) => hear(announced && { ...announced, graph: options.plan.version });
        return engine;
      },
    };
    expect(await found(deaf)).toMatch(/^S[34] /);
  },
  LIMIT,
);

test(
  "a store that takes commits of any graph is found out: they give the new computation nothing",
  async () => {
    const careless: Wrong = {
      store: (data) => ({
        commit: (commits, now) =>
          data.commit(
            commits.map((commit) => ({ ...commit, graphVersion: data.readGraph()?.version ?? 0 })),
            now,
          ),
      }),
    };
    expect(await found(careless)).toBe("A12 not given");
  },
  LIMIT,
);
