/** BullMQ's queues as injectors, on both versions and a real Redis: once each, durable first, and how far event time has come. */
import type { Job as SixJob } from "bullmq";
import type { Job as FiveJob } from "bullmq-5";
import { afterEach, describe, expect, test } from "vitest";
import { type BullMqInjectorOptions, fromBullMq, fromBullMqSchedule } from "../../src/bullmq/index.ts";
import {
  Computation,
  type Context,
  cbor,
  input,
  MemoryStore,
  Pipeline,
  run,
  type RunningPipeline,
  type Store,
  stream,
  type StreamRecord,
  type Timer,
  timer,
} from "../../src/index.ts";
import { systemClock } from "../../src/clock.ts";
import { eventually } from "../store/redis/harness.ts";
import { QUICK, redisForTests, VERSIONS } from "./versions.ts";

interface Click {
  readonly n: number;
}
const clicks = stream<Click>("clicks", { codec: cbor() });

const redis = redisForTests();
let used = 0;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A computation that says what it was given, and when the timer it set for a record fired. */
function seeing(): { readonly seen: StreamRecord<Click>[]; readonly fired: number[]; readonly See: typeof Computation } {
  const seen: StreamRecord<Click>[] = [];
  const fired: number[] = [];
  class See extends Computation {
    readonly clicks = input(clicks, { key: () => "all" });
    readonly later = timer("later");
    override processRecord(record: StreamRecord<Click>, context: Context): void {
      seen.push(record);
      context.setTimer(this.later, record.timestamp + 10);
    }
    override processTimer(due: Timer): void {
      fired.push(due.time);
    }
  }
  return { seen, fired, See: See as never };
}

/** Commits of it wait until the test lets them go. */
function gated(inner: Store): { readonly store: Store; hold(): void; release(): void } {
  let held: Promise<void> = Promise.resolve();
  let release = () => {};
  const hold = () => {
    held = new Promise((resolve) => {
      release = resolve;
    });
  };
  const open: Store["open"] = async (options) =>
    new Proxy(await inner.open(options), {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        const method = value.bind(target) as (...given: unknown[]) => unknown;
        return name === "commit" ? async (...given: unknown[]) => (await held, method(...given)) : method;
      },
    });
  return { store: { kind: "store", open }, hold, release: () => release() };
}

