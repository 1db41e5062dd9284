/** New code with a larger graph is started beside workers of the old one, in this process: who leaves, who is refused, and what the new parts are given. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  Computation,
  type Context,
  IncompatibleDataError,
  input,
  MemoryStore,
  output,
  Pipeline,
  RedisStore,
  run,
  type RunningPipeline,
  type Store,
  state,
  stream,
  type StreamRecord,
} from "../../src/index.ts";
import { workerOf } from "../../src/run.ts";
import { startRedis } from "../support/redis-server.ts";
import { Feed, Kept } from "./feed.ts";
import { Gate } from "./probe.ts";
import { until } from "./real-stores.ts";

/** Longer than any test: what is taken over is what was given up. */
const LEASE = 600_000;
const words = stream<string>("words");
const more = stream<string>("more");
const counts = stream<string>("counts");
const seen = stream<string>("seen");

class Counter extends Computation {
  readonly words = input(words, { key: (word) => word });
  readonly counts = output(counts);
  readonly count = state("count", { initial: 0 });
  override processRecord({ value }: StreamRecord<string>, context: Context): void {
    context.state(this.count).update((count) => count + 1);
    context.produce(this.counts, `${value} ${context.state(this.count).get()}`);
  }
}

/** The same with an input that it did not have. */
class Wider extends Counter {
  readonly more = input(more, { key: (word) => word });
}

class Watcher extends Computation {
  readonly counts = input(counts, { key: (count) => count.split(" ")[0] ?? "" });
  readonly seen = output(seen);
  override processRecord({ value, timestamp }: StreamRecord<string>, context: Context): void {
    context.produce(this.seen, timestamp < context.watermark ? `${value} late` : value);
  }
}

let running: RunningPipeline[] = [];
let feed: Feed<string>;
let kept: Kept<string>;
let watched: Kept<string>;
let failures: unknown[] = [];
beforeEach(() => {
  [feed, kept, watched] = [new Feed(), new Kept(), new Kept()];
  [running, failures] = [[], []];
});
afterEach(async () => {
  for (const each of running) await each.stop();
});

const small = () => new Pipeline("growing", { shards: 4 }).inject("words", words, feed.injector).compute("counter", Counter).sink("kept", counts, kept.sink);
const grown = () => small().compute("watcher", Watcher).sink("watched", seen, watched.sink);

async function start(pipeline: Pipeline, store: Store): Promise<RunningPipeline> {
  const each = await run(pipeline, { store, leaseMs: LEASE, log: () => {} });
  each.finished.catch((error: unknown) => failures.push(error));
  running.push(each);
  return each;
}

const complete = (each: RunningPipeline): boolean => workerOf(each).engine.ownership.complete;

describe.each(["memory", "redis"] as const)("on the store %s", (kind) => {
  let store: Store;
  let stop: () => Promise<void> = async () => {};
  beforeEach(async () => {
    if (kind === "memory") store = new MemoryStore({ exclusive: false });
    else {
      const server = await startRedis();
      stop = () => server.stop();
      store = new RedisStore(server.url);
    }
  });
  afterEach(() => stop());

  test("two workers with nothing to do leave for one that has a computation more, which owns everything at once and is given all from then on", async () => {
    for (let n = 0; n < 2; n++) await start(small(), store);
    feed.push("a", 1).push("b", 2);
    await until(() => kept.values.length, 2);
    const third = await start(grown(), store);
    await until(() => failures.length, 2);
    for (const failure of failures) {
      expect(failure).toBeInstanceOf(IncompatibleDataError);
      expect((failure as Error).message).toMatch(/another process has changed the graph of pipeline "growing", of which this one runs version 1/);
    }
    await until(() => complete(third), true);
    feed.push("a", 3).push("c", 4).end();
    await third.finished;
    expect(kept.values.toSorted()).toEqual(["a 1", "a 2", "b 1", "c 1"]);
    expect(watched.values.toSorted()).toEqual(["a 2", "c 1"]);
  });
});

test("code that lacks what running workers have is refused while they run, and is told that it may be the older one", async () => {
  const store = new MemoryStore({ exclusive: false });
  const first = await start(grown(), store);
  await until(() => complete(first), true);
  const refusal: unknown = await start(small(), store).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(IncompatibleDataError);
  expect((refusal as Error).message).toMatch(/does not name what the worker that is running has:\n {2}- computation "watcher"\n[^]*start theirs/);
  feed.push("a", 1);
  await until(() => watched.values, ["a 1"]);
  expect(failures).toEqual([]);
});

test("where none runs any more, what has data is refused as ever, and by its data", async () => {
  const store = new MemoryStore({ exclusive: false });
  const first = await start(grown(), store);
  feed.push("a", 1);
  await until(() => watched.values, ["a 1"]);
  await first.stop();
  const refusal: unknown = await start(small(), store).catch((error: unknown) => error);
  expect((refusal as Error).message).toMatch(/sink "watched": its checkpoint/);
});

/** The output watermark of "counter" that is published. */
function outputOf(each: RunningPipeline): number {
  const { options, reporter } = workerOf(each).engine;
  return reporter.published(options.plan.participants.find(({ name }) => name === "counter")?.id ?? 0).output;
}

test("a new input holds the watermark where it is until it has caught up, and no worker of the old graph does anything with its records", async () => {
  const store = new MemoryStore({ exclusive: false });
  const others = new Feed<string>();
  const first = await start(small(), store);
  feed.push("a", 4).promise(5);
  await until(() => outputOf(first), 5);
  const wide = new Pipeline("growing", { shards: 4 })
    .inject("words", words, feed.injector)
    .inject("others", more, others.injector)
    .compute("counter", Wider)
    .sink("kept", counts, kept.sink);
  others.push("a", 3).push("b", 6).promise(6);
  const second = await start(wide, store);
  await until(() => outputOf(second), 5);
  feed.push("a", 7).promise(9);
  await until(() => outputOf(second), 6);
  feed.end();
  others.end();
  await second.finished;
  expect(kept.values.toSorted()).toEqual(["a 1", "a 2", "a 3", "b 1"]);
  expect(failures).toHaveLength(1);
});

test("what a sink of the old graph is writing comes to its end before another opens it", async () => {
  const store = new MemoryStore({ exclusive: false });
  const gate = new Gate();
  let writing = 0;
  kept.before = () => (writing++ === 0 ? gate.promise : undefined);
  await start(small(), store);
  feed.push("a", 1);
  await until(() => writing, 1);
  const second = await start(grown(), store);
  feed.push("b", 2).end();
  await until(() => watched.values, ["b 1"]);
  expect([kept.opened, failures]).toEqual([1, []]);
  gate.open();
  await second.finished;
  expect(kept.values.toSorted()).toEqual(["a 1", "b 1"]);
  expect([kept.opened, failures.length]).toEqual([2, 1]);
});
