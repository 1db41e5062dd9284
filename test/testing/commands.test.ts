/** What a test tells the outside to do: inputs that end or fall silent one by one, handlers that fail, dead letters. */
import { expect, test } from "vitest";
import { Computation, type Context, fromIterable, input, output, Pipeline, state, stream, type StreamRecord, type Timer, timer } from "../../src/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";

const left = stream<string>("left");
const right = stream<string>("right");
const ends = stream<string>("ends");

class Joint extends Computation {
  readonly left = input(left, { key: (text) => text });
  readonly right = input(right, { key: (text) => text });
  readonly ends = output(ends);
  readonly seen = state("seen", { initial: 0 });
  readonly end = timer("end");

  override processRecord(record: StreamRecord<string>, context: Context): void | Promise<void> {
    context.state(this.seen).update((seen) => seen + 1);
    context.setTimer(this.end, record.timestamp + 10);
    context.produce(this.ends, `${context.key} begins`);
    return record.value.startsWith("slow") ? Promise.resolve() : undefined;
  }
  override processTimer(_timer: Timer, context: Context): void {
    context.produce(this.ends, `${context.key} ends with ${context.state(this.seen).get()}`);
  }
}

const pipeline = () =>
  new Pipeline("joint", { shards: 2 })
    .inject(
      "left",
      left,
      fromIterable<string>(() => []),
    )
    .inject(
      "right",
      right,
      fromIterable<string>(() => []),
    )
    .compute("joint", Joint, { attempts: 2 });

test("an input that is idle holds nothing until it is pushed to again, one that has finished holds nothing ever more", async () => {
  const t = await PipelineTester.start(pipeline());
  await t.push(left, "a", { at: 100 });
  await t.advanceWatermark(200, { of: left });
  expect([t.values(ends), t.watermark(Joint).input]).toEqual([["a begins"], -1]);
  await t.idle({ of: right });
  expect([t.values(ends), t.watermark(Joint).input]).toEqual([["a begins", "a ends with 1"], 200]);
  await t.push(right, "b", { at: 300 });
  await t.advanceWatermark(1_000, { of: left });
  expect(t.values(ends)).toEqual(["a begins", "a ends with 1", "b begins"]);
  await t.crash();
  await t.finish({ of: right });
  expect([t.values(ends).slice(3), t.watermark(Joint).input]).toEqual([["b ends with 1"], 1_000]);
  await t.push(left, "c", { at: 1_100 });
  expect(t.values(ends).slice(4)).toEqual(["c begins"]);
  await t.finish();
  expect(t.values(ends).slice(5)).toEqual(["c ends with 1"]);
});

test("a call that fails on command has done its work and leaves no trace, over a crash and in asynchronous handlers", async () => {
  const t = await PipelineTester.start(pipeline());
  t.fail(Joint, { key: "a" });
  await t.push(left, "a", { at: 100 });
  await t.push(left, "b", { at: 100 });
  expect([t.values(ends), t.state(Joint, "a").seen]).toEqual([["b begins"], 0]);
  await t.crash();
  await t.advanceClock(60_000);
  expect([t.values(ends), t.state(Joint, "a").seen, t.deadLetters()]).toEqual([["b begins", "a begins"], 1, []]);
  t.fail(Joint, { key: "slow", times: 2, error: new Error("no more") });
  await t.push(left, "slow", { at: 100 });
  await t.advanceClock(60_000);
  expect(t.deadLetters()).toEqual([{ computation: "joint", key: "slow", reason: "no more", attempts: 2 }]);
  expect([await t.retryDeadLetters("joint"), t.deadLetters(), t.values(ends).at(-1)]).toEqual([1, [], "slow begins"]);
  t.fail(Joint, { times: Number.POSITIVE_INFINITY });
  await t.push(left, "d", { at: 100 });
  await t.advanceClock(60_000);
  expect([await t.discardDeadLetters("joint"), t.deadLetters(), t.state(Joint, "d").seen]).toEqual([1, [], 0]);
});

test("commands that cannot be meant are refused", async () => {
  const t = await PipelineTester.start(pipeline());
  expect(() => t.fail(Joint, { times: 0 })).toThrow("times");
  expect(() => t.fail(Joint, { keys: "a" } as object)).toThrow('there is no option "keys"');
  await expect(t.idle({ of: "left" as never })).rejects.toThrow("of is a stream");
  await expect(t.finish({ of: "left" as never })).rejects.toThrow("a stream is expected");
});
