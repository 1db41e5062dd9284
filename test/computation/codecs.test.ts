import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cbor, type Codec, InvalidUseError, json } from "../../src/index.ts";
import { decodePlain, encodePlain } from "../../src/computation/cbor-codec.ts";

const copy = <T>(codec: Codec<T>, value: T): T => codec.decode(codec.encode(value), codec.version);

/** Plain data of every kind that CBOR keeps. Text is well-formed; -0 and "__proto__" are known not to be kept. */
const values = fc.letrec<{ value: unknown; key: unknown }>((tie) => ({
  key: fc.oneof(fc.string({ unit: "grapheme" }), fc.integer(), fc.bigInt(), fc.boolean()),
  value: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.constantFrom(undefined, null, Number.NaN, Number.POSITIVE_INFINITY, 0, -1, 2 ** 31, -(2 ** 31), 2 ** 32, -(2 ** 32) - 1, 2 ** 53 - 1),
    fc.boolean(),
    fc.double().map((number) => (Object.is(number, -0) ? 0 : number)),
    fc.integer(),
    fc.bigInt(),
    fc.string({ unit: "grapheme", maxLength: 300 }),
    fc.date({ min: new Date(-8.64e12), max: new Date(8.64e12), noInvalidDate: true }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("value"), { maxLength: 40 }),
    fc.dictionary(
      fc.string({ unit: "grapheme" }).filter((name) => name !== "__proto__"),
      tie("value"),
      { maxKeys: 30, noNullPrototype: true },
    ),
    fc.array(fc.tuple(tie("key"), tie("value")), { maxLength: 30 }).map((entries) => new Map(entries)),
    fc.array(tie("value"), { maxLength: 30 }).map((each) => new Set(each)),
  ),
}));

describe("CBOR", () => {
  test("gives back what it was given, of every kind of plain data", () => {
    fc.assert(
      fc.property(values.value, (value) => {
        expect(copy(cbor(), value)).toStrictEqual(value);
      }),
      { seed: 11, numRuns: 400 },
    );
  });

  test.each([
    ["undefined as a property", { a: undefined, b: null }],
    ["big integers beyond 64 bits", [2n ** 64n, -(2n ** 64n) - 1n, 2n ** 200n, 0n, -1n]],
    ["dates before 1970 and between seconds", [new Date(-1), new Date(1_234_567_890_123), new Date(0)]],
    [
      "maps in maps, with keys that are objects",
      new Map<unknown, unknown>([
        [{ a: 1 }, new Map([[1, new Set(["x"])]])],
        [2, { b: new Map() }],
      ]),
    ],
    ["typed arrays", [new Float64Array([1.5, -2]), new Uint32Array([1, 2]), new Int16Array([-3]), new BigInt64Array([5n])]],
    ["an object with a constructor and its own hasOwnProperty", { constructor: "x", hasOwnProperty: 1 }],
    ["long text beyond ASCII", "zażółć gęślą jaźń 🚀 ".repeat(500)],
    ["70,000 properties", Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, i]))],
  ])("keeps %s", (_, value) => {
    expect(copy(cbor(), value)).toEqual(value);
  });

  test("gives bytes as a Uint8Array, whether they were a Buffer and whether they are read from one", () => {
    for (const bytes of [new Uint8Array([1, 2, 3]), Buffer.from([1, 2, 3])]) {
      const encoded = encodePlain({ bytes });
      for (const source of [encoded, new Uint8Array(encoded), Buffer.from(encoded)]) {
        const decoded = decodePlain(source) as { bytes: Uint8Array };
        expect(decoded.bytes.constructor).toBe(Uint8Array);
        expect(decoded.bytes).toEqual(new Uint8Array([1, 2, 3]));
      }
    }
  });

  test("shares no memory with what it decoded", () => {
    const encoded = new Uint8Array(encodePlain({ bytes: new Uint8Array([1, 2, 3]), numbers: new Float64Array([1]) }));
    const decoded = decodePlain(encoded) as { bytes: Uint8Array; numbers: Float64Array };
    encoded.fill(0);
    expect(decoded).toEqual({ bytes: new Uint8Array([1, 2, 3]), numbers: new Float64Array([1]) });
  });

  test("gives the same bytes for a value, whatever was encoded before", () => {
    const value = { query: "tv", start: 5, tags: ["a", "b"] };
    const first = Buffer.from(encodePlain(value));
    for (let i = 0; i < 50; i++) encodePlain({ query: "x".repeat(i), start: i, [`other${i}`]: [value, value] });
    expect(Buffer.from(encodePlain(value))).toEqual(first);
  });

  test("never writes again into bytes that it gave", () => {
    const given = Array.from({ length: 2_000 }, (_, i) => encodePlain({ i, text: "x".repeat(i % 300) }));
    expect(given.map((bytes) => (decodePlain(bytes) as { i: number }).i)).toEqual(given.map((_, i) => i));
  });

  test("gives an instance without its methods, and refuses what is not data", () => {
    class Point {
      readonly x = 1;
      get double() {
        return 2;
      }
    }
    expect(copy<unknown>(cbor(), new Point())).toEqual({ x: 1 });
    for (const value of [() => 1, { f() {} }, Symbol("s")]) expect(() => encodePlain(value)).toThrow("Unknown type");
    const cycle: { self?: unknown } = {};
    cycle.self = cycle;
    expect(() => encodePlain(cycle)).toThrow(RangeError);
    expect(copy(cbor(), { after: "a refusal" })).toEqual({ after: "a refusal" });
  });

  test("does not let stored data reach a prototype", () => {
    const decoded = copy(cbor(), JSON.parse('{"__proto__": {"admin": true}}') as object);
    expect((decoded as { admin?: boolean }).admin).toBeUndefined();
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
  });
});

