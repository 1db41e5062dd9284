import fc from "fast-check";
import { expect, test } from "vitest";
import { numberKey, numberOf, outboxKey, outboxPlaceOf, timeKey, timeOf } from "../../src/store/lmdb-keys.ts";
import { compareBytes } from "../../src/text.ts";

const KIND = 0x54;
const time = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -3, max: 3 }));
const text = fc.string({ unit: fc.constantFrom("a", "b", "\u0000", "\u007f", "é", "\ud7ff", "\ue000", "\uffff", "🔑", "\u{10ffff}"), maxLength: 4 });

test("keys of numbers sort as the numbers do, and give them back", () => {
  fc.assert(
    fc.property(time, time, (a, b) => {
      expect(Math.sign(Buffer.compare(numberKey(7, KIND, a), numberKey(7, KIND, b)))).toBe(Math.sign(a - b));
      expect(numberOf(numberKey(7, KIND, a)) + 0).toBe(a + 0);
    }),
    { seed: 1 },
  );
});

test("keys of times sort by time, then by the bytes of the member, and give both back", () => {
  fc.assert(
    fc.property(time, text, time, text, (a, one, b, other) => {
      const order = Math.sign(a - b) || Math.sign(compareBytes(one, other));
      expect(Math.sign(Buffer.compare(timeKey(7, KIND, a, one), timeKey(7, KIND, b, other)))).toBe(order);
      expect(timeOf(timeKey(7, KIND, a, one))).toEqual({ time: a + 0, member: one });
    }),
    { seed: 1 },
  );
});

test("keys of the outbox sort by target, then by place, and give them back", () => {
  const place = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3));
  fc.assert(
    fc.property(place, place, (a, b) => {
      const order = Math.sign(a[0] - b[0]) || Math.sign(a[1] - b[1]) || Math.sign(a[2] - b[2]);
      expect(Math.sign(Buffer.compare(outboxKey(7, ...a), outboxKey(7, ...b)))).toBe(order);
      expect(outboxPlaceOf(outboxKey(7, ...a))).toEqual({ target: a[0], place: { monotonic: a[1], n: a[2] } });
    }),
    { seed: 1 },
  );
});
