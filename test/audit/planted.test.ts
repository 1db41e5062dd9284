/** For each invariant: stored data is damaged by hand, on a real server, and the audit names that invariant and what was damaged. */
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { INVARIANTS, type InvariantId } from "../../src/audit/invariants.ts";
import { cbor } from "../../src/computation/cbor-codec.ts";
import { sealValue } from "../../src/computation/envelope.ts";
import { RedisStore, run } from "../../src/index.ts";
import { audit, type AuditReport } from "../../src/inspect/index.ts";
import { shardOf, shardRef } from "../../src/key.ts";
import type { ReadableStore } from "../../src/store/reader.ts";
import type { StoredGraph } from "../../src/store/stored-graph.ts";
import { workerOf } from "../../src/run.ts";
import { decodeImage, encodeImage, type ShardImage } from "../../src/worker/image.ts";
import { packParcel, Production, whole } from "../../src/worker/parcel.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { Kept } from "../worker/feed.ts";
import { shopPipeline, tillFeed } from "./shop.ts";

let server: RedisServer;
let redis: Redis;
let store: RedisStore;
let graph: StoredGraph;
/** All keys as the pipeline left them. */
let sound: readonly { readonly key: Buffer; readonly dump: Buffer }[];
const ids = { till: 0, shop: 0, board: 0, total: 0, recent: 0, closing: 0, orders: 0 };
/** Of a shard: two keys of each. */
const BUYERS = ["ann", "bob", "cid", "dan", "eve", "fay"];
const of = (shard: number): string[] => BUYERS.filter((buyer) => shardOf(buyer, 2) === shard);
const [HERE = "", ALSO = ""] = of(0);
const [AWAY = ""] = of(1);

const key = (participant: keyof typeof ids, shard: number, letter: string): string => `{millrace:shop:${shard}}:${ids[participant]}:${letter}`;
const shop = (letter: string): string => key("shop", 0, letter);

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.socket);
  store = new RedisStore(server.url);
  const [feed, kept] = [tillFeed(), new Kept<string>()];
  const running = await run(shopPipeline({ source: feed.injector, sink: kept.sink }), { store, log: () => {} });
  BUYERS.forEach((buyer, n) => feed.push({ id: `order ${n}`, buyer, do: n % 2 === 0 ? "hold" : undefined }, 1_000 + n));
  feed.push({ id: "refused", buyer: HERE, do: "refuse" }, 1_010).push({ id: "failing", buyer: ALSO, do: "fail" }, 1_020);
  const { engine } = workerOf(running);
  const halted = () => engine.options.plan.participants.flatMap(({ id }) => engine.computation(shardRef(id, 0))?.halted ?? []);
  await vi.waitFor(() => expect([halted().length, kept.records.length]).toEqual([1, BUYERS.length]), { timeout: 30_000, interval: 5 });
  await running.stop();
  graph = JSON.parse((await redis.hget("{millrace:shop}:g", "graph")) as string) as StoredGraph;
  for (const { id, name, cells, timers, inputs } of graph.participants) {
    Object.assign(ids, { [name]: id, ...Object.fromEntries([...cells, ...timers].map((part) => [part.name, part.id])) });
    if (name === "shop") ids.orders = inputs[0]?.id ?? 0;
  }
  await leaveWaiting();
  const keys = await redis.keysBuffer("*");
  sound = await Promise.all(keys.map(async (each) => ({ key: each, dump: (await redis.dumpBuffer(each)) as Buffer })));
}, 60_000);
afterAll(async () => {
  redis?.disconnect();
  await server?.stop();
});
beforeEach(async () => {
  await redis.flushall();
  await Promise.all(sound.map(({ key, dump }) => redis.restore(key, 0, dump)));
});

const production = (buyer: string, place: number, input = ids.orders): Production =>
  new Production(shardRef(ids.shop, 0), input, { place, timestamp: 2_000, id: undefined }, buyer, cbor(), whole(cbor().encode({ id: `${place}`, buyer })));
const parcelOf = (...productions: Production[]): Buffer => packParcel(shardRef(ids.till, 0), 9_000_000_000_000, productions);

/** Three records in two parcels, as a commit of the injector leaves them. */
async function leaveWaiting(): Promise<void> {
  await redis.rpush(shop("i"), parcelOf(production(HERE, 1), production(ALSO, 2)), parcelOf(production(HERE, 3)));
  await redis.hincrby(shop("m"), "tail", 2);
  await redis.hincrby(shop("m"), "queued", 3);
}

