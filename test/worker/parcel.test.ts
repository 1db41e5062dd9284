import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cbor, encodePlain } from "../../src/computation/cbor-codec.ts";
import { openValueAt } from "../../src/computation/envelope.ts";
import { traceOf } from "../../src/computation/trace-context.ts";
import { DecodeError } from "../../src/errors.ts";
import { LAST_TIMER } from "../../src/time.ts";
import { UserRecord } from "../../src/worker/user-view.ts";
import { InboxWork } from "../../src/worker/work.ts";
import { identityOf, openRecord, packParcel, type ParcelRecord, Production, recordsIn, recordsOf, unpackParcel, whole } from "../../src/worker/parcel.ts";

const text = fc.string({ unit: "grapheme", maxLength: 60 });
const production = fc.record({
  input: fc.nat({ max: 65_535 }),
  timestamp: fc.integer({ min: 0, max: LAST_TIMER }),
  key: text,
  id: fc.option(text, { nil: undefined }),
});
const count = fc.integer({ min: 0, max: 2 ** 53 - 1 });

function unpacked(parcel: Uint8Array): ParcelRecord[] {
  const records: ParcelRecord[] = [];
  unpackParcel(parcel, (record) => records.push(record));
  return records;
}

type Given = Pick<Production, "input" | "timestamp" | "key" | "id">;
const productionsOf = (given: readonly Given[], first: number, values: readonly unknown[]) =>
  given.map(({ input, timestamp, key, id }, n) => new Production(9, input, { place: first + n, timestamp, id }, key, cbor(), whole(encodePlain(values[n]))));

describe("a parcel", () => {
  test("gives back every record as it was produced, in order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(production, fc.jsonValue()), { maxLength: 20 }),
        fc.nat(2 ** 32 - 1),
        count,
        fc.nat(2 ** 40),
        (both, sender, monotonic, first) => {
          const given = both.map(([each]) => each);
          const values = both.map(([, value]) => value);
          const parcel = packParcel(sender, monotonic, productionsOf(given, first, values));
          const records = unpacked(parcel);
          expect(recordsOf(parcel)).toBe(given.length);
          expect(records.map(({ input, timestamp, key, id }) => ({ input, timestamp, key, id }))).toEqual(given);
          // CBOR does not keep -0.
          const same = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
          expect(records.map(({ bytes, from, to }) => same(openValueAt(cbor(), bytes, from, to)))).toEqual(values.map(same));
          expect(records.map(({ place, refused }) => [place, refused])).toEqual(given.map((_, n) => [first + n, false]));
          for (const record of records) expect([record.sender, record.monotonic]).toEqual([sender, monotonic]);
        },
      ),
      { seed: 1 },
    );
  });

  test("that was packed here has in it what whoever reads it finds", () => {
    const fields = ({ input, timestamp, key, id, sender, monotonic, place, refused, bytes, from, to }: ParcelRecord) => {
      return { input, timestamp, key, id, sender, monotonic, place, refused, value: Buffer.from(bytes.subarray(from, to)).toString("hex") };
    };
    fc.assert(
      fc.property(fc.array(fc.tuple(production, fc.jsonValue()), { maxLength: 20 }), fc.nat(2 ** 40), (both, first) => {
        const values = both.map(([, value]) => value);
        const productions = productionsOf(
          both.map(([each]) => each),
          first,
          values,
        );
        const bytes = packParcel(7, 1_800_000_000_000, productions);
        const handed: ParcelRecord[] = [];
        recordsIn({ target: 9, records: productions.length, bytes, productions }, (record) => handed.push(record));
        expect(handed.map(fields)).toEqual(unpacked(bytes).map(fields));
      }),
      { seed: 2 },
    );
  });

  test("a value that was handed over is given once, and read from its bytes from then on", () => {
    const [production] = productionsOf([{ input: 0, timestamp: 1, key: "k", id: undefined }], 1, [{ n: [1] }]);
    const copy = { n: [1] };
    production!.handOver(copy);
    packParcel(7, 1, [production!]);
    expect(openRecord(cbor(), production!)).toBe(copy);
    copy.n.push(2);
    expect([openRecord(cbor(), production!), openRecord(cbor(), production!)]).toEqual([{ n: [1] }, { n: [1] }]);
  });

  test("is told from another by its identity, if its sender, sequencer or first place is another", () => {
    const head = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3));
    const parcelOf = ([sender, monotonic, first]: readonly [number, number, number]) =>
      packParcel(sender, monotonic, productionsOf([{ input: 0, timestamp: 0, key: "k", id: undefined }], first, [1]));
    fc.assert(
      fc.property(head, head, (a, b) => {
        expect(Buffer.compare(identityOf(parcelOf(a)), identityOf(parcelOf(b))) === 0).toBe(a.join() === b.join());
      }),
      { seed: 1 },
    );
  });

  const whole = packParcel(1, 2, productionsOf([{ input: 0, timestamp: 5, key: "key", id: "id" }], 3, ["value"]));

  test("that was cut anywhere, or has more behind it, cannot be read", () => {
    for (let length = 0; length < whole.length; length++) expect(() => unpacked(whole.subarray(0, length))).toThrow(DecodeError);
    expect(() => unpacked(Buffer.concat([whole, Buffer.alloc(1)]))).toThrow(DecodeError);
  });

  test("with a length beyond its end, or a time that is none, cannot be read", () => {
    const damaged = (at: number, bytes: readonly number[]) => {
      const copy = Buffer.from(whole);
      copy.set(bytes, at);
      return copy;
    };
    const record = 24;
    expect(() => unpacked(damaged(record + 15, [0xff, 0xff]))).toThrow("cannot be read from byte 24 on");
    expect(() => unpacked(damaged(record + 17 + 3, [0xff, 0xff]))).toThrow(DecodeError);
    expect(() => unpacked(damaged(record + 17 + 3 + 4, [0xff, 0xff, 0xff, 0xff]))).toThrow(DecodeError);
    expect(() => unpacked(damaged(record + 7, [0, 0, 0, 0, 0, 0, 0xf8, 0x7f]))).toThrow(DecodeError);
    expect(() => unpacked(damaged(0, [9]))).toThrow(DecodeError);
  });
});

test("a record that is handed over without a parcel is in its envelope for who asks what is stored, whatever its codec writes", () => {
  // As a traced value begins.
  const bytes = Uint8Array.from({ length: 60 }, (_, i) => (i === 0 ? 0x80 : i));
  const codec = { ...cbor<Uint8Array>(), id: "mine", encode: () => bytes, decode: (given: Uint8Array) => Uint8Array.from(given) };
  const record = new Production(9, 1, { place: 1, timestamp: 5, id: undefined }, "k", codec, whole(bytes));
  record.sentBy({ sender: 3, monotonic: 4 });
  const stored = UserRecord.stored(new UserRecord(new InboxWork(record, 5), bytes, undefined));
  expect(traceOf(stored.bytes, stored.from, stored.to)).toBeUndefined();
  expect(openRecord(codec, stored)).toEqual(bytes);
  expect([stored.sender, stored.monotonic, stored.place]).toEqual([3, 4, 1]);
});
