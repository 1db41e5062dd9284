/** The examples do what their opening comments say, through a crash each. */
import { expect, test } from "vitest";
import zeitgeist, { dips, queries } from "../../examples/02-zeitgeist.ts";
import unpaidOrders, { orders, payments, settled, unpaid } from "../../examples/03-unpaid-orders.ts";
import sessionPipeline, { clicks, lateClicks, sessions } from "../../examples/04-sessions.ts";
import deduplication, { east, FirstSeen, type Reading, readings, west } from "../../examples/05-deduplication.ts";
import httpIn, { counts, visits } from "../../examples/http-in.ts";
import lateData, { lateSales, sales, takings } from "../../examples/late-data.ts";
import { hours, minutes, seconds } from "../../src/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";

test("Figure 9: a query whose counts stay low is a dip when the watermark has closed enough windows, and a slow log is none", async () => {
  const t = await PipelineTester.start(zeitgeist);
  const search = async (second: number, times: number) => {
    for (let i = 0; i < times; i++) await t.push(queries, { text: "tv", at: seconds(second) + i }, { at: seconds(second) + i });
  };
  for (let second = 0; second < 40; second++) await search(second, 8);
  await t.advanceWatermark(seconds(40));
  for (let second = 40; second < 50; second++) await search(second, 1);
  expect(t.values(dips)).toEqual([]);
  await t.crash();
  await t.advanceWatermark(seconds(44));
  expect(t.values(dips)).toEqual([]);
  await t.advanceWatermark(seconds(50));
  expect(t.values(dips).length).toBeGreaterThan(0);
  for (const { query, confidence } of t.values(dips)) expect({ query, sure: confidence > 0.8 }).toEqual({ query: "tv", sure: true });
});

test("an order that is not paid within 15 minutes of event time is reported once; a payment that comes late by its stream's lag is no alarm", async () => {
  const t = await PipelineTester.start(unpaidOrders);
  const order = (id: string) => ({ id, email: `${id}@example.org`, total: 10, placedAt: 0 });
  await t.push(orders, order("paid"), { at: 0 });
  await t.push(orders, order("unpaid"), { at: 0 });
  await t.advanceWatermark(minutes(60), { of: orders });
  expect(t.values(unpaid)).toEqual([]);
  await t.crash();
  await t.push(payments, { orderId: "paid", amount: 10, paidAt: minutes(14) }, { at: minutes(14) });
  await t.finish();
  expect(t.values(settled).map((each) => each.order.id)).toEqual(["paid"]);
  expect(t.values(unpaid).map(({ id }) => id)).toEqual(["unpaid"]);
});

test("an order that is paid after its deadline is unpaid, whichever of the two is read first", async () => {
  const order = { id: "o", email: "o@example.org", total: 10, placedAt: 0 };
  const payment = { orderId: "o", amount: 10, paidAt: minutes(20) };
  for (const first of ["order", "payment"]) {
    const t = await PipelineTester.start(unpaidOrders);
    if (first === "payment") await t.push(payments, payment, { at: payment.paidAt });
    await t.push(orders, order, { at: 0 });
    if (first === "order") await t.push(payments, payment, { at: payment.paidAt });
    await t.finish();
    expect([first, t.values(settled), t.values(unpaid)]).toEqual([first, [], [order]]);
  }
});

test("clicks less than half an hour apart are one session in whatever order they come, and one that is too late for any goes aside", async () => {
  const t = await PipelineTester.start(sessionPipeline);
  const click = (page: string, minute: number) => t.push(clicks, { user: "u", page, at: minutes(minute) }, { at: minutes(minute) });
  await click("a", 0);
  await click("c", 40);
  await click("b", 20);
  await t.crash({ at: "after-commit" });
  await click("d", 120);
  await t.advanceWatermark(minutes(70) - 1);
  expect(t.values(sessions)).toEqual([]);
  await t.advanceWatermark(minutes(80));
  expect(t.values(sessions)).toMatchObject([{ user: "u", start: 0, end: minutes(40) }]);
  expect([...(t.values(sessions)[0]?.pages ?? [])].sort()).toEqual(["a", "b", "c"]);
  await click("late", 1);
  expect(t.values(lateClicks).map(({ page }) => page)).toEqual(["late"]);
  await t.finish();
  expect(t.values(sessions).at(-1)).toMatchObject({ start: minutes(120), end: minutes(120), pages: ["d"] });
});

test("visits of a page are counted for a minute from the first one, and told when the watermark has come there", async () => {
  const t = await PipelineTester.start(httpIn);
  await t.push(visits, { page: "/", at: 0 }, { at: 0 });
  await t.push(visits, { page: "/", at: seconds(50) }, { at: seconds(50), id: "again" });
  await t.push(visits, { page: "/", at: seconds(50) }, { at: seconds(50), id: "again" });
  await t.advanceWatermark(minutes(1) - 1);
  expect(t.values(counts)).toEqual([]);
  await t.crash();
  await t.advanceWatermark(minutes(1));
  expect(t.values(counts)).toEqual([{ page: "/", visits: 2 }]);
});

test("of a reading that two feeds tell of, and repeat, the first copy goes on; an hour later its id is forgotten", async () => {
  const t = await PipelineTester.start(deduplication);
  const reading: Reading = { id: "r1", celsius: 20, at: 0 };
  await t.push(east, reading, { at: 0 });
  await t.push(east, reading, { at: 0 });
  await t.crash({ at: "after-commit" });
  await t.push(west, reading, { at: 0 });
  await t.push(west, { ...reading, id: "r2" }, { at: 1 });
  expect(t.values(readings).map(({ id }) => id)).toEqual(["r1", "r2"]);
  expect(t.state(FirstSeen, "r1")).toEqual({ seen: true });
  await t.advanceWatermark(hours(1));
  expect(t.state(FirstSeen, "r1")).toEqual({ seen: false });
});

test("takings are of whole minutes, and what comes after its minute was told is counted and goes aside", async () => {
  const t = await PipelineTester.start(lateData);
  const sell = (amount: number, at: number) => t.push(sales, { shop: "s", amount, at }, { at });
  await sell(1, seconds(59));
  await sell(2, seconds(60));
  await t.advanceWatermark(seconds(59.5));
  // Late, and in time for its minute.
  await sell(4, seconds(3));
  await t.advanceWatermark(minutes(1));
  await t.crash();
  await sell(8, seconds(4));
  await sell(16, seconds(5));
  await t.finish();
  expect(t.values(takings)).toEqual([
    { shop: "s", minute: 0, amount: 5 },
    { shop: "s", minute: minutes(1), amount: 2 },
  ]);
  expect(t.values(lateSales).map(({ sale, lateInAll }) => [sale.amount, lateInAll])).toEqual([
    [8, 1],
    [16, 2],
  ]);
});
