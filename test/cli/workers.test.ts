/** `millrace run --workers`: several processes by one command. */
import { readFileSync } from "node:fs";
import { Redis } from "ioredis";
import { expect, onTestFinished, test, vi } from "vitest";
import type { WorkersView } from "../../src/inspect/workers-view.ts";
import { startRedis } from "../support/redis-server.ts";
import { built } from "../support/built.ts";
import { type Command, LIBRARY, Workplace } from "./commands.ts";

vi.setConfig({ testTimeout: 180_000 });

const WORD_COUNT = built("examples/01-word-count.ts");
const WORDS = ["a", "b", "c", "d", "e"];
const TIMES = 4_000;

async function started(...args: string[]): Promise<{ readonly workplace: Workplace; readonly url: string; readonly command: Command }> {
  const server = await startRedis({ tcp: true });
  onTestFinished(() => server.stop());
  const workplace = new Workplace();
  workplace.write("words.ndjson", `${Array.from({ length: TIMES }, () => WORDS.map((word) => JSON.stringify(word)).join("\n")).join("\n")}\n`);
  const command = workplace.start(["run", WORD_COUNT, ...args], { MILLRACE_STORE: server.url });
  return { workplace, url: server.url, command };
}

/** The processes that this one has started. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
}

function expectAllTotals(workplace: Workplace): void {
  const totals = workplace.lines("totals.ndjson").map((line) => JSON.parse(line) as { readonly word: string; readonly count: number });
  expect(totals).toHaveLength(WORDS.length * TIMES);
  for (const word of WORDS)
    expect(totals.filter((total) => total.word === word).map(({ count }) => count)).toEqual(Array.from({ length: TIMES }, (_, at) => at + 1));
}

test("the workers finish together, one that is killed is started again, and every total is there once", async () => {
  const { workplace, url, command } = await started("--workers", "3", "--no-http", "--lease", "500");
  const redis = new Redis(url);
  onTestFinished(() => redis.disconnect());
  await command.hasSaid(/worker \d: running pipeline word-count/);
  const [victim] = childrenOf(command.process.pid ?? 0);
  process.kill(victim ?? 0, "SIGKILL");
  await command.hasSaid(/worker \d died \(SIGKILL\) and is started again in 250 ms/);
  // In the same place: the others hand it nothing.
  await vi.waitFor(async () => expect((await redis.zrange("{millrace:word-count}:w", "0", "-1")).join(" ")).toMatch(/@\S+-1\.1\b/), 60_000);
  const { code, errors } = await command.ended;
  expect([code, errors.match(/finished after/g)?.length]).toEqual([0, 3]);
  expectAllTotals(workplace);
});

test("SIGTERM stops all workers, and the same command goes on where they were", async () => {
  const { workplace, url, command } = await started("--workers", "2", "--port", "0");
  await command.hasSaid(/worker 1: running pipeline word-count; http/);
  await command.hasSaid(/worker 2: running pipeline word-count; http/);
  command.process.kill("SIGTERM");
  expect((await command.ended).code).toBe(0);
  const again = await workplace.run(["run", WORD_COUNT, "--workers", "2", "--no-http"], { MILLRACE_STORE: url });
  expect(again.code).toBe(0);
  expectAllTotals(workplace);
});

const TAKING = `import { fromHttp, Pipeline, sink, stream } from "${LIBRARY}";
  const visits = stream("visits");
  const nowhere = sink({ kind: "sink", description: "nowhere", attempts: 1, open: async () => ({ write: async () => 0, close: async () => {} }) });
  export default new Pipeline("taking", { shards: 4 }).inject("arrivals", visits, fromHttp()).sink("nowhere", visits, nowhere);`;

test("each worker answers as many requests of a client a second as the command says", async () => {
  const server = await startRedis({ tcp: true });
  onTestFinished(() => server.stop());
  const workplace = new Workplace();
  workplace.write("taking.mjs", TAKING);
  const statuses = async (rate: string): Promise<ReadonlySet<number>> => {
    const words = ["run", "taking.mjs", "--workers", "2", "--port", "0", "--requests-per-second", rate];
    const command = workplace.start(words, { MILLRACE_STORE: server.url });
    const [, url = ""] = await command.hasSaid(/worker 2: running pipeline taking; (http:\/\/127\.0\.0\.1:\d+)\//);
    const found = await Promise.all(Array.from({ length: 40 }, async () => (await fetch(`${url}/healthz`)).status));
    command.process.kill("SIGTERM");
    await command.ended;
    return new Set(found);
  };
  expect(await statuses("3")).toEqual(new Set([200, 429]));
  expect(await statuses("none")).toEqual(new Set([200]));
});

test("millrace workers asks any of them, and shows what each owns", async () => {
  const server = await startRedis({ tcp: true });
  onTestFinished(() => server.stop());
  const workplace = new Workplace();
  workplace.write("taking.mjs", TAKING);
  const command = workplace.start(["run", "taking.mjs", "--workers", "2", "--port", "0", "--address", "127.0.0.1:0"], { MILLRACE_STORE: server.url });
  const [, url = ""] = await command.hasSaid(/worker 2: running pipeline taking; (http:\/\/127\.0\.0\.1:\d+)\//);
  await command.hasSaid(/worker 1: running pipeline taking; http/);
  const view = async () => (await (await fetch(`${url}/v1/workers`)).json()) as WorkersView;
  await expect.poll(async () => (await view()).workers.filter(({ alive, owned }) => alive && owned > 0).length, { timeout: 60_000 }).toBe(2);
  const [json, table, wrong] = await Promise.all([
    workplace.run(["workers", "--url", url, "--json"]),
    workplace.run(["workers", "--url", url]),
    workplace.run(["run", "taking.mjs", "--workers", "2", "--address", "nonsense", "--store", server.url]),
  ]);
  const { workers } = JSON.parse(json.out) as WorkersView;
  expect(workers).toHaveLength(2);
  // The door for other machines, not the endpoint for this one.
  for (const { address } of workers) expect([address, address === url]).toEqual([expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/), false]);
  expect(table.out.split("\n")[0]).toMatch(/^worker +address +up +graph +lease left +shards +taken +given +lost +commits +fenced +waits$/);
  for (const { worker } of workers) expect(table.out).toContain(`\n${worker} owns `);
  expect([wrong.code, wrong.errors]).toEqual([2, expect.stringContaining("address is HOST:PORT")]);
  command.process.kill("SIGTERM");
  expect((await command.ended).code).toBe(0);
});

test("workers end when the process that started them is gone", async () => {
  const { command } = await started("--workers", "2", "--no-http");
  await command.hasSaid(/worker 1: running/);
  await command.hasSaid(/worker 2: running/);
  const workers = childrenOf(command.process.pid ?? 0);
  expect(workers).toHaveLength(2);
  command.process.kill("SIGKILL");
  const alive = () =>
    workers.filter((pid) => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    });
  await expect.poll(alive, { timeout: 30_000 }).toEqual([]);
});

test("a store that belongs to one process, a port that is too high and a number that is none are refused in a sentence", async () => {
  const workplace = new Workplace();
  for (const store of ["lmdb:data", "memory:"]) {
    const { code, errors } = await workplace.run(["run", WORD_COUNT, "--workers", "2", "--store", store]);
    expect([code, errors]).toEqual([2, expect.stringContaining("--workers needs a store that several processes can share")]);
  }
  const high = await workplace.run(["run", WORD_COUNT, "--workers", "2", "--port", "65535", "--store", "redis://127.0.0.1:1"]);
  expect([high.code, high.errors]).toEqual([2, expect.stringContaining("the last would be above 65535")]);
  const none = await workplace.run(["run", WORD_COUNT, "--workers", "0"]);
  expect([none.code, none.errors]).toEqual([2, expect.stringContaining("a number from 1 to 256")]);
});
