/** What an answer promises, on stores that keep it: across restarts, kills, and by level. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import {
  Computation,
  type Context,
  fromHttp,
  input,
  LmdbStore,
  MemoryStore,
  Pipeline,
  RedisStore,
  run,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timer,
} from "../../src/index.ts";
import { built } from "../support/built.ts";
import { startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { realStores, STORES } from "../worker/real-stores.ts";
import { ask, JSON_TYPE, NDJSON_TYPE, POLL, Posting, type Visit, visiting } from "./posting.ts";

const CHILD = built("test/support/http-process.ts");
const fresh = temporaryDirectory();
const storeOf = realStores();
const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
});

describe.each(STORES)("on %s", (name) => {
  test("an id that was taken is known after a restart, and a new one is not", async () => {
    const store = storeOf(name);
    const carried: StreamRecord<Visit>[] = [];
    const keyed = { ...NDJSON_TYPE, "idempotency-key": "k" };
    const first = await Posting.start(visiting(carried), store());
    expect((await first.post('{"page":"a"}\n{"page":"b"}', keyed)).json).toMatchObject({ records: 2, duplicates: 0 });
    await first.running.stop();
    const second = await Posting.start(visiting(carried), store());
    const again = await second.post('{"page":"a"}\n{"page":"b"}\n{"page":"c"}', keyed);
    expect([again.status, again.json]).toMatchObject([
      200,
      { records: 3, duplicates: 2, results: [{ duplicate: true }, { duplicate: true }, { duplicate: false }] },
    ]);
    await expect.poll(() => carried.map(({ id }) => id), POLL).toEqual(["k/0", "k/1", "k/2"]);
  });
});

async function started(directory: string, out: string): Promise<{ readonly child: ChildProcess; readonly url: URL }> {
  const child = spawn(process.execPath, [CHILD, directory, out], { stdio: ["ignore", "pipe", "ignore"] });
  children.add(child);
  let said = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (said += text));
  await expect.poll(() => said, { timeout: 60_000 }).toMatch(/\n$/);
  const url = new URL(said.trim());
  await expect.poll(async () => (await ask(url, "GET", "/v1/streams", undefined, {})).json.streams[0].open, POLL).toBe(true);
  return { child, url };
}

test("killed amid requests that are sent until they are answered: each record is there once", { timeout: 120_000 }, async () => {
  const directory = fresh("killed");
  const out = fresh("out.ndjson");
  let process = await started(directory, out);
  let answered = 0;
  const all = 240;
  /** Sends each until it is answered, to whichever process there is. */
  const client = async (own: number): Promise<void> => {
    for (let n = own; n < all; n += 8) {
      for (;;) {
        const headers = { ...JSON_TYPE, "idempotency-key": `k${n}` };
        const answer = await ask(process.url, "POST", "/v1/streams/visits/records", JSON.stringify({ page: `p${n}` }), headers).catch(() => undefined);
        if (answer?.status === 200) break;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      answered += 1;
    }
  };
  const clients = Promise.all(Array.from({ length: 8 }, (_, own) => client(own)));
  for (const after of [40, 120]) {
    await expect.poll(() => answered, { timeout: 60_000, interval: 1 }).toBeGreaterThan(after);
    process.child.kill("SIGKILL");
    await once(process.child, "exit");
    process = await started(directory, out);
  }
  await clients;
  const values = () =>
    readFileSync(out, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as Visit).page)
      .sort();
  await expect.poll(() => values().length, POLL).toBeGreaterThanOrEqual(all);
  expect(values()).toEqual(Array.from({ length: all }, (_, n) => `p${n}`).sort());
});

test("level fsynced is promised by LMDB and by Redis that syncs always, and named in the answer", async () => {
  const lmdb = await Posting.start(visiting([]), new LmdbStore(fresh("fsynced")));
  expect((await lmdb.post("{}", JSON_TYPE, "?level=fsynced")).json).toMatchObject({ level: "fsynced", records: 1 });
  expect((await lmdb.post("{}", JSON_TYPE, "?level=committed")).json).toMatchObject({ level: "committed", records: 1 });
  const server = await startRedis({ args: ["--appendfsync", "always"] });
  onTestFinished(() => server.stop());
  const redis = await Posting.start(visiting([]), new RedisStore(server.url));
  expect((await redis.post("{}", JSON_TYPE, "?level=fsynced")).json).toMatchObject({ level: "fsynced", records: 1 });
  await redis.running.stop();
});

