/** A pipeline on a real Redis that dies in the middle of its work, or comes back as it was a while ago (R1, R29): one worker lives through it all. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  Computation,
  type Context,
  fromIterable,
  input,
  output,
  Pipeline,
  type Positioned,
  RedisStore,
  run,
  type RunningPipeline,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
  toFile,
} from "../../src/index.ts";
import { workerOf } from "../../src/run.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { Gate } from "./probe.ts";

const fresh = temporaryDirectory();
const newDirectory = (): string => {
  const directory = fresh("redis-restart");
  mkdirSync(directory);
  return directory;
};
const RECORDS = 6_000;
const KEYS = 7;
const STEP = 10;
const WINDOW = 1_000;
const START = 1_000_000;
const timeOf = (n: number): number => START + n * STEP;
const keyOf = (n: number): string => `k${n % KEYS}`;

interface Total {
  readonly key: string;
  readonly count: number;
  readonly n: number;
  readonly late: boolean;
}
interface Window {
  readonly key: string;
  readonly start: number;
  readonly count: number;
}
const numbers = stream<number>("numbers");
const totals = stream<Total>("totals");
const windows = stream<Window>("windows");

class Count extends Computation {
  readonly numbers = input(numbers, { key: keyOf });
  readonly totals = output(totals);
  readonly count = state("count", { initial: 0 });
  override processRecord(record: StreamRecord<number>, context: Context): void {
    const count = context.state(this.count).get() + 1;
    context.state(this.count).set(count);
    context.produce(this.totals, { key: context.key, count, n: record.value, late: record.late });
  }
}

class Windows extends Computation {
  readonly totals = input(totals, { key: (total) => total.key });
  readonly windows = output(windows);
  readonly counts = state("counts", { initial: new Map<number, number>() });
  readonly closing = timers<number>("closing");
  override processRecord(record: StreamRecord<Total>, context: Context): void {
    const start = record.timestamp - (record.timestamp % WINDOW);
    context.state(this.counts).update((counts) => counts.set(start, (counts.get(start) ?? 0) + 1));
    context.setTimer(this.closing.for(start), start + WINDOW);
  }
  override processTimer(timer: Timer<number>, context: Context): void {
    const start = timer.tag;
    context.produce(this.windows, { key: context.key, start, count: context.state(this.counts).get().get(start) ?? 0 });
    context.state(this.counts).update((counts) => void counts.delete(start));
  }
}

/** 0 to RECORDS - 1, as far as the test lets it go; remembers from where it was asked to go on. */
class Source {
  readonly opened: number[] = [];
  /** Called before each chunk, with the number it begins at. */
  before: (next: number) => void | Promise<void> = () => {};

  async *open(position: number | undefined): AsyncGenerator<Positioned<number, number>[]> {
    let next = position === undefined ? 0 : position + 1;
    this.opened.push(next);
    while (next < RECORDS) {
      await this.before(next);
      const chunk = Array.from({ length: Math.min(40, RECORDS - next) }, (_, i) => ({ value: next + i, position: next + i, timestamp: timeOf(next + i) }));
      next += chunk.length;
      yield chunk;
    }
  }
}

class Bench {
  readonly source = new Source();
  readonly totals: string;
  readonly windows: string;
  running: RunningPipeline | undefined = undefined;
  readonly log: string[] = [];

  constructor(directory: string) {
    this.totals = join(directory, "totals.ndjson");
    this.windows = join(directory, "windows.ndjson");
  }

  async start(server: RedisServer): Promise<void> {
    const pipeline = new Pipeline("restarts", { shards: 4 })
      .inject(
        "numbers",
        numbers,
        fromIterable<number, number>((position) => this.source.open(position)),
      )
      .compute("count", Count)
      .compute("windows", Windows)
      .sink("totals-file", totals, toFile(this.totals))
      .sink("windows-file", windows, toFile(this.windows));
    const log = (level: string, text: string) => void this.log.push(`${level}: ${text}`);
    this.running = await run(pipeline, { store: new RedisStore(server.url), batchRecords: 32, log });
  }

