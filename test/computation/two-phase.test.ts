/** A hot key's aggregation in two phases: the same totals as in one, and no shard has most of the work. */
import { describe, expect, test } from "vitest";
import {
  Computation,
  type Context,
  input,
  output,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
  twoPhase,
  type TwoPhaseOptions,
  type WindowTotal,
} from "../../src/index.ts";
import { PipelineTester, underFaults } from "../../src/testing/index.ts";
import { Feed, Kept } from "../worker/feed.ts";
import { Rig } from "../worker/rig.ts";
import { Prng } from "../support/prng.ts";

interface Sale {
  readonly shop: string;
  readonly amount: number;
  readonly receipt: string;
}
const sales = stream<Sale>("sales");
const plain = stream<WindowTotal<number>>("plain");
const revenues = stream<WindowTotal<number>>("revenues");
const WINDOW = 1_000;

const options: TwoPhaseOptions<Sale, number> = {
  from: sales,
  key: (sale) => sale.shop,
  spreadBy: (sale) => sale.receipt,
  to: revenues,
  window: WINDOW,
  initial: () => 0,
  add: (total, sale) => total + sale.amount,
  merge: (one, other) => one + other,
};

/** The same in one phase. */
class Plain extends Computation {
  readonly sales = input(sales, { key: (sale) => sale.shop });
  readonly plain = output(plain);
  readonly totals = state("totals", { initial: new Map<number, number>() });
  readonly closing = timers<number>("closing");
  override processRecord(record: StreamRecord<Sale>, context: Context) {
    const start = record.timestamp - (record.timestamp % WINDOW);
    context.state(this.totals).update((totals) => void totals.set(start, (totals.get(start) ?? 0) + record.value.amount));
    context.setTimer(this.closing.for(start), start + WINDOW);
  }
  override processTimer({ tag: start }: Timer<number>, context: Context) {
    context.produce(this.plain, { key: context.key, start, value: context.state(this.totals).get().get(start) ?? 0 });
    context.state(this.totals).update((totals) => void totals.delete(start));
  }
}

function both(pipeline: Pipeline): Pipeline {
  const revenue = twoPhase("revenue", options);
  return pipeline.compute("plain", Plain).compute("revenue-partial", revenue.partial).compute("revenue", revenue.merged);
}

/** 90% of the sales are of one shop. */
function skewed(count: number, seed = 1): { sale: Sale; at: number }[] {
  const prng = new Prng(seed);
  return Array.from({ length: count }, (_, i) => ({
    sale: { shop: prng.next() < 0.9 ? "hot" : `shop${prng.below(50)}`, amount: 1 + prng.below(100), receipt: `r${i}` },
    at: Math.floor((i * 10_000) / count),
  }));
}

const sorted = (totals: readonly WindowTotal<number>[]) => totals.map((total) => JSON.stringify(total)).sort();

test("a sum with 90% on one key equals the plain sum exactly, and the hot key's records are on many shards", async () => {
  const feed = new Feed<Sale>();
  const [inOne, inTwo] = [new Kept<WindowTotal<number>>(), new Kept<WindowTotal<number>>()];
  const pipeline = both(new Pipeline("two-phase", { shards: 16 }).inject("feed", sales, feed.injector))
    .sink("in-one", plain, inOne.sink)
    .sink("in-two", revenues, inTwo.sink);
  const rig = await Rig.start(pipeline);
  const all = skewed(20_000);
  feed.pushAll(
    all.map(({ sale }) => sale),
    (_, i) => all[i]?.at ?? 0,
  );
  feed.end();
  await rig.rest();
  expect(rig.outcome).toBe("finished");
  const values = (kept: Kept<WindowTotal<number>>) => sorted(kept.records.map((record) => record.value));
  expect(values(inTwo)).toEqual(values(inOne));
  expect(values(inTwo).length).toBeGreaterThan(400);
  const loads = (name: string) => rig.worker.engine.shardsOf(rig.planned(name)).map((shard) => shard.image.counters.processed);
  expect(Math.max(...loads("plain"))).toBeGreaterThan(18_000);
  expect(Math.max(...loads("revenue-partial"))).toBeLessThan(7_000);
  expect(loads("revenue").reduce((sum, each) => sum + each, 0)).toBeLessThan(20_000 / 2);
  await rig.kill();
});

test("a total has the last timestamp of its window, comes when the window closes and once, and leaves nothing behind", async () => {
  const t = await PipelineTester.start(both(new Pipeline("two-phase").inject("feed", sales, new Feed<Sale>().injector)));
  for (const at of [0, 10, 999, 1_000]) await t.push(sales, { shop: "a", amount: at + 1, receipt: `r${at}` }, { at });
  await t.advanceWatermark(999);
  expect(t.values(revenues)).toEqual([]);
  await t.advanceWatermark(1_000);
  expect(t.records(revenues).map(({ value, timestamp }) => [value, timestamp])).toEqual([[{ key: "a", start: 0, value: 1_012 }, 999]]);
  await t.push(sales, { shop: "a", amount: 5, receipt: "r5" }, { at: 500 });
  await t.finish();
  expect(t.values(revenues)).toEqual([
    { key: "a", start: 0, value: 1_012 },
    { key: "a", start: 1_000, value: 1_001 },
  ]);
});

test("crashes, lost answers and takeovers leave the totals as they are", async () => {
  await underFaults(both(new Pipeline("two-phase", { shards: 4 }).inject("feed", sales, new Feed<Sale>().injector)), { schedules: 5 }, async (t) => {
    for (const { sale, at } of skewed(12)) await t.push(sales, sale, { at });
    await t.finish();
    expect(sorted(t.values(revenues))).toEqual(sorted(t.values(plain)));
  });
});

describe("options that cannot be meant are refused", () => {
  test.each([
    [{ window: 0 }, /"revenue".*window, ms,/],
    [{ parts: 1 }, /"revenue".*parts/],
    [{ parts: 1_025 }, /"revenue".*parts/],
    [{ merge: undefined }, /"revenue": merge is a function/],
    [{ from: "sales" }, /"revenue": from: a stream is expected/],
    [{ spreadBy: "receipt" }, /"revenue": spreadBy is a function/],
    [{ windows: 3 }, /"revenue".*windows/],
  ])("%j", (wrong, message) => {
    expect(() => twoPhase("revenue", { ...options, ...(wrong as object) } as TwoPhaseOptions<Sale, number>)).toThrow(message);
  });
});

test("a key that is none goes to the dead letters of the first phase", async () => {
  const revenue = twoPhase("revenue", { ...options, key: () => "" });
  const t = await PipelineTester.start(
    new Pipeline("two-phase").inject("feed", sales, new Feed<Sale>().injector).compute("partial", revenue.partial).compute("revenue", revenue.merged),
  );
  await t.push(sales, { shop: "a", amount: 1, receipt: "r1" }, { at: 0 });
  expect(t.deadLetters()).toMatchObject([{ computation: "partial", reason: expect.stringContaining("a string that is not empty") }]);
});
