/** What a chaos run says of those whom no fault struck. */
import { describe, expect, test } from "vitest";
import { bystanders, byMinute } from "../../chaos/bystanders.ts";
import type { Load } from "../../chaos/load.ts";
import { quantile, quantileOfWaits, type Wait } from "../../chaos/quantile.ts";
import { shardRef } from "../../src/key.ts";

const known = (ms: number): Wait => ({ ms, cut: false });
const cut = (ms: number): Wait => ({ ms, cut: true });

describe("a quantile of waits", () => {
  test("is that of numbers where none was cut short", () => {
    const numbers = Array.from({ length: 200 }, (_, i) => (i * 37) % 200);
    for (const at of [0.5, 0.9, 0.99]) expect(quantileOfWaits(numbers.map(known), at)).toBe(quantile(numbers, at));
  });

  test("takes one that was cut short for longer than it is known to be, not for as long", () => {
    // Of four, one is known to be above 1: the two that are left share its part.
    expect(quantileOfWaits([cut(1), known(2), known(3), known(4)], 0.3)).toBe(2);
    expect(quantileOfWaits([known(1), cut(2), known(3), known(4)], 0.5)).toBe(3);
    expect(quantileOfWaits([known(1), known(2), cut(3), cut(4)], 0.9)).toBeUndefined();
  });
});

test("a record is a bystander until a shard of its own is struck, and none while that is without a worker", () => {
  const load: Load = { records: 10, rate: 1_000, keys: 1, partitions: 1, shape: "even", bendsAt: 0 };
  const [mine, other] = [shardRef(1, 0), shardRef(1, 1)];
  const seen = [0, 1, 2, 3, 4].map((n): [number, number] => [n, 10_000 + n + 50]);
  const told = { workers: [{ pulses: [{ seen } as never] }], load, startAt: 10_000 };
  const struck = (ref: number, struckAt: number) => ({ ref, struckAt, from: struckAt, to: struckAt + 1 });
  const of = (...sick: ReturnType<typeof struck>[]) =>
    bystanders(told, { from: 10_000, to: 10_005 }, () => [mine], sick).map((wait): Wait => ({ ms: wait.ms, cut: wait.cut }));
  expect(of(struck(other, 10_002))).toEqual(Array.from({ length: 5 }, () => known(50)));
  expect(of(struck(mine, 10_002))).toEqual([cut(2), cut(1), known(50)]);
  expect(of(struck(mine, 10_060))).toEqual(Array.from({ length: 5 }, () => known(50)));
});

test("of each minute, the 99th percentile of the records that were due in it; none where there were none", () => {
  const due = (at: number, ms: number) => ({ ...known(ms), due: at });
  const waits = [due(0, 1), due(59_999, 2), due(60_000, 7), due(120_000, 9)];
  expect(byMinute(waits, { from: 0, to: 240_000 })).toEqual([2, 7, 9, null]);
});
