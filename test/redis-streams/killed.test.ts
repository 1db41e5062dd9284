import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { LmdbStore, RedisStore, run, type RunningPipeline, type Store } from "../../src/index.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { useStreams } from "./streams.ts";
import { expectedTallies, foundTallies, tallyPipeline } from "./tally.ts";

const CHILD = fileURLToPath(new URL("tally-process.ts", import.meta.url));
/** LMDB's own entry must come before the loader, which would take it for something to compile. */
const TYPESCRIPT = ["--import", "lmdb", "--import", "jiti/register"];
/** Entries that the last process is to write until it is killed, and those that are added for it. */
const KILLED_AFTER = [1, 40, 150, 3, 90, 260];
const ADDED = 300;

const streams = useStreams({ tcp: true });
const path = temporaryDirectory();

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
});

function start(store: string, to: string, from: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [...TYPESCRIPT, CHILD, store, streams.server.url, to, ...from], { stdio: ["ignore", "ignore", "pipe"] });
  children.add(child);
  return child;
}

/** Adds numbers in turns to the streams. */
async function add(from: readonly string[], first: number, count: number): Promise<void> {
  const pipeline = streams.admin.pipeline();
  for (let number = first; number < first + count; number++) pipeline.xadd(from[number % from.length]!, "*", "n", number);
  await pipeline.exec();
}

async function expectExact(to: string, count: number): Promise<void> {
  await expect.poll(async () => foundTallies(await streams.entries(to)).counted.length, { interval: 20 }).toBeGreaterThanOrEqual(count);
  expect(foundTallies(await streams.entries(to))).toEqual(expectedTallies(count));
}

describe.each(["lmdb", "redis"])("on %s, from two streams to one", (kind) => {
  test("a process that is killed again and again loses and doubles nothing, whoever else adds to the stream", async () => {
    const [to, ...from] = [streams.fresh(), streams.fresh(), streams.fresh()] as const;
    const store = kind === "lmdb" ? `lmdb:${path("store")}` : streams.server.url;
    let added = 0;
    for (const after of KILLED_AFTER) {
      const before = await streams.admin.xlen(to);
      await add(from, added, ADDED);
      added += ADDED;
      const child = start(store, to, from);
      const ended = once(child, "exit");
      await expect.poll(() => streams.admin.xlen(to), { interval: 1 }).toBeGreaterThanOrEqual(before + after);
      child.kill("SIGKILL");
      await ended;
      await streams.add(to, "theirs");
    }
    start(store, to, from);
    await expectExact(to, added);
  });

  test("a Redis that is killed and restarted again and again loses and doubles nothing", async () => {
    const [to, ...from] = [streams.fresh(), streams.fresh(), streams.fresh()] as const;
    const store: Store = kind === "lmdb" ? new LmdbStore(path("store")) : new RedisStore(streams.server.url, { prefix: "restarted" });
    await add(from, 0, ADDED);
    const running: RunningPipeline = await run(tallyPipeline(streams.server.url, from, to), { store, batchRecords: 8, leaseMs: 1_000, log: () => {} });
    let stopped: unknown;
    running.finished.catch((error: unknown) => (stopped = error));
    for (let round = 1; round <= 4; round++) {
      await expect.poll(() => streams.admin.xlen(to), { interval: 1 }).toBeGreaterThan((round - 1) * ADDED + 10);
      await streams.server.restart("SIGKILL");
      await add(from, round * ADDED, ADDED);
    }
    await expectExact(to, 5 * ADDED);
    expect(stopped).toBeUndefined();
    await running.stop();
  });
});