describe.each(VERSIONS)("an injector of a queue of %s", (_, module) => {
  const options = (more: Partial<BullMqInjectorOptions<Click>> = {}): BullMqInjectorOptions<Click> => ({
    connection: redis.server.url,
    worker: QUICK,
    disorder: 100,
    module,
    ...more,
  });

  async function start(
    queue: string,
    See: typeof Computation,
    more: Partial<BullMqInjectorOptions<Click>> = {},
    store: Store = new MemoryStore(),
  ): Promise<RunningPipeline> {
    const pipeline = new Pipeline(`clicks-${queue}`, { shards: 2 })
      .inject("queue", clicks, fromBullMq<Click>(queue, options(more)))
      .compute("see", See as never);
    const running = await run(pipeline, { store, log: () => {} });
    closing.push(() => running.stop());
    return running;
  }

  test("injects every job once, with the time at which it was added or for which it was put off", async () => {
    const queue = redis.queue(module, `clicks${used++}`);
    const added = await queue.addBulk(Array.from({ length: 600 }, (_, n) => ({ name: "click", data: { n }, opts: n % 100 === 0 ? { delay: 50 } : {} })));
    const { seen, See } = seeing();
    await start(queue.name, See);
    await expect.poll(() => seen.length).toBe(600);
    await expect.poll(() => queue.getJobCounts("completed", "active", "failed")).toEqual({ completed: 600, active: 0, failed: 0 });
    expect(seen.map(({ value }) => value.n).sort((a, b) => a - b)).toEqual(added.map((_job, n) => n));
    for (const { value, timestamp } of seen) expect(timestamp).toBe((added[value.n]?.timestamp ?? 0) + (value.n % 100 === 0 ? 50 : 0));
  });

  test("completes a job only once its record is durable", async () => {
    const queue = redis.queue(module, `clicks${used++}`);
    const { store, hold, release } = gated(new MemoryStore());
    const { seen, See } = seeing();
    await start(queue.name, See, {}, store);
    await queue.add("click", { n: 1 });
    await expect.poll(() => queue.getCompletedCount()).toBe(1);
    hold();
    await queue.add("click", { n: 2 });
    await expect.poll(() => queue.getActiveCount()).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await queue.getJobCounts("completed", "active")).toEqual({ completed: 1, active: 1 });
    release();
    await expect.poll(() => queue.getJobCounts("completed", "active")).toEqual({ completed: 2, active: 0 });
    expect(seen.map(({ value }) => value.n)).toEqual([1, 2]);
  });

  test("gives back what it cannot tell the fate of when it stops, and injects none of it twice", async () => {
    const queue = redis.queue(module, `clicks${used++}`);
    const inner = new MemoryStore();
    const { store, hold, release } = gated(inner);
    const first = seeing();
    const running = await start(queue.name, first.See, {}, store);
    await queue.add("click", { n: 0 });
    await expect.poll(() => queue.getCompletedCount()).toBe(1);
    hold();
    await queue.addBulk(Array.from({ length: 20 }, (_, n) => ({ name: "click", data: { n: n + 1 } })));
    await expect.poll(() => queue.getActiveCount()).toBe(20);
    const stopped = running.stop();
    await new Promise((resolve) => setTimeout(resolve, 50));
    release();
    await stopped;
    // One or two may have been on their way from BullMQ just then: they are given again when their locks have run out.
    expect(await queue.getActiveCount()).toBeLessThan(5);
    expect(await queue.getFailedCount()).toBe(0);
    const second = seeing();
    await start(queue.name, second.See, {}, inner);
    await expect.poll(() => queue.getCompletedCount()).toBe(21);
    await expect.poll(() => first.seen.length + second.seen.length).toBe(21);
    expect([...first.seen, ...second.seen].map(({ value }) => value.n).sort((a, b) => a - b)).toEqual(Array.from({ length: 21 }, (_, n) => n));
  });

  test("that is closed before it knows the fate of its jobs gives them back, without an attempt being counted", async () => {
    const queue = redis.queue(module, `clicks${used++}`);
    await queue.addBulk(Array.from({ length: 9 }, (_, n) => ({ name: "click", data: { n }, opts: {} })));
    const abort = new AbortController();
    const reader = await fromBullMq<Click>(queue.name, options({ concurrency: 6 })).open(
      { partition: 0, signal: abort.signal, clock: systemClock, warn: () => {} },
      undefined,
    );
    const pulled: string[] = [];
    while (pulled.length < 6) for (const { id, mark } of (await reader.pull(4)).items) if (mark !== true) pulled.push(id ?? "");
    reader.confirm?.([{ kind: "injected", id: pulled[0] ?? "", timestamp: 1 }, { kind: "duplicate" }]);
    abort.abort();
    await reader.close();
    const { completed = 0, wait = 0, delayed = 0, active, failed } = await queue.getJobCounts("completed", "wait", "delayed", "active", "failed");
    expect([completed, wait + delayed, active, failed]).toEqual([2, 7, 0, 0]);
    for (const job of await queue.getJobs(["wait", "delayed"])) expect(job.attemptsMade).toBe(0);
  });

  test("takes the same job id and timestamp for one record, and the same id at another time for another", async () => {
    const queue = redis.queue(module, `clicks${used++}`);
    const { seen, See } = seeing();
    await start(queue.name, See);
    const timestamp = Date.now();
    const add = async (n: number, at: number) => {
      await queue.add("click", { n }, { jobId: "same", timestamp: at, removeOnComplete: true });
      await expect.poll(() => queue.getJobCounts("wait", "active")).toEqual({ wait: 0, active: 0 });
    };
    await add(1, timestamp);
    await add(2, timestamp);
    await add(3, timestamp + 1);
    await expect.poll(() => seen.map(({ value }) => value.n)).toEqual([1, 3]);
  });

  test("fails a job that it refuses, with the reason: of another name, whose value throws, whose time cannot be", async () => {
    const queue = redis.queue(module, `clicks${used++}`);
    const { seen, See } = seeing();
    const value = ({ data }: { readonly data: Click }): Click => {
      if (data.n < 0) throw new Error("negative");
      return data;
    };
    await start(queue.name, See, { name: "click", value });
    await queue.add("clack", { n: 1 });
    await queue.add("click", { n: -1 });
    await queue.add("click", { n: 2 }, { timestamp: Date.now() + 10 * 3_600_000 });
    await queue.add("click", { n: 3 });
    await expect.poll(() => queue.getJobCounts("completed", "failed")).toEqual({ completed: 1, failed: 3 });
    const reasons = (await queue.getFailed()).map(({ failedReason }) => failedReason).sort();
    expect(reasons).toEqual([expect.stringContaining('is named "clack"'), expect.stringContaining("ahead"), expect.stringContaining("negative")]);
    expect(seen.map(({ value: { n } }) => n)).toEqual([3]);
  });

  test("fires timers while no job comes", async () => {
    const queue = redis.queue(module, `clicks${used++}`);
    const { seen, fired, See } = seeing();
    await start(queue.name, See);
    await queue.add("click", { n: 1 });
    await expect.poll(() => fired.length).toBe(1);
    expect(fired).toEqual([(seen[0]?.timestamp ?? 0) + 10]);
  });

  test("that was away for hours while jobs waited finds none of them late, and refuses none", async () => {
    const queue = redis.queue(module, `clicks${used++}`);
    const then = Date.now() - 5 * 3_600_000;
    await queue.addBulk(Array.from({ length: 200 }, (_, n) => ({ name: "click", data: { n }, opts: { timestamp: then + n * 60_000 } })));
    const { seen, fired, See } = seeing();
    await start(queue.name, See, { concurrency: 2 });
    await expect.poll(() => queue.getJobCounts("completed", "failed")).toEqual({ completed: 200, failed: 0 });
    await expect.poll(() => seen.length).toBe(200);
    expect(seen.filter(({ late }) => late)).toEqual([]);
    await expect.poll(() => fired.length).toBeGreaterThan(0);
  });

  test("takes over the jobs of a worker that died", async () => {
    const queue = redis.queue(module, `clicks${used++}`);
    const { seen, See } = seeing();
    // It takes a job and is never heard of again.
    const dead = new module.Worker(queue.name, () => new Promise(() => {}), {
      connection: { host: "127.0.0.1", port: redis.server.port, maxRetriesPerRequest: null },
      ...QUICK,
      skipLockRenewal: true,
    });
    dead.on("error", () => {});
    await queue.add("click", { n: 1 });
    await expect.poll(() => queue.getActiveCount()).toBe(1);
    await dead.close(true);
    await start(queue.name, See);
    await expect.poll(() => seen.map(({ value }) => value.n)).toEqual([1]);
    await expect.poll(() => queue.getCompletedCount()).toBe(1);
  });

  test("of a schedule injects its ticks, each at the time when it was due, and shows in BullMQ as a job scheduler", async () => {
    const queue = redis.queue(module, `ticks${used++}`);
    const { seen, See } = seeing();
    const source = fromBullMqSchedule<Click>(queue.name, "tick", { every: 200 }, { ...options(), data: { n: 7 } });
    const running = await run(new Pipeline(`p-${queue.name}`, { shards: 2 }).inject("ticks", clicks, source).compute("see", See as never), {
      store: new MemoryStore(),
      log: () => {},
    });
    closing.push(() => running.stop());
    await expect.poll(() => seen.length).toBeGreaterThan(3);
    const times = seen.map(({ timestamp }) => timestamp);
    // BullMQ leaves out the ticks that it has missed while it had no time.
    const periods = times.slice(2).map((time, i) => (time - (times[i + 1] ?? 0)) / 200);
    expect(periods.filter((period) => !(Number.isInteger(period) && period >= 1))).toEqual([]);
    expect(seen[0]?.value).toEqual({ n: 7 });
    await eventually(async () => expect((await queue.getJobSchedulers()).map(({ key, every }) => [key, Number(every)])).toEqual([["tick", 200]]));
  });
});

