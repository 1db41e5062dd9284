/** Processes that share a pipeline on a real Redis: each comes to own its share, whoever joins, leaves or is killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { shardRef, type ShardRef } from "../../src/key.ts";
import { systemRandom } from "../../src/random.ts";
import { RedisStore } from "../../src/store/redis/redis-store.ts";
import type { PipelineStore } from "../../src/store/store.ts";
import { built } from "../support/built.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const CHILD = built("test/support/sharing-process.ts");
const LEASE = 500;
const KEYS = 40;
/** ms that a busy machine may add to what is promised; what was measured is printed. */
const SLACK = 3_000;

interface Told {
  readonly worker?: string;
  readonly begins?: ShardRef;
  readonly ends?: ShardRef;
  readonly at: number;
  readonly how?: string;
}

const fresh = temporaryDirectory();
const children = new Set<ChildProcess>();
let server: RedisServer;
let store: PipelineStore | undefined;
beforeAll(async () => {
  server = await startRedis({ tcp: true });
});
afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  await store?.close();
});
afterAll(() => server.stop());

class Worker {
  readonly child: ChildProcess;
  readonly told: Told[] = [];
  errors = "";
  #rest = "";

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [CHILD, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    children.add(this.child);
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const lines = `${this.#rest}${text}`.split("\n");
      this.#rest = lines.pop() ?? "";
      this.told.push(...lines.map((line) => JSON.parse(line) as Told));
    });
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.errors += text));
  }

  get name(): string {
    return this.told[0]?.worker ?? "";
  }
  get startedAt(): number {
    return this.told[0]?.at ?? 0;
  }
  /** How many shards it works on. */
  get working(): number {
    return this.told.filter(({ begins }) => begins !== undefined).length - this.told.filter(({ ends }) => ends !== undefined).length;
  }
  get how(): string | undefined {
    return this.told.find(({ how }) => how !== undefined)?.how;
  }

  async started(): Promise<this> {
    await expect.poll(() => this.name !== "" || this.child.exitCode !== null, { timeout: 60_000 }).toBe(true);
    expect([this.errors.replaceAll(/.*(ExperimentalWarning|--trace-warnings).*\n/g, ""), this.name]).toEqual(["", expect.stringMatching(/./)]);
    return this;
  }
}

async function shards(): Promise<ShardRef[]> {
  store ??= await new RedisStore(server.url).open({ pipeline: "sharing", clock: systemClock, random: systemRandom });
  const graph = await store.readGraph();
  return (graph?.participants ?? []).flatMap(({ id, shards: count }) => Array.from({ length: count }, (_, index) => shardRef(id, index)));
}

/** Waits until every shard is owned by one of these, no two with numbers that differ by more than one; gives when. */
async function shared(workers: readonly Worker[]): Promise<number> {
  const all = await shards();
  const names = workers.map(({ name }) => name);
  let at = 0;
  const isEven = async (): Promise<boolean> => {
    at = Date.now();
    const owners = (await store?.summarize(all))?.map(({ owner }) => owner ?? "") ?? [];
    const counts = names.map((name) => owners.filter((owner) => owner === name).length);
    return owners.every((owner) => names.includes(owner)) && Math.max(...counts) - Math.min(...counts) <= 1;
  };
  await expect.poll(isEven, { timeout: 60_000, interval: 5 }).toBe(true);
  return at;
}

/** For each shard that went from one worker to another: ms in which no one worked on it. */
function pauses(workers: readonly Worker[]): number[] {
  const found: number[] = [];
  const events = workers.flatMap(({ told }, worker) => told.flatMap(({ begins, ends, at }) => ({ worker, begins, ends, at })));
  for (const { ends, at, worker } of events) {
    const next = ends === undefined ? [] : events.filter((each) => each.begins === ends && each.worker !== worker && each.at >= at).map((each) => each.at);
    if (next.length > 0) found.push(Math.min(...next) - at);
  }
  return found.sort((a, b) => a - b);
}

test("two, then three processes share the shards; one is killed, one is told to stop; nothing is lost or done twice", async () => {
  const directory = fresh("sharing");
  mkdirSync(directory);
  const [kept, end] = [join(directory, "kept.ndjson"), join(directory, "end")];
  const start = async (): Promise<Worker> => await new Worker([server.url, String(LEASE), kept, end]).started();
  const measured: string[] = [];
  const within = (what: string, since: number, until: number, promised: number): void => {
    measured.push(`${what}: ${until - since} ms`);
    expect(until - since).toBeLessThan(promised + SLACK);
  };

  const first = await start();
  await shared([first]);
  const second = await start();
  within("the second has its share", second.startedAt, await shared([first, second]), 1_000);
  const third = await start();
  within("the third has its share", third.startedAt, await shared([first, second, third]), 1_000);

  const all = (await shards()).length;
  await expect.poll(() => first.working + second.working + third.working, { timeout: 30_000 }).toBe(all);
  const waited = pauses([first, second, third]);
  measured.push(
    `${waited.length} shards handed over, pause p50 ${waited[Math.floor(waited.length / 2)]} ms, p99 ${waited[Math.floor(waited.length * 0.99)]} ms`,
  );
  expect(waited.length).toBeGreaterThanOrEqual(20);

  let since = Date.now();
  second.child.kill("SIGKILL");
  within("one is killed; the others have its shards", since, await shared([first, third]), LEASE + 1_000);
  since = Date.now();
  third.child.kill("SIGTERM");
  within("one is told to stop; the other has its shards", since, await shared([first]), 500);
  await expect.poll(() => third.how, { timeout: 30_000 }).toBe("stopped");

  writeFileSync(end, "");
  await expect.poll(() => first.how, { timeout: 60_000 }).toBe("finished");
  console.log(`lease ${LEASE} ms; ${measured.join("; ")}`);

  const lines = readFileSync(kept, "utf8").trimEnd().split("\n");
  const records = lines.map((line) => JSON.parse(line) as { key: string; count: number; sum: number });
  const length = records.length;
  expect(length % 1_000).toBe(0);
  for (let key = 0; key < KEYS; key++) {
    const mine = records.filter((record) => record.key === `n${key}`);
    const values = Array.from({ length: length / KEYS }, (_, i) => key + i * KEYS);
    let sum = 0;
    expect(mine.map((record) => [record.count, record.sum])).toEqual(values.map((value, i) => [i + 1, (sum += value)]));
  }
}, 240_000);
