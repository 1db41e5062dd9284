/** Dead letters that are tried again, or discarded: once, in a commit, whatever happens to the worker. */
import { describe, expect, test } from "vitest";
import {
  Computation,
  type Context,
  exponential,
  fromIterable,
  input,
  output,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timer,
} from "../../src/index.ts";
import { shardRef } from "../../src/key.ts";
import { PipelineTester } from "../../src/testing/index.ts";

interface Order {
  readonly id: string;
  readonly n: number;
}
const orders = stream<Order>("orders");
const seen = stream<string>("seen");
const broken = { now: true };

class Shop extends Computation {
  readonly orders = input(orders, { key: (order) => order.id });
  readonly seen = output(seen);
  readonly count = state("count", { initial: 0 });
  readonly close = timer("close");
  override processRecord({ value, late, timestamp }: StreamRecord<Order>, context: Context): void {
    const count = context.state(this.count);
    count.set(count.get() + 1);
    if (broken.now && value.n < 0) throw new Error("below zero");
    context.produce(this.seen, `${value.id}:${value.n}${late ? " late" : ""}`, { timestamp: Math.max(context.outputFloor, timestamp) });
    if (value.n === 9) context.setTimer(this.close, 2_000);
  }
  override processTimer(_timer: Timer<undefined>, context: Context): void {
    if (broken.now) throw new Error("cannot close");
    context.produce(this.seen, `${context.key} closed`, { timestamp: Math.max(context.outputFloor, 2_000) });
  }
}

const start = async () => {
  broken.now = true;
  const pipeline = new Pipeline("shop", { shards: 2 })
    .inject(
      "orders",
      orders,
      fromIterable<Order>(() => []),
    )
    .compute("shop", Shop, { attempts: 2, backoff: exponential(10, 10) });
  return await PipelineTester.start(pipeline);
};

describe("a dead letter that is tried again", () => {
  test("is done as if it had come now, and is a dead letter no more", async () => {
    const tester = await start();
    await tester.push(orders, { id: "a", n: -1 }, { at: 1_000 });
    await tester.push(orders, { id: "a", n: 1 }, { at: 1_001 });
    await tester.advanceClock(100);
    expect(tester.values(seen)).toEqual(["a:1"]);
    expect(tester.deadLetters()).toMatchObject([{ computation: "shop", key: "a", attempts: 2 }]);
    broken.now = false;
    expect(await tester.retryDeadLetters("shop")).toBe(1);
    expect(tester.values(seen)).toEqual(["a:1", "a:-1"]);
    expect(tester.deadLetters()).toEqual([]);
    expect(tester.state(Shop, "a").count).toBe(2);
    expect(await tester.retryDeadLetters("shop")).toBe(0);
  });

  test("that fails again has all its attempts anew, and is one dead letter again", async () => {
    const tester = await start();
    await tester.push(orders, { id: "a", n: -1 }, { at: 1_000 });
    await tester.advanceClock(100);
    await tester.retryDeadLetters("shop");
    expect(tester.deadLetters()).toEqual([]);
    await tester.advanceClock(100);
    expect(tester.deadLetters()).toMatchObject([{ key: "a", attempts: 2, reason: "below zero" }]);
  });

  test("does not move the watermark back: it is late where time has gone on", async () => {
    const tester = await start();
    await tester.push(orders, { id: "a", n: -1 }, { at: 1_000 });
    await tester.advanceClock(100);
    await tester.advanceWatermark(50_000);
    const before = tester.watermark(Shop);
    broken.now = false;
    await tester.retryDeadLetters("shop");
    expect(tester.values(seen)).toEqual(["a:-1 late"]);
    expect(tester.watermark(Shop).output).toBeGreaterThanOrEqual(before.output);
  });

  test("may be a timer's firing", async () => {
    const tester = await start();
    await tester.push(orders, { id: "a", n: 9 }, { at: 1_000 });
    await tester.advanceWatermark(3_000);
    await tester.advanceClock(100);
    expect(tester.deadLetters()).toMatchObject([{ key: "a", reason: "cannot close" }]);
    broken.now = false;
    await tester.retryDeadLetters("shop");
    expect(tester.values(seen)).toEqual(["a:9", "a closed"]);
    expect(tester.deadLetters()).toEqual([]);
  });

  test("is tried once, though the worker crashes before or after the commit that says so", async () => {
    for (const at of ["before-commit", "after-commit"] as const) {
      const tester = await start();
      await tester.push(orders, { id: "a", n: -1 }, { at: 1_000 });
      await tester.advanceClock(100);
      broken.now = false;
      await tester.crash({ at });
      await tester.retryDeadLetters("shop");
      await tester.crash();
      expect(tester.values(seen)).toEqual(["a:-1"]);
      expect(tester.state(Shop, "a").count).toBe(1);
      expect(tester.deadLetters()).toEqual([]);
    }
  });

  test("is refused after the end of the pipeline", async () => {
    const tester = await start();
    await tester.push(orders, { id: "a", n: -1 }, { at: 1_000 });
    await tester.advanceClock(100);
    await tester.finish();
    await expect(tester.retryDeadLetters("shop")).rejects.toThrow("the pipeline has finished");
    expect(tester.deadLetters().length).toBe(1);
  });
});

test("names of dead letters that cannot be are none", async () => {
  const { letterName, parseLetterName } = await import("../../src/worker/dead-letters.ts");
  const participant = { id: 3, shards: 8 } as never;
  expect(letterName(shardRef(3, 7), { id: 12, bytes: new Uint8Array() })).toBe("7.12");
  expect(parseLetterName(participant, "7.12")).toEqual({ shard: shardRef(3, 7), id: 12 });
  for (const name of ["8.1", "7", "7.", ".1", "-1.2", "7.1.1", "a.b", ""]) expect(parseLetterName(participant, name)).toBeUndefined();
});
