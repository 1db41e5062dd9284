import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTimerMember, timerMember } from "../../src/store/address.ts";
import { TimerQueue } from "../../src/timers/timer-queue.ts";

const queue = () => new TimerQueue("watermark", (member) => parseTimerMember(member).key);
const of = (key: string, tag: number) => timerMember(1, tag, key);

test("19 and 29: at 20 only 19 is due; set again in the past it is due again; at 30 so is 29 (C59)", () => {
  const timers = queue();
  timers.set(of("k", 29), 29);
  timers.set(of("k", 19), 19);
  expect(timers.due(18)).toBeUndefined();
  expect(timers.due(20)?.member).toBe(of("k", 19));
  timers.delete(of("k", 19));
  expect(timers.due(21)).toBeUndefined();
  timers.set(of("k", 19), 19);
  expect(timers.due(21)?.time).toBe(19);
  timers.delete(of("k", 19));
  expect(timers.due(30)?.member).toBe(of("k", 29));
});

test("reset from 13 to 42 it is not due at 14 but at 43; deleting twice is deleting once (C59)", () => {
  const timers = queue();
  timers.set(of("k", 1), 13);
  timers.set(of("k", 1), 42);
  expect(timers.due(14)).toBeUndefined();
  expect(timers.due(43)?.time).toBe(42);
  timers.delete(of("k", 1));
  timers.delete(of("k", 1));
  expect(timers.due(43)).toBeUndefined();
  expect(timers.bound).toBe(Number.POSITIVE_INFINITY);
});

test("at 1,500 one of 1,000, 5,000 and 10,000 is due, at 50,000 the others in order, in whatever order they were set (C74)", () => {
  for (const order of [
    [1_000, 5_000, 10_000],
    [10_000, 5_000, 1_000],
    [5_000, 10_000, 1_000],
  ]) {
    const timers = queue();
    for (const time of order) timers.set(of("k", time), time);
    expect(timers.allDue(1_500, 10)).toEqual([of("k", 1_000)]);
    timers.delete(of("k", 1_000));
    expect(timers.allDue(50_000, 10)).toEqual([of("k", 5_000), of("k", 10_000)]);
  }
});

test("a key's timers are found by the key, those of keys with like names are not", () => {
  const timers = queue();
  timers.set(of("a", 1), 1);
  timers.set(of("ab", 1), 1);
  timers.set(timerMember(1, "x:a", "b"), 1);
  timers.set(of("a", 2), 2);
  expect([...timers.ofKey("a")].sort()).toEqual([of("a", 1), of("a", 2)].sort());
  timers.delete(of("a", 1));
  expect([...timers.ofKey("a")]).toEqual([of("a", 2)]);
  expect([...timers.ofKey("none")]).toEqual([]);
});

test("beyond the head that was read it says that there may be more, and more is wanted once that could be due", () => {
  const timers = queue();
  timers.load(
    [
      { member: of("k", 1), time: 10 },
      { member: of("k", 2), time: 20 },
    ],
    false,
  );
  expect([...timers.ofKey("k")]).toEqual([of("k", 1)]);
  expect(timers.bound).toBe(10);
  expect(timers.needsMore(100)).toBe(false);
  timers.delete(of("k", 1));
  expect(timers.bound).toBe(20);
  expect(timers.needsMore(19)).toBe(false);
  expect(timers.needsMore(20)).toBe(true);
  timers.load([{ member: of("k", 2), time: 20 }], true);
  expect(timers.due(20)?.member).toBe(of("k", 2));
  expect(timers.horizon).toBe(Number.POSITIVE_INFINITY);
});

