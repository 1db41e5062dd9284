/** The rate limit of an effect where records have to wait for something else too. */
import { expect, test } from "vitest";
import type { EffectRunner } from "../../src/effects/effects.ts";
import { exponential, fromIterable, Pipeline, stream } from "../../src/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";
import { Feed } from "../worker/feed.ts";
import { Rig } from "../worker/rig.ts";

const orders = stream<string>("orders");

test("is kept among records of one id, which wait for one another", async () => {
  const begun: number[] = [];
  const settle: (() => void)[] = [];
  let now = 0;
  const perform = () => {
    begun.push(now);
    return new Promise<void>((resolve) => settle.push(resolve));
  };
  const nothing = fromIterable<string>(() => []);
  const pipeline = new Pipeline("shop", { shards: 1 }).inject("orders", orders, nothing).effect("mail", orders, perform, { rateLimit: { max: 1, per: 1_000 } });
  const tester = await PipelineTester.start(pipeline, { effects: "perform" });
  for (let i = 0; i < 3; i++) await tester.push(orders, `${i}`, { at: 1_000 + i, id: "same" });
  for (; now < 5_000; now += 100) {
    for (const each of settle.splice(0)) each();
    await tester.advanceClock(100);
  }
  expect(begun.length).toBe(3);
  begun.forEach((at, i) => i > 0 && expect(at - (begun[i - 1] as number)).toBeGreaterThanOrEqual(900));
});

test("opens for what stood aside when a worker took the shard over", async () => {
  let fails = true;
  const performed: unknown[] = [];
  const runner: EffectRunner = {
    limited: true,
    perform: ({ record, attempt }) => {
      if (fails) return Promise.reject(new Error("not now"));
      performed.push(record.value);
      return Promise.resolve({ kind: "performed", value: undefined, attempts: attempt });
    },
    close: () => Promise.resolve(),
  };
  const feed = new Feed<string>({});
  const pipeline = new Pipeline("shop", { shards: 4 })
    .inject("orders", orders, feed.injector)
    .effect("mail", orders, () => undefined, { backoff: exponential(100_000, 100_000), rateLimit: { max: 1, per: 1_000 }, attempts: 100 });
  const rig = await Rig.start(pipeline, { runner, cacheBytes: 0 });
  for (let i = 0; i < 12; i++) feed.push(`${i}`, 1 + i);
  await rig.advance(15_000);
  expect((await rig.stored("mail")).held).toBe(12);
  fails = false;
  await rig.crash();
  await rig.advance(15_000);
  expect(performed.length).toBe(12);
  expect((await rig.stored("mail")).held).toBe(0);
});
