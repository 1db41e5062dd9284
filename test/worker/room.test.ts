/** Injectors on a Redis that has no memory left: they pause, and say so; what is under way goes on. */
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  Computation,
  type Context,
  fromIterable,
  input,
  Pipeline,
  type Positioned,
  RedisStore,
  run,
  state,
  stream,
  type StreamRecord,
} from "../../src/index.ts";
import { workerOf } from "../../src/run.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";

const MIB = 1 << 20;
let server: RedisServer;
let admin: Redis;
beforeAll(async () => {
  server = await startRedis();
  admin = new Redis(server.socket);
});
afterAll(async () => {
  admin.disconnect();
  await server.stop();
});

const numbers = stream<number>("numbers");
class Count extends Computation {
  readonly numbers = input(numbers, { key: (number) => `k${number % 10}` });
  readonly count = state("count", { initial: 0 });
  override processRecord(_: StreamRecord<number>, context: Context): void {
    context.state(this.count).set(context.state(this.count).get() + 1);
  }
}

async function* source(position: number | undefined): AsyncGenerator<Positioned<number, number>[]> {
  for (let n = (position ?? -1) + 1; ; ) {
    yield Array.from({ length: 20 }, () => ({ value: n, position: n++ }));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test("a full Redis takes in nothing more from injectors, and they go on once it has room", async () => {
  const log: string[] = [];
  const pipeline = new Pipeline("room", { shards: 2 }).inject("numbers", numbers, fromIterable<number, number>(source)).compute("count", Count);
  const running = await run(pipeline, { store: new RedisStore(server.socket), log: (_, text) => log.push(text) });
  try {
    const { engine } = workerOf(running);
    const given = (): number => [...engine.shards.values()].find(({ kind }) => kind === "injector")?.image.counters.processed ?? 0;
    const counted = (): number =>
      [...engine.shards.values()].reduce((sum, { kind, image }) => sum + (kind === "computation" ? image.counters.processed : 0), 0);
    await expect.poll(given).toBeGreaterThan(100);

    await admin.config("SET", "maxmemory", String(MIB));
    await expect.poll(() => log).toEqual([expect.stringContaining("the store is full: injectors pause")]);
    // What had been taken in is worked off: commits are taken.
    await expect.poll(() => counted() === given()).toBe(true);
    const stood = given();
    const injector = [...engine.shards.values()].find(({ kind }) => kind === "injector");
    expect(injector?.status).toBe("back-pressured");
    await expect.poll(() => engine.reporter.published(injector?.participant ?? 0).status).toBe("back-pressured");
    expect(given()).toBe(stood);

    await admin.config("SET", "maxmemory", "0");
    await expect.poll(given).toBeGreaterThan(stood);
    expect(log.at(-1)).toContain("the store has room again");
  } finally {
    await running.stop();
  }
});
