/**
 * `zombie`: a worker stands still in front of a commit that it has prepared, past its leases, until others own its shards
 * and have done its work; then it goes on, and sends it. Each such commit must be refused, and not one byte change.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Arena } from "./arena.ts";
import { recoveries, type Strike } from "./bystanders.ts";
import type { Load } from "./load.ts";
import { quantile, rounded } from "./quantile.ts";
import type { ChaosResult, ScenarioOptions } from "./scenario.ts";
import { differing, storedBytes } from "./stored-bytes.ts";
import { comesTo, until } from "./until.ts";
import type { ChaosWorker } from "./worker.ts";

const WORKERS = 3;
/** Records of a cycle: enough for the worker to come to a commit, and then some. */
const RECORDS = 200;
/** Pulses, a tenth of a second each, and ms in which nothing changes: then all that was given is done. */
const RESTING = 8;
const STILL = 200;

interface Seen {
  sent: number;
  fenced: number;
  changed: number;
}

export async function zombie({ store, cycles = 100, leaseMs = 500 }: ScenarioOptions): Promise<ChaosResult> {
  if (store !== "redis") throw new Error("zombie: LMDB belongs to one process; give --store redis");
  // After the last cycle there are records left: workers that have finished end.
  const load: Load = { records: RECORDS * (cycles + 2), rate: 0, keys: 40, partitions: 4, shape: "even", bendsAt: 0 };
  const arena = await Arena.open({ chaos: "zombie", store, load, workers: WORKERS, leaseMs, shards: 8, batchRecords: 16 });
  try {
    await arena.begin();
    arena.pass(RECORDS);
    const seen: Seen = { sent: 0, fenced: 0, changed: 0 };
    const strikes: Strike[] = [];
    for (let cycle = 0; cycle < cycles; cycle++) {
      const strike = await one(arena, cycle, seen);
      if (strike !== undefined) strikes.push(strike);
    }
    const recovered = recoveries(strikes, arena.tenures);
    const result = await arena.conclude({ faults: strikes.length, recoveryP99Ms: rounded(quantile(recovered, 0.99)), details: { leaseMs, cycles, ...seen } });
    // A commit that a worker without the shard got through, or that changed anything, breaks the promise, whatever came of it.
    return { ...result, violations: result.violations + (seen.sent - seen.fenced) + seen.changed };
  } finally {
    await arena.close();
  }
}

async function one(arena: Arena, cycle: number, seen: Seen): Promise<Strike | undefined> {
  await until("every worker holds shards", () => arena.alive.length === WORKERS && arena.alive.every(({ working }) => working.size > 0));
  const victim = arena.alive[cycle % WORKERS];
  if (victim === undefined) return undefined;
  const times = victim.struck.length;
  victim.order({ strike: "SIGSTOP" });
  // The worker has to have the order before it gets the work.
  await delay(20);
  arena.pass(RECORDS * (cycle + 2));
  if (!(await comesTo(() => victim.struck.length > times, 5_000, 2))) return undefined;
  const strike = victim.struck.at(-1);
  if (strike === undefined) return undefined;
  const taken = (): boolean => {
    const others = arena.alive.filter((worker) => worker !== victim).flatMap(({ working }) => [...working.keys()]);
    return new Set(others).size === arena.shardCount;
  };
  await until("others own all shards", taken, { among: () => [`${arena.alive.map(({ working }) => working.size).join(", ")} of ${arena.shardCount}`] });
  const before = await still(arena, victim);
  const woken = victim.woken.length;
  victim.signal("SIGCONT");
  await until("the commit that stood still was answered", () => victim.woken.length > woken);
  const outcomes = victim.woken.at(-1)?.woken ?? [];
  seen.sent++;
  if (outcomes.length > 0 && outcomes.every((outcome) => outcome === "fenced")) seen.fenced++;
  else console.error(`cycle ${cycle}: ${outcomes.join(", ")}`);
  const changed = differing(before, await storedBytes(arena.redis!));
  if (changed.length > 0) console.error(`cycle ${cycle}: these have changed: ${changed.join(", ")}`);
  seen.changed += changed.length;
  return strike.refs.length === 0 ? undefined : strike;
}

/** Waits until the others have nothing to commit any more; gives what is there then. */
async function still(arena: Arena, victim: ChaosWorker): Promise<Map<string, string>> {
  const others = arena.alive.filter((worker) => worker !== victim);
  await until("the others have nothing to do", () => others.every(({ pulses }) => restsFor(pulses)));
  for (let before = await storedBytes(arena.redis!); ; ) {
    await delay(STILL);
    const after = await storedBytes(arena.redis!);
    if (differing(before, after).length === 0) return after;
    before = after;
  }
}

/** As it says itself: it had time for so many pulses, and no commit was made between them. */
function restsFor(pulses: ChaosWorker["pulses"]): boolean {
  const last = pulses.slice(-RESTING);
  return last.length === RESTING && last.every(({ commits }) => commits === last[0]?.commits);
}
