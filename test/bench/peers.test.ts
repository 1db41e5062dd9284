import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { built } from "../support/built.ts";

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
