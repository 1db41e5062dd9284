import fc from "fast-check";
import { expect, test } from "vitest";
import { DecodeError } from "../../src/errors.ts";
import { PERCENTILES } from "../../src/limits.ts";
import { decodeImage, encodeImage, newImage, type ShardImage } from "../../src/worker/image.ts";

const time = fc.integer({ min: -1, max: 2 ** 53 - 1 });
const count = fc.integer({ min: 0, max: 2 ** 53 - 1 });
const image: fc.Arbitrary<ShardImage> = fc.record({
  input: time,
  wallTime: count,
  last: time,
  nextHeld: count,
  nextDead: count,
  counters: fc.record({
    processed: count,
    late: count,
    produced: count,
    duplicates: count,
    deadLetters: count,
    timersFired: count,
    failures: count,
    droppedTimers: count,
  }),
  starts: fc.nat(3),
  swept: fc.nat(3),
  percentiles: fc.array(fc.tuple(fc.constantFrom(50, 99, 99.9), time), { maxLength: 3 }).map((each) => new Map(each)),
  checkpoint: fc.option(fc.record({ position: fc.oneof(fc.integer(), fc.string({ unit: "grapheme" })), done: fc.boolean() }), { nil: undefined }),
});

test("an image comes back as it was, with its checkpoint or without", () => {
  fc.assert(
    fc.property(image, (each) => {
      expect(decodeImage(encodeImage(each))).toEqual(each);
    }),
    { seed: 1 },
  );
});

test("an image has room for as many percentiles as a pipeline may follow", () => {
  const followed = new Map(Array.from({ length: PERCENTILES }, (_, n) => [50 + n / 100, n]));
  expect(decodeImage(encodeImage({ ...newImage(), percentiles: followed })).percentiles).toEqual(followed);
});

test("an image that was cut, or has a field that is no number, cannot be read", () => {
  const whole = Buffer.from(encodeImage({ ...newImage(), checkpoint: { position: 5 } }));
  for (let length = 1; length < whole.length; length++) {
    if (length === 105) expect(decodeImage(whole.subarray(0, length)).checkpoint).toBeUndefined();
    else expect(() => decodeImage(whole.subarray(0, length))).toThrow(DecodeError);
  }
  whole.writeDoubleLE(Number.NaN, 1);
  expect(() => decodeImage(whole)).toThrow("has no number in field 0");
});
