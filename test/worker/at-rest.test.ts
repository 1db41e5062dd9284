/** What a worker does while there is nothing to do: as little as keeps its shards its own, and all of that in few wake-ups. */
import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { MemoryStore, StoreUnavailableError } from "../../src/index.ts";
import { Bench } from "./probe.ts";

const METHODS = ["announce", "renew", "report"] as const;

/** A worker without others, whose first seconds are over. */
async function resting(leaseMs = 2_000): Promise<Bench> {
  const bench = await Bench.start({ onRecord: () => {} }, { store: new MemoryStore({ exclusive: false }), leaseMs });
  await bench.rig.advance(10_000);
  return bench;
}

test("a worker that is alone and at rest wakes up twice a second, with its announcements: it renews and reports beside them", async () => {
  const { rig } = await resting();
  const moments = new Set<number>();
  rig.line.onCall = () => void moments.add(rig.clock.now());
  const before = METHODS.map((method) => rig.line.count(method));
  await rig.advance(19_500);
  const calls = METHODS.map((method, i) => rig.line.count(method) - (before[i] as number));
  expect(calls).toEqual([39, 19, 10]);
  expect(moments.size).toBe(39);
  await rig.kill();
});

for (const leaseMs of [200, 600, 1_000, 2_000, 5_000, 60_000])
  test(`between two renewals no more than seven twelfths of a lease of ${leaseMs} ms pass`, async () => {
    const { rig } = await resting(leaseMs);
    const times: number[] = [];
    rig.line.onCall = (method) => void (method === "renew" && times.push(rig.clock.now()));
    await rig.advance(4 * leaseMs);
    expect(times.length).toBeGreaterThanOrEqual(6);
    for (const [i, time] of times.entries()) if (i > 0) expect(time - (times[i - 1] as number)).toBeLessThanOrEqual((7 * leaseMs) / 12 + 1);
    await rig.kill();
  });

test("a renewal that failed is made again soon, and the shards are still this worker's", async () => {
  const { rig } = await resting();
  const times: number[] = [];
  let failing = 0;
  rig.line.onCall = (method) => {
    if (method !== "renew") return;
    times.push(rig.clock.now());
    if (times.length === 2) failing = 2;
    if (failing-- > 0) throw new StoreUnavailableError("cut off");
  };
  await rig.advance(2_500);
  const [, failed = 0, again = 0, last = 0] = times;
  expect(again - failed).toBeLessThanOrEqual(500);
  expect(last - failed).toBeLessThanOrEqual(1_000);
  expect(rig.worker.engine.ownership.moved.lost).toBe(0);
  expect(rig.worker.engine.ownership.complete).toBe(true);
  await rig.kill();
});

test("renewals after one without an answer show all shards for three leases: that one may still come, and make a lease of what it showed", async () => {
  const { rig } = await resting(600);
  const shown: unknown[] = [];
  rig.line.onCall = (method, args) => {
    if (method !== "renew") return;
    shown.push(args[3]);
    if (shown.length === 2) throw new StoreUnavailableError("no answer");
  };
  const from = rig.clock.now();
  for (let renewals = 0; renewals < 14; renewals = shown.length) await rig.advance(100);
  expect(rig.clock.now() - from).toBeGreaterThan(3 * 600);
  expect(shown).toEqual([false, false, ...Array.from({ length: 10 }, () => true), false, false]);
  await rig.kill();
});

test("a long wait of the machine's clock has not ended before that clock shows it", async () => {
  const early = await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      await new Promise<void>((resolve) => systemClock.after(i / 3, resolve));
      const from = systemClock.now();
      await new Promise<void>((resolve) => systemClock.after(60 + i / 7, resolve));
      return from + 60 + i / 7 - systemClock.now();
    }),
  );
  expect(Math.max(...early)).toBeLessThanOrEqual(0);
});
