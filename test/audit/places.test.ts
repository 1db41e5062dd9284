/** What an audit needs of each store besides what its data holds: who may have it open, which rights it takes, what it says where it cannot look. */
import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { open as openLmdb, type RootDatabase } from "lmdb";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { storedPipelines } from "../../src/audit/audit.ts";
import { systemClock } from "../../src/clock.ts";
import {
  ConfigError,
  IncompatibleDataError,
  LmdbStore,
  MemoryStore,
  RedisStore,
  run,
  type Store,
  StoreRefusedError,
  StoreUnavailableError,
} from "../../src/index.ts";
import { audit } from "../../src/inspect/index.ts";
import { type ShardRef, shardRef } from "../../src/key.ts";
import { systemRandom } from "../../src/random.ts";
import { headKey, numberKey, PARCEL, RECORD, timeKey, timeOf, rangeOf, WATERMARK, STATE, textKey } from "../../src/store/lmdb-keys.ts";
import { Keys } from "../../src/store/redis/keys.ts";
import type { StoredGraph } from "../../src/store/stored-graph.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { Kept } from "../worker/feed.ts";
import { shopPipeline, tillFeed } from "./shop.ts";

const fresh = temporaryDirectory();
let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** Runs the shop over some orders and stops it. */
async function stocked(store: Store): Promise<StoredGraph> {
  const [feed, kept] = [tillFeed(), new Kept<string>()];
  const running = await run(shopPipeline({ source: feed.injector, sink: kept.sink }), { store, log: () => {} });
  for (let n = 0; n < 20; n++) feed.push({ id: `order ${n}`, buyer: `buyer ${n}` }, 1_000 + n);
  await expect.poll(() => kept.records.length, { timeout: 20_000 }).toBe(20);
  await running.stop();
  const opened = await store.open({ pipeline: "shop", clock: systemClock, random: systemRandom });
  const graph = await opened.readGraph();
  await opened.close();
  return graph as StoredGraph;
}

async function violated(store: Store): Promise<Record<string, string[]>> {
  const { invariants } = await audit(store, { pipeline: "shop" });
  return Object.fromEntries(
    invariants.filter(({ violations }) => violations > 0).map(({ invariant, examples }) => [invariant, examples.map(({ found }) => found)]),
  );
}

describe("an LMDB directory", () => {
  /** Changes a stocked directory as no pipeline would, and gives what is violated then. */
  async function damaged(change: (db: RootDatabase<Buffer, Buffer>, shop: ShardRef) => unknown): Promise<Record<string, string[]>> {
    const directory = fresh("lmdb");
    const store = new LmdbStore(directory);
    const graph = await stocked(store);
    expect(await violated(store)).toEqual({});
    const db = openLmdb<Buffer, Buffer>({ path: join(directory, "shop"), encoding: "binary", keyEncoding: "binary", noSubdir: false });
    await db.transaction(() => void change(db, shardRef(graph.participants.find(({ name }) => name === "shop")?.id ?? 0, 0)));
    await db.close();
    return violated(store);
  }

  test("a timer that is not in the order of times, and so would never fire, is found", async () => {
    const found = await damaged((db, shop) => {
      const [first] = db.getKeys(rangeOf(shop, WATERMARK.order));
      const { member, time } = timeOf(first as Buffer);
      return db.remove(timeKey(shop, WATERMARK.order, time, member));
    });
    expect(Object.keys(found)).toEqual(["counts"]);
    expect(found["counts"]).toEqual([
      expect.stringMatching(/watermark timer "closing" \(tag \d\) for \d+ is not in the order of times/),
      expect.stringMatching(/\d+ watermark timers are counted, \d+ are there/),
    ]);
  });

  test("state that is not counted is found", async () => {
    const found = await damaged((db, shop) => {
      const [first] = db.getRange(rangeOf(shop, STATE));
      return db.put(textKey(shop, STATE, "zz:stranger"), first?.value as Buffer);
    });
    expect(found["counts"]).toEqual([expect.stringMatching(/^(\d+) state fields are counted, \d+ are there/)]);
  });

  test("a record of a shard that cannot be read, and a parcel that is too many, are found", async () => {
    expect(await damaged((db, shop) => db.put(headKey(shop, RECORD), Buffer.alloc(3)))).toMatchObject({
      commit: expect.arrayContaining([expect.stringMatching(/its number is NaN/)]) as unknown,
    });
    expect(await damaged((db, shop) => db.put(numberKey(shop, PARCEL, 1e9), Buffer.alloc(3)))).toEqual({
      "inbox-position": [expect.stringMatching(/1 parcels are there/)],
    });
  });

  test("keys of no shard, of no kind and of no participant are found", async () => {
    const found = await damaged((db, shop) => {
      void db.put(headKey(shop + 2, RECORD), Buffer.alloc(0));
      void db.put(headKey(shop, 0x7e), Buffer.alloc(0));
      return db.put(headKey(shardRef(99, 0), STATE), Buffer.alloc(0));
    });
    expect(Object.keys(found)).toEqual(["keys"]);
    expect(found["keys"]).toHaveLength(3);
  });

  test("is read while a store of this process has it open; a store is refused it only until the audit is over", async () => {
    const store = new LmdbStore(fresh("lmdb"));
    await stocked(store);
    const opened = await store.open({ pipeline: "shop", clock: systemClock, random: systemRandom });
    expect(await violated(store)).toEqual({});
    await opened.close();
    const reader = await store.read({ pipeline: "shop", clock: systemClock });
    await expect(store.open({ pipeline: "shop", clock: systemClock, random: systemRandom })).rejects.toThrow(/by an audit that is not over/);
    await reader.close();
    await (await store.open({ pipeline: "shop", clock: systemClock, random: systemRandom })).close();
  });
});

