/** What docs/connectors.md shows, compiled and built into pipelines that are checked; what needs no other side is run. */
import { expect, test } from "vitest";
// #region import-redis-streams-in
import { fromRedisStream } from "../../src/redis-streams/index.ts";
// #endregion
// #region import-redis-streams-out
import { toRedisStream } from "../../src/redis-streams/index.ts";
// #endregion
// #region import-bullmq-effects
import { bullmq } from "../../src/bullmq/index.ts";
// #endregion
// #region import-bullmq-in
import { fromBullMq, fromBullMqSchedule } from "../../src/bullmq/index.ts";
// #endregion
// #region import-bullmq-out
import { toBullMq } from "../../src/bullmq/index.ts";
// #endregion
import { exponential, fromIterable, MemoryStore, minutes, Pipeline, run, stream, toCallback } from "../../src/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";

interface Order {
  readonly id: string;
}
interface Mail {
  readonly to: string;
}

const connection = "redis://127.0.0.1:6379";
const nowhere = () => toCallback(() => {});

test("schedules give each tick once", async () => {
  const ticks = stream<{ until: number }>("ticks");
  // #region schedules
  const pipeline = new Pipeline("reports")
    .every("quarters", ticks, { every: minutes(15) }, ({ time }) => ({ until: time }))
    .every("nightly", ticks, { cron: "0 3 * * *", timezone: "Europe/Berlin" }, ({ time }) => ({ until: time }));
  // #endregion
  const t = await PipelineTester.start(pipeline.sink("nowhere", ticks, nowhere()), { now: Date.UTC(2020, 0, 1, 1, 59) });
  await t.advanceClock(minutes(2));
  // In winter three o'clock in Berlin is two in UTC, which is a quarter hour too.
  const two = Date.UTC(2020, 0, 1, 2);
  expect(t.values(ticks)).toEqual([{ until: two }, { until: two }]);
});

test("an effect is performed with its idempotency key", async () => {
  const unpaid = stream<Order>("unpaid");
  const url = "http://127.0.0.1:7081/";
  const shop = new Pipeline("shop").inject(
    "orders",
    unpaid,
    fromIterable(() => []),
  );
  // #region effect
  shop.effect(
    "notify",
    unpaid,
    async ({ value }, { idempotencyKey, signal }) => {
      const headers = { "content-type": "application/json", "idempotency-key": idempotencyKey };
      const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(value), signal });
      if (!response.ok) throw new Error(`the webhook answered ${response.status}`);
    },
    { attempts: 8, backoff: exponential(1_000, 600_000) },
  );
  // #endregion
  const t = await PipelineTester.start(shop);
  await t.push(unpaid, { id: "17" }, { at: 0 });
  expect(t.effects("notify")).toMatchObject([{ value: { id: "17" }, idempotencyKey: expect.stringContaining("shop/notify/") as unknown }]);
});

test("Redis Streams feed a pipeline and are fed by it", () => {
  const orders = stream<Order>("orders");
  const totals = stream<number>("totals");
  // #region redis-streams-in
  const pipeline = new Pipeline("orders").inject("orders", orders, fromRedisStream<Order>("orders", { connection: "redis://localhost:6379", json: "body" }));
  // #endregion
  pipeline.inject(
    "totals-in",
    totals,
    fromIterable(() => []),
  );
  // #region redis-streams-in-store
  pipeline.sink("totals", totals, toRedisStream("totals"));
  // #endregion
  // #region redis-streams-out
  pipeline.sink("totals-elsewhere", totals, toRedisStream("totals", { connection: "redis://localhost:6379" }));
  // #endregion
  expect(pipeline.sink("nowhere", orders, nowhere()).graph().participants).toHaveLength(5);
});

test("BullMQ's queues and schedules feed a pipeline and are fed by it", () => {
  const orders = stream<Order>("orders");
  const ticks = stream<unknown>("ticks");
  const mails = stream<Mail>("mails");
  const pipeline = new Pipeline("shop").inject(
    "mails-in",
    mails,
    fromIterable(() => []),
  );
  // #region bullmq-in
  pipeline.inject("orders", orders, fromBullMq<Order>("orders", { connection }));
  pipeline.inject("nightly", ticks, fromBullMqSchedule("ticks", "nightly", { pattern: "0 3 * * *", tz: "Europe/Berlin" }, { connection }));
  // #endregion
  // #region bullmq-out
  pipeline.sink("mails", mails, toBullMq<Mail>("mails", { connection, options: () => ({ attempts: 5, removeOnComplete: { age: 86_400 } }) }));
  // #endregion
  expect(pipeline.sink("a", orders, nowhere()).sink("b", ticks, nowhere()).graph().participants).toHaveLength(6);
});

test("a pipeline without effects runs beside bullmq without connecting to it", async () => {
  const numbers = stream<number>("numbers");
  const pipeline = new Pipeline("none")
    .inject(
      "none",
      numbers,
      fromIterable(() => []),
    )
    .sink("nowhere", numbers, nowhere());
  const store = new MemoryStore();
  // #region bullmq-effects
  const running = await run(pipeline, { store, effects: bullmq({ connection: "redis://127.0.0.1:6379" }) });
  // #endregion
  await running.finished;
  await running.stop();
});
