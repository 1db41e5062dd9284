import { describe, expect, test } from "vitest";
import { cbor, ConfigError, exponential, input, InvalidUseError, output, Pipeline, state, stream, timer, timers } from "../../src/index.ts";
import { isHandle } from "../../src/computation/handle.ts";
import { untyped } from "./programs.ts";

const orders = stream<{ id: string }>("orders");
const key = (order: { id: string }) => order.id;

describe("a handle", () => {
  test("is frozen, knows its kind, and keeps what it was told", () => {
    const last = timers<number>("last", { clock: "wall", renamedFrom: "latest" });
    const all = [orders, input(orders, { key }), output(orders), state("count", { initial: 0, ttl: 5 }), timer("deadline"), last];
    expect(all.map((handle) => handle.kind)).toEqual(["stream", "input", "output", "state", "timer", "timers"]);
    for (const handle of all) {
      expect(Object.isFrozen(handle)).toBe(true);
      expect(isHandle(handle, handle.kind)).toBe(true);
    }
    expect(untyped(all[1])).toMatchObject({ name: "orders", stream: orders, key, renamedFrom: [] });
    expect(untyped(all[3])).toMatchObject({ name: "count", initial: 0, ttl: 5, codec: cbor(), renamedFrom: [] });
    expect(untyped(all[4])).toMatchObject({ clock: "watermark", family: undefined, tag: undefined });
    expect(untyped(last)).toMatchObject({ clock: "wall", renamedFrom: ["latest"] });
  });

  test("of a family's slot names the family and the tag", () => {
    const closing = timers<number | string>("closing");
    expect(untyped(closing.for(5))).toMatchObject({ kind: "timer", name: "closing", tag: 5 });
    expect(untyped(closing.for("")).family).toBe(closing);
    expect(isHandle(closing.for(5), "timer")).toBe(true);
  });

  test("of a family refuses what is no tag", () => {
    const closing = untyped(timers<number>("closing"));
    for (const tag of [undefined, null, {}, Number.NaN, 1n]) expect(() => closing.for(tag)).toThrow(InvalidUseError);
  });

  test("is known by its brand alone: what only looks like one is not", () => {
    expect(isHandle({ kind: "stream", name: "orders" }, "stream")).toBe(false);
    expect(isHandle(undefined, "stream")).toBe(false);
    expect(isHandle({ [Symbol.for("millrace.handle")]: true, kind: "stream" }, "stream")).toBe(true);
  });
});

/** What a user of plain JavaScript writes, and what the error says. */
class Rates {
  one(): number {
    return 1;
  }
}

