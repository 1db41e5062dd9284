/** `run` in a process that does something else too, and what it says of options it cannot use. */
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import Fastify from "fastify";
import { expect, onTestFinished, test } from "vitest";
import {
  Computation,
  ConfigError,
  type Context,
  exponential,
  fromFile,
  fromIterable,
  input,
  LmdbStore,
  MemoryStore,
  output,
  Pipeline,
  run,
  state,
  stream,
  type StreamRecord,
  toCallback,
  toFile,
} from "../src/index.ts";
import { systemClock } from "../src/clock.ts";
import { shardRef } from "../src/key.ts";
import { systemRandom } from "../src/random.ts";
import { workerOf } from "../src/run.ts";
import { temporaryDirectory } from "./support/temporary-directory.ts";

const fresh = temporaryDirectory();
function newDirectory(): string {
  const directory = fresh("run");
  mkdirSync(directory);
  return directory;
}

interface Visit {
  readonly page: string;
}
interface Total {
  readonly page: string;
  readonly count: number;
}

function pipeline(directory: string): Pipeline {
  const visits = stream<Visit>("visits");
  const totals = stream<Total>("totals");
  class Count extends Computation {
    readonly visits = input(visits, { key: (visit) => visit.page });
    readonly totals = output(totals);
    readonly count = state("count", { initial: 0 });
    override processRecord(_record: StreamRecord<Visit>, context: Context): void {
      const count = context.state(this.count).get() + 1;
      context.state(this.count).set(count);
      context.produce(this.totals, { page: context.key, count });
    }
  }
  return new Pipeline("visits", { shards: 4 })
    .inject("visits", visits, fromFile<Visit>(join(directory, "visits.ndjson")))
    .compute("count", Count)
    .sink("totals", totals, toFile(join(directory, "totals.ndjson")));
}

function writeVisits(directory: string, count: number): void {
  writeFileSync(join(directory, "visits.ndjson"), Array.from({ length: count }, (_, i) => `{"page":"p${i % 7}"}\n`).join(""));
}

function readTotals(directory: string): Map<string, number[]> {
  const totals = new Map<string, number[]>();
  for (const line of readFileSync(join(directory, "totals.ndjson"), "utf8").trimEnd().split("\n")) {
    const { page, count } = JSON.parse(line) as Total;
    totals.set(page, [...(totals.get(page) ?? []), count]);
  }
  return totals;
}

test("inside a Fastify service: the service answers meanwhile, finished resolves, and the file has every total once, in order", async () => {
  const directory = newDirectory();
  writeVisits(directory, 7_000);
  const service = Fastify();
  const running = await run(pipeline(directory), { store: new LmdbStore(join(directory, "data")), http: { port: 0 } });
  service.get("/watermarks", async () => (await fetch(`${running.url}/v1/watermarks`)).json());
  expect((await service.inject("/watermarks")).statusCode).toBe(200);
  await running.finished;
  await running.stop();
  await service.close();
  const whole = Array.from({ length: 1_000 }, (_, i) => i + 1);
  expect([...readTotals(directory).values()]).toEqual(Array.from({ length: 7 }, () => whole));
});

test("started again after its end it says that nothing was read, and reads nothing", async () => {
  const directory = newDirectory();
  writeVisits(directory, 70);
  const lines: string[] = [];
  for (let starts = 0; starts < 2; starts++) {
    const running = await run(pipeline(directory), {
      store: new LmdbStore(join(directory, "data")),
      log: (level, text) => void lines.push(`${level}: ${text}`),
    });
    await running.finished;
    await running.stop();
    expect(lines).toEqual(starts === 0 ? [] : [expect.stringMatching(/^info: every input had ended in an earlier run, so nothing was read/)]);
  }
  expect(readFileSync(join(directory, "totals.ndjson"), "utf8").trimEnd().split("\n")).toHaveLength(70);
});

test("stopped anywhere and started again, it goes on as if it had not been", async () => {
  const directory = newDirectory();
  writeVisits(directory, 7_000);
  for (let stops = 0; stops < 4; stops++) {
    const running = await run(pipeline(directory), { store: new LmdbStore(join(directory, "data")), batchRecords: 16 });
    const { engine } = workerOf(running);
    let finished = false;
    void running.finished.then(() => (finished = true));
    // In the next turn of the event loop, so that it is in the middle; the last starts may find all done.
    while (engine.counted.commits <= 3 && !finished) await new Promise((resolve) => setImmediate(resolve));
    await running.stop();
  }
  const running = await run(pipeline(directory), { store: new LmdbStore(join(directory, "data")) });
  await running.finished;
  await running.stop();
  for (const counts of readTotals(directory).values()) expect(counts).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1));
});

test("one lonely record is committed and visible at once, without waiting for company", async () => {
  const words = stream<string>("words");
  let say: (word: string) => void = () => {};
  const said = new Promise<string>((resolve) => (say = resolve));
  async function* source() {
    yield { value: "alone", position: 1, timestamp: 5 };
    await said;
  }
  const seen: string[] = [];
  const lonely = new Pipeline("lonely", { shards: 1 }).inject("in", words, fromIterable<string, number>(source)).sink(
    "out",
    words,
    toCallback<string>((record) => void seen.push(record.value)),
  );
  const running = await run(lonely, { store: new MemoryStore() });
  await expect.poll(() => seen).toEqual(["alone"]);
  say("done");
  await running.finished;
  await running.stop();
});

