/** The parts that read what a client sent: pure, so that each is tried with anything. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bodyKindOf, idempotencyKeyOf } from "../../src/http/body-kind.ts";
import { binaryEvent, isBinaryEvent, structuredEvent } from "../../src/http/cloud-event.ts";
import { GrowingBytes } from "../../src/http/growing-bytes.ts";
import { isBlank, readJson } from "../../src/http/json-text.ts";
import { LineSplitter } from "../../src/http/line-splitter.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const RUNS = { seed: 1, numRuns: 500 };

describe("lines", () => {
  const MOST = 10;

  /** What a splitter makes of the pieces. */
  function split(pieces: readonly Uint8Array[]): { readonly lines: readonly string[]; readonly tooLong: boolean } {
    const splitter = new LineSplitter(MOST);
    const lines = pieces.flatMap((piece) => splitter.push(piece).map((line) => Buffer.from(line).toString()));
    return { lines: [...lines, ...splitter.end().map((line) => Buffer.from(line).toString())], tooLong: splitter.tooLong };
  }

  test("are the same however the bytes are cut, and end before the first that is too long", () => {
    const text = fc.array(fc.stringMatching(/^[a-c]{0,12}$/), { maxLength: 12 }).map((lines) => lines.join("\n"));
    fc.assert(
      fc.property(text, fc.array(fc.nat(40), { maxLength: 8 }), (whole, cuts) => {
        const expected = whole.split("\n");
        const long = expected.findIndex((line) => line.length > MOST);
        const lines = long < 0 ? expected : expected.slice(0, long);
        if (long < 0 && lines.at(-1) === "") lines.pop();
        const bytes = utf8(whole);
        const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const pieces = places.slice(1).map((end, i) => bytes.slice(places[i], end));
        expect(split(pieces)).toEqual({ lines, tooLong: long >= 0 });
      }),
      RUNS,
    );
  });

  test("one of exactly the bound is a line, one byte more is not", () => {
    expect(split([utf8(`${"a".repeat(MOST)}\nb\n`)])).toEqual({ lines: ["a".repeat(MOST), "b"], tooLong: false });
    expect(split([utf8("x\n"), utf8("a".repeat(MOST)), utf8("a\nb\n")])).toEqual({ lines: ["x"], tooLong: true });
  });

  test("that begin in one piece and end in another are not changed by what the piece's bytes become", () => {
    const splitter = new LineSplitter(MOST);
    const piece = utf8("abc");
    splitter.push(piece);
    piece.fill(0);
    expect(Buffer.from(splitter.push(utf8("d\n"))[0] ?? []).toString()).toBe("abcd");
  });
});

test("bytes in pieces are kept up to the bound, and none beyond it", () => {
  const bytes = new GrowingBytes(600);
  for (let i = 0; i < 600; i++) expect(bytes.add(Uint8Array.of(i & 0xff))).toBe(true);
  expect(bytes.take()).toEqual(Uint8Array.from({ length: 600 }, (_, i) => i & 0xff));
  expect([bytes.length, bytes.add(new Uint8Array(600)), bytes.add(new Uint8Array(1)), bytes.length]).toEqual([0, true, false, 0]);
});

describe("JSON", () => {
  test("of any value is read back, and bytes that are none are refused with a sentence", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(readJson(utf8(JSON.stringify(value)))).toEqual({ read: JSON.parse(JSON.stringify(value)) });
      }),
      RUNS,
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        const outcome = readJson(bytes);
        if ("refused" in outcome) expect(outcome.refused).toMatch(/^it is (empty|not UTF-8|not JSON)/);
      }),
      RUNS,
    );
  });

  test("a blank line is JSON's white space alone", () => {
    for (const blank of ["", " ", "\t\r", " \t "]) expect(isBlank(utf8(blank))).toBe(true);
    for (const line of ["0", " x", "\u00a0", "\u2028", "\v"]) expect(isBlank(utf8(line))).toBe(false);
  });
});

