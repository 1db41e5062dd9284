/** How often a worker reports watermarks where the store takes long to answer. */
import { afterEach, expect, test } from "vitest";
import { Bench, Gate } from "./probe.ts";

const EVERY = 2;
let bench: Bench;
afterEach(() => bench.rig.kill());

/** Lets a report be answered so many ms after it went out, and has something to say in the next. */
async function answeredAfter(ms: number): Promise<void> {
  bench = await Bench.start({ onRecord: () => {} }, { reportEvery: EVERY });
  await bench.rig.advance(1_000);
  const gate = new Gate();
  bench.rig.line.onCall = (method) => (method === "report" ? gate.promise : undefined);
  const before = reports();
  bench.feed.promise(10);
  await bench.rig.turns();
  expect(reports()).toBe(before + 1);
  bench.rig.clock.advance(ms);
  await bench.rig.turns();
  gate.open();
  bench.feed.promise(20);
  await bench.rig.turns();
}

const reports = () => bench.rig.line.count("report");

async function passes(ms: number): Promise<void> {
  bench.rig.clock.advance(ms);
  await bench.rig.turns();
}

test.each([
  ["as long again as the one before took to be answered", 7, 7],
  ["five times the time between reports at most", 500, 5 * EVERY],
])("the next report waits %s", async (_, answered, rest) => {
  await answeredAfter(answered);
  const before = reports();
  await passes(rest - 1);
  expect(reports()).toBe(before);
  await passes(1);
  expect(reports()).toBe(before + 1);
  expect(bench.rig.watermark("feed").output).toBe(20);
});

test("a report that is answered at once lets the next one wait for no more than the time between reports", async () => {
  await answeredAfter(0);
  const before = reports();
  await passes(EVERY);
  expect(reports()).toBeGreaterThan(before);
  expect(bench.rig.watermark("feed").output).toBe(20);
});
