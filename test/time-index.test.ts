import { expect, test } from "vitest";
import { TimeIndex } from "../src/time-index.ts";
import { Prng } from "./support/prng.ts";

/** The same, without any cleverness. */
class Model {
  readonly stored = new Map<string, number>();

  sorted(): { time: number; member: string }[] {
    return [...this.stored].map(([member, time]) => ({ time, member })).sort((a, b) => a.time - b.time || (a.member < b.member ? -1 : 1));
  }
}

const bare = (entry: { readonly time: number; readonly member: string } | undefined) => entry && { time: entry.time, member: entry.member };

test.each([1, 2, 3, 4, 5])("whatever is set, moved, deleted, cut and loaded, its head is the head of all members (seed %i)", (seed) => {
  const prng = new Prng(seed);
  const index = new TimeIndex();
  const model = new Model();
  for (let step = 0; step < 3_000; step++) {
    const member = `m${prng.below(200)}`;
    const what = prng.below(100);
    if (what < 60) {
      const time = prng.below(50);
      index.set(member, time);
      model.stored.set(member, time);
    } else if (what < 90) {
      index.delete(member);
      model.stored.delete(member);
    } else if (what < 95) index.shrink(prng.below(60));
    else {
      const head = model.sorted().slice(0, prng.below(100));
      index.load(head, head.length === model.stored.size);
    }
    const all = model.sorted();
    const below = all.filter(({ time }) => time < index.horizon);
    expect(index.size).toBe(below.length);
    const until = prng.below(60);
    expect(bare(index.first(until))).toEqual(below[0] !== undefined && below[0].time <= until ? below[0] : undefined);
    if (step % 3 === 0) expect(bare(index.first())).toEqual(below[0]);
    expect(index.bound).toBe(Math.min(below[0]?.time ?? Number.POSITIVE_INFINITY, index.horizon));
    for (const { time } of all.slice(0, 1)) expect(index.bound).toBeLessThanOrEqual(time);
    if (step % 50 === 0) {
      const limit = prng.below(30);
      expect(index.upTo(until, limit)).toEqual(
        below
          .filter(({ time }) => time <= until)
          .slice(0, limit)
          .map((each) => each.member),
      );
      for (const each of below.slice(0, 20)) expect(index.timeOf(each.member)).toBe(each.time);
    }
  }
});

test("of one time, members come in the order of their UTF-8 bytes, as in every store", () => {
  const index = new TimeIndex();
  for (const member of ["😀", "c", "a", "\uffee", "b"]) index.set(member, 7);
  expect(index.upTo(7, 10)).toEqual(["a", "b", "c", "\uffee", "😀"]);
});

test("a head of which all members share one time tells nothing but where knowledge ends", () => {
  const index = new TimeIndex();
  index.load(
    [
      { member: "a", time: 5 },
      { member: "b", time: 5 },
    ],
    false,
  );
  expect(index.size).toBe(0);
  expect(index.first()).toBeUndefined();
  expect(index.bound).toBe(5);
});

test("what is set at or beyond the horizon is the store's to remember, and lowers no bound", () => {
  const index = new TimeIndex();
  index.load(
    [
      { member: "a", time: 1 },
      { member: "b", time: 5 },
    ],
    false,
  );
  index.set("late", 5);
  expect(index.timeOf("late")).toBeUndefined();
  index.set("a", 9);
  expect(index.timeOf("a")).toBeUndefined();
  expect(index.bound).toBe(5);
});

test("shrinking keeps at least one time, and everything of it", () => {
  const index = new TimeIndex();
  for (let i = 0; i < 10; i++) index.set(`m${i}`, 3);
  index.shrink(2);
  expect(index.size).toBe(10);
  index.set("later", 4);
  index.shrink(5);
  expect(index.size).toBe(11);
  index.shrink(10);
  expect([index.size, index.horizon]).toEqual([10, 4]);
});

test("moving one member a hundred thousand times costs no memory that stays", () => {
  const index = new TimeIndex();
  index.set("other", 1_000_000);
  for (let i = 0; i < 100_000; i++) index.set("moved", i);
  expect(index.size).toBe(2);
  expect(bare(index.first())).toEqual({ member: "moved", time: 99_999 });
});

test("the first few of a hundred thousand that are due do not cost a look at all of them each time", () => {
  const index = new TimeIndex();
  for (let i = 0; i < 100_000; i++) index.set(`m${i}`, 5);
  let found = 0;
  const begin = process.hrtime.bigint();
  for (let i = 0; i < 1_000; i++) found += index.upTo(5, 10).length;
  expect(found).toBe(10_000);
  expect(Number((process.hrtime.bigint() - begin) / 1_000_000n)).toBeLessThan(1_000);
});

test("what comes to a time that is looked at again and again, or is being taken, does not put all of it in order anew", () => {
  const index = new TimeIndex();
  const begin = process.hrtime.bigint();
  for (let i = 0; i < 50_000; i++) {
    index.set(`m${(i * 7_919) % 50_000}`, 5);
    if (index.first(4) !== undefined || index.bound !== 5) throw new Error("something is due");
  }
  const taken: string[] = [];
  for (let next = index.first(5); next !== undefined; next = index.first(5)) {
    index.delete(next.member);
    taken.push(next.member);
    if (taken.length <= 5_000) index.set(`n${(taken.length * 7_919) % 5_000}`, 5);
  }
  expect(taken).toHaveLength(55_000);
  expect(taken).toEqual([...taken].sort());
  expect(Number((process.hrtime.bigint() - begin) / 1_000_000n)).toBeLessThan(1_000);
});
