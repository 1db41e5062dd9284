/** Records that the program pushes itself, and state that it reads itself: as over HTTP, without it. */
import { describe, expect, onTestFinished, test } from "vitest";
import {
  Computation,
  type Context,
  fromPush,
  input,
  MemoryStore,
  output,
  Pipeline,
  run,
  type RunningPipeline,
  type RunOptions,
  state,
  type Store,
  stream,
  type StreamRecord,
  toCallback,
} from "../../src/index.ts";
import { shardRef } from "../../src/key.ts";
import { HTTP_WAITING_BYTES } from "../../src/limits.ts";
import { workerOf } from "../../src/run.ts";
import { GatedStore } from "../inspect/gated-store.ts";
import { realStores } from "../worker/real-stores.ts";
import { ask, JSON_TYPE, POLL } from "./posting.ts";

const storeOf = realStores();

type Order = { readonly customer: string; readonly total?: number; readonly note?: string } | readonly string[];
const orders = stream<Order>("orders");
const receipts = stream<{ readonly order: string; readonly count: number }>("receipts");
const unfed = stream<string>("unfed");

class Counter extends Computation {
  readonly orders = input(orders, { key: (order) => ("customer" in order ? order.customer : (order[0] ?? "")) });
  readonly receipts = output(receipts);
  readonly count = state("count", { initial: 0 });
  override processRecord({ id }: StreamRecord<Order>, context: Context): void {
    const count = context.state(this.count).get() + 1;
    context.state(this.count).set(count);
    context.produce(this.receipts, { order: id, count });
  }
}

const refusesZero = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value: unknown) => ((value as { total?: number }).total === 0 ? { issues: [{ message: "nothing is ordered" }] } : { value: value as Order }),
  },
} as const;

interface Seen {
  readonly value: Order;
  readonly id: string;
  readonly timestamp: number;
}

function shop(seen: Seen[] = []): Pipeline {
  return new Pipeline("shop", { shards: 4 })
    .inject("orders", orders, fromPush<Order>({ schema: refusesZero }))
    .compute("counter", Counter)
    .reply("receipts", receipts, { to: ({ order }) => order })
    .sink(
      "seen",
      orders,
      toCallback(({ value, id, timestamp }) => void seen.push({ value, id, timestamp })),
    );
}

async function started(store: Store, options: Partial<RunOptions> = {}, pipeline = shop()): Promise<RunningPipeline> {
  const running = await run(pipeline, { store, log: () => {}, ...options });
  onTestFinished(() => running.stop());
  return running;
}

describe.each(["memory", "redis"] as const)("on %s", (name) => {
  test("a push resolves when the record is durable, and what is pushed again under its id is taken once, also after a restart", async () => {
    const make = storeOf(name);
    const first = await started(make());
    const at = Date.now();
    expect(await first.push(orders, { customer: "ada", total: 5 }, { id: "order-17", timestamp: at })).toEqual({
      id: "order-17",
      duplicate: false,
      timestamp: at,
    });
    const again = await first.push(orders, { customer: "ada", total: 6 }, { id: "order-17", wait: 10_000 });
    expect(again).toMatchObject({ id: "order-17", duplicate: true, timestamp: undefined, complete: true });
    expect(again.replies?.map(({ value }) => value)).toEqual([{ order: "order-17", count: 1 }]);
    expect(await first.state("counter", "ada")).toMatchObject({ pipeline: "shop", computation: "counter", key: "ada", cells: [{ name: "count", value: 1 }] });
    expect(await first.state("counter", "bob")).toBeUndefined();
    await expect(first.state("count", "ada")).rejects.toMatchObject({ code: "invalid-use" });
    await first.stop();
    await expect(first.push(orders, { customer: "ada" })).rejects.toMatchObject({ code: "record-not-taken", taken: "no" });
    await expect(first.state("counter", "ada")).rejects.toMatchObject({ code: "invalid-use" });
    const second = await started(make());
    expect(await second.push(orders, { customer: "ada", total: 5 }, { id: "order-17" })).toMatchObject({ duplicate: true });
    expect(await second.push(orders, { customer: "ada", total: 5 }, { wait: 10_000 })).toMatchObject({ duplicate: false, complete: true });
    expect((await second.state("counter", "ada"))?.cells[0]?.value).toBe(2);
  });
});

