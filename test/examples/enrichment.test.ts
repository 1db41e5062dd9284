/** The asynchronous example against a real service: at once, again, too slow, given up. */
import type { ServerResponse } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import pipeline, { namedOrders, type Order, orders } from "../../examples/06-enrichment.ts";
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
  await expect.poll(() => out(t)).toEqual([`2: ${nameOf("bob")}`]);
  await t.crash();
  await expect.poll(async () => (await t.advanceClock(seconds(1)), out(t))).toEqual([`1: ${nameOf("ada")}`, `2: ${nameOf("bob")}`]);
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
  for (let tries = 1; tries <= 4; tries++) {
    await expect.poll(async () => (await t.advanceClock(100), stuck.length)).toBe(tries);
    await t.advanceClock(seconds(2));
    await expect.poll(() => cutOff).toBe(tries);
  }
  await expect.poll(() => t.deadLetters()).toMatchObject([{ computation: "enrichment", key: "ada", attempts: 4 }]);
  mended = true;
  await t.retryDeadLetters("enrichment");
  await expect.poll(() => out(t)).toEqual([`1: ${nameOf("ada")}`]);
  expect(t.deadLetters()).toEqual([]);
});