describe("a Redis server", () => {
  test("is read by a user who may not write, and no key is changed", async () => {
    const prefix = randomUUID();
    await stocked(new RedisStore(server.url, { prefix }));
    const admin = new Redis(server.socket);
    await admin.call("ACL", "SETUSER", "auditor", "reset", "on", ">secret", ...new Keys(prefix, "shop").readingPermissions.split(" "));
    const dumps = async () => Promise.all((await admin.keysBuffer("*")).sort(Buffer.compare).map(async (key) => [key, await admin.dumpBuffer(key)]));
    const before = await dumps();
    const asAuditor = new RedisStore({ path: server.socket, username: "auditor", password: "secret" }, { prefix });
    expect(await violated(asAuditor)).toEqual({});
    expect(await dumps()).toEqual(before);
    await expect(asAuditor.open({ pipeline: "shop", clock: systemClock, random: systemRandom })).rejects.toThrow(StoreRefusedError);
    admin.disconnect();
  });

  test("keys of pipelines of other prefixes, however alike, are not taken for strays", async () => {
    const store = new RedisStore(server.url, { prefix: "near" });
    await stocked(store);
    await stocked(new RedisStore(server.url, { prefix: "near:shop" }));
    await stocked(new RedisStore(server.url, { prefix: "near:shop:1" }));
    expect(await violated(store)).toEqual({});
    expect(await storedPipelines(store)).toEqual(["shop"]);
    expect(await storedPipelines(new RedisStore(server.url, { prefix: "far" }))).toEqual([]);
  });

  test("data of another version is not judged", async () => {
    const store = new RedisStore(server.url, { prefix: "old" });
    const graph = await stocked(store);
    const admin = new Redis(server.socket);
    await admin.hset("{old:shop}:g", "graph", JSON.stringify({ ...graph, hash: "md5" }));
    await expect(audit(store, { pipeline: "shop" })).rejects.toThrow(IncompatibleDataError);
    await admin.hset("{old:shop}:g", "graph", "{");
    await expect(audit(store, { pipeline: "shop" })).rejects.toThrow(/the stored graph cannot be read/);
    admin.disconnect();
  });
});

describe("where nothing can be said", () => {
  test.each([
    ["memory", () => new MemoryStore()],
    ["lmdb", () => new LmdbStore(fresh("none"))],
    ["redis", () => new RedisStore(server.url, { prefix: "none" })],
  ] as const)("a pipeline that %s does not have is refused by name", async (_, store) => {
    await expect(audit(store(), { pipeline: "ghost" })).rejects.toThrow(/"ghost"/);
    await expect(audit(store(), { pipeline: "ghost" })).rejects.toThrow(StoreRefusedError);
    expect(await storedPipelines(store())).toEqual([]);
  });

  test("a server that is not there is said to be so", async () => {
    await expect(audit(new RedisStore(join(fresh("socket"), "none")), { pipeline: "shop" })).rejects.toThrow(StoreUnavailableError);
  });

  test("a store that cannot be read from outside is a mistake", async () => {
    await expect(audit({ kind: "store", open: async () => Promise.reject(new Error("no")) }, { pipeline: "shop" })).rejects.toThrow(ConfigError);
  });

  test("a graph that goes on changing ends the audit", async () => {
    const store = new RedisStore(server.url, { prefix: "restless" });
    const graph = await stocked(store);
    const admin = new Redis(server.socket);
    let version = graph.version;
    const restless = Object.assign(new RedisStore(server.url, { prefix: "restless" }), {
      read: async () => {
        const reader = await store.read({ pipeline: "shop", clock: systemClock });
        const readStrays = reader.readStrays.bind(reader);
        reader.readStrays = async (of) => {
          await admin.hset("{restless:shop}:g", "graph", JSON.stringify({ ...graph, version: ++version }));
          return readStrays(of);
        };
        return reader;
      },
    });
    await expect(audit(restless, { pipeline: "shop" })).rejects.toThrow(/changed 5 times during the audit/);
    admin.disconnect();
  });
});
