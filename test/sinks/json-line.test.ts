import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonLine } from "../../src/sinks/json-line.ts";

test("JSON's own values are as JSON.stringify writes them", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(jsonLine(value)).toBe(JSON.stringify(value));
    }),
  );
});

test("it is one line, whatever the strings", () => {
  expect(jsonLine({ text: "a\nb\r\u2028" }).split("\n")).toHaveLength(1);
});

test.each<[string, unknown, string]>([
  ["a Map is an array of pairs", new Map([["a", 1]]), '[["a",1]]'],
  ["a Map with other keys too", new Map([[{ k: 1 }, 10n]]), '[[{"k":1},"10"]]'],
  ["an empty Map has the same shape", { counts: new Map() }, '{"counts":[]}'],
  ["a Set is an array", { set: new Set([1, new Set(["x"])]) }, '{"set":[1,["x"]]}'],
  ["a bigint is a string of its digits", { n: 2n ** 70n }, '{"n":"1180591620717411303424"}'],
  ["a bigint alone", 5n, '"5"'],
  ["a Date is ISO 8601", { at: new Date(0) }, '{"at":"1970-01-01T00:00:00.000Z"}'],
  ["a Date next to a Map", { at: new Date(0), m: new Map() }, '{"at":"1970-01-01T00:00:00.000Z","m":[]}'],
  ["an invalid Date is null", [new Date(Number.NaN)], "[null]"],
  ["bytes are base64", { bytes: Uint8Array.of(1, 2, 255) }, '{"bytes":"AQL/"}'],
  ["a Buffer is bytes, and a part of one only that part", Buffer.from("xhix").subarray(1, 3), '"aGk="'],
  ["other typed arrays are numbers", Float64Array.of(1.5, 2), "[1.5,2]"],
  ["wide integers are strings", BigInt64Array.of(-1n), '["-1"]'],
  ["undefined is null", undefined, "null"],
  ["undefined is left out as a property and null in an array", { a: undefined, b: [undefined] }, '{"b":[null]}'],
  ["what is no number is null", [Number.NaN, Number.POSITIVE_INFINITY], "[null,null]"],
  ["a property called __proto__ is kept", JSON.parse('{"__proto__":{"a":1}}'), '{"__proto__":{"a":1}}'],
])("%s", (_, value, text) => {
  expect(jsonLine(value)).toBe(text);
});
