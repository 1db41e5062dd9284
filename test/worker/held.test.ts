import fc from "fast-check";
import { expect, test } from "vitest";
import { encodePlain } from "../../src/computation/cbor-codec.ts";
import { DecodeError } from "../../src/errors.ts";
import { timerMember } from "../../src/store/address.ts";
import { deadLetter, heldBytes, parseDeadLetter, parseHeld } from "../../src/worker/held.ts";
import { valueOf } from "../../src/worker/parcel.ts";
import type { RecordWork, TimerWork } from "../../src/worker/work.ts";

const text = fc.string({ unit: "grapheme", maxLength: 40 });
const count = fc.integer({ min: 0, max: 2 ** 53 - 1 });
const record = fc.record({
  input: fc.nat(65_535),
  timestamp: count,
  key: text,
  id: fc.option(text, { nil: undefined }),
  sender: fc.nat(),
  monotonic: count,
  place: count,
});

const recordWork = (given: Omit<RecordWork["record"], "bytes" | "from" | "to" | "refused">, value: Uint8Array, attempts: number, hold: number): RecordWork => {
  const bytes = Buffer.concat([Buffer.from("before"), value, Buffer.from("after")]);
  return {
    kind: "record",
    record: { ...given, bytes, from: 6, to: 6 + value.length, refused: false },
    key: undefined,
    hold,
    attempts,
    begun: 0,
    held: undefined,
    batch: undefined,
    late: false,
  };
};
const timerWork = (tag: string, key: string, time: number, output: number | undefined): TimerWork => {
  const member = timerMember(3, tag, key);
  const address = { timer: 3, tag, key };
  const base = { key: undefined, hold: time, attempts: 1, begun: 0, held: undefined, batch: undefined };
  return { ...base, kind: "timer", clock: "wall", member, address, time, output, fired: undefined };
};

test("a record that stands aside comes back with its value, attempts and hold", () => {
  fc.assert(
    fc.property(record, fc.uint8Array(), fc.nat(), count, fc.boolean(), fc.nat(), (given, value, attempts, hold, halted, id) => {
      const parsed = parseHeld({ id, bytes: heldBytes(recordWork(given, value, attempts, hold), halted, new Error("no")) });
      expect(parsed.halted).toBe(halted);
      expect(parsed.work).toMatchObject({ kind: "record", attempts, hold, held: id, record: given });
      expect(Uint8Array.from(valueOf((parsed.work as RecordWork).record))).toEqual(value);
    }),
    { seed: 1 },
  );
});

test("a timer that stands aside comes back with its address and times", () => {
  fc.assert(
    fc.property(text, text, count, fc.option(count, { nil: undefined }), (tag, key, time, output) => {
      const { work } = parseHeld({ id: 7, bytes: heldBytes(timerWork(tag, key, time, output), false) });
      expect(work).toMatchObject({ kind: "timer", clock: "wall", time, output, address: { timer: 3, tag, key }, held: 7 });
    }),
    { seed: 1 },
  );
});

test("a dead letter comes back with the reason", () => {
  fc.assert(
    fc.property(record, fc.uint8Array(), text, count, (given, value, reason, at) => {
      const letter = parseDeadLetter(deadLetter(recordWork(given, value, 2, 0), new Error(reason), at));
      expect(letter).toMatchObject({ kind: "record", key: given.key, timestamp: given.timestamp, input: given.input, reason, attempts: 2, at, value });
    }),
    { seed: 1 },
  );
});

test.each([
  ["nothing", undefined],
  ["a number", 5],
  ["a list", []],
  ["a record without a value", { attempts: 1, halted: false, hold: 0, record: { key: "k" } }],
  ["a timer without a member", { attempts: 1, halted: false, hold: 0, timer: { clock: "wall", time: 1 } }],
  ["a timer of no clock", { attempts: 1, halted: false, hold: 0, timer: { clock: "x", member: "3:0:k", time: 1 } }],
])("%s is no held record and no dead letter", (_, value) => {
  expect(() => parseHeld({ id: 1, bytes: encodePlain(value) })).toThrow(DecodeError);
  expect(() => parseDeadLetter(encodePlain(value))).toThrow(DecodeError);
});

test("bytes that are not CBOR are a DecodeError that says what they should have been", () => {
  expect(() => parseHeld({ id: 1, bytes: Uint8Array.of(0xff) })).toThrow("a held record of 1 bytes cannot be read");
  expect(() => parseDeadLetter(Uint8Array.of(0x81))).toThrow("a dead letter of 1 bytes cannot be read");
});
