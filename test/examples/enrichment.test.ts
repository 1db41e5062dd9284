/** The asynchronous example against a real service: at once, again, too slow, given up. */
import type { ServerResponse } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import pipeline, { Enrichment, namedOrders, type Order, orders } from "../../examples/06-enrichment.ts";
import { PipelineTester } from "../../src/testing/index.ts";
import { seconds } from "../../src/index.ts";
import { type CustomerService, customerService, nameOf, tell } from "../support/customer-service.ts";

function use({ url }: CustomerService): void {
  process.env["CUSTOMER_SERVICE"] = url;
  onTestFinished(() => void delete process.env["CUSTOMER_SERVICE"]);
}

const order = (id: string, customer: string): Order => ({ id, customer, at: 0 });

/** What has come out: of orders their ids, with names. */
const out = (t: PipelineTester) =>
  t
    .values(namedOrders)
    .map(({ id, name }) => `${id}: ${name}`)
    .sort();

/**
 * Waits until a call has failed and is to be made again. The tester's clock may not go on before that: a call that is on its
 * way over a real connection would run into its time limit.
 */
async function hasFailed(t: PipelineTester): Promise<void> {
  await expect.poll(() => t.watermark(Enrichment).heldBy).toMatch(/^held /);
}

test("customers are looked up at the same time, and each of them once", async () => {
  const waiting: (() => void)[] = [];
  const service = await customerService((customer, response) => {
    waiting.push(() => tell(customer, response));
    // Nobody is answered until all three have asked.
    if (waiting.length === 3) for (const answer of waiting) answer();
  });
  use(service);
  const t = await PipelineTester.start(pipeline);
  for (const [id, customer] of [
    ["1", "ada"],
    ["2", "bob"],
    ["3", "cyd"],
    ["4", "ada"],
  ] as const)
    await t.push(orders, order(id, customer), { at: 0 });
  await expect.poll(() => out(t)).toEqual([`1: ${nameOf("ada")}`, `2: ${nameOf("bob")}`, `3: ${nameOf("cyd")}`, `4: ${nameOf("ada")}`]);
  expect([...service.asked].sort()).toEqual(["ada", "bob", "cyd"]);
});

test("a call that fails is tried again, and meanwhile other customers go on", async () => {
  const service = await customerService((customer, response, nth) => {
    if (customer === "ada" && nth < 3) response.writeHead(503).end();
    else tell(customer, response);
  });
  use(service);
  const t = await PipelineTester.start(pipeline);
  await t.push(orders, order("1", "ada"), { at: 0 });
  await t.push(orders, order("2", "bob"), { at: 0 });
  // From now on it is the orders that hold the watermark, and not their injector.
  await t.advanceWatermark(1);
  await expect.poll(() => out(t)).toEqual([`2: ${nameOf("bob")}`]);
  await hasFailed(t);
  await t.crash();
  await t.advanceClock(200);
  await expect.poll(() => service.asked.filter((customer) => customer === "ada").length).toBe(2);
  await hasFailed(t);
  await t.advanceClock(400);
  await expect.poll(() => out(t)).toEqual([`1: ${nameOf("ada")}`, `2: ${nameOf("bob")}`]);
  expect(t.deadLetters()).toEqual([]);
});

test("a call is cut off at its time limit; after the last try its order is a dead letter, which can be tried again", async () => {
  const stuck: ServerResponse[] = [];
  let cutOff = 0;
  let mended = false;
  const service = await customerService((customer, response) => {
    if (mended) {
      tell(customer, response);
      return;
    }
    stuck.push(response);
    response.on("close", () => (cutOff += 1));
  });
  use(service);
  const t = await PipelineTester.start(pipeline);
  await t.push(orders, order("1", "ada"), { at: 0 });
  for (const wait of [0, 200, 400, 800]) {
    await t.advanceClock(wait);
    await expect.poll(() => stuck.length).toBe(cutOff + 1);
    await t.advanceClock(seconds(2));
    await expect.poll(() => cutOff).toBe(stuck.length);
  }
  await expect.poll(() => t.deadLetters()).toMatchObject([{ computation: "enrichment", key: "ada", attempts: 4 }]);
  mended = true;
  await t.retryDeadLetters("enrichment");
  await expect.poll(() => out(t)).toEqual([`1: ${nameOf("ada")}`]);
  expect(t.deadLetters()).toEqual([]);
});