test("a call that waited behind another one and rejects at once is parked, and the process lives on", async () => {
  const numbers = stream<number>("numbers");
  class Fussy extends Computation {
    readonly numbers = input(numbers, { key: () => "k" });
    readonly done = output(numbersDone);
    override async processRecord(record: StreamRecord<number>, context: Context) {
      if (record.value === 2) throw new Error("poison");
      await new Promise((resolve) => setTimeout(resolve, 5));
      context.produce(this.done, record.value);
    }
  }
  const numbersDone = stream<number>("done");
  const unhandled: unknown[] = [];
  const listener = (reason: unknown) => void unhandled.push(reason);
  process.on("unhandledRejection", listener);
  const seen: number[] = [];
  async function* source() {
    for (let value = 0; value < 4; value++) yield { value, position: value + 1, timestamp: value };
  }
  const fussy = new Pipeline("fussy", { shards: 1 })
    .inject("in", numbers, fromIterable<number, number>(source))
    .compute("fussy", Fussy, { attempts: 2, backoff: exponential(1, 1) })
    .sink(
      "out",
      numbersDone,
      toCallback<number>((record) => void seen.push(record.value)),
    );
  const running = await run(fussy, { store: new MemoryStore(), log: () => {} });
  await running.finished;
  await running.stop();
  process.off("unhandledRejection", listener);
  expect(seen).toEqual([0, 1, 3]);
  expect(unhandled).toEqual([]);
});

test("a pipeline that cannot go on says why in the log, also where no one looks at finished", async () => {
  const words = stream<string>("words");
  async function* nowhere() {
    yield { value: "lost", timestamp: 5 } as { value: string; timestamp: number; position: number };
  }
  const lines: string[] = [];
  const broken = new Pipeline("broken", { shards: 1 }).inject("in", words, fromIterable<string, number>(nowhere)).sink(
    "out",
    words,
    toCallback(() => {}),
  );
  const running = await run(broken, { store: new MemoryStore(), log: (level, text) => void lines.push(`${level}: ${text}`) });
  await expect.poll(() => lines).toEqual([expect.stringMatching(/^error: the pipeline has stopped: .*without a position/)]);
  await expect(running.finished).rejects.toThrow(ConfigError);
  await running.stop();
});

test.each([
  [{ store: new MemoryStore(), leaseMs: 10 }, /leaseMs is an integer from 200 to 3600000, but it is 10/],
  [{ store: new MemoryStore(), batchRecords: 0 }, /batchRecords/],
  [{ store: new MemoryStore(), cacheBytes: 1.5 }, /cacheBytes/],
  [{}, /give a store, as in \{ store: new LmdbStore/],
  [{ stroe: new MemoryStore() }, /^run of pipeline "visits": there is no option "stroe"; there are store, effects, http/],
  [{ store: new MemoryStore(), htttp: false }, /there is no option "htttp"/],
  [{ store: new MemoryStore(), http: 8_080 }, /http: options are an object with port, host, address, tokens, names, requestsPerSecond, but they are 8080/],
  [{ store: new MemoryStore(), http: { prot: 1 } }, /http: there is no option "prot"; there are port, host, address, tokens, names/],
  [{ store: new MemoryStore(), drop: "counter" }, /drop is an array of names, as in \["counter\/total"\], but it is "counter"/],
  [{ store: new MemoryStore(), log: "debug" }, /log is a function of \(level, text, fields\)/],
])("options that cannot be used are refused before anything starts (%#)", async (options, message) => {
  const error = await run(pipeline(newDirectory()), options as Parameters<typeof run>[1]).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConfigError);
  expect((error as Error).message).toMatch(message);
});

test("where the port cannot be had, nothing has begun: no input was opened and the store is as it was", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  onTestFinished(() => void taken.close());
  const words = stream<string>("words");
  let opened = 0;
  const source = () => {
    opened++;
    return [{ value: "a", position: 1, timestamp: 5 }];
  };
  const waiting = new Pipeline("waiting", { shards: 1 }).inject("in", words, fromIterable(source)).sink(
    "out",
    words,
    toCallback(() => {}),
  );
  const store = new MemoryStore();
  const failed = run(waiting, { store, http: { port: (taken.address() as AddressInfo).port } });
  await expect(failed).rejects.toThrow(/port \d+ of 127\.0\.0\.1 is in use/);
  expect(opened).toBe(0);
  const left = await store.open({ pipeline: "waiting", clock: systemClock, random: systemRandom });
  const untouched = await left.summarize([shardRef(1, 0), shardRef(2, 0)]);
  for (const shard of untouched) expect(shard).toMatchObject({ owner: undefined, image: undefined, sequencer: undefined, queued: 0 });
  await left.close();
  const running = await run(waiting, { store });
  await running.finished;
  await running.stop();
  expect(opened).toBe(1);
});

test("what is no pipeline is refused by name", async () => {
  await expect(run({} as Pipeline, { store: new MemoryStore() })).rejects.toThrow(/first argument is a Pipeline/);
});