describe("JSON", () => {
  test("gives back any JSON value", () => {
    const plain = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);
    fc.assert(
      fc.property(plain, (value) => {
        expect(copy(json(), value)).toEqual(value);
      }),
      { seed: 12, numRuns: 200 },
    );
  });

  test("leaves out a property that is undefined", () => {
    expect(copy<object>(json(), { a: 1, b: undefined })).toEqual({ a: 1 });
  });

  test.each([
    ["undefined", undefined, "the value is undefined"],
    ["a date", { at: new Date(0) }, "at is a Date"],
    ["a map", { sums: new Map() }, "sums is a Map"],
    ["a set", [new Set()], "an element is a Set"],
    ["bytes", { raw: new Uint8Array(1) }, "raw is a Uint8Array"],
    ["a big integer", 5n, "the value is 5n"],
    ["not a number", { n: Number.NaN }, "n is NaN"],
    ["infinity", [Number.POSITIVE_INFINITY], "an element is Infinity"],
    ["undefined in a list", [1, undefined], "an element is undefined"],
    ["a function", { f() {} }, "f is function f"],
    ["what says how it is written", { url: new URL("http://example.org") }, "url is a URL"],
  ])("refuses %s rather than change it in silence", (_, value, text) => {
    expect(() => json().encode(value)).toThrow(InvalidUseError);
    expect(() => json().encode(value)).toThrow(`${text}, which JSON does not keep`);
  });

  test("refuses bytes that are no UTF-8 or no JSON", () => {
    expect(() => json().decode(new Uint8Array([0x22, 0xff, 0x22]), 0)).toThrow(TypeError);
    expect(() => json().decode(new Uint8Array([0x7b]), 0)).toThrow(SyntaxError);
    expect(() => json().decode(new Uint8Array(), 0)).toThrow(SyntaxError);
  });
});

describe("CBOR of others", () => {
  test("integers beyond 64 bits are read as they are, in a time that grows with their length only", () => {
    const bytes = Buffer.concat([Buffer.from([0xc3, 0x5a, 0, 3, 0, 0]), Buffer.alloc(3 << 16, 0xff)]);
    const began = performance.now();
    const value = decodePlain(bytes);
    // Byte by byte it takes 15 s.
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(value === -(1n << BigInt(8 * (3 << 16)))).toBe(true);
  });

  test.each([
    ["c240", 0n],
    ["c340", -1n],
    ["c2420001", 1n],
    ["c34100", -1n],
    ["c249010000000000000000", 2n ** 64n],
  ])("the big integer %s is %s", (hex, value) => expect(decodePlain(Buffer.from(hex, "hex"))).toBe(value));

  test("a big integer that is not made of bytes is refused", () => expect(() => decodePlain(Buffer.from("c201", "hex"))).toThrow("not made of bytes"));
});
