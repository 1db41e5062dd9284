/** Workers with older and with newer code of the user's on one Redis: what only the newer can read goes to it, and nothing is lost, parked or done twice. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import {
  type Codec,
  Computation,
  type Context,
  input,
  MemoryStore,
  output,
  Pipeline,
  RedisStore,
  run,
  type RunningPipeline,
  type Sink,
  state,
  stream,
  type StreamRecord,
} from "../../src/index.ts";
import { systemClock } from "../../src/clock.ts";
import { systemRandom } from "../../src/random.ts";
import { audit } from "../../src/inspect/index.ts";
import { shardRef } from "../../src/key.ts";
import { workerOf } from "../../src/run.ts";
import { declinedName, parseAnnounced } from "../../src/worker/declined.ts";
import { assign } from "../../src/worker/assignment.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { Feed, Kept } from "./feed.ts";

/** Version 2 counts in another unit, and reads both. */
function codecOf(version: 1 | 2): Codec<number> {
  const text = (value: number): string => (version === 1 ? `${value}` : `${value * 100} cents`);
  const read = (bytes: Uint8Array, written: number): number =>
    written === 1 ? Number(Buffer.from(bytes)) : Number.parseInt(Buffer.from(bytes).toString(), 10) / 100;
  return { id: "money", version, encode: (value) => Buffer.from(text(value)), decode: read };
}

interface Payment {
  readonly account: string;
  readonly n: number;
}

/** The same pipeline as code of one version or the other declares it. */
function pipelineOf(version: 1 | 2, feed: Feed<Payment>, sink: Sink<string>): Pipeline {
  const payments = stream<Payment>("payments");
  const lines = stream<string>("lines");
  class Total extends Computation {
    readonly payments = input(payments, { key: (payment) => payment.account });
    readonly lines = output(lines);
    readonly total = state("total", { initial: 0, codec: codecOf(version) });

    override processRecord(record: StreamRecord<Payment>, context: Context): void {
      context.state(this.total).update((total) => total + record.value.n);
      context.produce(this.lines, `${context.key} ${context.state(this.total).get()}`);
    }
  }
  return new Pipeline("money", { shards: 8 }).inject("feed", payments, feed.injector).compute("total", Total, { attempts: 2 }).sink("kept", lines, sink);
}

