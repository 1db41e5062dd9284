/** Commits that count once a replica has them: what is not confirmed is told to no one, and a failover takes nothing back. */
import { mkdirSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterEach, expect, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { StoreRefusedError, StoreUnavailableError } from "../../../src/errors.ts";
import { RedisStore, run } from "../../../src/index.ts";
import { systemRandom } from "../../../src/random.ts";
import { workerOf } from "../../../src/run.ts";
import type { PipelineStore } from "../../../src/store/store.ts";
import { Bench } from "../conformance/bench.ts";
import { append, bytes, counter } from "../conformance/values.ts";
import { eventually } from "./harness.ts";
import { counting, differences, Numbers } from "../../support/counting.ts";
import { RedisPair } from "../../support/redis-pair.ts";
import { startRedis } from "../../support/redis-server.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const fresh = temporaryDirectory();
const POLL = { interval: 3, timeout: 30_000 };
/** ms for a whole test on a busy machine. */
const LIMIT = 180_000;
const opened: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.stop();
});

async function pairIn(directory: string): Promise<RedisPair> {
  mkdirSync(directory);
  const pair = await RedisPair.start(directory);
  opened.push(pair);
  return pair;
}

async function benchOn(pair: RedisPair, timeoutMs = 50): Promise<Bench> {
  const redis = new RedisStore(pair.path, { durability: { replicas: 1, timeoutMs } });
  const open = async (pipeline: string): Promise<PipelineStore> => {
    const store = await redis.open({ pipeline, clock: systemClock, random: systemRandom });
    opened.push({ stop: () => store.close() });
    return store;
  };
  const looking = {
    pipelines: () => redis.pipelines(systemClock),
    read: (pipeline: string) => redis.read({ pipeline, clock: systemClock }),
  };
  const bench = new Bench({ clock: "server", open, reopen: open, ...looking, dispose: async () => {} });
  await bench.open();
  return bench;
}

test("a commit that no replica has is applied and not answered; sent again it is known, and still not answered until one has it", async () => {
  const pair = await pairIn(fresh("unmet"));
  const bench = await benchOn(pair);
  const owner = await bench.acquire(counter);
  await owner.commit({ stateFields: ["2:a"], stateValues: [bytes("1")] });
  await pair.cut();
  const commit = owner.seal({ stateFields: ["2:a"], stateValues: [bytes("2")], parcels: [append(counter, "x")] });
  await expect(bench.store.commit([commit])).rejects.toThrow(/not known to be on 1 replica: within 50 ms 0 of 1 replicas had/);
  expect(await bench.state(counter, "2:a")).toEqual(["2"]);
  await expect(bench.store.commit([commit])).rejects.toThrow(StoreUnavailableError);
  // A new connection has written nothing yet: a wait for its own writes would be over at once.
  await pair.admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  await eventually(async () => bench.store.readGraph());
  await expect(bench.store.commit([commit])).rejects.toThrow(/0 of 1 replicas/);
  pair.mend();
  const reply = await eventually(() => bench.store.commit([commit]));
  expect(reply.outcomes).toEqual(["already"]);
});

test("what is read for sinks and effects, and by a new owner, is on a replica too; what computations read need not be", async () => {
  const pair = await pairIn(fresh("reads"));
  const bench = await benchOn(pair);
  const owner = await bench.acquire(counter);
  await owner.commit({ parcels: [append(counter, "x")] });
  await pair.cut();
  await expect(bench.store.readInbox(counter, 0, 1)).rejects.toThrow(StoreUnavailableError);
  await expect(bench.store.recover([counter], { timers: 1, holds: 1 })).rejects.toThrow(StoreUnavailableError);
  expect((await bench.store.readInbox(counter, 0, 1, true)).parcels).toHaveLength(1);
  pair.mend();
  expect((await eventually(() => bench.store.readInbox(counter, 0, 1))).parcels).toHaveLength(1);
});

test("a server that has lost the scripts does not let a wait overtake the commit", async () => {
  const pair = await pairIn(fresh("scripts"));
  const bench = await benchOn(pair, 500);
  const owner = await bench.acquire(counter);
  await pair.admin.script("FLUSH");
  const commit = owner.seal({ stateFields: ["2:a"], stateValues: [bytes("1")] });
  await expect(bench.store.commit([commit])).rejects.toThrow(/scripts again/);
  expect((await bench.store.commit([commit])).outcomes).toEqual(["already"]);
});

test(
  "while no replica is there nothing is confirmed, nothing leaves and no watermark moves; afterwards all goes on",
  async () => {
    const directory = fresh("held-back");
    const pair = await pairIn(directory);
    const numbers = new Numbers();
    const log: string[] = [];
    const store = new RedisStore(pair.path, { durability: { replicas: 1, timeoutMs: 100 } });
    const running = await run(counting(numbers, directory), { store, batchRecords: 32, log: (_, text) => void log.push(text) });
    opened.push(running);
    const { engine } = workerOf(running);
    const acknowledged = () => [...engine.shards.values()].map((shard) => shard.acknowledged).join();
    const published = () => engine.options.plan.participants.map(({ id }) => engine.reporter.published(id).output);
    await expect.poll(() => numbers.next, POLL).toBeGreaterThan(500);
    await pair.cut();
    await expect.poll(() => log.some((text) => text.includes("0 of 1 replicas")), POLL).toBe(true);
    const before = acknowledged();
    // What was acknowledged before is still reported, stage by stage.
    await delay(300);
    const [promised = 0] = published();
    await delay(1_500);
    expect(acknowledged()).toBe(before);
    expect(Math.max(...published())).toBe(promised);
    // It has kept what it owns: renewals do not wait behind what waits.
    expect(engine.ownership.complete).toBe(true);
    pair.mend();
    await expect.poll(() => acknowledged() !== before && Math.max(...published()) > promised, POLL).toBe(true);
    numbers.finish();
    await running.finished;
    expect(differences(directory, numbers.end)).toEqual([]);
    expect(engine.counted.fenced).toBe(0);
  },
  LIMIT,
);

