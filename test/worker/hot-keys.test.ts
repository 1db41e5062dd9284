/** The keys that most records are of: a sketch of constant size that finds each key with more than its share. */
import { expect, test } from "vitest";
import { HotKeys } from "../../src/worker/hot-keys.ts";
import { Prng } from "../support/prng.ts";

test("a few records are counted exactly", () => {
  const hot = new HotKeys();
  for (const key of "aabaca") hot.saw(key);
  expect(hot.counted).toBe(6);
  expect(hot.top(2)).toEqual([
    { key: "a", records: 4, atLeast: 4 },
    { key: "b", records: 1, atLeast: 1 },
  ]);
});

test.each([0.9, 0.3, 0.05])("a key with a share of %s among a million others is found, with that share", (share) => {
  const prng = new Prng(7);
  const hot = new HotKeys();
  for (let i = 0; i < 500_000; i++) hot.saw(prng.next() < share ? "hot" : `k${prng.below(1_000_000)}`);
  const [first] = hot.top(1);
  expect(first?.key).toBe("hot");
  expect((first?.atLeast ?? 0) / hot.counted).toBeGreaterThan(0.8 * share);
  expect((first?.records ?? 0) / hot.counted).toBeLessThan(1.25 * share);
});

test("keys that come in turn look alike, although not every record is looked at", () => {
  const hot = new HotKeys();
  for (let i = 0; i < 1_000_000; i++) hot.saw(`k${i % 16}`);
  const shares = hot.top(20).map(({ records }) => records / hot.counted);
  expect(shares).toHaveLength(16);
  for (const share of shares) expect(Math.abs(share - 1 / 16)).toBeLessThan(0.015);
});

test("what was hot long ago makes room for what is hot now", () => {
  const hot = new HotKeys();
  for (let i = 0; i < 1_000_000; i++) hot.saw("then");
  for (let i = 0; i < 400_000; i++) hot.saw("now");
  expect(hot.top(1)[0]?.key).toBe("now");
});

test("keys without end take no memory without end", () => {
  const hot = new HotKeys();
  for (let i = 0; i < 200_000; i++) hot.saw(`k${i}`);
  expect(hot.top(1_000_000).length).toBeLessThanOrEqual(128);
  expect(hot.counted).toBeLessThan(140_000);
});