test("where the store cannot promise level fsynced, nothing is taken, and the answer names the setting", async () => {
  const memory = await Posting.start(visiting([]), new MemoryStore());
  const { status, json } = await memory.post("{}", JSON_TYPE, "?level=fsynced");
  expect([status, json.error.code]).toEqual([409, "not-fsynced"]);
  expect(json.error.message).toContain("MemoryStore keeps everything in the memory");
  for (const [args, setting] of [
    [["--appendonly", "no"], "set appendonly yes and appendfsync always"],
    [["--appendonly", "yes", "--appendfsync", "everysec"], "set appendfsync always"],
    [["--appendonly", "yes", "--appendfsync", "always", "--no-appendfsync-on-rewrite", "yes"], "set no-appendfsync-on-rewrite no"],
    [["--appendonly", "yes", "--appendfsync", "always", "--rename-command", "CONFIG", ""], "allow the user the command CONFIG GET"],
  ] as const) {
    const server = await startRedis({ args });
    const carried: StreamRecord<Visit>[] = [];
    const redis = await Posting.start(visiting(carried), new RedisStore(server.url));
    const refused = await redis.post('{"page":"a"}', JSON_TYPE, "?level=fsynced");
    expect([setting, refused.status, refused.json.error.code]).toEqual([setting, 409, "not-fsynced"]);
    expect(refused.json.error.message).toContain(setting);
    expect((await redis.post('{"page":"b"}', JSON_TYPE)).status).toBe(200);
    await expect.poll(() => carried.map(({ value }) => value.page), POLL).toEqual(["b"]);
    await redis.running.stop();
    await server.stop();
  }
});

test("a timer fires on a stream on which nothing arrives any more", async () => {
  const visits = stream<Visit>("visits");
  const fired: number[] = [];
  class Session extends Computation {
    readonly visits = input(visits, { key: ({ page }) => page });
    readonly seen = state("seen", { initial: 0 });
    readonly over = timer("over");
    override processRecord(record: StreamRecord<Visit>, context: Context): void {
      context.setTimer(this.over, record.timestamp + 1_000);
    }
    override processTimer(timerOf: Timer, _context: Context): void {
      fired.push(timerOf.time);
    }
  }
  const pipeline = new Pipeline("silent", { shards: 2 })
    .inject("arrivals", visits, fromHttp<Visit>({ timestamp: ({ at }) => at ?? 0 }))
    .compute("session", Session);
  const posting = await Posting.start(pipeline);
  // A second before the default watermark reaches the timer.
  const at = Date.now() - 5_000;
  await posting.post(`{"page":"a","at":${at}}`, JSON_TYPE);
  expect(fired).toEqual([]);
  await expect.poll(() => fired, POLL).toEqual([at + 1_000]);
  expect(Date.now() - 5_000).toBeGreaterThanOrEqual(at + 1_000);
});

test("on a store that does not answer nothing is promised: the request waits, and is answered when it does", async () => {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  const running = await run(visiting([]), { store: new RedisStore(server.url), http: { port: 0 }, log: () => {}, leaseMs: 60_000 });
  onTestFinished(async () => running.stop());
  const url = new URL(running.url ?? "");
  await expect.poll(async () => (await ask(url, "GET", "/v1/streams", undefined, {})).json.streams[0].open, POLL).toBe(true);
  server.freeze();
  let status = 0;
  const posted = ask(url, "POST", "/v1/streams/visits/records", "{}", JSON_TYPE).then((answer) => (status = answer.status));
  await expect.poll(async () => (await ask(url, "GET", "/v1/streams", undefined, {})).json.streams[0].waiting, POLL).toBe(1);
  expect(status).toBe(0);
  server.thaw();
  await posted;
  expect(status).toBe(200);
});
