/** Schemas at injectors of every kind, by zod and by hand: what is let through, what is made of it, and what is left in dead letters. */
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Redis } from "ioredis";
import { z } from "zod";
import { fromBullMq } from "../../src/bullmq/index.ts";
import {
  ConfigError,
  fromFile,
  fromHttp,
  fromIterable,
  type Injector,
  injector,
  MemoryStore,
  Pipeline,
  type Schema,
  stream,
  type StreamRecord,
  toCallback,
} from "../../src/index.ts";
import { openSource, VALIDATION_MS } from "../../src/injectors/validated-source.ts";
import { fromRedisStream } from "../../src/redis-streams/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";
import { MASTER, Posting, POLL } from "../http/posting.ts";
import { readingContext } from "../support/reading.ts";
import { type RedisServer, startRedis } from "../support/redis-server.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

interface Order {
  readonly id: string;
  readonly total: number;
  readonly at: number;
}
const AT = 1_700_000_000_000;
/** Its output is not its input: totals come as text, times as dates. */
const Order = z.object({ id: z.string(), total: z.coerce.number().positive(), at: z.iso.datetime().transform((text) => Date.parse(text)) });
const right = { id: "a", total: "5", at: new Date(AT).toISOString() };
const wrong = { id: 7, total: "-1", at: new Date(AT).toISOString() };

const fresh = temporaryDirectory();
let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis({ tcp: true });
});
afterAll(async () => redis.stop());

/** A schema without a library, and without a path where the value itself is wrong. */
function byHand(validate: (value: unknown) => unknown): Schema<Order> {
  return { "~standard": { version: 1, vendor: "test", validate } };
}

async function carriedBy(source: Injector<Order>, count = 1) {
  const orders = stream<Order>("orders");
  const carried: StreamRecord<Order>[] = [];
  const pipeline = new Pipeline("checked", { shards: 1 }).inject("in", orders, source).sink(
    "out",
    orders,
    toCallback((record) => void carried.push(record)),
  );
  const posting = await Posting.ready(pipeline, new MemoryStore(), [MASTER]);
  const letters = async () => (await posting.get("/v1/dead-letters")).json.deadLetters as { readonly letter: string; readonly reason: string }[];
  const settled = async () => {
    await expect.poll(() => carried.length, POLL).toBe(count);
    await expect.poll(async () => (await letters()).length, POLL).toBe(1);
    const [letter] = await letters();
    const { raw, value } = (await posting.get(`/v1/dead-letters/in/${letter?.letter}`)).json;
    return { values: carried.map(({ value: each }) => each), timestamps: carried.map(({ timestamp }) => timestamp), reason: letter?.reason, raw, value };
  };
  return { posting, settled };
}

const options = { schema: Order, timestamp: (order: Order) => order.at };
const each: readonly (readonly [string, () => Promise<Injector<Order>>])[] = [
  [
    "fromFile",
    async () => {
      const path = fresh("orders.ndjson");
      await writeFile(path, `${JSON.stringify(wrong)}\n${JSON.stringify(right)}\n`);
      return fromFile(path, options);
    },
  ],
  ["fromIterable", async () => fromIterable(() => [wrong, right].map((value, position) => ({ value, position })), { ...options, maxAhead: Infinity })],
  [
    "fromRedisStream",
    async () => {
      const client = new Redis(redis.port);
      for (const order of [wrong, right]) await client.xadd("orders", "*", ...Object.entries(order).flat());
      client.disconnect();
      // Fields of Redis are text.
      return fromRedisStream("orders", {
        connection: redis.url,
        schema: Order.extend({ id: z.string().regex(/^[a-z]$/, "expected string") }),
        timestamp: options.timestamp,
      });
    },
  ],
  [
    "fromBullMq",
    async () => {
      const { Queue } = await import("bullmq");
      const connection = { host: "127.0.0.1", port: redis.port, maxRetriesPerRequest: null };
      const queue = new Queue("orders", { connection });
      await queue.addBulk([wrong, right].map((data) => ({ name: "order", data })));
      await queue.close();
      return fromBullMq("orders", { ...options, connection });
    },
  ],
  [
    "a source of one's own",
    async () => {
      const items = [wrong, right].map((value, position) => ({ value, position }));
      const open = async () => ({ pull: async () => ({ items: items.splice(0), done: true }), close: async () => {} });
      const { watermark } = fromIterable(() => []);
      const source = { kind: "injector", description: "one's own", partitions: 1, id: undefined, idRetention: 0, maxAhead: Infinity, watermark, open } as const;
      return injector({ ...source, ...options });
    },
  ],
];

describe.each(each)("%s", (_, make) => {
  test("injects what the schema makes of a value, and keeps what it refuses with paths and the value as it came", async () => {
    const { settled } = await carriedBy(await make());
    const { values, timestamps, reason, raw } = await settled();
    expect(values).toEqual([{ id: "a", total: 5, at: AT }]);
    expect(timestamps).toEqual([AT]);
    expect(reason).toMatch(/the schema refuses the value: id: .*expected string.*; total: /);
    expect(JSON.parse(raw)).toEqual(Object.fromEntries(Object.entries(wrong).map(([key, value]) => [key, _ === "fromRedisStream" ? String(value) : value])));
  });
});

