/**
 * Every benchmark at sizes that measure nothing, in this process: does each run, verify, and pass the auditor? One of
 * them once more with a process that is killed.
 */
import type { Common } from "./harness/benchmark.ts";
import { SUITE } from "./suite.ts";
import { throughput } from "./throughput.ts";

const COMMON: Common = { store: "redis", fsync: "everysec", replicas: 0, durability: "primary", runs: 1, rtt: 0, batch: 256, kill: false, inProcess: true };

export async function* smoke(): AsyncGenerator<object> {
  for (const { name, numbers, texts, tiny, run } of SUITE) {
    if (tiny === undefined) continue;
    const chosen = Object.fromEntries(Object.entries(texts).map(([each, of]) => [each, of[0]]));
    const began = performance.now();
    const rows = await run({ ...COMMON, ...numbers, ...chosen, ...tiny });
    yield { smoke: name, ms: Math.round(performance.now() - began), rows: [rows].flat() };
  }
  const killed = await throughput.run({
    ...COMMON,
    ...throughput.numbers,
    records: 10_000,
    keys: 500,
    shards: 4,
    ids: "none",
    inProcess: false,
    kill: true,
    batch: 64,
    store: "lmdb",
  });
  yield { smoke: "throughput --kill", rows: [killed].flat() };
}
