/** A healthy pipeline is never accused, however often it is audited while it runs, hands shards over, fails and goes on. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fromIterable, LmdbStore, MemoryStore, RedisStore, run, type RunningPipeline, type Store, toCallback } from "../../src/index.ts";
import { audit, type AuditReport } from "../../src/inspect/index.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { type Order, shopPipeline } from "./shop.ts";
import { built } from "../support/built.ts";

const fresh = temporaryDirectory();
/** Audits of one running pipeline. */
const AUDITS = 8;

let running: RunningPipeline[] = [];
let server: RedisServer | undefined;
/** Records given to the pipeline so far. */
let given = 0;
beforeEach(() => {
  running = [];
  given = 0;
});
afterEach(async () => {
  await Promise.all(running.map((each) => each.stop()));
  await server?.stop();
  server = undefined;
});

/** Orders without end, a hundred at a time with a turn of the event loop between; every so often one that holds, waits, or is refused. */
async function* shopping(after: number | undefined) {
  for (let n = (after ?? -1) + 1; ; ) {
    const part: { value: Order; position: number; timestamp: number }[] = [];
    for (let i = 0; i < 100; i++, n++) part.push({ value: orderOf(n), position: n, timestamp: 1_000_000 + n - (n % 11 === 0 ? 40 : 0) });
    given += part.length;
    yield part;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

function orderOf(n: number): Order {
  const what = n === 500 ? "fail" : n % 997 === 0 ? "refuse" : n % 251 === 0 ? "wait" : n % 13 === 0 ? "hold" : n % 13 === 5 ? "release" : undefined;
  return { id: `order ${n}`, buyer: `buyer ${(n * 7_919) % 300}`, do: what };
}

/** `id` and disorder: ids are stored, and some records are late. */
const start = async (store: Store): Promise<void> => {
  const source = fromIterable<Order, number>(shopping, { id: (order) => order.id, idRetention: 10_000 });
  running.push(await run(shopPipeline({ source, sink: toCallback(() => {}), shards: 4 }), { store, leaseMs: 500, log: () => {} }));
};

const violationsOf = ({ invariants }: AuditReport) =>
  invariants.filter(({ violations }) => violations > 0).map(({ invariant, examples }) => [invariant, examples]);

/** Audits over and over while records come in; `between` happens after each. */
async function auditing(look: () => Promise<AuditReport>, between: (n: number) => Promise<void> = async () => {}): Promise<void> {
  await expect.poll(() => given, { timeout: 30_000 }).toBeGreaterThan(1_000);
  let waited = 0;
  for (let n = 0; n < AUDITS; n++) {
    const before = given;
    const report = await look();
    expect(violationsOf(report)).toEqual([]);
    expect(report.entries.state).toBeGreaterThan(0);
    waited += report.entries.waiting + report.entries.held;
    await between(n);
    await expect.poll(() => given, { timeout: 30_000 }).toBeGreaterThan(before);
  }
  // Else nothing would have been proved of what is under way.
  expect(waited).toBeGreaterThan(0);
}

describe("a pipeline that runs is found sound, again and again", () => {
  test("in memory", async () => {
    const store = new MemoryStore();
    await start(store);
    await auditing(() => audit(store, { pipeline: "shop" }));
  }, 60_000);

  test("on LMDB, from the process that runs it", async () => {
    const store = new LmdbStore(fresh("lmdb"));
    await start(store);
    await auditing(() => audit(store, { pipeline: "shop" }));
  }, 60_000);

  test("on LMDB, from another process, by the command", async () => {
    const directory = fresh("lmdb");
    await start(new LmdbStore(directory));
    await expect.poll(() => given, { timeout: 30_000 }).toBeGreaterThan(1_000);
    for (let n = 0; n < 2; n++) {
      const { violations, pipelines } = await auditedElsewhere(`lmdb:${directory}`);
      expect(pipelines.map(violationsOf)).toEqual([[]]);
      expect(violations).toBe(0);
    }
  }, 90_000);

  test("on Redis, while a second worker comes, takes over what the first gives up, and leaves", async () => {
    server = await startRedis();
    const store = new RedisStore(server.url);
    await start(store);
    await auditing(
      () => audit(store, { pipeline: "shop" }),
      async (n) => {
        if (n % 4 === 1) await start(store);
        if (n % 4 === 3) await running.shift()?.stop();
      },
    );
  }, 120_000);
});

async function auditedElsewhere(store: string): Promise<{ readonly violations: number; readonly pipelines: readonly AuditReport[] }> {
  const command = [built("src/cli/main.ts"), "audit", "--store", store, "--json"];
  // Violations are exit code 1, and then the output is in the error.
  const { stdout } = await promisify(execFile)(process.execPath, command, { maxBuffer: 1 << 26 }).catch((error: { readonly stdout: string }) => error);
  return JSON.parse(stdout) as { readonly violations: number; readonly pipelines: readonly AuditReport[] };
}