describe("CloudEvents", () => {
  const event = { specversion: "1.0", id: "7", source: "/shop", type: "visit", data: 5 };

  test.each([
    ["2026-03-01T12:00:00Z", 1_772_366_400_000],
    ["2026-03-01t12:00:00.5z", 1_772_366_400_500],
    ["2026-03-01T12:00:00.123456789+01:00", 1_772_362_800_123],
    ["2026-03-01T12:00:00.1-23:59", 1_772_452_740_100],
  ])("a time of RFC 3339 is whole ms: %s", (time, timestamp) => {
    expect(structuredEvent({ ...event, time })).toEqual({ read: { value: 5, id: "/shop 7", timestamp } });
  });

  test.each(["2026-03-01", "2026-03-01T12:00:00", "2026-13-01T00:00:00Z", "12:00", "", 5, null])("another time is refused: %j", (time) => {
    expect(structuredEvent({ ...event, time })).toMatchObject({ refused: expect.stringContaining("time is") });
  });

  test("two sources with the same id are two, whatever they are", () => {
    const word = fc.string({ minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(word, word, word, word, (source, id, otherSource, otherId) => {
        const one = structuredEvent({ ...event, source, id });
        const other = structuredEvent({ ...event, source: otherSource, id: otherId });
        if ("refused" in one || "refused" in other) return;
        expect(one.read.id === other.read.id).toBe(source === otherSource && id === otherId);
      }),
      RUNS,
    );
  });

  test("whatever is given, there is a draft or a sentence, and nothing is thrown", () => {
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.record({
        specversion: fc.constant("1.0"),
        id: fc.jsonValue(),
        source: fc.jsonValue(),
        type: fc.jsonValue(),
        time: fc.jsonValue(),
        data: fc.jsonValue(),
      }),
    );
    fc.assert(
      fc.property(anything, (given) => {
        const outcome = structuredEvent(given);
        expect("refused" in outcome ? typeof outcome.refused : typeof outcome.read.id).toBe("string");
      }),
      RUNS,
    );
  });

  test("attributes as headers are percent-decoded, and what cannot be is refused", () => {
    const headers = { "ce-specversion": "1.0", "ce-id": "a%20%C3%A9", "ce-source": "/s", "ce-type": "t" };
    expect(binaryEvent(headers, 1)).toEqual({ read: { value: 1, id: "/s a é", timestamp: undefined } });
    expect(binaryEvent({ ...headers, "ce-id": "%zz" }, 1)).toMatchObject({ refused: expect.stringContaining("ce-id") });
    expect(binaryEvent({ "ce-__proto__": "x" }, 1)).toMatchObject({ refused: expect.stringContaining("specversion is missing") });
    expect([isBinaryEvent({ "ce-id": "" }), isBinaryEvent({ ce: "" })]).toEqual([true, false]);
  });
});

describe("headers", () => {
  test("whatever they are, they tell the kind of body or say why not", () => {
    const header = fc.oneof(fc.constantFrom("application/json", "application/x-ndjson", "charset=utf-8", "text/plain"), fc.string());
    fc.assert(
      fc.property(fc.array(header, { maxLength: 4 }), fc.option(header, { nil: undefined }), (types, encoding) => {
        const outcome = bodyKindOf({ "content-type": types.join(";"), ...(encoding === undefined ? {} : { "content-encoding": encoding }) });
        expect("refused" in outcome ? typeof outcome.refused : ["values", "lines"].includes(outcome.read)).toBeTruthy();
      }),
      RUNS,
    );
    expect(bodyKindOf({ "content-type": 'APPLICATION/JSON ; Charset="UTF-8"' })).toEqual({ read: "values" });
    expect(bodyKindOf({ "content-type": "application/json", "ce-id": "1" })).toEqual({ read: "binary-event" });
  });

  test("a key is given once, in visible letters", () => {
    expect(idempotencyKeyOf({})).toEqual({ read: undefined });
    expect(idempotencyKeyOf({ "idempotency-key": [' "a b" '] })).toEqual({ read: "a b" });
    for (const given of [[""], ['""'], ["a", "b"], ["a\u0000"], ["é"]]) expect(idempotencyKeyOf({ "idempotency-key": given })).toHaveProperty("refused");
  });
});