let server: RedisServer;
let running: RunningPipeline[] = [];
let log: string[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
afterEach(async () => {
  await Promise.all(running.map((each) => each.stop()));
  [running, log] = [[], []];
});

async function start(version: 1 | 2, feed: Feed<Payment>, sink: Sink<string>): Promise<RunningPipeline> {
  const started = await run(pipelineOf(version, feed, sink), {
    store: new RedisStore(server.url),
    leaseMs: 1_000,
    log: (level, text) => void log.push(`${level} ${text}`),
  });
  started.finished.catch((error: unknown) => log.push(`ended ${String(error)}`));
  running.push(started);
  return started;
}

/** Shards of the computation that it owns. */
function ownedBy(pipeline: RunningPipeline): number {
  const { engine } = workerOf(pipeline);
  const total = engine.options.plan.participants.find(({ name }) => name === "total")!;
  return Array.from({ length: 8 }, (_, index) => engine.shards.get(shardRef(total.id, index))).filter((shard) => shard !== undefined).length;
}

const until = (look: () => unknown, expected: unknown) => expect.poll(look, { interval: 5, timeout: 30_000 }).toEqual(expected);

test("a worker whose code is older gives up what newer code has written, says so once, and its records wait for the newer", async () => {
  const [feed, kept] = [new Feed<Payment>(), new Kept<string>()];
  const accounts = Array.from({ length: 40 }, (_, n) => `account ${n}`);
  let at = 0;
  const round = (): void =>
    void feed.pushAll(
      accounts.map((account) => ({ account, n: 1 })),
      () => ++at,
    );
  const written = (rounds: number): string[] => accounts.flatMap((account) => Array.from({ length: rounds }, (_, n) => `${account} ${n + 1}`)).sort();
  const lines = (): string[] => kept.records.map(({ value }) => value).sort();

  const old = await start(1, feed, kept.sink);
  round();
  await until(lines, written(1));
  const young = await start(2, feed, kept.sink);
  await until(() => [ownedBy(old), ownedBy(young)], [4, 4]);
  round();
  // Each has written some: the newer code reads what the older has, and not the other way round.
  await until(lines, written(2));
  expect([ownedBy(old), log.filter((line) => line.startsWith("error"))]).toEqual([4, []]);
  await young.stop();
  await until(() => ownedBy(old), 8);
  round();
  await until(() => log.filter((line) => line.startsWith("error")).length, 1);
  expect(log.find((line) => line.startsWith("error"))).toMatch(
    /written by version 2 of codec "money", this code has version 1: run the newer code, .* leaves the shards of total to workers that run it/,
  );
  await until(() => ownedBy(old), 0);
  // No one is there who could go on: nothing is tried, parked or ended meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(lines().length).toBeLessThan(written(3).length);
  const again = await start(2, feed, kept.sink);
  await until(lines, written(3));
  expect([ownedBy(old), ownedBy(again)]).toEqual([0, 8]);
  round();
  await until(lines, written(4));
  expect(log.filter((line) => !line.startsWith("info") && !line.startsWith("debug")).length).toBe(1);
  const report = await audit(new RedisStore(server.url), { pipeline: "money" });
  expect([report.violations, report.entries.dead, report.entries.held]).toEqual([0, 0, 0]);
}, 90_000);

test("a worker that has the store to itself ends with that sentence, and keeps everything", async () => {
  const store = new MemoryStore();
  const [feed, kept] = [new Feed<Payment>(), new Kept<string>()];
  const young = await run(pipelineOf(2, feed, kept.sink), { store, log: () => {} });
  feed.push({ account: "a", n: 1 }, 1);
  await until(() => kept.records.length, 1);
  await young.stop();
  const old = await run(pipelineOf(1, feed, kept.sink), { store, log: () => {} });
  feed.push({ account: "a", n: 1 }, 2);
  await expect(old.finished).rejects.toMatchObject({ name: "NewerDataError", code: "incompatible-data" });
  await old.stop();
  const again = await run(pipelineOf(2, feed, kept.sink), { store, log: () => {} });
  await until(() => kept.records.map(({ value }) => value), ["a 1", "a 2"]);
  await again.stop();
});

test("shards are assigned to those that do not decline them, evenly, and to no one where all do", () => {
  const { workers, declines } = parseAnnounced([declinedName(3, "a"), declinedName(3, "gone"), "a", "b", "c"]);
  expect(workers).toEqual(["a", "b", "c"]);
  const assigned = assign(
    workers,
    [
      { id: 3, shards: 6 },
      { id: 4, shards: 6 },
    ],
    declines,
  );
  const count = (participant: number, worker: string): number =>
    Array.from({ length: 6 }, (_, i) => assigned.get(shardRef(participant, i))).filter((each) => each === worker).length;
  expect([count(3, "a"), count(3, "b"), count(3, "c"), count(4, "a")]).toEqual([0, 3, 3, 2]);
  expect(assign(["a"], [{ id: 3, shards: 2 }], () => true).size).toBe(0);
});

test("data of a newer protocol or format is refused with a sentence, and left alone", async () => {
  const store = new MemoryStore();
  const [feed, kept] = [new Feed<Payment>(), new Kept<string>()];
  await (await run(pipelineOf(1, feed, kept.sink), { store, log: () => {} })).stop();
  const opened = await store.open({ pipeline: "money", clock: systemClock, random: systemRandom });
  const graph = (await opened.readGraph())!;
  await opened.init({ ...graph, protocol: 2, version: 2 }, graph.version);
  await expect(run(pipelineOf(1, feed, kept.sink), { store })).rejects.toThrow(
    /workers of pipeline "money" speak protocol 2, this Millrace speaks 1: run the version/,
  );
  await opened.init({ ...graph, format: 2, version: 3 }, 2);
  await expect(run(pipelineOf(1, feed, kept.sink), { store })).rejects.toThrow(/the data of pipeline "money" has format 2, this Millrace reads format 1/);
  expect((await opened.readGraph())?.version).toBe(3);
});
