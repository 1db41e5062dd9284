import { expect, test } from "vitest";
import { Request, encode } from "../../../src/store/redis/request.ts";

/** What a server reads out of a request: the arguments, as latin1. */
function parse(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes).toString("latin1");
  const read = (at: number): [number, number] => {
    const end = text.indexOf("\r\n", at);
    return [Number(text.slice(at + 1, end)), end + 2];
  };
  expect(text[0]).toBe("*");
  let [count, at] = read(0);
  const parts: string[] = [];
  for (; count > 0; count--) {
    expect(text[at]).toBe("$");
    const [length, start] = read(at);
    expect(text.slice(start + length, start + length + 2)).toBe("\r\n");
    parts.push(text.slice(start, start + length));
    at = start + length + 2;
  }
  expect(at).toBe(text.length);
  return parts;
}

const utf8 = (text: string): string => Buffer.from(text).toString("latin1");

test("a script's request has its digest, the number of keys, the keys and the arguments, whatever order they were written in", () => {
  const request = new Request().begin();
  request.text("a").key(encode("k1")).integer(7).key(encode("k2"));
  expect(parse(request.finishScript("f".repeat(40)))).toEqual(["EVALSHA", "f".repeat(40), "2", "k1", "k2", "a", "7"]);
});

test("a command's request has its keys first", () => {
  const request = new Request().begin();
  request.text("field").key(encode("key"));
  expect(parse(request.finishCommand("HGET"))).toEqual(["HGET", "key", "field"]);
});

test("text of every length and script is written in UTF-8", () => {
  const texts = [
    "",
    "a",
    "\r\n",
    "é",
    "日本語",
    "🔑",
    "a🔑b",
    "x".repeat(95),
    "x".repeat(96),
    "x".repeat(97),
    `${"x".repeat(95)}é`,
    "é".repeat(200),
    "y".repeat(100_000),
    "\u0000\u007f\u0080",
  ];
  const request = new Request().begin();
  for (const text of texts) request.text(text);
  expect(parse(request.finishCommand("X"))).toEqual(["X", ...texts.map(utf8)]);
});

test("bytes of every length are written as they are", () => {
  const request = new Request().begin();
  const values = [0, 1, 39, 40, 41, 1_000, 200_000].map((length) => Uint8Array.from({ length }, (_, i) => (i * 31) % 256));
  for (const value of values) request.args.bytes(value);
  expect(parse(request.finishCommand("X")).slice(1)).toEqual(values.map((value) => Buffer.from(value).toString("latin1")));
});

test("integers are written with all their digits", () => {
  const integers = [
    0,
    9,
    10,
    99,
    100,
    999,
    1_000,
    9_999,
    10_000,
    99_999,
    100_000,
    9_999_999,
    10_000_000,
    1_700_000_000_123,
    2 ** 53 - 1,
    -1,
    -9_007_199_254_740_991,
  ];
  const request = new Request().begin();
  for (const integer of integers) request.integer(integer);
  request.args.optional(undefined);
  request.args.optional(5);
  expect(parse(request.finishCommand("X")).slice(1)).toEqual([...integers.map(String), "", "5"]);
});

test("what was finished stays as it is while the next request is written", () => {
  const request = new Request();
  const first = request.begin().text("first").finishCommand("X");
  const before = Buffer.from(first);
  request.begin().text("second, and longer than the first").finishCommand("X");
  expect(first).toEqual(before);
});

test("a request that was begun and never finished leaves nothing to the next", () => {
  const request = new Request();
  request.begin().key(encode("k")).text("lost");
  expect(parse(request.begin().text("x").finishCommand("X"))).toEqual(["X", "x"]);
});

test("a very large request does not keep its memory, and the next is right", () => {
  const request = new Request();
  const large = new Uint8Array(20 << 20).fill(1);
  request.begin().args.bytes(large);
  expect(request.finishCommand("X").length).toBeGreaterThan(large.length);
  expect(parse(request.begin().text("small").finishCommand("X"))).toEqual(["X", "small"]);
});
