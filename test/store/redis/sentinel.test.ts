/** Real Sentinels that promote a replica under load: the worker finds the new primary by itself and goes on. */
import { mkdirSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { RedisStore, type RedisStoreOptions, run } from "../../../src/index.ts";
import { workerOf } from "../../../src/run.ts";
import type { Engine } from "../../../src/worker/engine.ts";
import { counting, differences, Numbers } from "../../support/counting.ts";
import { RedisSentinels } from "../../support/redis-sentinels.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const fresh = temporaryDirectory();
const POLL = { interval: 5, timeout: 60_000 };
/** ms for a whole test on a busy machine. */
const LIMIT = 240_000;
const opened: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).toReversed()) await each.stop();
}, LIMIT);

interface Trial {
  readonly sentinels: RedisSentinels;
  readonly numbers: Numbers;
  readonly engine: Engine;
  readonly log: string[];
  /** Waits until a good many further numbers have been committed. */
  go(): Promise<void>;
  /** To the end, and compared with what a plain loop makes of the same numbers. */
  expectExact(): Promise<void>;
}

async function trial(name: string, options: RedisStoreOptions): Promise<Trial> {
  const directory = fresh(name);
  mkdirSync(directory);
  const sentinels = await RedisSentinels.start(directory);
  opened.push(sentinels);
  const numbers = new Numbers();
  const log: string[] = [];
  const running = await run(counting(numbers, directory), {
    store: new RedisStore(sentinels.target, options),
    batchRecords: 32,
    log: (_, text) => void log.push(text),
  });
  opened.push(running);
  const { engine } = workerOf(running);
  return {
    sentinels,
    numbers,
    engine,
    log,
    go: async () => {
      const { next } = numbers;
      const { commits } = engine.counted;
      await expect.poll(() => engine.counted.commits, POLL).toBeGreaterThan(commits + 20);
      await expect.poll(() => numbers.next, POLL).toBeGreaterThan(next + 200);
    },
    expectExact: async () => {
      numbers.finish();
      await running.finished;
      expect(differences(directory, numbers.end)).toEqual([]);
    },
  };
}

test(
  "the primary is killed under load and commits wait for the replica: nothing that was acknowledged is lost",
  async () => {
    const { sentinels, engine, go, expectExact } = await trial("strict", { durability: { replicas: 1, timeoutMs: 100 } });
    await go();
    const former = await sentinels.primaryPort();
    await sentinels.pair.primary.kill();
    await sentinels.failedOver(former);
    // Until the new primary has a replica of its own, nothing is acknowledged.
    await sentinels.pair.adoptReplica();
    await go();
    await expectExact();
    expect(engine.lostTails.counted).toMatchObject({ tails: 0, commits: 0 });
  },
  LIMIT,
);

test(
  "the primary is killed and the replica lacks the last commits: the loss is detected and counted, and made good",
  async () => {
    const { sentinels, engine, log, go, expectExact } = await trial("lost", {});
    await go();
    await sentinels.pair.cut();
    await go();
    const former = await sentinels.primaryPort();
    await sentinels.pair.primary.kill();
    sentinels.pair.mend();
    await sentinels.failedOver(former);
    await expect.poll(() => engine.lostTails.counted.tails, POLL).toBe(1);
    expect(engine.lostTails.counted.commits).toBeGreaterThan(10);
    expect(log.some((text) => text.startsWith("the store has lost its last"))).toBe(true);
    await go();
    await expectExact();
  },
  LIMIT,
);

test(
  "primary and replica are exchanged while both live: the one that became a replica is left, and nothing is doubled",
  async () => {
    const { sentinels, engine, go, expectExact } = await trial("exchanged", { durability: { replicas: 1, timeoutMs: 100 } });
    await go();
    const former = await sentinels.primaryPort();
    await sentinels.exchange();
    await sentinels.failedOver(former);
    await go();
    await expectExact();
    expect(engine.lostTails.counted).toMatchObject({ tails: 0, commits: 0 });
  },
  LIMIT,
);
