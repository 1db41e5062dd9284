/**
 * Workers of this version and of an earlier one together on one Redis, one replaced by the other in both directions, with
 * kills: the results are those of one version alone. The earlier one is a commit of this repository, taken from its history.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { audit } from "../../src/inspect/index.ts";
import { RedisStore } from "../../src/index.ts";
import { startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** The last commit before versions were told apart: data of format 1, protocol 1. */
const OLD = "d036ddbb7fc2";
const RECORDS = 1_500;
const KEYS = 60;
const fresh = temporaryDirectory();

/** A commit of the repository, built in a directory of its own; undefined, with the reason: there is no history. */
function buildOf(commit: string): string | undefined {
  const directory = fresh("old");
  mkdirSync(directory, { recursive: true });
  try {
    const archive = execFileSync("git", ["archive", commit, "src", "package.json", "tsconfig.json", "tsconfig.build.json"], {
      maxBuffer: 1 << 28,
      stdio: ["ignore", "pipe", "pipe"],
    });
    execFileSync("tar", ["-x", "-C", directory], { input: archive });
  } catch (error) {
    console.warn(`not tested with an older version: this copy of the repository has no commit ${commit} (${String((error as Error).message).split("\n")[0]})`);
    return undefined;
  }
  symlinkSync(resolve("node_modules"), join(directory, "node_modules"));
  execFileSync("npm", ["run", "--silent", "build"], { cwd: directory, stdio: "inherit" });
  return join(directory, "dist");
}

/** Counts per key; each worker's code is that of its own version. */
const counting = (
  root: string,
  results: string,
) => `import { Computation, fromIterable, input, output, Pipeline, state, stream, toFile } from "${pathToFileURL(join(root, "index.js")).href}";
  const events = stream("events");
  const counts = stream("counts");
  class Counter extends Computation {
    events = input(events, { key: (n) => "key " + (n % ${KEYS}) });
    counts = output(counts);
    count = state("count", { initial: 0 });
    processRecord(record, context) {
      context.state(this.count).update((count) => count + 1);
      context.produce(this.counts, context.key + " " + context.state(this.count).get());
    }
  }
  async function* after(position) {
    for (let n = (position ?? -1) + 1; n < ${RECORDS}; n += 10) {
      for (let i = n; i < n + 10; i++) yield { value: i, position: i, timestamp: i };
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
  }
  export default new Pipeline("rolling", { shards: 12 })
    .inject("events", events, fromIterable(after))
    .compute("counter", Counter)
    .sink("counts", counts, toFile("${results}"));`;

interface Started {
  readonly process: ChildProcess;
  readonly ended: Promise<number | null>;
  text: string;
}

function startWorker(root: string, file: string, store: string): Started {
  const words = [join(root, "cli/main.js"), "run", file, "--store", store, "--no-http", "--lease", "1000"];
  const child = spawn(process.execPath, words, { cwd: root, stdio: ["ignore", "ignore", "pipe"] });
  const started: Started = { process: child, ended: once(child, "close").then(([code]) => code as number | null), text: "" };
  child.stderr.on("data", (part: Buffer) => (started.text += part.toString()));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await started.ended;
  });
  return started;
}

test("workers of an earlier version and of this one share a pipeline, replace each other and are killed, and the results are right", async () => {
  const old = buildOf(OLD);
  if (old === undefined) return;
  const server = await startRedis();
  onTestFinished(() => server.stop());
  const results = join(fresh("results"), "counts.ndjson");
  mkdirSync(join(results, ".."), { recursive: true });
  const [store, root] = [`redis:${server.socket}`, resolve(".build/src")];
  const files = [old, root].map((of, i) => {
    const file = join(results, "..", `${i}.mjs`);
    writeFileSync(file, counting(of, results));
    return file;
  });
  const start = (version: 0 | 1): Started => startWorker([old, root][version] as string, files[version] as string, store);
  const lines = (): string[] => (existsSync(results) ? readFileSync(results, "utf8").split("\n").slice(0, -1) : []);
  const reaches = (count: number) => expect.poll(() => lines().length, { interval: 20, timeout: 60_000 }).toBeGreaterThanOrEqual(count);

  const first = start(0);
  await reaches(100);
  const second = start(1);
  await reaches(450);
  first.process.kill("SIGTERM");
  expect([await first.ended, first.text.includes("error")]).toEqual([0, false]);
  await reaches(600);
  const third = start(0);
  await reaches(900);
  second.process.kill("SIGKILL");
  await second.ended;
  await reaches(1_050);
  const fourth = start(1);
  expect([await fourth.ended, await third.ended, fourth.text.includes("error"), third.text.includes("error")]).toEqual([0, 0, false, false]);

  const counted = lines().map((line) => JSON.parse(line) as string);
  const wanted = Array.from({ length: KEYS }, (_, key) => Array.from({ length: RECORDS / KEYS }, (_, n) => `key ${key} ${n + 1}`));
  for (const [key, ofKey] of wanted.entries()) expect(counted.filter((line) => line.startsWith(`key ${key} `))).toEqual(ofKey);
  expect(counted.length).toBe(RECORDS);
  expect((await audit(new RedisStore(server.url), { pipeline: "rolling" })).violations).toBe(0);
}, 500_000);