/** The invariants that are violated, with what was found. */
async function violated(): Promise<Record<string, string>> {
  return foundIn(await audit(store, { pipeline: "shop" }));
}
function foundIn(report: AuditReport): Record<string, string> {
  const broken = report.invariants.filter(({ violations }) => violations > 0);
  return Object.fromEntries(
    broken.map(({ invariant, examples }) => [
      invariant,
      examples.map(({ participant, shard, key, found }) => [participant, shard, key, found].join("|")).join("\n"),
    ]),
  );
}

async function image(of: string, change: (image: ShardImage) => void): Promise<void> {
  const stored = decodeImage((await redis.hgetBuffer(of, "img")) as Buffer);
  change(stored);
  await redis.hset(of, "img", Buffer.from(encodeImage(stored)));
}

test("state of a cell that was dropped, in a shard that has not swept it yet, is worth a note and no more", async () => {
  await retire(8);
  await redis.hset(shop("s"), `${graph.nextId.toString(36)}:${HERE}`, "?");
  const report = await audit(store, { pipeline: "shop" });
  expect(foundIn(report)).toEqual({});
  expect(report.notes).toContain("1 entries are of parts that were dropped: the workers delete them, by and by");
});

test("no worker goes on from an inbox that has a parcel twice", async () => {
  await redis.rpush(shop("i"), (await redis.lindexBuffer(shop("i"), -1)) as Buffer);
  const running = await run(shopPipeline({ source: tillFeed().injector, sink: new Kept<string>().sink }), { store, log: () => {} });
  await expect(running.finished).rejects.toThrow(/^the inbox of shard 0 .* has 3 parcels where 2 wait to be consumed.* run `millrace audit`/);
});

test("what a pipeline leaves behind is sound, and every invariant but those of the outbox was looked at", async () => {
  const report = await audit(store, { pipeline: "shop" });
  expect(foundIn(report)).toEqual({});
  expect(report.invariants.filter(({ checked }) => checked === 0).map(({ invariant }) => invariant)).toEqual(["outbox"]);
  expect(report.entries).toMatchObject({ held: 1, dead: 1, waiting: 3, ids: 8 });
  expect(report.entries.holds).toBeGreaterThan(BUYERS.length);
});

interface Planted {
  readonly id: InvariantId;
  readonly what: string;
  readonly plant: () => Promise<unknown>;
  /** All that is violated, if it is more than `id`. */
  readonly also?: readonly InvariantId[];
  readonly says: RegExp;
}

const field = (cell: "total" | "recent", buyer: string): string => `${ids[cell].toString(36)}:${buyer}`;
const closing = (buyer: string, tag = 3): string => `${ids.closing.toString(36)}:2:n${tag}${buyer}`;
const withGraph = (change: (graph: StoredGraph) => StoredGraph) => redis.hset("{millrace:shop}:g", "graph", JSON.stringify(change(graph)));
const expiry = (buyer: string): string => `0:${`n${ids.recent}`.length}:n${ids.recent}${buyer}`;

/** The graph has retired a cell in this round, and the first shard of the shop says that it has swept it. */
async function retire(round: number): Promise<void> {
  const retired = [{ participant: ids.shop, round, cells: [graph.nextId], timers: [] }];
  await withGraph((before) => ({ ...before, nextId: before.nextId + 1, retired }));
  await image(shop("m"), (each) => void (each.swept = 7));
}

