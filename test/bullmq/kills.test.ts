/** BullMQ at the edges of a pipeline whose process and whose Redis are killed: what the world outside sees of it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { redisForTests, VERSIONS } from "./versions.ts";
import { built } from "../support/built.ts";
import { sized } from "../support/size.ts";

const CHILD = built("test/support/bullmq-process.ts");
const LIMIT = 180_000;
/** One wait: for a process that starts on a busy machine, and for jobs that BullMQ has to find stalled. */
const PATIENCE = { timeout: 90_000 };

const redis = redisForTests(["--appendfsync", "always"]);
const fresh = temporaryDirectory();
let used = 0;

/** Answers each number, and each seventh only at the second call. Counts the calls of each number by their keys. */
const called = new Map<number, Map<string, number>>();
let calls = 0;
const http = createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8").on("data", (text: string) => (body += text));
  request.on("end", () => {
    const n = Number(body);
    const key = String(request.headers["idempotency-key"]);
    const keys = called.get(n) ?? new Map<string, number>();
    called.set(n, keys.set(key, (keys.get(key) ?? 0) + 1));
    calls += 1;
    response.statusCode = n % 7 === 0 && keys.get(key) === 1 ? 503 : 200;
    response.end(`answer ${n}`);
  });
});
beforeAll(async () => {
  await once(http.listen(0, "127.0.0.1"), "listening");
});
afterAll(() => {
  http.closeAllConnections();
  http.close();
});

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
});

function start(task: string, version: string, ...args: readonly string[]): { readonly child: ChildProcess; readonly ended: Promise<string> } {
  const child = spawn(process.execPath, [CHILD, task, version, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  let said = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = once(child, "close").then(() => {
    children.delete(child);
    return said;
  });
  return { child, ended };
}

describe("with a process and a Redis that are killed", () => {
  test.each([
    ["6", "lmdb"],
    ["5", "redis"],
  ])(
    "on BullMQ %s and a store in %s, every production is called for under exactly one key, none without one is, and each has one result",
    async (version, kind) => {
      const n = sized(100, 300);
      called.clear();
      calls = 0;
      const database = (used += 1);
      const store = kind === "lmdb" ? `lmdb:${fresh("store")}` : `${redis.server.url}/${database}`;
      const file = fresh("answers.ndjson");
      const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
      const args = [version, store, `${redis.server.url}/${database}`, url, file, `${n}`] as const;
      // A little further each time: in the midst of calls, of waits, and after Redis was killed under both.
      for (const [until, strike] of [
        [n / 10, "process"],
        [n / 4, "redis"],
        [n / 2, "both"],
      ] as const) {
        const { child, ended } = start("effects", ...args);
        await expect.poll(() => calls >= until || child.exitCode !== null, PATIENCE).toBe(true);
        if (strike !== "process") await redis.server.restart("SIGKILL");
        if (strike === "redis") await expect.poll(() => calls >= until + n / 10 || child.exitCode !== null, PATIENCE).toBe(true);
        expect(child.exitCode).toBeNull();
        child.kill("SIGKILL");
        await ended;
      }
      expect(await start("effects", ...args).ended).toBe("finished\n");
      const productions = Array.from({ length: n }, (_, i) => i).filter((i) => i % 10 !== 0);
      expect([...called.keys()].sort((a, b) => a - b)).toEqual(productions);
      expect([...called].filter(([, keys]) => keys.size !== 1)).toEqual([]);
      expect(new Set([...called.values()].flatMap((keys) => [...keys.keys()])).size).toBe(productions.length);
      const lines = readFileSync(file, "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { readonly n: number });
      expect(lines.sort((a, b) => a.n - b.n)).toEqual(productions.map((i) => ({ n: i, ok: true, answer: `answer ${i}` })));
    },
    LIMIT,
  );

  test.each(sized(VERSIONS.slice(0, 1), VERSIONS))(
    "on %s, each job of one queue becomes one job of another, and none is completed before",
    async (name, module) => {
      const version = name.slice(-1);
      const n = sized(300, 700);
      const [from, to] = [redis.queue(module, `in${version}`), redis.queue(module, `out${version}`)];
      await from.addBulk(Array.from({ length: n }, (_, i) => ({ name: "job", data: { n: i }, opts: {} })));
      const args = [version, `lmdb:${fresh("store")}`, redis.server.url, from.name, to.name] as const;
      for (const [until, kill] of [
        [1, false],
        [n / 2, true],
      ] as const) {
        const { child, ended } = start("through", ...args);
        await expect.poll(() => to.getWaitingCount(), PATIENCE).toBeGreaterThanOrEqual(until);
        if (kill) await redis.server.restart("SIGKILL");
        child.kill("SIGKILL");
        await ended;
      }
      const { child, ended } = start("through", ...args);
      await expect.poll(() => from.getCompletedCount(), PATIENCE).toBe(n);
      await expect.poll(() => to.getWaitingCount(), PATIENCE).toBe(n);
      child.kill("SIGKILL");
      await ended;
      expect(await from.getJobCounts("wait", "active", "delayed", "failed")).toEqual({ wait: 0, active: 0, delayed: 0, failed: 0 });
      const out = await to.getJobs(["wait"]);
      expect(out.map(({ data }) => (data as { n: number }).n).sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
    },
    LIMIT,
  );
});
