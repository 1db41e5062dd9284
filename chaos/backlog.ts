/**
 * `backlog`: a million records wait, as fast as the pipeline takes them, and the last one is older than all the others.
 * No window may close before it was counted, however much lies in inboxes when the source has ended.
 */
import { Arena } from "./arena.ts";
import type { Load } from "./load.ts";
import type { ChaosResult, ScenarioOptions } from "./scenario.ts";

export async function backlog({ store, records = 1_000_000, leaseMs = 2_000 }: ScenarioOptions): Promise<ChaosResult> {
  const load: Load = { records, rate: 0, keys: 40, partitions: 4, shape: "backlog", bendsAt: 0 };
  const arena = await Arena.open({ chaos: "backlog", store, load, workers: store === "redis" ? 2 : 1, leaseMs, batchRecords: 256 });
  try {
    await arena.begin();
    const began = Date.now();
    arena.pass(records);
    const result = await arena.conclude({});
    const heap = Math.max(...arena.workers.flatMap(({ pulses }) => pulses.map((pulse) => pulse.heap)));
    const perSecond = Math.round((1_000 * records) / (Date.now() - began));
    return { ...result, details: { recordsPerSecond: perSecond, heapMiB: Math.round(heap / 2 ** 20) } };
  } finally {
    await arena.close();
  }
}
