/** The rate limit of an effect where records have to wait for something else too. */
import { expect, test } from "vitest";
import type { EffectRunner } from "../../src/effects/effects.ts";
import { exponential, fromIterable, Pipeline, stream } from "../../src/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";
import { Feed } from "../worker/feed.ts";
import { Rig } from "../worker/rig.ts";

const orders = stream<string>("orders");

test("is kept by a record that waited for another of its id", async () => {
  const settle: (() => void)[] = [];
  const perform = () => new Promise<void>((resolve) => settle.push(resolve));
  const nothing = fromIterable<string>(() => []);
  const pipeline = new Pipeline("shop", { shards: 1 }).inject("orders", orders, nothing).effect("mail", orders, perform, { rateLimit: { max: 2, per: 1_000 } });
  const tester = await PipelineTester.start(pipeline, { effects: "perform" });
  const push = (id: string) => tester.push(orders, id, { at: 1_000, id });
  // The second waits for the first; the third is the last that may begin now.
  await Promise.all([push("a"), push("a"), push("b")]);
  expect(settle.length).toBe(2);
  settle[0]?.();
  await push("c");
  expect(settle.length).toBe(2);
  await tester.advanceClock(1_000);
  expect(settle.length).toBe(4);
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
