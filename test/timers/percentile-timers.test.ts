/** The queue of a shard that has percentile timers. What fires when, and what holds, is tested in `test/worker/percentile-watermarks.test.ts`. */
import { expect, test } from "vitest";
import { PercentileTimers } from "../../src/timers/percentile-timers.ts";

const LATER = 260_000;

/** Timers whose names begin with "p" go by the 90th percentile, the others by the low watermark. */
function queueOf(count: number): { timers: PercentileTimers; watermarks: Map<number, number> } {
  const watermarks = new Map([[90, -1]]);
  const timers = new PercentileTimers(
    (member) => member,
    (member) => (member.startsWith("p") ? 90 : undefined),
    [90],
    watermarks,
  );
  for (let time = 0; time < count; time++) timers.set(`${time % 2 === 0 ? "p" : "l"}${time}`, time);
  return { timers, watermarks };
}

test("of very many timers the later ones are left to the store, and those that a percentile watermark comes to are read again", () => {
  const { timers, watermarks } = queueOf(LATER);
  timers.trim();
  expect(timers.size).toBeLessThanOrEqual(LATER / 2);
  expect(timers.boundFrom(90, 0)).toBe(0);
  expect(timers.needsMore(-1)).toBe(false);
  const { horizon } = timers;
  watermarks.set(90, horizon);
  expect(timers.needsMore(-1)).toBe(true);
  expect(timers.page).toBeGreaterThan(timers.size);
  // None is due that is not here.
  for (let due = timers.due(-1); due !== undefined; due = timers.due(-1)) {
    expect(due.time).toBeLessThan(horizon);
    timers.delete(due.member);
  }
  expect(timers.boundFrom(90, horizon)).toBe(horizon);
});

test("what a percentile watermark has passed stays, however many there are: what of it goes by that watermark is to fire", () => {
  const { timers, watermarks } = queueOf(LATER);
  watermarks.set(90, 200_000);
  timers.trim();
  expect(timers.horizon).toBeGreaterThan(200_000);
  expect(timers.needsMore(-1)).toBe(false);
  expect(timers.timeOf("l199999")).toBe(199_999);
});
