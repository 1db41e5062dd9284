/** State over HTTP: as it is committed, from any worker, on every store. */
import { describe, expect, onTestFinished, test } from "vitest";
import { Computation, type Context, input, MemoryStore, Pipeline, state, type Store, type StreamRecord } from "../../src/index.ts";
import { workerOf } from "../../src/run.ts";
import { Feed, type Item } from "../inspect/feed.ts";
import { items } from "../inspect/pipelines.ts";
import { realStores, STORES } from "../worker/real-stores.ts";
import { MASTER, POLL, Posting } from "./posting.ts";

const storeOf = realStores();

/** Reads what it wrote as long as it wants to. */
const picky = {
  reads: true,
  id: "picky",
  version: 0,
  encode: (value: number) => Uint8Array.of(value),
  decode(bytes: Uint8Array): number {
    if (!this.reads) throw new Error("not today");
    return bytes[0] ?? 0;
  },
};

class Ledger extends Computation {
  readonly items = input(items, { key: ({ key }) => key });
  readonly total = state("total", { initial: 0 });
  readonly seen = state("seen", { initial: new Map<number, Set<string>>() });
  readonly last = state<Date>("last", { ttl: 1e9 });
  readonly rare = state<bigint>("rare");
  readonly picky = state<number>("picky", { codec: picky });

  override processRecord({ timestamp, key }: StreamRecord<Item>, context: Context): void {
    context.state(this.total).update((total) => total + timestamp);
    context.state(this.seen).update((seen) => seen.set(timestamp, new Set([key])));
    context.state(this.last).set(new Date(timestamp));
    context.state(this.picky).set(1);
    if (key === "rich") context.state(this.rare).set(2n ** 70n);
    if (key === "holding") context.hold(timestamp);
  }
}

const ledger = (feed: Feed, shards = 4): Pipeline => new Pipeline("ledger", { shards }).inject("feed", items, feed.injector()).compute("ledger", Ledger);

async function started(feed: Feed, store: Store = new MemoryStore()): Promise<Posting> {
  return await Posting.ready(ledger(feed), store, [MASTER]);
}

const stateOf = (posting: Posting, key: string) => posting.get(`/v1/computations/ledger/state/${encodeURIComponent(key)}`);

describe.each(STORES)("on %s", (name) => {
  test("all cells of a key are shown as JSON, with the commit that they are as of", async () => {
    const feed = new Feed();
    const posting = await started(feed, storeOf(name)());
    feed.push("rich", 100);
    feed.push("rich", 200);
    await expect.poll(async () => (await stateOf(posting, "rich")).json.cells?.[0].value, POLL).toBe(300);
    const { status, json } = await stateOf(posting, "rich");
    expect([status, json]).toMatchObject([
      200,
      {
        pipeline: "ledger",
        computation: "ledger",
        key: "rich",
        hold: null,
        cells: [
          { name: "total", codec: "cbor", stored: true, value: 300, expiresAt: null },
          {
            name: "seen",
            stored: true,
            value: [
              [100, ["rich"]],
              [200, ["rich"]],
            ],
          },
          { name: "last", stored: true, value: "1970-01-01T00:00:00.200Z", expiresAt: expect.any(Number), expiresAtIso: expect.any(String) },
          { name: "rare", stored: true, value: String(2n ** 70n) },
          { name: "picky", codec: "picky", value: 1 },
        ],
      },
    ]);
    const { shards } = (await posting.get("/v1/shards?participant=ledger")).json;
    expect(json.commit).toBeGreaterThan(0);
    expect(json.commit).toBeLessThanOrEqual(shards[json.shard].commit);
  });

  test("keys are listed page by page, each once while nothing changes", async () => {
    const feed = new Feed();
    const posting = await started(feed, storeOf(name)());
    const keys = Array.from({ length: 57 }, (_, at) => `key ${at} {é}`);
    for (const key of keys) feed.push(key, 1);
    await expect.poll(async () => (await posting.get("/v1/computations/ledger/state?limit=1000")).json.keys.length, POLL).toBe(57);
    const listed: string[] = [];
    let pages = 0;
    for (let next: string | null = ""; next !== null; pages++) {
      const { json } = await posting.get(`/v1/computations/ledger/state?limit=10${next === "" ? "" : `&cursor=${next}`}`);
      expect(json.keys.length).toBeLessThanOrEqual(10);
      listed.push(...json.keys.map(({ key }: { key: string }) => key));
      next = json.next;
    }
    expect(listed.toSorted()).toEqual(keys.toSorted());
    expect(pages).toBeGreaterThan(5);
  });
});

test("a key of which nothing is stored is 404, and cells that are not stored say so", async () => {
  const feed = new Feed();
  const posting = await started(feed);
  feed.push("holding", 700);
  await expect.poll(async () => (await stateOf(posting, "holding")).status, POLL).toBe(200);
  const { json } = await stateOf(posting, "holding");
  expect(json).toMatchObject({ hold: 700, holdIso: "1970-01-01T00:00:00.700Z" });
  expect(json.cells[3]).toEqual({ name: "rare", codec: "cbor", bytes: 0, stored: false, value: null, expiresAt: null, expiresAtIso: null });
  const absent = await stateOf(posting, "nobody");
  expect([absent.status, absent.json.error.message]).toEqual([404, 'nothing is stored of key "nobody" of ledger']);
  for (const path of ["nobody/state", "feed/state", "nobody/state/a", "feed/state/a"]) expect((await posting.get(`/v1/computations/${path}`)).status).toBe(404);
});

test("any worker shows it, whoever owns the key", async () => {
  const feed = new Feed();
  const memory = new MemoryStore({ exclusive: false });
  const first = await started(feed, memory);
  feed.push("a", 5);
  await expect.poll(async () => (await stateOf(first, "a")).status, POLL).toBe(200);
  const second = await Posting.ready(ledger(new Feed()), memory, [MASTER]);
  const { json } = await stateOf(second, "a");
  expect(json.worker).toBe(workerOf(second.running).name);
  expect(json.cells[0].value).toBe(5);
});

test("a cursor or limit that cannot be meant is refused", async () => {
  const posting = await started(new Feed());
  const wrong = ["limit=0", "limit=1001", "cursor=", "cursor=x", `cursor=${Buffer.from("[9,null,null]").toString("base64url")}`, "page=2"];
  for (const query of wrong) expect([query, (await posting.get(`/v1/computations/ledger/state?${query}`)).status]).toEqual([query, 400]);
  expect((await posting.get("/v1/computations/ledger/state/a?limit=1")).status).toBe(400);
});

test("a value that cannot be read says why, and the others are shown", async () => {
  onTestFinished(() => void (picky.reads = true));
  const feed = new Feed();
  const memory = new MemoryStore();
  const posting = await started(feed, memory);
  feed.push("a", 5);
  await expect.poll(async () => (await stateOf(posting, "a")).status, POLL).toBe(200);
  picky.reads = false;
  const { json } = await stateOf(posting, "a");
  expect(json.cells[4]).toMatchObject({ name: "picky", codec: "picky", stored: true, value: null, error: expect.stringContaining("not today") });
  expect(json.cells[1].value).toEqual([[5, ["a"]]]);
});
