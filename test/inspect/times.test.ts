import { expect, test } from "vitest";
import { durationText, eventTime, isoOf, timeText } from "../../src/inspect/times.ts";
import { BEGINNING, END, LAST_TIMER } from "../../src/time.ts";

test("a watermark is ms, null before anything is known, and a word at the end of time", () => {
  expect([BEGINNING, 0, 1_700_000_000_000, END].map(eventTime)).toEqual([null, 0, 1_700_000_000_000, "end"]);
});

test("a time that is no date has no text of one", () => {
  expect([0, BEGINNING, LAST_TIMER, END, undefined].map(isoOf)).toEqual(["1970-01-01T00:00:00.000Z", null, null, null, null]);
  expect([BEGINNING, END, LAST_TIMER, 1].map(timeText)).toEqual(["the beginning", "the end of time", String(LAST_TIMER), "1970-01-01T00:00:00.001Z"]);
});

test("a duration has two units at most and is never rounded up", () => {
  expect([-5, 0, 999, 1_000, 59_999, 60_000, 3_599_999, 3_600_000, 86_399_999, 86_400_000, 273_600_000].map(durationText)).toEqual([
    "0 ms",
    "0 ms",
    "999 ms",
    "1.0 s",
    "59.9 s",
    "1 min 0 s",
    "59 min 59 s",
    "1 h 0 min",
    "23 h 59 min",
    "1 d 0 h",
    "3 d 4 h",
  ]);
});
