/**
 * `rolling`: under load, every worker is told to stop and replaced by a new one, one after the other: the oldest first,
 * the newest first, and at random. In each order the new ones have another version of the code, which stores its sums in
 * another form and reads those of before; what it has written, the old ones leave to it (docs/upgrading.md).
 */
import { setTimeout as delay } from "node:timers/promises";
import { Arena } from "./arena.ts";
import { longestPause, pauses } from "./bystanders.ts";
import type { Load } from "./load.ts";
import { quantile, rounded } from "./quantile.ts";
import type { ChaosResult, ScenarioOptions } from "./scenario.ts";
import { comesTo, until } from "./until.ts";
import type { ChaosWorker } from "./worker.ts";

const WORKERS = 3;
/** ms for which old and new run together, after each that was replaced. */
const MIXED = 1_000;
const NEWER = /newer code/;
/** ms within which an old worker has to meet what a new one has written. */
const PATIENCE = 10_000;
const ORDERS: Readonly<Record<string, (workers: readonly ChaosWorker[]) => ChaosWorker[]>> = {
  "oldest first": (workers) => [...workers],
  "newest first": (workers) => workers.toReversed(),
  random: (workers) =>
    workers
      .map((worker) => ({ worker, at: Math.random() }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ worker }) => worker),
};

export async function rolling({ store, rate = 400, leaseMs = 2_000 }: ScenarioOptions): Promise<ChaosResult> {
  if (store !== "redis") throw new Error("rolling: LMDB belongs to one process; give --store redis");
  const load: Load = { records: 0, rate, keys: 100, partitions: 4, shape: "even", bendsAt: 0 };
  const arena = await Arena.open({ chaos: "rolling", store, load, workers: WORKERS, leaseMs });
  try {
    await arena.begin();
    arena.flow();
    const from = Date.now();
    let replaced = 0;
    let fallen = 0;
    for (const order of Object.values(ORDERS)) {
      arena.code++;
      for (const worker of order(arena.alive)) {
        if (worker.working.size > 0) replaced++;
        worker.order({ stop: true });
        await until("a worker that was told to stop has ended", () => worker.gone);
        if (worker.ended !== "stopped") throw new Error(`a worker that was told to stop ended otherwise:\n${worker.log.join("\n")}`);
        await arena.add();
        await arena.covered();
        await delay(MIXED);
        if (arena.alive.length === WORKERS && fallen < arena.code) fallen += await fell(arena);
      }
      await arena.shared();
    }
    const to = Date.now();
    const result = await arena.conclude({ faults: replaced });
    const between = pauses(arena.tenures, from, to);
    const details = {
      orders: Object.keys(ORDERS),
      versions: arena.code + 1,
      fallen,
      leftToNewer: left(arena),
      handedOver: between.length,
      pauseP50Ms: rounded(quantile(between, 0.5)),
      longestPauseMs: longestPause(arena.workers, from, to),
    };
    return { ...result, recoveryP99Ms: rounded(quantile(between, 0.99)), details };
  } finally {
    await arena.close();
  }
}

/** Workers that met a value which only newer code can read. */
const left = (arena: Arena): number => arena.workers.filter(({ log }) => log.some((line) => NEWER.test(line))).length;

/** The only one with the new code is killed: the old ones are given what it has written, and have to leave it to the next new one. */
async function fell(arena: Arena): Promise<number> {
  const before = left(arena);
  const first = arena.alive.at(-1);
  first?.signal("SIGKILL");
  await first?.exited;
  await comesTo(() => left(arena) > before, PATIENCE);
  await arena.add();
  await arena.covered();
  await delay(MIXED);
  return 1;
}
