import { expect, test } from "vitest";
import {
  type Context,
  Computation,
  ConfigError,
  injector,
  input,
  minutes,
  output,
  Pipeline,
  seconds,
  sink,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timer,
  timers,
} from "../../src/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";
import { byHand } from "../../src/watermark/by-hand.ts";

interface Query {
  text: string;
}
interface Count {
  query: string;
  start: number;
  count: number;
}
const queries = stream<Query>("queries");
const counts = stream<Count>("counts");

class Counter extends Computation {
  readonly queries = input(queries, { key: (query) => query.text });
  readonly counts = output(counts);
  readonly buckets = state("buckets", { initial: new Map<number, number>() });
  readonly closing = timers<number>("closing");

  override processRecord(record: StreamRecord<Query>, context: Context) {
    const start = record.timestamp - (record.timestamp % seconds(1));
    context.state(this.buckets).update((buckets) => buckets.set(start, (buckets.get(start) ?? 0) + 1));
    context.setTimer(this.closing.for(start), start + seconds(1));
  }
  override processTimer(timer: Timer<number>, context: Context) {
    context.produce(this.counts, { query: context.key, start: timer.tag, count: context.state(this.buckets).get().get(timer.tag) ?? 0 });
    context.state(this.buckets).update((buckets) => {
      buckets.delete(timer.tag);
    });
  }
}

const never = injector<Query>({
  kind: "injector",
  description: "never",
  partitions: 1,
  timestamp: undefined,
  id: undefined,
  idRetention: 0,
  watermark: byHand(),
  maxAhead: minutes(60),
  open: () => Promise.reject(new Error("a test opens no source")),
});
const nowhere = sink<Count>({ kind: "sink", description: "nowhere", attempts: 1, open: () => Promise.reject(new Error("a test opens no sink")) });
const pipeline = () => new Pipeline("tested", { shards: 8 }).inject("in", queries, never).compute("counter", Counter).sink("out", counts, nowhere);

test("a window is produced when the watermark reaches its end, at its end, and not before", async () => {
  const t = await PipelineTester.start(pipeline());
  for (let i = 0; i < 5; i++) await t.push(queries, { text: "tv" }, { at: 100 + i });
  await t.advanceWatermark(999);
  expect(t.values(counts)).toEqual([]);
  expect(t.timers(Counter, "tv")).toEqual([{ name: "closing", tag: 0, time: 1_000 }]);
  expect(t.state(Counter, "tv").buckets).toEqual(new Map([[0, 5]]));
  await t.advanceWatermark(1_000);
  expect(t.values(counts)).toEqual([{ query: "tv", start: 0, count: 5 }]);
  expect(t.records(counts)[0]?.timestamp).toBe(1_000);
  expect(t.watermark(Counter)).toMatchObject({ input: 1_000, output: 1_000 });
});

test("a worker that dies between any two steps changes no result", async () => {
  for (const at of ["now", "before-commit", "after-commit"] as const) {
    const t = await PipelineTester.start(pipeline());
    for (let i = 0; i < 20; i++) {
      await t.crash({ at });
      await t.push(queries, { text: `k${i % 3}` }, { at: i * 400 });
      if (i % 4 === 3) await t.advanceWatermark(i * 400 - 1_000);
    }
    await t.finish();
    const sum = t.values(counts).reduce((total, { count }) => total + count, 0);
    expect({ at, sum, windows: new Set(t.values(counts).map(({ query, start }) => `${query}@${start}`)).size }).toEqual({
      at,
      sum: 20,
      windows: t.values(counts).length,
    });
  }
});

test.each(["now", "before-commit", "after-commit"] as const)("a push that meets a crash (%s) returns when the next worker has done its work", async (at) => {
  const t = await PipelineTester.start(pipeline());
  await t.push(queries, { text: "tv" }, { at: 100 });
  await t.crash({ at });
  await t.push(queries, { text: "tv" }, { at: 101 });
  expect(t.state(Counter, "tv").buckets).toEqual(new Map([[0, 2]]));
  await t.crash({ at });
  await t.advanceWatermark(1_000);
  expect(t.values(counts)).toEqual([{ query: "tv", start: 0, count: 2 }]);
});

