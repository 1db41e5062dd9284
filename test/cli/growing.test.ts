/** Two worker processes on Redis are replaced, under load, by two whose code has a computation and a sink more: the results are exact, and the new part has all from the change on. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { audit } from "../../src/inspect/index.ts";
import { RedisStore } from "../../src/index.ts";
import { built } from "../support/built.ts";
import { startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const KEYS = 20;
const fresh = temporaryDirectory();

/** Counts per key, as long as there is no file `end`; with `grown` another computation watches the counts, and tells which records are late to it and which windows are not whole. */
const code = (directory: string, grown: boolean) => `
  import { Computation, fromIterable, input, output, Pipeline, state, stream, timers, toFile } from ${JSON.stringify(pathToFileURL(built("src/index.ts")).href)};
  import { existsSync } from "node:fs";
  const events = stream("events"), counts = stream("counts"), seen = stream("seen");
  class Counter extends Computation {
    events = input(events, { key: (n) => "key" + (n % ${KEYS}) });
    counts = output(counts);
    count = state("count", { initial: 0 });
    processRecord(record, context) {
      context.state(this.count).update((count) => count + 1);
      context.produce(this.counts, { key: context.key, count: context.state(this.count).get() });
    }
  }
  class Watcher extends Computation {
    counts = input(counts, { key: ({ key }) => "of " + key });
    seen = output(seen);
    last = state("last", { initial: 0 });
    fired = state("fired", { initial: -1 });
    after = timers("after");
    processRecord({ value, timestamp }, context) {
      const last = context.state(this.last).get();
      if (last > 0 && value.count !== last + 1) context.produce(this.seen, "gap after " + value.key + " " + last);
      if (timestamp < context.watermark || timestamp <= context.state(this.fired).get()) context.produce(this.seen, "late " + value.key + " " + value.count);
      context.state(this.last).set(value.count);
      context.setTimer(this.after.for(timestamp), timestamp);
      context.produce(this.seen, value.key + " " + value.count);
    }
    processTimer(timer, context) {
      context.state(this.fired).set(timer.time);
    }
  }
  async function* after(position) {
    for (let n = (position ?? -1) + 1; n % ${KEYS} > 0 || !existsSync(${JSON.stringify(join(directory, "end"))}); n++) {
      yield { value: n, position: n, timestamp: 1000 + n };
      if (n % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
  const pipeline = new Pipeline("growing", { shards: 12 })
    .inject("events", events, fromIterable(after))
    .compute("counter", Counter)
    .sink("counts", counts, toFile(${JSON.stringify(join(directory, "counts.ndjson"))}));
  export default ${grown ? `pipeline.compute("watcher", Watcher).sink("seen", seen, toFile(${JSON.stringify(join(directory, "seen.ndjson"))}))` : "pipeline"};`;

interface Started {
  readonly ended: Promise<number | null>;
  text: string;
}

function startWorker(file: string, store: string): Started {
  // A lease longer than the test: what the new ones own was handed over.
  const words = [built("src/cli/main.ts"), "run", file, "--store", store, "--no-http", "--lease", "120000"];
  const child: ChildProcess = spawn(process.execPath, words, { stdio: ["ignore", "ignore", "pipe"] });
  const started: Started = { ended: once(child, "close").then(([exit]) => exit as number | null), text: "" };
  child.stderr?.on("data", (part: Buffer) => (started.text += part.toString()));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await started.ended;
  });
  return started;
}

test("two workers are replaced by two that have a computation more, with nothing lost or doubled and no lease waited for", async () => {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  const directory = fresh("growing");
  mkdirSync(directory, { recursive: true });
  const store = `redis:${server.socket}`;
  const [small, grown] = [false, true].map((has) => {
    const file = join(directory, `${has ? "grown" : "small"}.mjs`);
    writeFileSync(file, code(directory, has));
    return file;
  }) as [string, string];
  const linesOf = (name: string): string[] => {
    const file = join(directory, `${name}.ndjson`);
    if (!existsSync(file)) return [];
    return readFileSync(file, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => (typeof JSON.parse(line) === "string" ? JSON.parse(line) : `${JSON.parse(line).key} ${JSON.parse(line).count}`) as string);
  };
  const reaches = (name: string, count: number) => expect.poll(() => linesOf(name).length, { interval: 20, timeout: 120_000 }).toBeGreaterThanOrEqual(count);

  const old = [startWorker(small, store), startWorker(small, store)];
  await reaches("counts", 200);
  const young = [startWorker(grown, store)];
  // They end by themselves.
  expect(await Promise.all(old.map(({ ended }) => ended))).toEqual([2, 2]);
  for (const { text } of old) expect(text).toMatch(/another process has changed the graph of pipeline "growing", of which this one runs version 1/);
  young.push(startWorker(grown, store));
  await reaches("seen", 50);
  // Someone starts the old code once more.
  const late = startWorker(small, store);
  expect([await late.ended, late.text]).toEqual([2, expect.stringMatching(/computation "watcher"[^]*If this code is older than theirs, start theirs/)]);
  writeFileSync(join(directory, "end"), "");
  expect(await Promise.all(young.map(({ ended }) => ended))).toEqual([0, 0]);

  const [counted, seen] = [linesOf("counts"), linesOf("seen")];
  const each = counted.length / KEYS;
  const wanted = (key: number, from: number) => Array.from({ length: each - from }, (_, n) => `key${key} ${from + n + 1}`);
  for (let key = 0; key < KEYS; key++) {
    expect(counted.filter((line) => line.startsWith(`key${key} `))).toEqual(wanted(key, 0));
    const ofKey = seen.filter((line) => line.startsWith(`key${key} `));
    // All from its first one on.
    expect(ofKey).toEqual(wanted(key, each - ofKey.length));
  }
  expect(seen.filter((line) => !line.startsWith("key"))).toEqual([]);
  expect(seen.length).toBeGreaterThan(50);
  expect(seen.length).toBeLessThanOrEqual(counted.length - 200);
  expect((await audit(new RedisStore(server.url), { pipeline: "growing" })).violations).toBe(0);
}, 400_000);
