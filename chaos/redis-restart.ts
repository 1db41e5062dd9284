/**
 * `redis-restart`: the Redis server is killed while a worker waits for the answer to a commit, and started again, again and
 * again, with the append-only file flushed at each write and once a second. Nothing that was acknowledged may be lost, and
 * commits go on soon after the port is open.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Arena } from "./arena.ts";
import type { Load } from "./load.ts";
import { quantile, rounded } from "./quantile.ts";
import type { ChaosResult, ScenarioOptions } from "./scenario.ts";
import { comesTo } from "./until.ts";

const EVERY = 20_000;
/** ms for which there is no Redis. */
const AWAY = 500;
/** ms that the load needs to be in full swing again. */
const SWING = 1_500;

export async function redisRestart(options: ScenarioOptions): Promise<ChaosResult> {
  const { store, fsync, minutes = 2 } = options;
  if (store !== "redis") throw new Error("redis-restart: is about Redis; give --store redis");
  if (fsync !== undefined) return await restarts(options, fsync, minutes);
  const always = await restarts(options, "always", minutes / 2);
  const everysec = await restarts(options, "everysec", minutes / 2);
  const result: Record<string, unknown> = { ...always };
  for (const name of ["records", "lost", "doubled", "outOfOrder", "violations", "faults"] as const) result[name] = always[name] + everysec[name];
  result["seconds"] = Number((always.seconds + everysec.seconds).toFixed(1));
  result["recoveryP99Ms"] = Math.max(always.recoveryP99Ms ?? 0, everysec.recoveryP99Ms ?? 0);
  return { ...(result as unknown as ChaosResult), details: { always: always.details, everysec: everysec.details } };
}

async function restarts({ store, rate = 500, cycles, leaseMs = 1_000 }: ScenarioOptions, fsync: string, minutes: number): Promise<ChaosResult> {
  const times = cycles ?? Math.max(1, Math.round((minutes * 60_000) / EVERY));
  const every = cycles === undefined ? EVERY : SWING + AWAY;
  const load: Load = { records: 0, rate, keys: 100, partitions: 4, shape: "even", bendsAt: 0 };
  const server = ["--appendfsync", fsync];
  const arena = await Arena.open({ chaos: "redis-restart", store, load, workers: 2, leaseMs, timeoutMs: 2_000, server });
  try {
    await arena.begin();
    arena.flow();
    const first: number[] = [];
    let faults = 0;
    for (let time = 0; time < times; time++) {
      await delay(every - AWAY);
      const struck = Date.now();
      await arena.server?.kill();
      await delay(AWAY);
      await arena.server?.start();
      const open = Date.now();
      const answers = (): number[] =>
        arena.workers.flatMap(({ answered }) => answered.filter(({ answered: at }) => at >= open - AWAY).map(({ answered: at }) => at));
      await comesTo(() => answers().length > 0, 30_000, 5);
      // Each call that was under way when the server died is told of by the worker that made it.
      if (arena.workers.some(({ unknown }) => unknown.some(({ unknown: at }) => at >= struck && at <= struck + AWAY))) faults++;
      const answered = answers();
      if (answered.length > 0) first.push(Math.max(0, Math.min(...answered) - open));
    }
    const settled = (): number => arena.workers.flatMap(({ answered }) => answered).reduce((sum, each) => sum + each.settled, 0);
    const result = await arena.conclude({ faults, recoveryP99Ms: rounded(quantile(first, 0.99)) });
    return { ...result, details: { fsync, restarts: times, firstCommitMs: first, appliedBefore: settled() } };
  } finally {
    await arena.close();
  }
}
