/**
 * `npm run shop`: an orders API over HTTP, alarms for orders that were not paid within 15 minutes, and beside it the same
 * alarm as a delayed job. Starts all it needs: a redis-server of its own (or REDIS_URL), a webhook, customers.
 */
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { bullmq } from "../../src/bullmq/index.ts";
import { RedisStore, run } from "../../src/index.ts";
import { type Visit, paymentOf, visits } from "./customers.ts";
import { DelayedJobAlarm } from "./delayed-job.ts";
import { shop } from "./pipeline.ts";
import { openRedis } from "./redis.ts";
import { openWebhook, type Webhook } from "./webhook.ts";

const HELP = `An orders API that flags orders unpaid after 15 minutes of event time, while payments are told of up to an hour late.

  npm run shop -- [options]

  --orders N       customers (default 40)
  --minute MS      how long a minute of the shop takes (default 100)
  --json           print one JSON object at the end and nothing else

  REDIS_URL        the Redis to use; without it a redis-server is started, and removed at the end
`;

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      orders: { type: "string", default: "40" },
      minute: { type: "string", default: "100" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const say = (text: string) => void (values.json || console.log(text));
  const minute = Number(values.minute);
  const redis = await openRedis(process.env["REDIS_URL"]);
  const webhook = await openWebhook();
  const delayed = new DelayedJobAlarm(redis.url, minute);
  const running = await run(shop({ minute, redis: redis.url, webhook: webhook.url }), {
    store: new RedisStore(redis.url),
    effects: bullmq({ connection: redis.url }),
    http: { port: 0 },
  });
  say(`orders: POST ${running.url}/v1/streams/orders/records?wait=effects`);
  say(`watermarks: ${running.url}/v1/watermarks\n`);
  try {
    const start = Date.now();
    const all = visits(Number(values.orders), start, minute);
    const receipts = await visitShop(all, { api: running.url as string, start, minute, delayed, say });
    const summary = await alarmsOf(all, webhook, delayed, minute);
    const totals = await revenueOf(redis.url);
    if (values.json) console.log(JSON.stringify({ orders: all.length, receipts, ...summary, webhookCalls: webhook.calls, totals }));
    else print(all.length, receipts, summary, webhook, totals);
  } finally {
    await running.stop();
    await delayed.close();
    await webhook.close();
    await redis.close();
  }
}

interface Setting {
  readonly api: string;
  readonly start: number;
  readonly minute: number;
  readonly delayed: DelayedJobAlarm;
  readonly say: (text: string) => void;
}

/** Gives the number of orders that got their receipt. */
async function visitShop(all: readonly Visit[], setting: Setting): Promise<number> {
  const { api, start, minute, delayed } = setting;
  const until = async (shopMinute: number) => await pause(Math.max(0, start + shopMinute * minute - Date.now()));
  const orders = all.map(async (visit) => {
    await until(visit.at);
    await delayed.placed(visit.order);
    const answer = await post(`${api}/v1/streams/orders/records?wait=effects`, visit.order);
    return (answer as { replies?: unknown[] }).replies?.length ?? 0;
  });
  const payments = all.map(async (visit) => {
    const payment = paymentOf(visit, start, minute);
    if (payment === undefined) return;
    await until(visit.payment?.told as number);
    await post(`${api}/v1/streams/payments/records`, payment);
    delayed.paid(payment);
  });
  const receipts = await Promise.all(orders);
  await Promise.all(payments);
  return receipts.filter((count) => count === 1).length;
}

/** Sends until it is answered; the record's id makes repeating safe. */
async function post(url: string, value: unknown): Promise<unknown> {
  for (let tries = 1; ; tries++) {
    const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value) });
    if (response.ok) return await response.json();
    if (tries === 20 || response.status !== 503) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
    await pause(100 * tries);
  }
}

interface Alarms {
  readonly unpaid: number;
  readonly alarms: number;
  readonly falseAlarms: number;
  readonly delayedJobAlarms: number;
  readonly delayedJobFalseAlarms: number;
}

/** Waits until the last deadline has passed and everything that was paid before it must have been told. */
async function alarmsOf(all: readonly Visit[], webhook: Webhook, delayed: DelayedJobAlarm, minute: number): Promise<Alarms> {
  const last = (all.at(-1)?.order.placedAt ?? Date.now()) + (15 + 60) * minute;
  const unpaid = new Set(all.filter(({ payment }) => payment === undefined).map(({ order }) => order.id));
  const known = () => new Set(webhook.alarms.values());
  for (const end = last + 20_000; Date.now() < end && (Date.now() < last + 20 * minute || known().size < unpaid.size); ) await pause(20);
  const isFalse = (order: string) => !unpaid.has(order);
  return {
    unpaid: unpaid.size,
    alarms: known().size,
    falseAlarms: [...known()].filter(isFalse).length,
    delayedJobAlarms: delayed.alarms.length,
    delayedJobFalseAlarms: delayed.alarms.filter(isFalse).length,
  };
}

/** The last total of each country, by a plain XRANGE. */
async function revenueOf(url: string): Promise<Record<string, { orders: number; revenue: number }>> {
  const client = new Redis(url);
  const entries = await client.xrange("shop:revenue", "-", "+");
  client.disconnect();
  const totals: Record<string, { orders: number; revenue: number }> = {};
  for (const [, fields] of entries) {
    const { country, orders, revenue } = JSON.parse(fields[fields.indexOf("value") + 1] as string) as { country: string; orders: number; revenue: number };
    totals[country] = { orders, revenue };
  }
  return totals;
}

function print(orders: number, receipts: number, alarms: Alarms, webhook: Webhook, totals: Record<string, { orders: number; revenue: number }>): void {
  console.log(`${orders} orders, ${receipts} answered with their receipt; ${alarms.unpaid} were not paid in time.\n`);
  console.log(`                 alarms   false`);
  console.log(`  delayed job    ${String(alarms.delayedJobAlarms).padStart(6)}  ${String(alarms.delayedJobFalseAlarms).padStart(6)}`);
  console.log(
    `  Millrace       ${String(alarms.alarms).padStart(6)}  ${String(alarms.falseAlarms).padStart(6)}   (${webhook.calls} calls of a webhook that fails every third)\n`,
  );
  for (const [country, sum] of Object.entries(totals).sort(([a], [b]) => (a < b ? -1 : 1))) console.log(`  ${country}  ${sum.orders} orders  ${sum.revenue}`);
}
