/** What the benchmarks measure with: a harness that overlooks a wrong result or a fallen ratio would prove nothing. */
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { judged } from "../../bench/check.ts";
import { counters, type Load, strided } from "../../bench/counter-pipeline.ts";
import { conclude } from "../../bench/harness/conclude.ts";
import { DelayProxy } from "../../bench/harness/delay-proxy.ts";
import { Histogram } from "../../bench/harness/histogram.ts";
import { medians } from "../../bench/harness/medians.ts";
import { work } from "../../bench/harness/worker.ts";
import { MemoryStore } from "../../src/index.ts";
import { startRedis } from "../support/redis-server.ts";

test("a run whose results are not those of plain code is refused, and one whose are is not", async () => {
  const load: Load = { records: 300, keys: 50, hops: 2, shards: 2 };
  const store = new MemoryStore();
  await work(counters, load, store, { batchRecords: 64, leaseMs: 2_000, cacheBytes: 1 << 20, beganAt: undefined, dieAt: 0 }, () => {});
  expect((await conclude(store, counters, load)).verified).toBe(100);
  // One record of 300 counted once too often, or one too few, is one entry with another value.
  for (const records of [299, 301]) await expect(conclude(store, counters, { ...load, records })).rejects.toThrow(/not those of plain code/);
});

test("of ten million keys none comes twice", () => {
  const keys = 10_000_000;
  const seen = new Uint8Array(keys);
  for (let n = 0; n < keys; n++) seen[strided(n, keys)] = 1;
  expect(seen.indexOf(0)).toBe(-1);
});

test("a ratio that has fallen by more than 15% fails, in the rate and in CPU; a busy machine, which slows the rate alone, does not", () => {
  const recorded = { rawRatio: 0.4, rawCpuRatio: 0.3 };
  expect(judged("hops 1", { rawRatio: 0.34, rawCpuRatio: 0.25 }, recorded).ok).toBe(true);
  expect(judged("hops 1", { rawRatio: 0.2, rawCpuRatio: 0.29 }, recorded).ok).toBe(true);
  expect(judged("hops 1", { rawRatio: 0.339, rawCpuRatio: 0.254 }, recorded).ok).toBe(false);
  expect(() => judged("hops 9", recorded, undefined)).toThrow(/knows nothing of "hops 9"/);
});

test("a quantile is within 1% of the true one, also after histograms were told to another process and put together", () => {
  const [low, high, all] = [new Histogram(), new Histogram(), new Histogram()];
  for (let ms = 1; ms <= 1_000; ms++) (ms % 2 === 0 ? low : high).add(ms);
  for (const each of [low, high]) all.merge(JSON.parse(JSON.stringify(each.toText())) as ReturnType<Histogram["toText"]>);
  expect(all.count).toBe(1_000);
  expect(all.max).toBe(1_000);
  for (const quantile of [0.001, 0.5, 0.9, 0.99, 0.999, 1]) {
    expect(all.at(quantile)).toBeGreaterThanOrEqual(quantile * 1_000 - 1e-9);
    expect(all.at(quantile)).toBeLessThanOrEqual(quantile * 1_010 + 1e-9);
  }
});

test("of several runs the median of each number is shown, with how far apart they were", () => {
  const rows = [3, 1, 2].map((n) => ({ bench: "b", records: 5, rate: n, rewrites: null }));
  expect(medians(rows)).toEqual({ bench: "b", records: 5, rate: 2, rewrites: null, runs: 3, spread: { rate: [1, 3] } });
});

test("the delaying proxy changes no byte, keeps the order, and takes at least what it is told", async () => {
  const server = await startRedis();
  const proxy = await DelayProxy.open(server.socket, 0.5);
  const client = new Redis(proxy.url);
  const from = performance.now();
  await client.ping();
  expect(performance.now() - from).toBeGreaterThanOrEqual(1);
  const text = "x".repeat(300_000);
  await client.set("large", text);
  const replies = await Promise.all(Array.from({ length: 200 }, (_, i) => client.echo(String(i))));
  expect(replies).toEqual(Array.from({ length: 200 }, (_, i) => String(i)));
  expect((await client.get("large")) === text).toBe(true);
  client.disconnect();
  proxy.close();
  await server.stop();
});
