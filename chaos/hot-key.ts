/**
 * `hot-key`: after a while in which all keys are alike, nine of ten records are of one key, and the handler of another
 * key hangs. Neither may hold up the others.
 */
import { Arena } from "./arena.ts";
import { compared, latencies } from "./bystanders.ts";
import { HOT_KEY, keyOf, type Load } from "./load.ts";
import type { ChaosResult, ScenarioOptions } from "./scenario.ts";
import { quantile, rounded } from "./quantile.ts";
import { until } from "./until.ts";

const HANG = 10_000;

export async function hotKey({ store, minutes = 1, rate = 500, leaseMs = 2_000 }: ScenarioOptions): Promise<ChaosResult> {
  const records = Math.round(minutes * 60 * rate);
  const bendsAt = Math.floor(records / 3);
  const hanging = firstOther(records, bendsAt);
  // A short run has a short hang, which it still outlasts.
  const ms = Math.min(HANG, (minutes * 60_000) / 3);
  const load: Load = { records, rate, keys: 100, partitions: 4, shape: "hot-key", bendsAt, hangs: { n: hanging, ms } };
  const arena = await Arena.open({ chaos: "hot-key", store, load, workers: store === "redis" ? 2 : 1, leaseMs });
  try {
    await arena.begin();
    arena.pass(records);
    await until("all records have been due", () => Date.now() > arena.startAt + minutes * 60_000, { every: 50, within: 3_600_000 });
    const result = await arena.conclude({});
    const { workers, startAt } = arena;
    const bend = startAt + (1_000 * bendsAt) / rate;
    const hungKey = keyOf(load, hanging);
    const isOther = (n: number): boolean => keyOf(load, n) !== HOT_KEY && keyOf(load, n) !== hungKey;
    const before = latencies(workers, load, startAt, { from: startAt + Math.min(1_000, (bend - startAt) / 2), to: bend }, (n) => !isOther(n));
    const during = latencies(workers, load, startAt, { from: bend, to: Number.POSITIVE_INFINITY }, (n) => !isOther(n));
    const hot = latencies(workers, load, startAt, { from: bend, to: Number.POSITIVE_INFINITY }, (n) => keyOf(load, n) !== HOT_KEY);
    const hung = latencies(workers, load, startAt, { from: bend, to: Number.POSITIVE_INFINITY }, (n) => keyOf(load, n) !== hungKey);
    const p99 = compared(quantile(during, 0.99), quantile(before, 0.99));
    // The key was hot, and the handler hung for as long as it was to.
    const faults = (hot.length > during.length ? 1 : 0) + (Math.max(0, ...hung) >= ms ? 1 : 0);
    const details = { othersP99Ms: p99.during, beforeP99Ms: p99.before, hotP99Ms: rounded(quantile(hot, 0.99)), hungMs: ms, hotKeySamples: hot.length };
    return { ...result, faults, bystanderP99Ratio: p99.ratio, details };
  } finally {
    await arena.close();
  }
}

/** A record soon after the bend, of another key than the hot one; one that the workers tell of. */
function firstOther(records: number, bendsAt: number): number {
  const load: Load = { records, rate: 0, keys: 100, partitions: 4, shape: "hot-key", bendsAt };
  for (let n = bendsAt + 4 - (bendsAt % 4); n < records; n += 4) if (keyOf(load, n) !== HOT_KEY) return n;
  throw new Error("hot-key: too few records; give more minutes, or a higher rate");
}
