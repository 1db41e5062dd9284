import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { built } from "../support/built.ts";

test("a query of Nexmark between two streams has the rows of plain code, on Millrace", async () => {
  const args = ["peers", "--workload", "q8", "--only", "bullmq", "--records", "60000", "--disorder", "1000", "--sweep", "1", "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, [built("bench/main.ts"), ...args]);
  const { peers, rows, verified } = JSON.parse(stdout) as { peers: { name: string; recordsPerSecond: number }[]; rows: number; verified: string };
  expect(peers.map(({ name }) => name)).toEqual(["millrace"]);
  expect(peers[0]?.recordsPerSecond).toBeGreaterThan(0);
  expect(rows).toBeGreaterThan(100);
  expect(verified).toMatch(new RegExp(`^${rows}:[0-9a-f]{16}$`));
});

test("the benchmark of peers counts every record once on Millrace and on BullMQ", async () => {
  const args = ["peers", "--only", "bullmq", "--records", "60000", "--keys", "100", "--sweep", "1", "--latency", "no", "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, [built("bench/main.ts"), ...args]);
  const { peers } = JSON.parse(stdout) as { peers: { name: string; guarantee: string; recordsPerSecond: number; cpuSeconds: number; rssMiB: number }[] };
  expect(peers.map(({ name }) => name)).toEqual(["millrace", "bullmq"]);
  for (const { guarantee, recordsPerSecond, rssMiB } of peers) {
    expect(guarantee).toContain("AOF everysec");
    expect(recordsPerSecond).toBeGreaterThan(0);
    expect(rssMiB).toBeGreaterThan(50);
  }
});
