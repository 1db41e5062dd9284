/** The benchmarks themselves, at sizes that measure nothing: what is checked is what they check of their own runs. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { built } from "../support/built.ts";

interface Row {
  readonly bench?: string;
  readonly verified?: number;
  readonly violations?: number;
  readonly killed?: number;
}
interface Smoke {
  readonly smoke: string;
  readonly rows: readonly Row[];
}

test("every benchmark runs, reads its results back from the store as plain code has them, and passes the auditor", () => {
  const lines = execFileSync(process.execPath, [built("bench/main.ts"), "smoke"], { encoding: "utf8", timeout: 150_000 })
    .trim()
    .split("\n");
  const smoked = lines.map((line) => JSON.parse(line) as Smoke);
  const names = smoked.map(({ smoke }) => smoke);
  expect(names).toEqual(
    expect.arrayContaining(["throughput", "latency", "guarantees", "watermark", "keys", "cache", "timers", "nexmark", "ysb", "raw", "throughput --kill"]),
  );
  // Each row of a run of a pipeline says what was verified; it throws where that is not as it must be.
  const runs = smoked.flatMap(({ rows }) => rows).filter(({ verified }) => verified !== undefined);
  expect(runs.length).toBeGreaterThanOrEqual(18);
  expect(runs.filter(({ violations }) => violations !== 0)).toEqual([]);
  expect(smoked.at(-1)?.rows[0]).toMatchObject({ killed: 1, verified: 500 });
}, 180_000);