test("a timer that was put aside is not due, but bounds and is found as before; taken back it is due again", () => {
  const timers = queue();
  timers.set(of("a", 1), 1);
  timers.set(of("a", 5), 5);
  timers.set(of("b", 3), 3);
  timers.putAside(of("a", 1));
  expect(timers.due(10)?.member).toBe(of("b", 3));
  expect([timers.bound, timers.timeOf(of("a", 1)), timers.size]).toEqual([1, 1, 3]);
  expect(timers.earliest(10)?.member).toBe(of("a", 1));
  expect([...timers.ofKey("a")].sort()).toEqual([of("a", 1), of("a", 5)].sort());
  timers.takeBack("b");
  expect(timers.due(10)?.member).toBe(of("b", 3));
  timers.takeBack("a");
  expect(timers.due(10)?.member).toBe(of("a", 1));
});

test("setting or deleting a timer that was put aside is setting or deleting that timer", () => {
  const timers = queue();
  timers.set(of("a", 1), 1);
  timers.set(of("a", 2), 2);
  timers.putAside(of("a", 1));
  timers.putAside(of("a", 2));
  timers.set(of("a", 1), 7);
  timers.delete(of("a", 2));
  expect(timers.due(10)?.time).toBe(7);
  timers.takeBack("a");
  expect(timers.allDue(10, 10)).toEqual([of("a", 1)]);
  expect(timers.size).toBe(1);
});

/** One step: a timer is set, deleted, put aside; a key takes its timers back; or all is read anew as a head of the store. */
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("set" as const), key: fc.constantFrom("a", "b", "c"), tag: fc.nat(3), time: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("delete" as const), key: fc.constantFrom("a", "b", "c"), tag: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("aside" as const), key: fc.constantFrom("a", "b", "c"), tag: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("back" as const), key: fc.constantFrom("a", "b", "c") }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("load" as const), limit: fc.nat(12) }) },
);

test("whatever is set, deleted, put aside, taken back and read anew, what is due is the earliest (I1 to I3)", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(20), (steps, now) => {
      const timers = queue();
      const stored = new Map<string, number>();
      let aside = new Set<string>();
      for (const each of steps) {
        if (each.kind === "set") {
          timers.set(of(each.key, each.tag), each.time);
          stored.set(of(each.key, each.tag), each.time);
          aside.delete(of(each.key, each.tag));
        } else if (each.kind === "delete") {
          timers.delete(of(each.key, each.tag));
          stored.delete(of(each.key, each.tag));
          aside.delete(of(each.key, each.tag));
        } else if (each.kind === "aside") {
          if (timers.timeOf(of(each.key, each.tag)) !== undefined) aside.add(of(each.key, each.tag));
          timers.putAside(of(each.key, each.tag));
        } else if (each.kind === "back") {
          timers.takeBack(each.key);
          aside = new Set([...aside].filter((member) => parseTimerMember(member).key !== each.key));
        } else {
          const head = inOrder(stored).slice(0, each.limit);
          timers.load(head, head.length === stored.size);
          aside = new Set();
        }
        const known = inOrder(stored).filter(({ time }) => time < timers.horizon);
        const ready = known.filter(({ member, time }) => !aside.has(member) && time <= now);
        expect(timers.due(now)?.member).toBe(ready[0]?.member);
        expect(timers.allDue(now, 100)).toEqual(ready.map(({ member }) => member));
        expect(timers.bound).toBe(Math.min(known[0]?.time ?? Number.POSITIVE_INFINITY, timers.horizon));
        expect(timers.bound).toBeLessThanOrEqual(Math.min(...stored.values()));
        for (const { member, time } of known) expect(timers.timeOf(member)).toBe(time);
        for (const key of ["a", "b", "c"]) {
          expect([...timers.ofKey(key)].sort()).toEqual(
            known
              .map(({ member }) => member)
              .filter((member) => parseTimerMember(member).key === key)
              .sort(),
          );
        }
      }
    }),
    { seed: 1 },
  );
});

const inOrder = (timers: ReadonlyMap<string, number>): { readonly member: string; readonly time: number }[] =>
  [...timers].map(([member, time]) => ({ member, time })).sort((a, b) => a.time - b.time || (a.member < b.member ? -1 : 1));
