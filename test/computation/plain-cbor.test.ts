import { isDeepStrictEqual } from "node:util";
import { Encoder } from "cbor-x";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NOT_PLAIN, Pages, readPlain, writeAndCopy, writePlain as write } from "../../src/computation/plain-cbor.ts";

/** The library with the codec's settings: what the fast part must agree with (P1). */
const library = new Encoder({ useRecords: false, structuredClone: false, mapsAsObjects: true, variableMapSize: true, tagUint8Array: false, copyBuffers: true });

const text = fc.oneof(fc.string({ unit: "binary", maxLength: 90 }), fc.string({ unit: "grapheme", maxLength: 300 }), fc.string({ maxLength: 30 }));
const values = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constantFrom<unknown>(undefined, null, true, false, 0, -0, -1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, -(2 ** 32), -(2 ** 32) - 1),
    fc.double(),
    fc.integer(),
    text,
    fc.date({ noInvalidDate: true }),
    fc.bigInt(),
    fc.array(tie("value"), { maxLength: 30 }),
    fc.dictionary(fc.oneof(text, fc.constantFrom("constructor", "toString", "__proto__", "0", "")), tie("value"), { maxKeys: 26, noNullPrototype: true }),
  ),
}));

const pages = new Pages();
const writePlain = (value: unknown): Uint8Array | undefined => write(value, pages);
const read = (bytes: Uint8Array): unknown => readPlain(Buffer.from(bytes), 0, bytes.length);

describe("the fast part of CBOR", () => {
  test("writes what the library would, or leaves it to the library", () => {
    let written = 0;
    fc.assert(
      fc.property(values.value, (value) => {
        const bytes = writePlain(value);
        if (bytes === undefined) return;
        written++;
        expect(Buffer.compare(bytes, library.encode(value))).toBe(0);
      }),
      { seed: 3, numRuns: 3_000 },
    );
    expect(written).toBeGreaterThan(1_000);
  });

  test("reads what the library would, whatever the bytes are, and never what the library refuses", () => {
    let plain = 0;
    fc.assert(
      fc.property(values.value, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }), fc.nat(3), (value, changes, cut) => {
        const all = Uint8Array.from(library.encode(value));
        for (const [at, byte] of changes) all[at % all.length] = byte;
        const bytes = all.subarray(0, all.length - (cut === 1 ? 1 : 0));
        const got = read(bytes);
        if (got === NOT_PLAIN) return;
        plain++;
        expect(isDeepStrictEqual(got, library.decode(bytes))).toBe(true);
      }),
      { seed: 4, numRuns: 3_000 },
    );
    expect(plain).toBeGreaterThan(500);
  });

  test("a copy is what reading the bytes gives, and shares no object with the value", () => {
    const sharing = (value: unknown, others: ReadonlySet<unknown>): boolean =>
      typeof value === "object" && value !== null && (others.has(value) || Object.values(value).some((part) => sharing(part, others)));
    const objectsIn = (value: unknown): unknown[] =>
      typeof value === "object" && value !== null ? [value, ...Object.values(value).flatMap((part) => objectsIn(part))] : [];
    let copies = 0;
    fc.assert(
      fc.property(values.value, (value) => {
        const written = writeAndCopy(value, pages);
        if (written === undefined || written.copy === NOT_PLAIN) return;
        copies++;
        const bytes = written.bytes.subarray(written.from, written.to);
        expect(Buffer.compare(bytes, library.encode(value))).toBe(0);
        expect(isDeepStrictEqual(written.copy, library.decode(bytes))).toBe(true);
        expect(sharing(written.copy, new Set(objectsIn(value)))).toBe(false);
      }),
      { seed: 5, numRuns: 3_000 },
    );
    expect(copies).toBeGreaterThan(1_000);
  });

  test("makes no copy where it would not be what the bytes say", () => {
    const proto = JSON.parse('{ "deep": { "__proto__": 1 } }') as unknown;
    for (const value of [-0, { a: [{ b: -0 }] }, { [Symbol("mark")]: 1, a: 1 }, [{ inner: { [Symbol("mark")]: 1 } }], proto]) {
      expect(writeAndCopy(value, pages)?.copy).toBe(NOT_PLAIN);
      expect(writeAndCopy({ a: 1 }, pages)?.copy).toEqual({ a: 1 });
    }
    expect(writeAndCopy(new Date(0), pages)).toBeUndefined();
  });

  test("a value with holes and getters is copied as it is written: each getter is asked once", () => {
    let asked = 0;
    const value = {
      get n() {
        return ++asked;
      },
      list: Object.assign(Array<number>(3), { 0: 1, 2: 3 }),
    };
    const written = writeAndCopy(value, pages);
    expect(written?.copy).toStrictEqual({ n: 1, list: [1, undefined, 3] });
    expect(readPlain(Buffer.from(written?.bytes ?? []), written?.from ?? 0, written?.to ?? 0)).toStrictEqual({ n: 1, list: [1, undefined, 3] });
  });

  test("does not write what it gave out again, however much is written after", () => {
    const record = (n: number) => ({ key: `key-${n}`, text: "x".repeat(n % 700), n });
    const given = Array.from({ length: 200 }, (_, n) => writePlain(record(n)) as Uint8Array);
    expect(given.map(read)).toEqual(Array.from({ length: 200 }, (_, n) => record(n)));
  });

  test("leaves the bytes before a value to whoever asked for them, in pages of its own", () => {
    const kept = new Pages();
    const given = Array.from({ length: 3_000 }, (_, n) => {
      const bytes = write({ n }, kept, 5) as Buffer;
      bytes.write("kept!", 0);
      writePlain({ other: n });
      return bytes;
    });
    expect(given.map((bytes) => [bytes.toString("latin1", 0, 5), readPlain(bytes, 5, bytes.length)])).toEqual(given.map((_, n) => ["kept!", { n }]));
  });

  test("leaves what does not fit a page, nests deeply or has no end to the library, and goes on after it", () => {
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    let deep: unknown = 1;
    for (let n = 0; n < 100; n++) deep = [deep];
    for (const value of ["y".repeat(9_000), Array.from({ length: 9_000 }, () => 1), cyclic, deep, [new Date(0)], { a: () => 1 }]) {
      expect(writePlain(value)).toBeUndefined();
      expect(read(writePlain({ a: [1, "b"] }) as Uint8Array)).toEqual({ a: [1, "b"] });
    }
  });

  test("a getter that encodes another value, or throws, changes nothing of the value around it", () => {
    let inner: unknown;
    const outer = {
      before: 1,
      get asks() {
        inner = writePlain({ other: 2 });
        return "text";
      },
    };
    expect(read(writePlain(outer) as Uint8Array)).toEqual({ before: 1, asks: "text" });
    expect(inner).toBeUndefined();
    const broken = {
      get fails(): never {
        throw new Error("no");
      },
    };
    expect(() => writePlain(broken)).toThrow("no");
    expect(read(writePlain([1]) as Uint8Array)).toEqual([1]);
  });

  test("a head that claims more than there is costs no memory", () => {
    const nested = Buffer.concat([...Array.from({ length: 60 }, () => Buffer.from([0x9a, 0, 0x0f, 0, 0])), Buffer.alloc(1_000_000)]);
    const before = process.memoryUsage().heapUsed;
    expect(read(nested)).toBe(NOT_PLAIN);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(150_000_000);
  });
});