const planted: readonly Planted[] = [
  {
    id: "graph",
    what: "two participants of one name",
    plant: () => withGraph((it) => ({ ...it, participants: it.participants.map((each) => ({ ...each, name: "twin" })) })),
    says: /two participants have one name/,
  },
  {
    id: "keys",
    what: "a key that is none of ours",
    plant: () => redis.set("{millrace:shop:0}:77:s", "?"),
    says: /\{millrace:shop:0\}:77:s belongs to nothing/,
  },
  { id: "keys", what: "a key that is gone", plant: () => redis.del(shop("t")), says: /shop\|0\|\|\{millrace:shop:0\}:\d+:t is missing/ },
  {
    id: "keys",
    what: "a key of another type",
    plant: async () => (await redis.del(shop("a"))) + Number(await redis.sadd(shop("a"), "?")),
    says: /:a is of another type/,
  },
  {
    id: "counts",
    what: "a structure without its sentinel",
    plant: () => redis.hdel(shop("s"), ""),
    says: /shop\|0\|\|\d+ state fields are counted, \d+ are there/,
  },
  { id: "kinds", what: "timers of a sink", plant: () => redis.zadd(key("board", 0, "w"), 5, "x"), also: ["timer-address"], says: /1 wall timers in a sink/ },
  { id: "owner", what: "an owner without a sequencer", plant: () => redis.hset(shop("m"), "own", "ghost"), says: /ghost owns it without a sequencer/ },
  {
    id: "owner",
    what: "a sequencer that is not its monotonic part",
    plant: () => redis.hset(shop("m"), "own", "w", "seq", "17.x"),
    says: /its sequencer is 17\.x/,
  },
  { id: "commit", what: "a commit without its image", plant: () => redis.hdel(shop("m"), "img"), also: ["image"], says: /commit \d+ has no image/ },
  { id: "image", what: "an image of another format", plant: () => redis.hset(shop("m"), "img", "garbage"), says: /it cannot be read/ },
  {
    id: "image",
    what: "ids that would be given again",
    plant: () => image(shop("m"), (it) => (it.nextHeld = 1)),
    says: /its next held record will have the id 1; \d+ is in use/,
  },
  {
    id: "state-address",
    what: "state of no cell",
    plant: () => redis.hset(shop("s"), `zz:${HERE}`, "?"),
    says: new RegExp(`\\|${HERE}\\|state of a cell of id 1295`),
  },
  {
    id: "state-address",
    what: "state of a cell that was dropped, in a shard that has swept it",
    plant: async () => {
      await retire(7);
      await redis.hset(shop("s"), `${graph.nextId.toString(36)}:${HERE}`, "?");
    },
    says: new RegExp(`\\|${HERE}\\|state of a cell of id \\d+, of which it says that it has none left`),
  },
  {
    id: "state-shard",
    what: "state of a key of another shard",
    plant: () => redis.hset(shop("s"), field("total", AWAY), Buffer.from(sealValue(cbor(), 1))),
    says: /belongs to another shard/,
  },
  {
    id: "state-value",
    what: "a value that is none",
    plant: () => redis.hset(shop("s"), field("total", HERE), "\x7f???"),
    says: /state "total" (does not begin|was written)/,
  },
  {
    id: "state-expiry",
    what: "an expiry without its timer",
    plant: () => redis.zrem(shop("w"), expiry(HERE)),
    says: /state "recent" expires at \d+; its timer is not set/,
  },
  { id: "timer-address", what: "a timer of no name", plant: () => redis.zadd(shop("t"), 5, `zz:0:${HERE}`), says: /a watermark timer of id 1295/ },
  {
    id: "timer-address",
    what: "a timer on the other clock",
    plant: () => redis.zadd(shop("w"), 5, closing(HERE)),
    says: /timer "closing" is a watermark timer, set on the wall clock/,
  },
  {
    id: "timer-shard",
    what: "a timer of a key of another shard",
    plant: () => redis.zadd(shop("t"), 5, closing(AWAY)),
    says: new RegExp(`\\|${AWAY}\\|watermark timer "closing" \\(tag 3\\) belongs to another shard`),
  },
  { id: "timer-shard", what: "a timer for no time", plant: () => redis.zadd(shop("t"), -2.5, closing(HERE, 9)), says: /set for -2\.5, which is no time/ },
  {
    id: "hold-timer",
    what: "a hold whose timer is not set",
    plant: () => redis.zadd(shop("h"), 5, `t:${closing(HERE, 8)}`),
    says: /hold 5 of watermark timer "closing" \(tag 8\), which is not set/,
  },
  {
    id: "hold-key",
    what: "a hold that the key's state does not have",
    plant: () => redis.zadd(shop("h"), 7, `k:${HERE}`),
    says: /the index has 7, the key's state/,
  },
  { id: "hold-key", what: "a hold that the index does not have", plant: () => redis.hset(shop("s"), `0:${HERE}`, Buffer.alloc(8)), says: /the key's state 0/ },
  {
    id: "held",
    what: "a held record that cannot be read",
    plant: async () => redis.hset(shop("a"), (await redis.hkeys(shop("a"))).find((id) => id !== "") as string, "\xff"),
    says: /held "\d+" cannot be read/,
  },
  { id: "dead-letters", what: "a dead letter that cannot be read", plant: () => redis.hset(shop("d"), "1", "\xff"), says: /dead letter "1" cannot be read/ },
  { id: "inbox-position", what: "an inbox that ends beyond its parcels", plant: () => redis.hincrby(shop("m"), "tail", 1), says: /parcels are there/ },
  {
    id: "inbox-parcels",
    what: "a parcel that cannot be read",
    plant: () => redis.lset(shop("i"), -1, Buffer.alloc(40)),
    says: /the parcel at \d+ cannot be read/,
  },
  {
    id: "inbox-parcels",
    what: "a parcel of an owner who had lost the shard",
    plant: () => redis.lset(shop("i"), -1, packParcel(shardRef(ids.till, 0), 5, [production(HERE, 3)])),
    says: /is of an owner before/,
  },
  { id: "inbox-queued", what: "a wrong count of records", plant: () => redis.hset(shop("m"), "queued", 77), says: /77 records are counted, 3 wait/ },
  {
    id: "inbox-records",
    what: "a record of a key of another shard",
    plant: () => redis.lset(shop("i"), -1, parcelOf(production(AWAY, 3))),
    says: new RegExp(`\\|${AWAY}\\|record 0 of the parcel at \\d+ .* has a key of another shard`),
  },
  {
    id: "inbox-records",
    what: "a record for no input",
    plant: () => redis.lset(shop("i"), -1, parcelOf(production(HERE, 3, 999))),
    says: /for an input of id 999/,
  },
  {
    id: "once",
    what: "a record that is held twice",
    plant: async () => {
      const [id = ""] = (await redis.hkeys(shop("a"))).filter((each) => each !== "");
      return redis.hset(shop("a"), "99", (await redis.hgetBuffer(shop("a"), id)) as Buffer);
    },
    also: ["image"],
    says: /record "failing" is held twice, as \d+ and as \d+/,
  },
  {
    id: "once",
    what: "a record that waits twice",
    plant: () => redis.lset(shop("i"), -1, parcelOf(production(HERE, 1))),
    says: new RegExp(`shop\\|0\\|${HERE}\\|record .* waits twice`),
  },
  {
    id: "outbox",
    what: "an outbox entry to nowhere",
    plant: () => redis.hset(shop("o"), "99999999:1.1", "1 - ?"),
    says: /is for a shard that the graph does not have/,
  },
  {
    id: "client-ids",
    what: "an id of a time that was never seen",
    plant: () => redis.zadd(key("till", 0, "x"), 9e12, "order x"),
    says: /an id is of 9000000000000; no record was later/,
  },
  { id: "authority", what: "a worker's cell that is gone", plant: () => redis.hset("{millrace:shop}:r", `cells:${ids.shop}`, ""), says: /0 cells are of/ },
  {
    id: "watermark-upstream",
    what: "an input watermark ahead of what feeds it",
    plant: () => image(key("board", 0, "m"), (it) => (it.input = 8e12)),
    says: /its input watermark is 8000000000000; those that feed it have come to/,
  },
  {
    id: "watermark-pending",
    what: "an input watermark that has passed a held record",
    plant: () => image(shop("m"), (it) => (it.input = 1_021)),
    also: ["watermark-upstream"],
    says: new RegExp(`\\|${ALSO}\\|held record \\d+ holds at 1020`),
  },
];

describe("an audit names", () => {
  test.each(planted.map((each) => [each.id, each.what, each] as const))("%s: %s", async (id, _, { plant, also = [], says }) => {
    await plant();
    const found = await violated();
    expect(found[id]).toMatch(says);
    expect(Object.keys(found).filter((name) => name !== id && !also.includes(name as InvariantId))).toEqual([]);
  });

  test("monotone: a commit number that falls while it looks", async () => {
    const falling: ReadableStore & { readonly kind: "store"; open: RedisStore["open"] } = {
      kind: "store",
      open: (options) => store.open(options),
      pipelines: (clock) => store.pipelines(clock),
      read: async (options) => {
        const reader = await store.read(options);
        return new Proxy(reader, {
          get: (target, name) => {
            const value: unknown = Reflect.get(target, name, target);
            // Between the two heads.
            if (name === "countEntries") void redis.hset(shop("m"), "num", 0);
            return typeof value === "function" ? value.bind(target) : value;
          },
        });
      },
    };
    expect(foundIn(await audit(falling, { pipeline: "shop" }))["monotone"]).toMatch(/shop\|0\|\|its commit number fell from \d+ to 0/);
  });

  test("each invariant is planted here at least once", () => {
    const missing = Object.keys(INVARIANTS).filter((id) => id !== "monotone" && !planted.some((each) => each.id === id));
    expect(missing).toEqual([]);
  });
});
