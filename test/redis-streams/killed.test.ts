import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, expect, test } from "vitest";
import { built } from "../support/built.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { addNumbers, expectExact, useStreams } from "./streams.ts";

const CHILD = built("test/support/tally-process.ts");
/** Entries that the last process is to write until it is killed, and those that are added for it. */
const KILLED_AFTER = [1, 40, 150, 3];
const ADDED = 300;

const streams = useStreams({ tcp: true });
const path = temporaryDirectory();

/** ms; many processes start, on a machine that may be busy. */
const LIMIT = 180_000;

const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});

function start(store: string, to: string, from: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [CHILD, store, streams.server.url, to, ...from], { stdio: ["ignore", "ignore", "pipe"] });
  children.add(child);
  child.once("exit", () => children.delete(child));
  return child;
}

/** Kills the process that runs the pipeline on this store again and again. */
async function killAgainAndAgain(store: string, prefix = ""): Promise<void> {
  const [to, ...from] = [streams.fresh(), streams.fresh(), streams.fresh()] as const;
  let added = 0;
  for (const after of KILLED_AFTER) {
    const before = await streams.admin.xlen(to);
    await addNumbers(streams.admin, from, added, ADDED);
    added += ADDED;
    const child = start(store, prefix + to, from);
    const ended = once(child, "exit");
    await expect.poll(() => streams.admin.xlen(to), { interval: 1, timeout: 60_000 }).toBeGreaterThanOrEqual(before + after);
    child.kill("SIGKILL");
    await ended;
    await streams.add(to, "theirs");
  }
  const last = start(store, prefix + to, from);
  await expectExact(() => streams.entries(to), added);
  const ended = once(last, "exit");
  last.kill("SIGKILL");
  await ended;
}

test(
  "from two streams to one, on LMDB, on Redis and in the commits of Redis, a process that is killed again and again loses and doubles nothing, whoever else adds to the stream",
  async () => {
    // At the same time: most of it is waiting for processes to start.
    await Promise.all([killAgainAndAgain(`lmdb:${path("store")}`), killAgainAndAgain(streams.server.url), killAgainAndAgain(streams.server.url, "store:")]);
  },
  LIMIT,
);