test("functions of the user's take the job types of either version", () => {
  const connection = "/s";
  const made = [
    fromBullMq<Click>("a", { connection, value: (job: SixJob<Click>) => job.data }),
    fromBullMq<Click>("a", { connection, value: (job: FiveJob<Click>) => job.data }),
    fromBullMq<number>("a", { connection, value: ({ data }) => (data as Click).n }),
  ];
  expect(made.map(({ description }) => description)).toEqual(["BullMQ queue a", "BullMQ queue a", "BullMQ queue a"]);
});

test.each<[string, () => unknown, string]>([
  ["a queue with a colon", () => fromBullMq("a:b", { connection: "/s" }), 'a text without ":"'],
  ["no connection", () => fromBullMq("a", {} as never), "fromBullMq (a): connection is a URL"],
  ["an id of the user's", () => fromBullMq("a", { connection: "/s", id: 3 } as never), "id is not a function"],
  ["a concurrency of none", () => fromBullMq("a", { connection: "/s", concurrency: 0 }), "concurrency is an integer from 1"],
  ["a disorder in the past", () => fromBullMq("a", { connection: "/s", disorder: -1 }), "disorder is integer ms"],
  ["a schedule without a time", () => fromBullMqSchedule("a", "s", {} as never, { connection: "/s" }), "repeat is { every: ms } or { pattern"],
])("%s is a ConfigError", (_, make, text) => {
  expect(make).toThrow(text);
});
