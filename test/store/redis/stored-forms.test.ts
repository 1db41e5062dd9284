/** What is stored in a form of its own comes back as it was: outbox entries, and the watermark authority. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvariantError } from "../../../src/errors.ts";
import { parseAuthority, parsePublished, storedAuthority, workerDigest } from "../../../src/store/redis/authority-bytes.ts";
import { outboxField, parseOutboxEntry, writeOutboxEntry } from "../../../src/store/redis/outbox-text.ts";
import { Arguments } from "../../../src/store/redis/request.ts";
import type { Status } from "../../../src/store/store.ts";
import { newAuthority, register, report, type Authority } from "../../../src/watermark/authority.ts";

const time = fc.integer({ min: -1, max: 2 ** 53 - 1 });
const count = fc.integer({ min: 0, max: 2 ** 53 - 1 });

describe("an outbox entry", () => {
  /** Field and value as they go over the wire. */
  function written(monotonic: number, entry: Parameters<typeof writeOutboxEntry>[2]): [string, Uint8Array] {
    const args = new Arguments();
    writeOutboxEntry(args, monotonic, entry);
    const wire = Buffer.alloc(args.length);
    args.moveTo(wire, 0);
    const [, field = ""] = wire.toString("latin1").split("\r\n");
    const header = wire.indexOf("$", wire.indexOf(field) + field.length);
    const start = wire.indexOf("\r\n", header) + 2;
    return [field, wire.subarray(start, start + Number(wire.toString("latin1", header + 1, start - 2)))];
  }

  test("comes back whole, whatever its bytes", () => {
    const place = fc.record({ monotonic: count, n: count });
    fc.assert(
      fc.property(count, count, count, count, fc.option(place, { nil: undefined }), fc.uint8Array(), (monotonic, target, n, records, previous, bytes) => {
        const stored = parseOutboxEntry(...written(monotonic, { target, n, records, previous, bytes }));
        expect({ ...stored, bytes: Uint8Array.from(stored.bytes) }).toEqual({ target, place: { monotonic, n }, previous, records, bytes });
      }),
    );
  });

  test("whose numbers are none cannot be read", () => {
    for (const [field, value] of [
      ["x:1.1", "1 - y"],
      ["1:1", "1 - y"],
      ["1:1.1", "x - y"],
      ["1:1.1", "1 2 y"],
    ] as const) {
      expect(() => parseOutboxEntry(field, Buffer.from(value))).toThrow(InvariantError);
    }
  });

  test("is found by the field of its target and place", () => {
    const [field] = written(170, { target: 9, n: 3, records: 1, bytes: new Uint8Array() });
    expect(field).toBe(outboxField(9, { monotonic: 170, n: 3 }));
  });
});

describe("the watermark authority", () => {
  const roundTrip = (authority: Authority): Authority => {
    const { owners, cells, published } = storedAuthority(7, authority);
    const [watermark] = parsePublished(published);
    expect(watermark?.participant).toBe(7);
    const { output, status, last } = watermark!;
    return parseAuthority(owners, cells, { output, status, last });
  };

  test("comes back whole after any history", () => {
    const worker = fc.constantFrom("w1", "w 2", "w;3", "/", "wörk", "");
    const status = fc.constantFrom<Status>("live", "idle", "back-pressured", "finished");
    const step = fc.record({ worker, shards: fc.subarray([0, 1, 2, 3, 4]), output: time, last: time, status, number: fc.nat() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        let authority = newAuthority(5);
        for (const { worker: name, shards, ...values } of steps) {
          const registered = register(authority, name, shards);
          authority = report(registered.authority, name, { generation: registered.granted, ...values }) ?? registered.authority;
          expect(roundTrip(authority)).toEqual(authority);
        }
      }),
    );
  });

  test("workers are told apart, and from no one", () => {
    const digests = ["", "/", "w", "W", "w ", null].map((worker) => workerDigest(worker).toString("hex"));
    expect(new Set(digests).size).toBe(digests.length);
  });

  test("what another version stored is refused, not guessed", () => {
    const { published } = storedAuthority(7, newAuthority(1));
    published[24] = 0x78;
    expect(() => parsePublished(published)).toThrow(InvariantError);
  });

  test("bytes that are cut, and names that are not encoded, are refused", () => {
    const { owners, cells, published } = storedAuthority(7, newAuthority(2));
    expect(() => parsePublished(published.subarray(1))).toThrow("they were damaged");
    expect(() => parseAuthority(owners, cells.subarray(1), { output: 0, status: "live", last: 0 })).toThrow("they were damaged");
    expect(() => parseAuthority("1 %zz /", cells, { output: 0, status: "live", last: 0 })).toThrow("not percent-encoded");
  });

  test("the values of several participants are in the order of their ids", () => {
    const records = [5, 1, 300].map((id) => storedAuthority(id, newAuthority(1)).published);
    expect(parsePublished(Buffer.concat(records)).map(({ participant }) => participant)).toEqual([1, 5, 300]);
  });
});