test(
  "five failovers under load, with commits on their way that the replica lacks: nothing that was acknowledged is lost",
  async () => {
    const directory = fresh("failovers");
    const pair = await pairIn(directory);
    const numbers = new Numbers();
    const store = new RedisStore(pair.path, { durability: { replicas: 1, timeoutMs: 100 } });
    const running = await run(counting(numbers, directory), { store, batchRecords: 32, log: () => {} });
    opened.push(running);
    const { engine } = workerOf(running);
    for (let n = 1; n <= 5; n++) {
      const { next } = numbers;
      await expect.poll(() => numbers.next, POLL).toBeGreaterThan(next + 200);
      if (n % 2 === 0) {
        await pair.cut();
        const { commits } = engine.counted;
        await expect.poll(() => engine.counted.resends + engine.counted.commits, POLL).toBeGreaterThan(commits);
        await delay(150);
      }
      await pair.failOver();
    }
    numbers.finish();
    await running.finished;
    expect(engine.lostTails.counted).toMatchObject({ tails: 0, commits: 0 });
    expect(differences(directory, numbers.end)).toEqual([]);
  },
  LIMIT,
);

test("fsynced is waited for where the server can tell, and refused with what to do where it cannot", async () => {
  const server = await startRedis({ args: ["--appendfsync", "always"] });
  opened.push(server);
  const open = (): Promise<PipelineStore> =>
    new RedisStore(server.url, { durability: "fsynced" }).open({ pipeline: "p", clock: systemClock, random: systemRandom });
  const admin = new Redis(server.socket, { protocol: 2 });
  const [, major = "0", minor = "0"] = /redis_version:(\d+)\.(\d+)/.exec(await admin.info("server")) ?? [];
  admin.disconnect();
  if (Number(major) * 100 + Number(minor) < 702) {
    await expect(open()).rejects.toThrow(StoreRefusedError);
    await expect(open()).rejects.toThrow(/needs Redis 7.2 or later \(WAITAOF\).*upgrade/);
    return;
  }
  const redis = new RedisStore(server.url, { durability: "fsynced" });
  const looking = {
    pipelines: () => redis.pipelines(systemClock),
    read: (pipeline: string) => redis.read({ pipeline, clock: systemClock }),
  };
  const bench = new Bench({
    clock: "server",
    open: (pipeline) => redis.open({ pipeline, clock: systemClock, random: systemRandom }),
    reopen: (pipeline) => redis.open({ pipeline, clock: systemClock, random: systemRandom }),
    ...looking,
    dispose: async () => {},
  });
  await bench.open();
  const owner = await bench.acquire(counter);
  await owner.commit({ stateFields: ["2:a"], stateValues: [bytes("1")] });
  expect(await bench.store.whyNotFsynced()).toBeUndefined();
  await bench.store.close();
});

test.each([
  ["sure", /durability is "primary", "fsynced" or \{ replicas: 1 \}/],
  [{ replicas: 0 }, /durability.replicas is an integer from 1 to 10/],
  [{ replicas: 1, fsync: true }, /durability has no option fsync/],
  [{ replicas: 1, timeoutMs: 9_000 }, /durability.timeoutMs 9000/],
  [{ replicas: 1, fsynced: "yes" }, /durability.fsynced is true or false/],
])("durability %j is refused", (durability, message) => {
  expect(() => new RedisStore("redis://127.0.0.1:1", { durability: durability as never })).toThrow(message);
});

test("a primary that becomes a replica while a commit waits on it: the outcome is unknown, and the connection is left", async () => {
  const pair = await pairIn(fresh("unblocked"));
  const bench = await benchOn(pair, 2_000);
  const owner = await bench.acquire(counter);
  await pair.cut();
  const { generation } = bench.store;
  const waiting = bench.store.commit([owner.seal({ stateFields: ["2:a"], stateValues: [bytes("1")] })]).catch((error: unknown) => error);
  await eventually(async () => {
    if (!(await pair.admin.info("clients")).includes("blocked_clients:1")) throw new Error("nobody waits yet");
  });
  await pair.admin.call("REPLICAOF", "127.0.0.1", "1");
  const error = await waiting;
  expect(error).toBeInstanceOf(StoreUnavailableError);
  expect((error as Error).message).toMatch(/UNBLOCKED|lost/);
  await expect(bench.store.commit([])).rejects.toThrow(/is a replica|lost|READONLY|Stream/);
  await pair.admin.call("REPLICAOF", "NO", "ONE");
  await eventually(() => bench.store.readGraph());
  // Its replication id is another: it may have been anyone's replica meanwhile.
  expect(bench.store.generation).toBe(generation + 1);
});