test("who posts over HTTP is told what the schema refuses, and nothing of it is in dead letters; an asynchronous one is waited for", async () => {
  const orders = stream<Order>("orders");
  const carried: Order[] = [];
  const asynchronous = Order.refine(async ({ id }) => Promise.resolve(id !== "taken"), { message: "is taken", path: ["id"] });
  const pipeline = new Pipeline("checked", { shards: 1 })
    .inject("in", orders, fromHttp({ schema: asynchronous, timestamp: ({ at }) => at, id: ({ id }) => id }))
    .sink(
      "out",
      orders,
      toCallback(({ value }) => void carried.push(value)),
    );
  const posting = await Posting.start(pipeline);
  const json = { "content-type": "application/json" };
  const refused = await posting.post(JSON.stringify([right, wrong, { ...right, id: "taken" }]), json, "", "orders");
  expect([refused.status, refused.json.records, refused.json.refused.map(({ index }: { index: number }) => index)]).toEqual([422, 0, [1, 2]]);
  expect(refused.json.refused[1].reason).toBe("the schema refuses the value: id: is taken");
  const recent = { ...right, at: new Date().toISOString() };
  const lines = `${JSON.stringify(recent)}\n${JSON.stringify(recent)}\n`;
  expect((await posting.post(lines, { "content-type": "application/x-ndjson" }, "", "orders")).json).toMatchObject({ records: 2, duplicates: 1 });
  await expect.poll(() => carried, POLL).toEqual([{ id: "a", total: 5, at: Date.parse(recent.at) }]);
  expect((await posting.get("/v1/dead-letters")).json.total).toBe(0);
});

test("a PipelineTester asks the schema too", async () => {
  const orders = stream<Order>("orders");
  const slow = Order.refine(async () => Promise.resolve(true));
  for (const schema of [Order, slow]) {
    const tester = await PipelineTester.start(
      new Pipeline("checked").inject("in", orders, fromFile("orders.ndjson", { schema })).sink(
        "out",
        orders,
        toCallback(() => {}),
      ),
    );
    await tester.push(orders, right as never, { at: AT });
    await tester.push(orders, wrong as never, { at: AT });
    expect(tester.values(orders)).toEqual([{ id: "a", total: 5, at: AT }]);
    expect(tester.deadLetters()).toMatchObject([{ reason: expect.stringContaining("id: ") }]);
  }
});

const never = new Promise<never>(() => {});
test.each<[string, (value: unknown) => unknown, RegExp]>([
  [
    "throws",
    () => {
      throw new Error("no dictionary");
    },
    /the schema failed: no dictionary/,
  ],
  ["rejects", () => Promise.reject(new Error("no dictionary")), /the schema failed: no dictionary/],
  ["gives no result", () => undefined, /where \{ value \} or \{ issues \} is expected/],
  ["has issues without paths", () => ({ issues: [{ message: "is not an order" }] }), /refuses the value: is not an order$/],
  ["has no issue to tell", () => ({ issues: [] }), /gave no reason/],
  ["has many issues", () => ({ issues: Array.from({ length: 9 }, (_, i) => ({ message: "m", path: ["a", { key: i }] })) }), /a\.0: m; .*a\.4: m; and 4 more$/],
  ["does not answer", () => never, /has not answered for 30 s/],
])("a schema that %s refuses the value and does not stop the source", async (_, validate, reason) => {
  const context = readingContext();
  const reader = await openSource(
    fromIterable(() => [{ value: "x", position: 1 }], { schema: byHand(validate) }),
    context,
    undefined,
  );
  const pulled = reader.pull(10);
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  context.clock.advance(VALIDATION_MS);
  expect(await pulled).toMatchObject({ items: [{ value: "x", position: 1, failure: expect.stringMatching(reason) }], done: true });
});

test("items keep their order and marks, however long each is asked; a worker that stops waits for no schema", async () => {
  const settle: (() => void)[] = [];
  const schema = byHand((value) => new Promise((resolve) => settle.push(() => resolve({ value: `${String(value)}!` }))));
  const values = () => [
    { value: "a", position: 1 },
    { mark: true as const, position: 2, watermark: 5 },
    { value: "b", position: 3 },
  ];
  const context = readingContext();
  const reader = await openSource(
    fromIterable(() => [values()], { schema }),
    context,
    undefined,
  );
  const pulled = reader.pull(10);
  await expect.poll(() => settle.length).toBe(2);
  for (const each of settle.splice(0).reverse()) each();
  expect((await pulled).items).toEqual([
    { value: "a!", position: 1 },
    { mark: true, position: 2, watermark: 5 },
    { value: "b!", position: 3 },
  ]);
  const stopping = await openSource(
    fromIterable(() => [values()], { schema: byHand(() => never) }),
    context,
    undefined,
  );
  const waiting = stopping.pull(10);
  context.abort();
  expect(await waiting).toEqual({ items: [], done: false });
});

test("what is no schema is refused where the injector is made", () => {
  expect(() => fromFile("x.ndjson", { schema: {} as never })).toThrow(
    new ConfigError("fromFile (x.ndjson): schema is a Standard Schema (zod, valibot, arktype, ...), but it is an object"),
  );
});
