import fc from "fast-check";
import { expect, test } from "vitest";
import { LagHistogram } from "../../src/watermark/lag-histogram.ts";
import { Prng } from "../support/prng.ts";

/** The rule L1 on the exact lags: at most k of them exceed the delay, (k + 1) <= late * (n + 1). */
function exactDelay(lags: readonly number[], late: number): number | undefined {
  const allowed = Math.floor(late * (lags.length + 1)) - 1;
  return allowed < 0 ? undefined : lags.toSorted((a, b) => b - a)[allowed];
}

test("lags below 128 are counted exactly", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 127 }), { maxLength: 400 }), fc.constantFrom(0.01, 0.1, 0.5), (lags, late) => {
      const histogram = new LagHistogram(late, 1_000);
      lags.forEach((lag, i) => {
        histogram.add(lag);
        expect(histogram.delay()).toBe(exactDelay(lags.slice(0, i + 1), late));
      });
    }),
    { numRuns: 30 },
  );
});

test("larger lags are counted within 1.6%, up to the largest there is", () => {
  fc.assert(
    fc.property(fc.array(fc.maxSafeNat(), { minLength: 1, maxLength: 300 }), (lags) => {
      const histogram = new LagHistogram(0.1, 1_000);
      for (const lag of lags) histogram.add(lag);
      const exact = exactDelay(lags, 0.1);
      const delay = histogram.delay();
      expect(delay === undefined).toBe(exact === undefined);
      if (delay === undefined || exact === undefined) return;
      expect(Number.isSafeInteger(delay)).toBe(true);
      expect(Math.abs(delay - exact)).toBeLessThanOrEqual(exact / 64 + 1);
    }),
  );
});

test("the edges of buckets: 127, 128, 255, 256, 2^31 - 1, 2^31, 2^32, 2^53 - 1", () => {
  for (const lag of [0, 1, 127, 128, 255, 256, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER]) {
    const histogram = new LagHistogram(0.5, 100);
    for (let i = 0; i < 10; i++) histogram.add(lag);
    expect(Math.abs(histogram.delay()! - lag)).toBeLessThanOrEqual(lag / 64);
  }
});

test("there is no delay before late * (n + 1) reaches 1", () => {
  const histogram = new LagHistogram(0.01, 1_000);
  for (let n = 1; n <= 98; n++) histogram.add(n);
  expect(histogram.delay()).toBeUndefined();
  histogram.add(50);
  expect(histogram.delay()).toBe(98);
});

test("after two generations nothing of what was before is left", () => {
  const histogram = new LagHistogram(0.1, 100);
  for (let i = 0; i < 1_000; i++) histogram.add(5_000);
  for (let i = 0; i < 200; i++) histogram.add(3);
  expect(histogram.delay()).toBe(3);
});

test("saved in any moment and restored, it gives the same delays ever after", () => {
  const prng = new Prng(11);
  const original = new LagHistogram(0.05, 150);
  let restored = new LagHistogram(0.05, 150);
  for (let i = 0; i < 2_000; i++) {
    const lag = Math.floor(prng.exponential(10 ** prng.below(8)));
    original.add(lag);
    restored.add(lag);
    expect(restored.delay()).toBe(original.delay());
    if (i % 37 === 0) restored = new LagHistogram(0.05, 150, structuredClone(original.save()));
  }
  expect(restored.save()).toEqual(original.save());
});

test("what is saved of a million lags is a few kilobytes", () => {
  const prng = new Prng(12);
  const histogram = new LagHistogram(0.001, 50_000);
  for (let i = 0; i < 200_000; i++) histogram.add(Math.floor(prng.exponential(5_000)));
  const { previous, current } = histogram.save();
  expect(previous.length + current.length).toBeLessThan(4_000);
});

test("saved bytes that are none of its own are refused", () => {
  const empty = new Uint8Array(0);
  expect(() => new LagHistogram(0.1, 100, { previous: Uint8Array.of(0x80), current: empty })).toThrow(/ends within a number/);
  expect(() => new LagHistogram(0.1, 100, { previous: Uint8Array.of(0xff, 0xff, 0x7f, 1), current: empty })).toThrow(/names bucket/);
});