  lines<T>(path: string): T[] {
    const text = readFileSync(path, "utf8");
    return text === ""
      ? []
      : text
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line) as T);
  }

  /** Lines that are whole; what is being written now does not count. */
  get written(): number {
    return existsSync(this.totals) ? readFileSync(this.totals, "utf8").split("\n").length - 1 : 0;
  }

  expectExact(): void {
    const all = this.lines<Total>(this.totals);
    expect(all).toHaveLength(RECORDS);
    expect(all.filter(({ late }) => late)).toEqual([]);
    for (let key = 0; key < KEYS; key++) {
      const of = all.filter((total) => total.key === `k${key}`);
      expect(of.map(({ n }) => n)).toEqual(Array.from({ length: of.length }, (_, i) => key + i * KEYS));
      expect(of.map(({ count }) => count)).toEqual(Array.from({ length: of.length }, (_, i) => i + 1));
    }
    const expected = new Map<string, number>();
    for (let n = 0; n < RECORDS; n++) {
      const name = `${keyOf(n)} ${timeOf(n) - (timeOf(n) % WINDOW)}`;
      expected.set(name, (expected.get(name) ?? 0) + 1);
    }
    const closed = this.lines<Window>(this.windows);
    expect(closed).toHaveLength(expected.size);
    expect(new Map(closed.map(({ key, start, count }) => [`${key} ${start}`, count]))).toEqual(expected);
  }
}

let server: RedisServer;
let bench: Bench;
beforeEach(async () => {
  server = await startRedis();
  bench = new Bench(newDirectory());
});
afterEach(async () => {
  await bench.running?.stop();
  await server.stop();
});

test("a Redis that is killed twice in the middle of a run and started again costs no record and doubles none", async () => {
  const killed = [new Gate(), new Gate()];
  const after = [1_000, 3_500];
  // It never waits before the second half of what each kill lets pass, so work is under way when the server dies.
  bench.source.before = async (next) => {
    for (const [i, limit] of after.entries()) if (next >= limit + 1_000) await killed[i]?.promise;
  };
  await bench.start(server);
  for (const [i, limit] of after.entries()) {
    await expect.poll(() => bench.written, { interval: 2, timeout: 20_000 }).toBeGreaterThan(limit);
    await server.restart("SIGKILL");
    killed[i]?.open();
  }
  await bench.running?.finished;
  bench.expectExact();
  expect(workerOf(bench.running as RunningPipeline).engine.counted.commits).toBeGreaterThan(20);
});

test("a Redis that lost its tail is noticed by the worker that runs: all is read anew, the files are cut back and end exact (R1, R29)", async () => {
  const aof = join(server.directory, "appendonlydir");
  const copy = join(server.directory, "copy");
  const gates = { copied: new Gate(), lost: new Gate(), reread: new Gate() };
  bench.source.before = async (next) => {
    if (next >= 2_000) await gates.copied.promise;
    if (next >= 4_500) await gates.lost.promise;
    // Opened anew after the loss, it gives nothing until the test has looked.
    if (bench.source.opened.length > before) await gates.reread.promise;
  };
  let before = Number.POSITIVE_INFINITY;
  await bench.start(server);
  // The copy is of the middle of the work: what is in flight, in inboxes and set as timers is in it too.
  await expect.poll(() => bench.written, { interval: 2, timeout: 20_000 }).toBeGreaterThan(1_000);
  await server.kill();
  cpSync(aof, copy, { recursive: true });
  await server.start();
  gates.copied.open();
  await expect.poll(() => bench.written, { interval: 2, timeout: 20_000 }).toBeGreaterThan(4_000);
  const written = bench.written;

  await server.kill();
  rmSync(aof, { recursive: true });
  cpSync(copy, aof, { recursive: true });
  before = bench.source.opened.length;
  await server.start();
  gates.lost.open();
  await expect.poll(() => bench.source.opened.length, { timeout: 20_000 }).toBeGreaterThan(before);
  const again = bench.source.opened.at(-1) as number;
  expect(again).toBeLessThanOrEqual(2_000);
  // What the copy had is worked off, and nothing of what came after it is left in the file.
  await expect.poll(() => bench.written, { timeout: 20_000 }).toBe(again);
  expect(written).toBeGreaterThan(again);
  expect(Math.max(...bench.lines<Total>(bench.totals).map(({ n }) => n))).toBe(again - 1);

  gates.reread.open();
  await bench.running?.finished;
  bench.expectExact();
});
