/** State: fields written, deleted and read back byte for byte, whatever their names and sizes. */
import { expect } from "vitest";
import { KEY_BYTES, STATE_BYTES } from "../../../src/limits.ts";
import { stateField } from "../../../src/store/address.ts";
import type { Bench, Define } from "./bench.ts";
import { bytes, counter, far, joiner } from "./values.ts";

const count = async (bench: Bench): Promise<number> => (await bench.recover(counter)).stateCount;

/** Bytes that differ everywhere, so that a shifted or cut copy is noticed. */
function pattern(length: number): Uint8Array {
  const made = new Uint8Array(length);
  for (let i = 0; i < length; i++) made[i] = i * 7 + (i >> 8) * 13 + (i >> 16);
  return made;
}

/** Keys that break quoting, separators, terminators, sorting and case folding. */
export const STRANGE_KEYS: readonly string[] = [
  "a\u0000b",
  "\u0000",
  "line\nbreak",
  "\r\n",
  "\t",
  " ",
  "a:b",
  ":",
  ";",
  "2:x",
  "{tag}",
  "}{",
  "%s",
  "\\",
  "'\"`",
  "$1",
  "*",
  "?",
  "[a-z]",
  "ключ",
  "鍵",
  "🔑",
  "👨‍👩‍👧",
  "\u{1F600}\uFF5E",
  "e\u0301",
  "\u00e9",
  "A",
  "a",
  "__proto__",
  "constructor",
  "0",
  "-1",
  "1e3",
  "nil",
  "undefined",
  "\uFFFF",
  "\u0080",
];

export function state(define: Define): void {
  writing(define);
  addressing(define);
  sizes(define);
}

function writing(define: Define): void {
  define("a field that was never written reads as undefined", async (bench) => {
    await bench.acquire(counter);
    expect(await bench.state(counter, "2:k", "2:other")).toEqual([undefined, undefined]);
  });

  define("a field reads as last written", async (bench) => {
    const owner = await bench.acquire(counter);
    for (const value of ["one", "two", "", "a longer third value"]) {
      await owner.commit({ stateFields: ["2:k"], stateValues: [bytes(value)] });
      expect(await bench.state(counter, "2:k")).toEqual([value]);
    }
    expect(await count(bench)).toBe(1);
  });

  define("an empty value is a value, not a deletion", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ stateFields: ["2:k"], stateValues: [new Uint8Array(0)] });
    expect(await bench.state(counter, "2:k")).toEqual([""]);
    expect(await count(bench)).toBe(1);
  });

  define("a deleted field is gone, and may be written anew", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ stateFields: ["2:k", "2:l"], stateValues: [bytes("1"), bytes("2")] });
    await owner.commit({ stateFields: ["2:k"], stateValues: [undefined] });
    expect([await bench.state(counter, "2:k", "2:l"), await count(bench)]).toEqual([[undefined, "2"], 1]);
    await owner.commit({ stateFields: ["2:k"], stateValues: [bytes("3")] });
    expect([await bench.state(counter, "2:k"), await count(bench)]).toEqual([["3"], 2]);
  });

  define("deleting what is not there changes nothing", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ stateFields: ["2:k", "2:l"], stateValues: [undefined, bytes("1")] });
    await owner.commit({ stateFields: ["2:k"], stateValues: [undefined] });
    expect(await count(bench)).toBe(1);
  });

  define("a shard whose every field was deleted counts none and takes new ones", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ stateFields: ["2:k", "2:l"], stateValues: [bytes("1"), bytes("2")] });
    await owner.commit({ stateFields: ["2:k", "2:l"], stateValues: [undefined, undefined] });
    expect(await count(bench)).toBe(0);
    await owner.commit({ stateFields: ["2:m"], stateValues: [bytes("3")] });
    expect(await count(bench)).toBe(1);
  });

  define("one commit writes and deletes many fields", async (bench) => {
    const owner = await bench.acquire(counter);
    const fields = Array.from({ length: 100 }, (_, i) => `2:k${i}`);
    await owner.commit({ stateFields: fields, stateValues: fields.map(bytes) });
    await owner.commit({ stateFields: fields, stateValues: fields.map((field, i) => (i % 3 === 0 ? undefined : bytes(`new ${field}`))) });
    expect(await bench.state(counter, ...fields)).toEqual(fields.map((field, i) => (i % 3 === 0 ? undefined : `new ${field}`)));
    expect(await count(bench)).toBe(66);
  });

  define("values are read in the order of the fields asked for, repeated ones too; none if none", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ stateFields: ["2:a", "2:b"], stateValues: [bytes("A"), bytes("B")] });
    expect(await bench.state(counter, "2:b", "2:x", "2:a", "2:b")).toEqual(["B", undefined, "A", "B"]);
    expect(await bench.state(counter)).toEqual([]);
  });
}

