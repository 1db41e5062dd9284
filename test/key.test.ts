import fc from "fast-check";
import { expect, test } from "vitest";
import { indexOf, participantOf, shardOf, shardRef } from "../src/key.ts";
import { SHARDS } from "../src/limits.ts";

/** Of any UTF-16 code units, halves of surrogate pairs included. */
const key = fc.array(fc.nat(0xffff), { maxLength: 40 }).map((units) => String.fromCharCode(...units));

test("the shard of a key is one of the shards, and the same each time", () => {
  fc.assert(
    fc.property(key, fc.integer({ min: 1, max: SHARDS }), (text, shards) => {
      const shard = shardOf(text, shards);
      expect(Number.isInteger(shard) && shard >= 0 && shard < shards).toBe(true);
      expect(shardOf(`${text}x`.slice(0, -1), shards)).toBe(shard);
    }),
    { seed: 1 },
  );
});

test("the hash is part of the stored format: these keys are where they always were", () => {
  expect(["", "a", "b", "key-000000000001", "🔑", "é", "constructor"].map((key) => shardOf(key, 1_024))).toMatchInlineSnapshot(`
    [
      11,
      435,
      562,
      637,
      780,
      617,
      614,
    ]
  `);
});

test("keys that differ in little are spread evenly", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), fc.constantFrom(2, 16, 64), (prefix, shards) => {
      const counts = Array.from({ length: shards }, () => 0);
      for (let n = 0; n < 100 * shards; n++) counts[shardOf(`${prefix}${n}`, shards)]! += 1;
      // 100 each on average; six standard deviations are 60.
      expect(Math.min(...counts)).toBeGreaterThan(40);
      expect(Math.max(...counts)).toBeLessThan(160);
    }),
    { seed: 1, numRuns: 20 },
  );
});

test("a shard's reference gives its participant and index back, and two shards never share one", () => {
  const part = fc.tuple(fc.nat({ max: 60_000 }), fc.nat({ max: 65_535 }));
  fc.assert(
    fc.property(part, part, ([participant, index], [other, otherIndex]) => {
      const ref = shardRef(participant, index);
      expect([participantOf(ref), indexOf(ref)]).toEqual([participant, index]);
      expect(ref === shardRef(other, otherIndex)).toBe(participant === other && index === otherIndex);
    }),
    { seed: 1 },
  );
});