test("a wall timer fires when the clock has reached its time, and not before", async () => {
  class Reminder extends Computation {
    readonly queries = input(queries, { key: (query) => query.text });
    readonly counts = output(counts);
    readonly due = timer("due", { clock: "wall" });
    override processRecord(_record: StreamRecord<Query>, context: Context) {
      context.setTimer(this.due, context.now() + minutes(10));
    }
    override processTimer(timer: Timer, context: Context) {
      context.produce(this.counts, { query: context.key, start: timer.time, count: 1 });
    }
  }
  const t = await PipelineTester.start(new Pipeline("p", { shards: 2 }).inject("in", queries, never).compute("reminder", Reminder), { now: 1_000_000 });
  await t.push(queries, { text: "a" }, { at: 5 });
  await t.advanceClock(minutes(10) - 1);
  expect(t.values(counts)).toEqual([]);
  await t.crash();
  await t.advanceClock(1);
  expect(t.values(counts)).toEqual([{ query: "a", start: 1_000_000 + minutes(10), count: 1 }]);
  expect(t.records(counts)[0]?.timestamp).toBe(5);
});

test("a handler that throws shows nothing of what it did, and is parked after its attempts", async () => {
  class Poison extends Computation {
    readonly queries = input(queries, { key: (query) => query.text });
    readonly counts = output(counts);
    readonly n = state("n", { initial: { n: 0 } });
    override processRecord(record: StreamRecord<Query>, context: Context) {
      context.state(this.n).update((n) => {
        n.n++;
      });
      context.produce(this.counts, { query: context.key, start: record.timestamp, count: context.state(this.n).get().n });
      if (record.timestamp % 10 === 3) throw new Error("poison");
    }
  }
  const t = await PipelineTester.start(new Pipeline("p", { shards: 1 }).inject("in", queries, never).compute("poison", Poison, { attempts: 3 }));
  for (let i = 0; i < 6; i++) await t.push(queries, { text: "a" }, { at: i });
  for (let i = 0; i < 6; i++) await t.push(queries, { text: "b" }, { at: 10 + i * 10 });
  expect(
    t
      .values(counts)
      .filter(({ query }) => query === "b")
      .map(({ count }) => count),
  ).toEqual([1, 2, 3, 4, 5, 6]);
  expect(
    t
      .values(counts)
      .filter(({ query }) => query === "a")
      .map(({ start }) => start),
  ).toEqual([0, 1, 2]);
  await t.crash();
  await t.advanceClock(minutes(5));
  expect(
    t
      .values(counts)
      .filter(({ query }) => query === "a")
      .map(({ start, count }) => [start, count]),
  ).toEqual([
    [0, 1],
    [1, 2],
    [2, 3],
    [4, 4],
    [5, 5],
  ]);
  expect(t.deadLetters()).toEqual([{ computation: "poison", key: "a", reason: "poison", attempts: 3 }]);
});

test("what cannot be meant is refused by its place", async () => {
  const pipeline = new Pipeline("refusing", { shards: 1 }).inject("in", queries, never).compute("counter", Counter);
  for (const [options, message] of [
    [{ shard: 2 }, /^test of pipeline "refusing": there is no option "shard"; there are now, batchRecords, shards, effects$/],
    [{ shards: 0 }, /shards is an integer from 1 to 16384, but it is 0/],
    [{ now: "2020" }, /now, ms since the epoch, is an integer/],
  ] as const) {
    const started = PipelineTester.start(pipeline, options as object);
    await expect(started).rejects.toThrow(ConfigError);
    await expect(started).rejects.toThrow(message);
  }
  await expect(PipelineTester.start(undefined as never)).rejects.toThrow(/the first argument is a Pipeline, but it is undefined/);
  const tester = await PipelineTester.start(pipeline);
  await expect(tester.push(undefined as never, 1, { at: 1 })).rejects.toThrow(
    new ConfigError("push: a stream is expected, as made by stream(name), but it is undefined"),
  );
  await expect(tester.push(queries, { text: "a" }, undefined as never)).rejects.toThrow(/^push to stream "queries": give the timestamp/);
  await expect(tester.push(queries, { text: "a" }, { at: 1, idd: "a" } as never)).rejects.toThrow(/there is no option "idd"; there are at, id/);
  expect(() => tester.values("counts" as never)).toThrow(ConfigError);
});