function addressing(define: Define): void {
  define("the same field of two shards is two fields", async (bench) => {
    for (const shard of [counter, far, joiner]) await (await bench.acquire(shard)).commit({ stateFields: ["2:k"], stateValues: [bytes(`of ${shard}`)] });
    for (const shard of [counter, far, joiner]) expect(await bench.state(shard, "2:k")).toEqual([`of ${shard}`]);
  });

  define("fields are told apart whatever bytes their keys have: NUL, line ends, separators, emoji", async (bench) => {
    const owner = await bench.acquire(counter);
    const fields = STRANGE_KEYS.map((key) => stateField(2, key));
    await owner.commit({ stateFields: fields, stateValues: fields.map((field) => bytes(`value of ${field}`)) });
    expect(await bench.state(counter, ...fields)).toEqual(fields.map((field) => `value of ${field}`));
    expect(await count(bench)).toBe(fields.length);
  });

  define("cells and subkeys of one key are fields of their own", async (bench) => {
    const owner = await bench.acquire(counter);
    const fields = [stateField(1, "k"), stateField(36, "k"), stateField(1, "k", ""), stateField(1, "k", "s"), stateField(1, "", "ks"), stateField(1, "ks", "")];
    await owner.commit({ stateFields: fields, stateValues: fields.map(bytes) });
    expect(await bench.state(counter, ...fields)).toEqual(fields);
  });

  define("keys of the largest size allowed are told apart by their last byte", async (bench) => {
    const owner = await bench.acquire(counter);
    const keys = ["x".repeat(KEY_BYTES), `${"x".repeat(KEY_BYTES - 1)}y`, "🔑".repeat(KEY_BYTES / 4), "\u0000".repeat(KEY_BYTES)];
    const fields = keys.flatMap((key) => [stateField(4_000_000, key), stateField(4_000_000, key, key)]);
    await owner.commit({ stateFields: fields, stateValues: fields.map((_, i) => bytes(`value ${i}`)) });
    expect(await bench.state(counter, ...fields)).toEqual(fields.map((_, i) => `value ${i}`));
    await owner.commit({ stateFields: fields.slice(0, 1), stateValues: [undefined] });
    expect(await bench.state(counter, ...fields)).toEqual(fields.map((_, i) => (i === 0 ? undefined : `value ${i}`)));
  });
}

function sizes(define: Define): void {
  define("every byte value is kept", async (bench) => {
    const owner = await bench.acquire(counter);
    const value = Uint8Array.from({ length: 256 }, (_, i) => i);
    await owner.commit({ stateFields: ["2:k"], stateValues: [value] });
    const [read] = await bench.store.readState(counter, ["2:k"]);
    expect([...read!]).toEqual([...value]);
  });

  define("a value that is a part of a larger buffer is kept alone", async (bench) => {
    const owner = await bench.acquire(counter);
    const pool = pattern(10_000);
    await owner.commit({ stateFields: ["2:k", "2:l"], stateValues: [pool.subarray(100, 164), Buffer.from(pool.buffer, 5_000, 64)] });
    const read = await bench.store.readState(counter, ["2:k", "2:l"]);
    expect(read.map((value) => [...value!])).toEqual([[...pool.subarray(100, 164)], [...pool.subarray(5_000, 5_064)]]);
  });

  define("what was read stays as it was when the field is written again", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ stateFields: ["2:k", "2:l"], stateValues: [pattern(3_000), pattern(100)] });
    const read = await bench.store.readState(counter, ["2:k", "2:l"]);
    await owner.commit({ stateFields: ["2:k", "2:l"], stateValues: [new Uint8Array(3_000), new Uint8Array(100)] });
    await bench.store.readState(counter, ["2:k", "2:l"]);
    expect(read.map((value) => Buffer.compare(value!, pattern(value!.length)))).toEqual([0, 0]);
  });

  define("a value of 1 MiB is kept, beside small ones", async (bench) => {
    const owner = await bench.acquire(counter);
    const large = pattern(1 << 20);
    await owner.commit({ stateFields: ["2:large", "2:small"], stateValues: [large, bytes("small")] });
    const [read, small] = await bench.store.readState(counter, ["2:large", "2:small"]);
    expect([Buffer.compare(read!, large), Buffer.from(small!).toString()]).toEqual([0, "small"]);
  });

  define("a value of the largest size allowed is kept, and replaced", async (bench) => {
    const owner = await bench.acquire(counter);
    const large = pattern(STATE_BYTES);
    await owner.commit({ stateFields: ["2:k"], stateValues: [large] });
    const [read] = await bench.store.readState(counter, ["2:k"]);
    expect(Buffer.compare(read!, large)).toBe(0);
    await owner.commit({ stateFields: ["2:k"], stateValues: [bytes("small")] });
    expect(await bench.state(counter, "2:k")).toEqual(["small"]);
  });

  define("one commit may write 10,000 fields", async (bench) => {
    const owner = await bench.acquire(counter);
    const fields = Array.from({ length: 10_000 }, (_, i) => `2:key-${i}`);
    await owner.commit({ stateFields: fields, stateValues: fields.map((field) => bytes(`v ${field}`)) });
    expect(await count(bench)).toBe(10_000);
    expect(await bench.state(counter, ...fields)).toEqual(fields.map((field) => `v ${field}`));
    await owner.commit({ stateFields: fields.slice(1), stateValues: fields.slice(1).map(() => undefined) });
    expect(await count(bench)).toBe(1);
  });
}