test.each(["memory", "redis"] as const)("on %s, whichever worker is given a record, the one that owns the injector takes it, as it is", async (name) => {
  const memory = new MemoryStore({ exclusive: false });
  const make = name === "redis" ? storeOf(name) : () => memory;
  const seen: Seen[] = [];
  const all = [await started(make(), { http: { port: 0 } }, shop(seen)), await started(make(), { http: { port: 0 } }, shop(seen))];
  await expect.poll(() => all.every((each) => workerOf(each).engine.ownership.membership.workers.length === 2), POLL).toBe(true);
  // Shared out, so that no shard moves any more: what was handed in just before that would not be known to be taken.
  const owned = () => all.map((each) => workerOf(each).engine.shards.size).toSorted((one, other) => one - other);
  const { participants } = workerOf(all[0] as RunningPipeline).engine.options.plan;
  const shards = participants.reduce((sum, each) => sum + each.shards, 0);
  await expect.poll(owned, POLL).toEqual([Math.floor(shards / 2), Math.ceil(shards / 2)]);
  expect(all.filter((each) => participants.some(({ id }) => workerOf(each).engine.injector(shardRef(id, 0)))).length).toBe(1);
  const at = Date.now();
  for (const [index, running] of all.entries()) {
    expect(await running.push(orders, { customer: "ada" }, { id: ` "${index}" `, timestamp: at, wait: 10_000 })).toMatchObject({
      id: ` "${index}" `,
      timestamp: at,
      complete: true,
    });
    expect(await running.push(orders, ["bob", "ann"], { id: "one list" })).toMatchObject({ id: "one list", duplicate: index > 0 });
    await expect(running.push(orders, { customer: "ada", total: 0 })).rejects.toMatchObject({
      code: "record-refused",
      message: expect.stringContaining("nothing is ordered"),
    });
    for (const timestamp of [Number.MAX_SAFE_INTEGER, Date.UTC(10_000), -1, -Number.MAX_SAFE_INTEGER])
      await expect(running.push(orders, { customer: "ada" }, { timestamp })).rejects.toMatchObject({ code: "record-refused" });
    await expect.poll(async () => (await running.state("counter", "bob"))?.cells[0]?.value, POLL).toBe(1);
  }
  await expect.poll(() => seen.length, POLL).toBe(3);
  expect(seen.filter(({ id }) => id === "one list").map(({ value }) => value)).toEqual([["bob", "ann"]]);
});

test("what JSON does not carry, and what cannot be meant, is refused before anything is taken", async () => {
  const seen: Seen[] = [];
  const running = await started(new MemoryStore(), {}, shop(seen));
  class Money {
    readonly customer = "ada";
  }
  const cyclic: Record<string, unknown> = { customer: "ada" };
  cyclic["self"] = [cyclic];
  for (const [value, place] of [
    [{ customer: "ada", at: new Date(0) }, "the value.at is a Date"],
    [{ customer: "ada", total: Number.NaN }, "the value.total is NaN"],
    [new Money(), "the value is a Money"],
    [{ customer: "ada", parts: [1n] }, "the value.parts.0 is 1n"],
    [{ customer: "ada", parts: Object.assign([], { 1: 1 }) }, "the value.parts.0 is undefined"],
    [{ customer: "ada", parts: Object.assign([1], { total: 2 }) }, "the value.parts is an array with properties"],
    [undefined, "the value is undefined"],
    [cyclic, "the value cannot be JSON"],
    [["x".repeat(1 << 20)], "more than"],
  ] as const)
    await expect(running.push(orders, value as never)).rejects.toMatchObject({ code: "record-refused", message: expect.stringContaining(place) });
  for (const options of [{ id: "" }, { id: "a\nb" }, { timestamp: 0.5 }, { timestamp: Date.now() + 1e9 }, { timestamp: Number.MAX_SAFE_INTEGER }])
    await expect(running.push(orders, { customer: "ada" }, options)).rejects.toMatchObject({ code: "record-refused" });
  await expect(running.push(orders, { customer: "ada" }, { level: "fsynced" })).rejects.toMatchObject({ code: "store-refused" });
  await expect(running.push(unfed, "a")).rejects.toMatchObject({ code: "invalid-use" });
  await expect(running.push(orders, { customer: "ada" }, { ID: "a" } as object)).rejects.toMatchObject({ code: "config" });
  const mine = { customer: "ada", total: undefined as never };
  const pushed = running.push(orders, mine);
  mine.customer = "changed";
  await pushed;
  await expect.poll(() => seen.map(({ value }) => value), POLL).toEqual([{ customer: "ada" }]);
});

test("very many pushes at once, of the moment at which the pipeline starts, are all taken", async () => {
  const counted = new Pipeline("counted", { shards: 1 }).inject("orders", orders, fromPush<Order>()).compute("counter", () => new Counter());
  const running = await started(new MemoryStore(), { leaseMs: 200 }, counted);
  const pushed = await Promise.allSettled(Array.from({ length: 20_000 }, (_, i) => running.push(orders, { customer: `c${i % 100}` })));
  expect(pushed.filter(({ status }) => status === "rejected")).toEqual([]);
}, 60_000);

test("pushes wait for room, and clients cannot post what is only pushed", async () => {
  const store = new GatedStore(new MemoryStore());
  const seen: Seen[] = [];
  const running = await started(store, { http: { port: 0 } }, shop(seen));
  await running.push(orders, { customer: "ada" });
  store.shut("commit");
  let done = 0;
  const note = "x".repeat(1_000_000);
  const count = Math.ceil(HTTP_WAITING_BYTES / note.length) + 3;
  const pushes = Array.from({ length: count }, async (_, index) => {
    await running.push(orders, { customer: "ada", note }, { id: String(index) });
    done += 1;
  });
  const url = new URL(running.url ?? "");
  expect((await ask(url, "POST", "/v1/streams/orders/records", '{"customer":"eve"}', JSON_TYPE)).status).toBe(404);
  expect((await ask(url, "GET", "/v1/streams", undefined, {})).json.streams).toEqual([]);
  expect(done).toBe(0);
  store.release("commit");
  await Promise.all(pushes);
  expect((await running.push(orders, { customer: "ada" }, { wait: 10_000 })).complete).toBe(true);
  expect(seen).toHaveLength(count + 2);
  await expect(running.state("counter", "ada")).rejects.toMatchObject({ code: "invalid-use" });
});
