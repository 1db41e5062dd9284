/** The shop, from its one line: HTTP in, event time, a webhook that fails, totals in a Redis Stream, and the false alarms of a delayed job. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { built } from "../support/built.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

interface Summary {
  readonly orders: number;
  readonly receipts: number;
  readonly unpaid: number;
  readonly alarms: number;
  readonly falseAlarms: number;
  readonly delayedJobFalseAlarms: number;
  readonly webhookCalls: number;
  readonly totals: Readonly<Record<string, { readonly orders: number; readonly revenue: number }>>;
}

async function shop(...args: readonly string[]): Promise<Summary> {
  const script = built("examples/shop/main.ts");
  const child = spawn(process.execPath, [script, ...args, "--json"], { cwd: root, env: { ...process.env, REDIS_URL: "" } });
  let out = "";
  let trouble = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (out += part));
  child.stderr.setEncoding("utf8").on("data", (part: string) => (trouble += part));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`the shop ended with ${String(code)}: ${trouble}`);
  return JSON.parse(out) as Summary;
}

test("every unpaid order is told of once, and no other, while a delayed job raises false alarms", async () => {
  const summary = await shop("--orders", "40", "--minute", "60");
  expect(summary).toMatchObject({ orders: 40, receipts: 40, unpaid: 4, alarms: 4, falseAlarms: 0 });
  expect(summary.delayedJobFalseAlarms).toBeGreaterThan(0);
  expect(summary.webhookCalls).toBeGreaterThan(4);
  const paid = Object.values(summary.totals).reduce((sum, { orders }) => sum + orders, 0);
  expect(paid).toBe(36);
}, 90_000);
