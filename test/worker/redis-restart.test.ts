/** A pipeline on a real Redis that dies in the middle of its work, or comes back as it was a while ago (R1, R29): one worker lives through it all. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RedisStore, run, type RunningPipeline } from "../../src/index.ts";
import { workerOf } from "../../src/run.ts";
import { counting, differences, Numbers } from "../support/counting.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { Gate } from "./probe.ts";

const RECORDS = 6_000;
const fresh = temporaryDirectory();

class Bench {
  readonly numbers = new Numbers(0);
  readonly directory = fresh("redis-restart");
  readonly #totals = join(this.directory, "totals.ndjson");
  running: RunningPipeline | undefined = undefined;

  constructor() {
    mkdirSync(this.directory);
    this.numbers.end = RECORDS;
  }

  async start(server: RedisServer): Promise<void> {
    this.running = await run(counting(this.numbers, this.directory), { store: new RedisStore(server.url), batchRecords: 32, log: () => {} });
  }

  /** Lines that are whole; what is being written now does not count. */
  get written(): string[] {
    return existsSync(this.#totals) ? readFileSync(this.#totals, "utf8").split("\n").slice(0, -1) : [];
  }
}

let server: RedisServer;
let bench: Bench;
beforeEach(async () => {
  server = await startRedis();
  bench = new Bench();
});
afterEach(async () => {
  await bench.running?.stop();
  await server.stop();
});

test("a Redis that is killed twice in the middle of a run and started again costs no record and doubles none", async () => {
  const killed = [new Gate(), new Gate()];
  const after = [1_000, 3_500];
  // It never waits before the second half of what each kill lets pass, so work is under way when the server dies.
  bench.numbers.before = async (next) => {
    for (const [i, limit] of after.entries()) if (next >= limit + 1_000) await killed[i]?.promise;
  };
  await bench.start(server);
  for (const [i, limit] of after.entries()) {
    await expect.poll(() => bench.written.length, { interval: 2, timeout: 20_000 }).toBeGreaterThan(limit);
    await server.restart("SIGKILL");
    killed[i]?.open();
  }
  await bench.running?.finished;
  expect(differences(bench.directory, RECORDS)).toEqual([]);
  expect(workerOf(bench.running as RunningPipeline).engine.counted.commits).toBeGreaterThan(20);
});

test("a Redis that lost its tail is noticed by the worker that runs: all is read anew, the files are cut back and end exact (R1, R29)", async () => {
  const aof = join(server.directory, "appendonlydir");
  const copy = join(server.directory, "copy");
  const gates = { copied: new Gate(), lost: new Gate(), reread: new Gate() };
  bench.numbers.before = async (next) => {
    if (next >= 2_000) await gates.copied.promise;
    if (next >= 4_500) await gates.lost.promise;
    // Opened anew after the loss, it gives nothing until the test has looked.
    if (bench.numbers.opened.length > before) await gates.reread.promise;
  };
  let before = Number.POSITIVE_INFINITY;
  await bench.start(server);
  // The copy is of the middle of the work: what is in flight, in inboxes and set as timers is in it too.
  await expect.poll(() => bench.written.length, { interval: 2, timeout: 20_000 }).toBeGreaterThan(1_000);
  await server.kill();
  cpSync(aof, copy, { recursive: true });
  await server.start();
  gates.copied.open();
  await expect.poll(() => bench.written.length, { interval: 2, timeout: 20_000 }).toBeGreaterThan(4_000);
  const written = bench.written.length;

  await server.kill();
  rmSync(aof, { recursive: true });
  cpSync(copy, aof, { recursive: true });
  before = bench.numbers.opened.length;
  await server.start();
  gates.lost.open();
  await expect.poll(() => bench.numbers.opened.length, { timeout: 20_000 }).toBeGreaterThan(before);
  const again = bench.numbers.opened.at(-1) as number;
  expect(again).toBeLessThanOrEqual(2_000);
  // What the copy had is worked off, and nothing of what came after it is left in the file.
  await expect.poll(() => bench.written.length, { timeout: 20_000 }).toBe(again);
  expect(written).toBeGreaterThan(again);
  expect(Math.max(...bench.written.map((line) => (JSON.parse(line) as { n: number }).n))).toBe(again - 1);

  gates.reread.open();
  await bench.running?.finished;
  expect(differences(bench.directory, RECORDS)).toEqual([]);
});
