/**
 * `rolling`: under load, every worker is told to stop and replaced by a new one, one after the other: the oldest first,
 * the newest first, and at random. Both run the same code so far; what they hand over is the same either way.
 */
import { Arena } from "./arena.ts";
import { longestPause, pauses } from "./bystanders.ts";
import type { Load } from "./load.ts";
import { quantile, rounded } from "./quantile.ts";
import type { ChaosResult, ScenarioOptions } from "./scenario.ts";
import { until } from "./until.ts";
import type { ChaosWorker } from "./worker.ts";

const WORKERS = 3;
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
    for (const order of Object.values(ORDERS)) {
      for (const worker of order(arena.alive)) {
        if (worker.working.size > 0) replaced++;
        worker.order({ stop: true });
        await until("a worker that was told to stop has ended", () => worker.gone);
        if (worker.ended !== "stopped") throw new Error(`a worker that was told to stop ended otherwise:\n${worker.log.join("\n")}`);
        await arena.add();
        await arena.shared();
      }
    }
    const to = Date.now();
    const result = await arena.conclude({ faults: replaced });
    const between = pauses(arena.tenures, from, to);
    const details = {
      orders: Object.keys(ORDERS),
      handedOver: between.length,
      pauseP50Ms: rounded(quantile(between, 0.5)),
      longestPauseMs: longestPause(arena.workers, from, to),
    };
    return { ...result, recoveryP99Ms: rounded(quantile(between, 0.99)), details };
  } finally {
    await arena.close();
  }
}
