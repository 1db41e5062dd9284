/** Promises of handlers that are rejected and that nothing waits for: whose they are, and what health and metrics say. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { LIBRARY, Workplace } from "./commands.ts";

vi.setConfig({ testTimeout: 120_000 });

const PIPELINE = `
import { Computation, fromFile, input, Pipeline, state, stream } from ${JSON.stringify(LIBRARY)};
const items = stream("items");
class Tally extends Computation {
  items = input(items, { key: (item) => item.key });
  count = state("count", { initial: 0 });
  processRecord(record, context) {
    if (record.value.at === "once") void Promise.reject(new Error("no one waits for me"));
    if (record.value.at === "later") void later();
    context.state(this.count).update((count) => count + 1);
  }
}
async function later() {
  await new Promise((resolve) => setTimeout(resolve, 20));
  throw new Error("no one waited for me");
}
export default new Pipeline("tally", { shards: 4 }).inject("items", items, fromFile("items.ndjson", { follow: true })).compute("tally", Tally);
`;

test("are told with their computation and, from the second on, their key; health is degraded, metrics count them, the run goes on", async () => {
  const workplace = new Workplace();
  workplace.write("tally.mjs", PIPELINE);
  workplace.write("items.ndjson", "");
  const items = (...all: object[]) => appendFileSync(join(workplace.directory, "items.ndjson"), all.map((item) => `${JSON.stringify(item)}\n`).join(""));
  const command = workplace.start(["run", "tally.mjs", "--port", "0", "--store", "memory:"]);
  const [, url = ""] = await command.hasSaid(/(http:\/\/[\d.:]+)\/v1\/watermarks/);
  const ask = async (path: string) => (await fetch(`${url}${path}`)).text();
  const counted = async () => [...(await ask("/metrics")).matchAll(/^millrace_unhandled_rejections_total(\S* .*)$/gm)].map(([, line]) => line);
  expect(await ask("/healthz")).toBe('{"status":"ok"}');

  items({ key: "k1", at: "once" });
  await command.hasSaid(
    /a promise was rejected and nothing waits for it \(of computation "tally"\); what it was to do may not be done: Error: no one waits for me/,
  );
  items({ key: "k2", at: "later" }, { key: "k3" });
  await command.hasSaid(/nothing waits for it \(of computation "tally", key "k2"\); what it was to do may not be done: Error: no one waited for me/);

  expect(await counted()).toEqual(['{participant="tally",kind="computation"} 2', " 0"]);
  expect(await ask("/healthz")).toBe('{"status":"degraded","unhandledRejections":2}');
  const readiness = JSON.parse(await ask("/readyz")) as { ready: boolean; warnings: string[] };
  expect(readiness).toMatchObject({ ready: true, missing: [] });
  expect(readiness.warnings).toHaveLength(1);
  expect(readiness.warnings[0]).toMatch(
    /^2 promises of user code were rejected .*; the last of computation "tally", key "k2", at 20.*Z: no one waited for me$/,
  );
  await expect.poll(async () => /processed_records_total{participant="tally".*} 3\n/.test(await ask("/metrics"))).toBe(true);
  command.process.kill("SIGTERM");
  const { code, errors } = await command.ended;
  expect([code, errors]).toEqual([0, expect.stringContaining("2 promises were rejected and nothing waited for them")]);
});
