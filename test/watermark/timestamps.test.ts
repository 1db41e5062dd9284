import { expect, test } from "vitest";
import { LAST_TIMER } from "../../src/time.ts";
import { refuseTimestamp } from "../../src/watermark/timestamps.ts";

const NOW = 1_700_000_000_000;
const reason = (timestamp: unknown, maxAhead = 1_000): string | undefined => refuseTimestamp(timestamp, NOW, maxAhead);

test("a timestamp is refused one ms beyond maxAhead, not at it", () => {
  expect(reason(NOW + 999)).toBeUndefined();
  expect(reason(NOW + 1_000)).toBeUndefined();
  expect(reason(NOW + 1_001)).toBe(`the timestamp ${NOW + 1_001} is 1001 ms ahead of the clock; at most 1000 ms are allowed (maxAhead)`);
});

test("maxAhead Infinity allows any time but the last day of time, which timers cannot have", () => {
  expect(reason(LAST_TIMER, Number.POSITIVE_INFINITY)).toBeUndefined();
  expect(reason(LAST_TIMER + 1, Number.POSITIVE_INFINITY)).toMatch(/beyond the last possible time/);
  expect(reason(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)).toMatch(/beyond the last possible time/);
});

test("event time starts at 0", () => {
  expect(reason(-1)).toMatch(/-1 is negative/);
  expect(reason(0)).toBeUndefined();
  expect(reason(1)).toBeUndefined();
  expect(reason(Number.NEGATIVE_INFINITY)).toMatch(/negative/);
});

test("what is no integer number is named", () => {
  expect(reason(Number.NaN)).toMatch(/is NaN/);
  expect(reason(1.5)).toMatch(/1.5 is not an integer/);
  expect(reason("2024-01-01")).toMatch(/the string "2024-01-01"/);
  expect(reason(undefined)).toMatch(/is undefined/);
  expect(reason(null)).toMatch(/is null/);
  expect(reason(new Date(NOW))).toMatch(/give its getTime\(\)/);
  expect(reason(10n)).toMatch(/of type bigint/);
  expect(reason({})).toMatch(/of type object/);
});

test("a long string is cut", () => {
  expect(reason("x".repeat(10_000))!.length).toBeLessThan(200);
});
