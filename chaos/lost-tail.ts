/**
 * `lost-tail`: a replica is cut off, commits go on and are acknowledged, the primary is killed and the replica takes its
 * place without them, again and again. Each time the workers that live through it must find out by themselves, and what
 * was lost must be made again: nothing may collide with what was.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { RedisPair } from "../test/support/redis-pair.ts";
import { Arena } from "./arena.ts";
import type { Load } from "./load.ts";
import { quantile, rounded } from "./quantile.ts";
import type { ChaosResult, ScenarioOptions } from "./scenario.ts";
import { comesTo, until } from "./until.ts";

const FAILOVERS = 20;
const WORKERS = 2;
/** ms in full swing before the replica is cut off, and for which commits go on that it lacks. */
const SWING = 500;
const CUT = 300;
/** ms within which a loss has to be found. */
const PATIENCE = 30_000;

export async function lostTail({ store, rate = 500, cycles = FAILOVERS, leaseMs = 1_000 }: ScenarioOptions): Promise<ChaosResult> {
  if (store !== "redis") throw new Error("lost-tail: is about Redis; give --store redis");
  const directory = mkdtempSync(join(tmpdir(), "millrace-lost-tail-"));
  const pair = await RedisPair.start(directory);
  const load: Load = { records: 0, rate, keys: 100, partitions: 4, shape: "even", bendsAt: 0 };
  const arena = await Arena.open({ chaos: "lost-tail", store, load, workers: WORKERS, leaseMs, timeoutMs: 2_000, address: pair.path });
  try {
    await arena.begin();
    arena.flow();
    let detected = 0;
    let faults = 0;
    const recovered: number[] = [];
    for (let n = 0; n < cycles; n++) {
      await arena.shared();
      await progress(arena, SWING);
      await pair.cut();
      // A fault counts only if commits were acknowledged that the replica lacks.
      if ((await progress(arena, CUT)) > 0) faults++;
      const { tails } = found(arena);
      await pair.failOver();
      const promoted = Date.now();
      if (await comesTo(() => found(arena).tails > tails, PATIENCE)) detected++;
      await arena.shared();
      recovered.push(Date.now() - promoted);
    }
    const { commits } = found(arena);
    const result = await arena.conclude({ faults, recoveryP99Ms: rounded(quantile(recovered, 0.99)) });
    const collisions = result.doubled + result.outOfOrder + result.violations;
    return { ...result, details: { failovers: cycles, detected, collisions, lostCommits: commits } };
  } finally {
    await arena.close();
    await pair.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What the workers have told of losses so far. */
function found(arena: Arena): { readonly tails: number; readonly commits: number } {
  let [tails, commits] = [0, 0];
  for (const { pulses } of arena.workers) {
    tails += pulses.at(-1)?.lostTails ?? 0;
    commits += pulses.at(-1)?.lostCommits ?? 0;
  }
  return { tails, commits };
}

/** Waits so many ms, and until commits were made meanwhile; gives how many. */
async function progress(arena: Arena, ms: number): Promise<number> {
  const made = (): number => arena.workers.reduce((sum, { pulses }) => sum + (pulses.at(-1)?.commits ?? 0), 0);
  const before = made();
  await delay(ms);
  await until("commits are made", () => made() > before + 10, { among: () => arena.workers.flatMap(({ log }) => log.slice(-5)) });
  return made() - before;
}
