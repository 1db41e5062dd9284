import fc from "fast-check";
import { expect, test } from "vitest";
import { DecodeError } from "../../src/errors.ts";
import { decodeRecord, encodeRecord } from "../../src/store/lmdb-record.ts";
import { MemoryShard } from "../../src/store/memory-shard.ts";

const count = fc.integer({ min: 0, max: 2 ** 53 - 1 });
const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });
const record = fc.record({
  monotonic: count,
  leaseUntil: count,
  number: count,
  position: count,
  offset: count,
  tail: count,
  queued: count,
  id: text,
  sequencer: fc.option(text, { nil: undefined }),
  owner: fc.option(text, { nil: undefined }),
  consumedIdentity: fc.uint8Array({ maxLength: 24 }),
});

test("a shard's record comes back as it was", () => {
  fc.assert(
    fc.property(record, (given) => {
      const read = new MemoryShard(5);
      const counts = decodeRecord(encodeRecord(Object.assign(new MemoryShard(5), given)), read);
      expect(Object.fromEntries(Object.keys(given).map((name) => [name, read[name as keyof typeof given]]))).toEqual(given);
      expect(counts).toEqual(new MemoryShard(5).counts);
    }),
    { seed: 1 },
  );
});

test("a record that was cut anywhere cannot be read", () => {
  const whole = encodeRecord(Object.assign(new MemoryShard(5), { sequencer: "1.a", owner: "w", id: "c", consumedIdentity: new Uint8Array(24) }));
  for (let length = 0; length < whole.length; length++) expect(() => decodeRecord(whole.subarray(0, length), new MemoryShard(5))).toThrow(DecodeError);
});
