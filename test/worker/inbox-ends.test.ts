/** When a worker knows where inboxes end without reading it. The counter is the domain's, of calls that have appended. */
import { beforeEach, expect, test } from "vitest";
import { InboxEnds } from "../../src/worker/inbox-ends.ts";

let ends: InboxEnds;
beforeEach(() => {
  ends = new InboxEnds(1);
  ends.read(0, 10);
});

test("its own calls, each the next of the counter, leave the ends known", () => {
  expect(ends.answered(0, 11, true, false)).toBe(true);
  expect(ends.answered(0, 11, false, false)).toBe(true);
  expect(ends.compare([11])).toBe(true);
  expect(ends.allKnown).toBe(true);
});

test.each([
  ["an append of another's before its own", (): unknown => ends.answered(0, 12, true, false)],
  ["an append of another's beside a call that appends nothing", (): unknown => ends.answered(0, 11, false, false)],
  ["an own call that was sent again", (): unknown => ends.answered(0, 11, true, true)],
  ["a counter that is ahead of its own calls", (): unknown => ends.compare([11])],
  ["a counter that is behind its own calls", (): unknown => ends.compare([9])],
])("%s leaves the ends unknown until they are read", (_, happens) => {
  expect(happens()).toBe(false);
  expect(ends.allKnown).toBe(false);
  ends.read(0, 12);
  expect(ends.allKnown).toBe(true);
  expect(ends.answered(0, 13, true, false)).toBe(true);
  expect(ends.allKnown).toBe(true);
});

test("an own call that was under way while the ends were read, and is answered after that, leaves them known", () => {
  expect(ends.compare([11])).toBe(false);
  ends.read(0, 11);
  expect(ends.answered(0, 11, true, false)).toBe(true);
  expect(ends.allKnown).toBe(true);
});

test("ends that were read before an own call that was answered meanwhile are not known: others may have come between", () => {
  expect(ends.answered(0, 13, true, false)).toBe(false);
  ends.read(0, 12);
  expect(ends.allKnown).toBe(false);
});
