/** `toRedisStream` without a connection: entries are part of the commits that produce their records. */
import { afterEach, describe, expect, test } from "vitest";
import {
  Computation,
  type Context,
  ConfigError,
  fromIterable,
  input,
  LmdbStore,
  MemoryStore,
  output,
  Pipeline,
  RedisStore,
  type RunningPipeline,
  run,
  type Sink,
  SinkUnavailableError,
  type Store,
  StoreRefusedError,
  state,
  stream,
  type StreamRecord,
  toCallback,
} from "../../src/index.ts";
import { fromRedisStream, toRedisStream } from "../../src/redis-streams/index.ts";
import { shardRef } from "../../src/key.ts";
import { systemClock } from "../../src/clock.ts";
import type { ShardSummary } from "../../src/store/store.ts";
import { systemRandom } from "../../src/random.ts";
import { workerOf } from "../../src/run.ts";
import { PipelineTester } from "../../src/testing/index.ts";
import { startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { useStreams } from "./streams.ts";

const streams = useStreams();
const path = temporaryDirectory();
const numbers = stream<number>("numbers");
const sums = stream<{ readonly key: string; readonly sum: number }>("sums");

class Sum extends Computation {
  readonly numbers = input(numbers, { key: (number) => `k${number % 3}` });
  readonly sums = output(sums);
  readonly sum = state("sum", { initial: 0 });
  /** Numbers whose call fails at its first try. */
  static failing = new Set<number>();
  override processRecord({ value }: StreamRecord<number>, context: Context): void {
    const sum = context.state(this.sum);
    sum.set(sum.get() + value);
    context.produce(this.sums, { key: context.key, sum: sum.get() });
    if (Sum.failing.delete(value)) throw new Error("once more");
  }
}

const COUNT = 300;
const expected = (): { key: string; sum: number }[] => {
  const sumOf = [0, 0, 0];
  return Array.from({ length: COUNT }, (_, n) => ({ key: `k${n % 3}`, sum: (sumOf[n % 3] = (sumOf[n % 3] ?? 0) + n) }));
};
const byKey = (rows: readonly { key: string; sum: number }[]): unknown =>
  ["k0", "k1", "k2"].map((key) => rows.filter((row) => row.key === key).map(({ sum }) => sum));

let names = 0;
const fresh = (): string => `in-store-${++names}`;
const open: RunningPipeline[] = [];
afterEach(async () => {
  Sum.failing = new Set();
  for (const running of open.splice(0)) await running.stop();
});

const pipelineOf = (name: string, sink: Sink<{ key: string; sum: number }>, count = COUNT): Pipeline =>
  new Pipeline(name, { shards: 4 })
    .inject(
      "numbers",
      numbers,
      fromIterable(() => Array.from({ length: count }, (_, n) => ({ value: n, position: n }))),
    )
    .compute("sum", Sum)
    .sink("sums", sums, sink);

async function started(pipeline: Pipeline, store: Store): Promise<RunningPipeline> {
  const running = await run(pipeline, { store, batchRecords: 16, leaseMs: 200, log: () => {} });
  running.finished.catch(() => {});
  open.push(running);
  return running;
}

const redis = (): RedisStore => new RedisStore(streams.server.url);

/** What is stored of the sink. */
async function stored(running: RunningPipeline): Promise<ShardSummary> {
  const { graph, participants } = workerOf(running).engine.options.plan;
  const store = await redis().open({ pipeline: graph.pipeline, clock: systemClock, random: systemRandom });
  try {
    const [summary] = await store.summarize([shardRef(participants.find(({ name }) => name === "sums")!.id, 0)]);
    return summary!;
  } finally {
    await store.close();
  }
}

const rowsIn = async (key: string): Promise<{ key: string; sum: number }[]> =>
  (await streams.entries(key)).map(({ value = "" }) => JSON.parse(value) as { key: string; sum: number });

describe("entries", () => {
  test("are there once, in the order of their key, with the given fields and no other", async () => {
    const key = streams.fresh();
    await (await started(pipelineOf(fresh(), toRedisStream(key)), redis())).finished;
    expect(byKey(await rowsIn(key))).toEqual(byKey(expected()));
    expect(new Set((await streams.entries(key)).flatMap((fields) => Object.keys(fields)))).toEqual(new Set(["value"]));
  });

  test("of a call that failed after it had produced are not there", async () => {
    const key = streams.fresh();
    Sum.failing = new Set(Array.from({ length: 40 }, (_, i) => 7 * i));
    await (await started(pipelineOf(fresh(), toRedisStream(key)), redis())).finished;
    expect(byKey(await rowsIn(key))).toEqual(byKey(expected()));
  });

  test("need no consumer in between: an injector's records become entries in its own commits", async () => {
    const key = streams.fresh();
    const pipeline = new Pipeline(fresh())
      .inject(
        "numbers",
        numbers,
        fromIterable(() => [1, 2, 3].map((value) => ({ value, position: value })), { timestamp: (n) => n }),
      )
      .sink("out", numbers, toRedisStream<number>(key, { fields: ({ value, timestamp, id, late }) => ({ value, timestamp, id, late: String(late) }) }));
    await (await started(pipeline, redis())).finished;
    const entries = await streams.entries(key);
    expect(entries.map(({ value, timestamp, late }) => [value, timestamp, late])).toEqual([1, 2, 3].map((n) => [String(n), String(n), "false"]));
    expect(new Set(entries.map(({ id }) => id)).size).toBe(3);
  });

  test("go beside the records of other sinks of the stream", async () => {
    const key = streams.fresh();
    const seen: { key: string; sum: number }[] = [];
    const pipeline = pipelineOf(fresh(), toRedisStream(key)).sink(
      "seen",
      sums,
      toCallback(({ value }) => void seen.push(value)),
    );
    await (await started(pipeline, redis())).finished;
    expect([byKey(await rowsIn(key)), byKey(seen)]).toEqual([byKey(expected()), byKey(expected())]);
  });
});

describe("a record whose fields throw", () => {
  test.each([
    ["throws", () => JSON.parse("{")],
    ["gives no field", () => ({})],
    ["gives what is no text", () => ({ a: undefined as unknown as string })],
  ])("%s: it is a dead letter of the sink with its key, and the others go on", async (_, wrong: () => Record<string, string>) => {
    const key = streams.fresh();
    const sink = toRedisStream<{ key: string; sum: number }>(key, { fields: ({ value }) => (value.sum === 9 ? wrong() : { value: JSON.stringify(value) }) });
    const running = await started(pipelineOf(fresh(), sink), redis());
    await running.finished;
    expect(byKey(await rowsIn(key))).toEqual(byKey(expected().filter(({ sum }) => sum !== 9)));
    expect((await stored(running)).dead).toBe(expected().filter(({ sum }) => sum === 9).length);
  });
});

describe("where it cannot be, the pipeline does not start", () => {
  const start = (store: Store, key = streams.fresh()): Promise<RunningPipeline> => started(pipelineOf(fresh(), toRedisStream(key)), store);

  test("a store without streams", async () => {
    await expect(start(new MemoryStore())).rejects.toThrow(StoreRefusedError);
    await expect(start(new LmdbStore(path("store")))).rejects.toThrow(/has no streams; give the sink a `connection`/);
  });

  test("a key that is no stream", async () => {
    const key = streams.fresh();
    await streams.admin.set(key, "text");
    await expect(start(redis(), key)).rejects.toThrow(/holds a string, not a stream/);
  });

  test("a user who may not append to it, and is told how", async () => {
    const server = await startRedis();
    try {
      const { Redis } = await import("ioredis");
      const admin = new Redis(server.socket, { protocol: 2 });
      const allowed = "~{millrace:* +@read +@write -@dangerous +info +time +select +evalsha +script|load +wait +bgrewriteaof";
      await admin.call("ACL", "SETUSER", "worker", "on", ">secret", ...allowed.split(" "));
      const store = new RedisStore({ path: server.socket, username: "worker", password: "secret" });
      await expect(start(store, "theirs")).rejects.toThrow(/may not append to the stream "theirs"; allow the key \(ACL SETUSER: ~theirs\)/);
      await admin.call("ACL", "SETUSER", "worker", "~theirs");
      await (await start(store, "theirs")).finished;
      expect(await admin.xlen("theirs")).toBe(COUNT);
      admin.disconnect();
    } finally {
      await server.stop();
    }
  });
});

describe("a sink that was another one", () => {
  test("and had records on their way: the commits that take them append them, once", async () => {
    const [name, key] = [fresh(), streams.fresh()];
    const never = toCallback<{ key: string; sum: number }>(() => {
      throw new SinkUnavailableError("away");
    });
    const first = await started(pipelineOf(name, never), redis());
    await expect.poll(async () => (await stored(first)).queued).toBe(COUNT);
    await first.stop();
    await (await started(pipelineOf(name, toRedisStream(key)), redis())).finished;
    expect(byKey(await rowsIn(key))).toEqual(byKey(expected()));
  });

  test("over a connection, under the same name, is refused: what its writer wrote beyond the last commit is not known here", async () => {
    const [name, key, from] = [fresh(), streams.fresh(), streams.fresh()];
    const connection = streams.server.url;
    const passing = (sink: Sink<number>): Pipeline =>
      new Pipeline(name).inject("numbers", numbers, fromRedisStream<number>(from, { connection, value: ({ n }) => Number(n) })).sink("out", numbers, sink);
    await streams.add(from, 1, 2, 3);
    const first = await started(passing(toRedisStream(key, { connection })), redis());
    await expect.poll(() => streams.admin.xlen(key)).toBe(3);
    await first.stop();
    const second = await started(passing(toRedisStream(key)), redis());
    await expect(second.finished).rejects.toThrow(ConfigError);
    await expect(second.finished).rejects.toThrow(/written over a connection so far.*give it a new name/);
    expect(await streams.admin.xlen(key)).toBe(3);
  });
});

test("a PipelineTester needs no Redis for it: what the stream carries is in its tap", async () => {
  const tester = await PipelineTester.start(pipelineOf(fresh(), toRedisStream("nowhere")));
  await tester.push(numbers, 4, { at: 1 });
  await tester.idle();
  expect(tester.values(sums)).toEqual([{ key: "k1", sum: 4 }]);
});