const mistakes: readonly (readonly [string, () => unknown, string])[] = [
  ["a stream without a name", () => stream(untyped(undefined)), 'a stream needs a name of 1 to 64 letters, digits, "_", "." or "-", but it is undefined'],
  ["a stream with a space in its name", () => stream("my orders"), 'but it is "my orders"'],
  ["a stream with an empty name", () => stream(""), 'but it is ""'],
  ["a stream with a name of 65 letters", () => stream("x".repeat(65)), "1 to 64"],
  ["a stream with a misspelt option", () => stream("s", untyped({ kodec: 1 })), 'stream "s": there is no option "kodec"; there are codec, schema'],
  ["options that are no object", () => stream("s", untyped("cbor")), 'stream "s": options are an object with codec, schema, but they are "cbor"'],
  [
    "a codec that is a function",
    () => stream("s", untyped({ codec: cbor })),
    "codec is an object with id, version, encode and decode, but it is function cbor",
  ],
  ["a codec without an id", () => stream("s", untyped({ codec: { version: 0, encode() {}, decode() {} } })), "a codec's id is 1 to 32"],
  ["a codec with a bad id", () => stream("s", untyped({ codec: { id: "Proto Buf", version: 0, encode() {}, decode() {} } })), 'but it is "Proto Buf"'],
  [
    "a codec without a version",
    () => stream("s", untyped({ codec: { id: "x", encode() {}, decode() {} } })),
    'version of codec "x" is an integer from 0 to 65535, but it is undefined',
  ],
  [
    "a codec with a version that does not fit",
    () => stream("s", untyped({ codec: { id: "x", version: 65_536, encode() {}, decode() {} } })),
    "but it is 65536",
  ],
  [
    "a codec that cannot decode",
    () => stream("s", untyped({ codec: { id: "x", version: 0, encode() {} } })),
    'codec "x" needs encode(value) and decode(bytes, version)',
  ],
  [
    "a codec under an id of Millrace's",
    () => stream("s", untyped({ codec: { id: "cbor", version: 7, encode() {}, decode() {} } })),
    'codec id "cbor" is Millrace\'s own',
  ],
  [
    "a schema that is no Standard Schema",
    () => stream("s", untyped({ schema: { parse() {} } })),
    "schema is a Standard Schema (zod, valibot, arktype, ...), but it is an object",
  ],
  [
    "an input of a name",
    () => input(untyped("orders"), { key }),
    'a stream is expected, but it is "orders"; give the stream itself, as made by stream("orders")',
  ],
  ["an input of an output", () => input(untyped(output(orders)), { key }), "a stream is expected, but it is an output"],
  ["an input without options", () => input(orders, untyped(undefined)), 'input of stream "orders": key is a function'],
  ["an input whose key is a field's name", () => input(orders, untyped({ key: "id" })), 'but it is "id"'],
  ["an input whose key stands alone", () => input(orders, untyped(key)), "give the key extractor by name: input(stream, { key: (value) => ... })"],
  [
    "an input whose filter is a value",
    () => input(orders, untyped({ key, where: true })),
    "where is a function that says of a value whether it is for this input",
  ],
  ["an input with a bad name", () => input(orders, { key, name: "a/b" }), 'but it is "a/b"'],
  ["an output of nothing", () => output(untyped(undefined)), "a stream is expected, but it is undefined"],
  ["state without a name", () => state(untyped({ initial: 0 })), "state needs a name of 1 to 64"],
  [
    "state with a misspelt option",
    () => state("n", untyped({ inital: 0 })),
    'state "n": there is no option "inital"; there are codec, initial, ttl, renamedFrom',
  ],
  ["a ttl of 0", () => state("n", { ttl: 0 }), 'state "n": ttl, ms, is an integer from 1 up, but it is 0'],
  ["a ttl as text", () => state("n", untyped({ ttl: "1h" })), 'but it is "1h"'],
  ["a ttl with a fraction", () => state("n", { ttl: 1.5 }), "but it is 1.5"],
  ["an initial value with a function in it", () => state("n", untyped({ initial: { f() {} } })), 'state "n": codec "cbor" cannot copy the initial value'],
  [
    "an initial value with methods",
    () => state("r", untyped({ initial: new Rates() })),
    'state "r": initial is a Rates, which the store would give back without its methods: give plain data',
  ],
  [
    "an initial value with methods further down",
    () => state("r", untyped({ initial: { by: new Map([["a", [new Rates()]]]) } })),
    "an element of an entry of initial.by is a Rates",
  ],
  ["a timer of an unknown clock", () => timer("t", untyped({ clock: "event" })), 'timer "t": clock is "watermark" or "wall", but it is "event"'],
  ["a family without a name", () => timers(untyped(3)), "a family of timers needs a name"],
  ["renamedFrom its own name", () => timer("t", { renamedFrom: "t" }), 'timer "t": renamedFrom says the name it has now'],
  ["renamedFrom twice the same", () => state("n", { renamedFrom: ["a", "a"] }), 'renamedFrom says "a" twice'],
  [
    "renamedFrom a bad name",
    () => input(orders, { key, renamedFrom: "a b" }),
    'renamedFrom needs a name of 1 to 64 letters, digits, "_", "." or "-", but it is "a b"',
  ],
  ["a back-off that starts at nothing", () => exponential(0, 5), "first, ms, is an integer from 1 up"],
  ["a back-off that falls", () => exponential(10, 5), "most, ms, is an integer from 10 up, but it is 5"],
  ["a pipeline without a name", () => new Pipeline(untyped(undefined)), "a pipeline needs a name"],
  ["no shards", () => new Pipeline("p", { shards: 0 }), 'pipeline "p": shards is an integer from 1 to 16384, but it is 0'],
  ["too many shards", () => new Pipeline("p", { shards: 16_385 }), "but it is 16385"],
  ["a misspelt option of a pipeline", () => new Pipeline("p", untyped({ shard: 8 })), 'there is no option "shard"; there are shards'],
];

test.each(mistakes)("%s is a ConfigError that says so", (_, mistake, text) => {
  expect(mistake).toThrow(ConfigError);
  expect(mistake).toThrow(text);
});

test("an initial value is any plain data, or of any class with a codec of one's own", () => {
  const plain = { list: [1, "a", null, undefined, true, 1n], bare: Object.assign(Object.create(null), { a: 1 }) };
  const initials: unknown[] = [0, "", null, plain, [plain], new Map([["a", plain]]), new Set([[1]]), new Date(0), new Uint8Array(2), new Float64Array(2)];
  for (const initial of initials) expect(() => state("r", untyped({ initial }))).not.toThrow();
  const codec = { id: "rates", version: 0, encode: (rates: Rates) => new Uint8Array([rates.one()]), decode: () => new Rates() };
  expect(() => state("r", { codec, initial: new Rates() })).not.toThrow();
});
