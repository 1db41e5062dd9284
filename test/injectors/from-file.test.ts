import { appendFileSync, copyFileSync, fstatSync, mkdirSync, readdirSync, statSync, truncateSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConfigError, MillraceError } from "../../src/errors.ts";
import { type FileOptions, fromFile } from "../../src/injectors/from-file.ts";
import type { SourceItem } from "../../src/injectors/injector.ts";
import { RECORD_BYTES } from "../../src/limits.ts";
import { drain, readAll, readingContext } from "../support/reading.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const path = temporaryDirectory();

function file(content: string | Uint8Array, name = "a.ndjson"): string {
  const at = path(name);
  writeFileSync(at, content);
  return at;
}
const values = (items: readonly SourceItem[]): unknown[] => items.map((item) => item.value);
const read = async (content: string | Uint8Array, options: FileOptions<unknown> = {}, name?: string): Promise<SourceItem[]> =>
  readAll(fromFile(file(content, name), options));

describe("lines", () => {
  test("any JSON value is a record; LF and CRLF end it, the last one needs neither", async () => {
    expect(values(await read('{"a":1}\r\n[2]\n"three"\nnull\n5'))).toEqual([{ a: 1 }, [2], "three", null, 5]);
    expect(values(await read("1\n2\n"))).toEqual([1, 2]);
    expect(values(await read("1\r\n2\r\n"))).toEqual([1, 2]);
  });

  test("empty lines, lines of blanks and a byte order mark hold nothing", async () => {
    expect(values(await read("\uFEFF1\n\n  \n\r\n2\n\n"))).toEqual([1, 2]);
    for (const empty of ["", "\n", "\uFEFF", "\uFEFF\n", "  "]) expect(await read(empty)).toEqual([]);
  });

  test("a line that is not JSON is a failure with its text and place, and the next one is read", async () => {
    const [one, two, three] = await read('1\n{"a":\n3\n');
    expect(one!.failure).toBeUndefined();
    expect(two).toMatchObject({ value: '{"a":', position: { offset: 8 } });
    expect(two!.failure).toMatch(/^file .*a\.ndjson, bytes 2-8: is not JSON: /);
    expect(three!.value).toBe(3);
  });

  test("bytes that are not UTF-8 are a failure, and a real replacement character is not", async () => {
    const [one, two, three] = await read(Buffer.concat([Buffer.from('"\uFFFD"\n"'), Buffer.of(0xff, 0xfe), Buffer.from('"\n"ü"\n')]));
    expect(one).toMatchObject({ value: "\uFFFD" });
    expect(one!.failure).toBeUndefined();
    expect(two!.failure).toMatch(/is not UTF-8$/);
    expect(three!.value).toBe("ü");
  });

  test("characters of several bytes are whole across the borders of chunks", async () => {
    const lines = Array.from({ length: 9_000 }, (_, i) => `${"é€😀".repeat(1 + (i % 7))}${i}`);
    expect(values(await read(`${lines.map((line) => JSON.stringify(line)).join("\n")}\n`))).toEqual(lines);
  });

  test("a line of RECORD_BYTES is a record; one byte more is a failure that keeps its beginning, however long it is", async () => {
    const sized = (bytes: number): string => `"${"x".repeat(bytes - 2)}"`;
    const content = [sized(RECORD_BYTES - 1), sized(RECORD_BYTES), sized(RECORD_BYTES + 1), "4", sized(5 * RECORD_BYTES), "6", sized(RECORD_BYTES + 1)].join(
      "\r\n",
    );
    const items = await read(content);
    expect(items.map((item) => item.failure !== undefined)).toEqual([false, false, true, false, true, false, true]);
    expect(items[4]!.failure).toMatch(/bytes \d+-\d+: is longer than the 1048576 bytes/);
    expect(items[4]!.value).toBe(sized(5 * RECORD_BYTES).slice(0, 65_536));
    expect([items[3]!.value, items[5]!.value]).toEqual([4, 6]);
    expect(items[6]!.position).toMatchObject({ offset: content.length });
  });
});

test("a line of 64 MiB takes a few MiB of memory", async () => {
  const at = file("1\n");
  truncateSync(at, 64 << 20);
  appendFileSync(at, "\n3\n");
  const before = process.memoryUsage().arrayBuffers;
  const reader = await fromFile(at).open(readingContext(), undefined);
  const items = await drain(reader);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20);
  await reader.close();
  expect(items.map((item) => (item.failure === undefined ? item.value : "failure"))).toEqual([1, "failure", 3]);
});

describe("positions", () => {
  const line = fc.oneof(
    fc.json().filter((json) => !json.includes("\n")),
    fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => JSON.stringify(text)),
    fc.constantFrom("", "  ", "{broken", '"unfinished'),
  );

  test("from the position of any item exactly the rest is read", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 15 }), fc.constantFrom("\n", "\r\n"), fc.boolean(), fc.boolean(), async (lines, end, mark, closed) => {
        const source = fromFile(file(`${mark ? "\uFEFF" : ""}${lines.join(end)}${closed ? end : ""}`));
        const all = await readAll(source, undefined, 4);
        expect(all).toHaveLength(lines.filter((text) => text.trim() !== "").length);
        for (const [i, item] of all.entries()) expect(await readAll(source, structuredClone(item.position), 3)).toEqual(all.slice(i + 1));
      }),
      { numRuns: 40 },
    );
  });

  test("a file of several chunks is read on from any position", async () => {
    const source = fromFile(file(Array.from({ length: 40_000 }, (_, i) => `{"n":${i}}\n`).join("")));
    const all = await readAll(source, undefined, 1_000);
    expect(all).toHaveLength(40_000);
    for (const from of [0, 1, 19_999, 25_641, 39_998]) expect(values(await readAll(source, all[from]!.position, 1_000))).toEqual(values(all.slice(from + 1)));
    expect(await readAll(source, all[39_999]!.position)).toEqual([]);
  });

  test("what was appended since is read, also to a file that was tiny or empty at first", async () => {
    const at = file("1\n");
    const [first] = await readAll(fromFile(at));
    appendFileSync(at, `2\n${"3\n".repeat(2_000)}`);
    const rest = await readAll(fromFile(at), first!.position);
    expect(rest).toHaveLength(2_001);
    appendFileSync(at, "4\n");
    expect(values(await readAll(fromFile(at), rest.at(-1)!.position))).toEqual([4]);
  });

  test("a copy of the file is the same file", async () => {
    const at = file("1\n2\n3\n");
    const [first] = await readAll(fromFile(at));
    const moved = path("copy.ndjson");
    copyFileSync(at, moved);
    expect(values(await readAll(fromFile(moved), first!.position))).toEqual([2, 3]);
  });

  test("a file that is shorter than the position is refused at one byte less, not at it", async () => {
    const at = file("1\n2\n3\n");
    const { position } = (await readAll(fromFile(at))).at(-1)!;
    expect(await readAll(fromFile(at), position)).toEqual([]);
    truncateSync(at, 5);
    await expect(readAll(fromFile(at), position)).rejects.toThrow(ConfigError);
    await expect(readAll(fromFile(at), position)).rejects.toThrow(
      /has 5 bytes, but was read up to byte 6\. Put the file back, or give the injector a new name/,
    );
  });

  test("another file under the same name is refused", async () => {
    const at = file("1\n2\n3\n");
    const [first] = await readAll(fromFile(at));
    writeFileSync(at, "9\n8\n7\n6\n");
    await expect(readAll(fromFile(at), first!.position)).rejects.toThrow(/is not the file that was read up to byte 2: it begins otherwise/);
  });

  test("a position of another kind of injector is refused", async () => {
    for (const position of [7, null, { offset: -1, head: "" }, { offset: 0 }, { offset: 0, head: 1 }, { offset: 0.5, head: "0:0000000000000000" }]) {
      await expect(readAll(fromFile(file("1\n")), position)).rejects.toThrow(ConfigError);
    }
  });
});

describe("csv", () => {
  const rows = async (content: string | Uint8Array, csv: FileOptions<unknown>["csv"] = {}, name = "a.csv"): Promise<SourceItem[]> =>
    read(content, { csv }, name);

  test("the header names the fields of objects of strings", async () => {
    expect(values(await rows("id,name\n1,Ann\r\n2,\n"))).toEqual([
      { id: "1", name: "Ann" },
      { id: "2", name: "" },
    ]);
    expect(values(await rows('\uFEFF\n\r\n"id",name\n\n1,Ann'))).toEqual([{ id: "1", name: "Ann" }]);
    expect(await rows("id,name\n")).toEqual([]);
    expect(await rows("")).toEqual([]);
  });

  test("names may be given instead, or left out", async () => {
    expect(values(await rows("1,Ann\n2,Bob\n", { header: ["id", "name"] }))).toEqual([
      { id: "1", name: "Ann" },
      { id: "2", name: "Bob" },
    ]);
    expect(values(await rows("1,Ann\n2\n", { header: false }))).toEqual([["1", "Ann"], ["2"]]);
  });

  test("the delimiter is the option's, or a tab for .tsv", async () => {
    expect(values(await rows('a;b\n"1;2";3,4\n', { delimiter: ";" }))).toEqual([{ a: "1;2", b: "3,4" }]);
    expect(values(await rows("a\tb\n1\t2,3\n", {}, "a.tsv"))).toEqual([{ a: "1", b: "2,3" }]);
    expect(values(await rows("a,b\n1,2\n", { delimiter: "," }, "a.tsv"))).toEqual([{ a: "1", b: "2" }]);
  });

  test("quoted fields hold delimiters, doubled quotes and line ends", async () => {
    expect(values(await rows('a,b\n"1,2","say ""hi"""\n"x\r\ny\n","",\n"","z"\n', { header: false }))).toEqual([
      ["a", "b"],
      ["1,2", 'say "hi"'],
      ["x\r\ny\n", "", ""],
      ["", "z"],
    ]);
  });

  test("a ragged or malformed row fails alone, with its text and place", async () => {
    const items = await rows('a,b\n1\n2,3\n4,5,6\n7"x,8\n"9"x,0\n10,11\n');
    expect(items.map((item) => item.failure?.replace(/^.*, bytes /, ""))).toEqual([
      "4-6: has 1 fields where the header has 2",
      undefined,
      "10-16: has 3 fields where the header has 2",
      "16-22: has a quote within an unquoted field",
      "22-29: has text after a closing quote",
      undefined,
    ]);
    expect(items[3]!.value).toBe('7"x,8');
    expect(items.at(-1)!.value).toEqual({ a: "10", b: "11" });
  });

  test("a quote that is never closed fails to the end of the file, as one row", async () => {
    const items = await rows('a,b\n1,2\n3,"4\n5,6\n7,8\n');
    expect(items).toHaveLength(2);
    expect(items[1]).toMatchObject({ value: '3,"4\n5,6\n7,8' });
    expect(items[1]!.failure).toMatch(/bytes 8-21: has a quoted field that is not closed/);
  });

  test("a quoted field longer than a record is skipped to its real end", async () => {
    const items = await rows(`a,b\n1,"${"x,\n".repeat(RECORD_BYTES)}"\n2,3\n`);
    expect(items).toHaveLength(2);
    expect(items[0]!.failure).toMatch(/is longer than/);
    expect(items[1]!.value).toEqual({ a: "2", b: "3" });
  });

  test("a header that cannot name columns stops the reading", async () => {
    for (const [content, message] of [
      ["a,b,a\n1,2,3\n", /has the column "a" twice/],
      ["a,__proto__\n1,2\n", /cannot be called __proto__/],
      ['a,b"\n1,2\n', /the header row has a quote within/],
      [Buffer.of(0xff, 0x2c, 0x61, 0x0a, 0x31), /the header row is not UTF-8/],
      [`${"x".repeat(RECORD_BYTES + 1)}\n1\n`, /the header row is longer than/],
    ] as const) {
      const failed = rows(content);
      await expect(failed).rejects.toThrow(ConfigError);
      await expect(failed).rejects.toThrow(message);
    }
  });

  const field = fc.oneof(
    fc.string({ maxLength: 8 }),
    fc.array(fc.constantFrom('"', ",", "\n", "\r", "a", "€", ";"), { maxLength: 6 }).map((parts) => parts.join("")),
  );
  const written = (text: string, quoted: boolean): string => (quoted || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  test("whatever is written by RFC 4180 is read back, and from any position exactly the rest", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 4 }).chain((columns) => fc.array(fc.array(field, { minLength: columns, maxLength: columns }), { maxLength: 10 })),
        fc.constantFrom("\n", "\r\n"),
        fc.boolean(),
        fc.boolean(),
        async (table, end, quoted, closed) => {
          const names = Array.from({ length: table[0]?.length ?? 2 }, (_, i) => `column ${i}`);
          const text = [names, ...table].map((row) => row.map((value) => written(value, quoted)).join(",")).join(end) + (closed ? end : "");
          const source = fromFile(file(text, "a.csv"));
          const all = await readAll(source, undefined, 3);
          expect(all.map((item) => Object.values(item.value as object))).toEqual(table);
          for (const [i, item] of all.entries()) expect(await readAll(source, item.position)).toEqual(all.slice(i + 1));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("rows of many chunks, quotes and all, are read on from any position", async () => {
    const table = Array.from({ length: 20_000 }, (_, i) => [`${i}`, i % 3 === 0 ? `two\nlines, "${i}"` : "plain"]);
    const source = fromFile(file(["n,text", ...table.map((row) => row.map((value) => written(value, false)).join(","))].join("\n"), "a.csv"));
    const all = await readAll(source, undefined, 500);
    expect(all.map((item) => Object.values(item.value as object))).toEqual(table);
    expect(await readAll(source, all[13_000]!.position, 500)).toEqual(all.slice(13_001));
  });
});

describe("opening", () => {
  test("what cannot be read says so", async () => {
    await expect(readAll(fromFile(path("missing.ndjson")))).rejects.toThrow(/file .*missing\.ndjson does not exist/);
    const directory = path("d.ndjson");
    mkdirSync(directory);
    await expect(readAll(fromFile(directory))).rejects.toThrow(/is not a regular file/);
    await expect(readAll(fromFile("/dev/null", { format: "ndjson" }))).rejects.toThrow(/is not a regular file/);
  });

  test("options that cannot be meant are refused when the injector is made", () => {
    for (const [make, message] of [
      [() => fromFile(""), /give the path/],
      [() => fromFile("a.json"), /give format/],
      [() => fromFile("a.ndjson", { csv: {} }), /csv options are given/],
      [() => fromFile("a.csv", { csv: { delimiter: "||" } }), /one ASCII character/],
      [() => fromFile("a.csv", { csv: { delimiter: '"' } }), /one ASCII character/],
      [() => fromFile("a.csv", { csv: { delimiter: "→" } }), /one ASCII character/],
      [() => fromFile("a.csv", { csv: { header: [] } }), /names no columns/],
      [() => fromFile("a.csv", { csv: { header: ["a", "a"] } }), /"a" twice/],
      [
        () => fromFile("a.csv", { csv: { separator: ";" } as object }),
        /^fromFile \(a\.csv\): csv: there is no option "separator"; there are header, delimiter$/,
      ],
      [
        () => fromFile("a.ndjson", { folow: true } as object),
        /^fromFile \(a\.ndjson\): there is no option "folow"; there are format, follow, csv, schema, timestamp/,
      ],
      [() => fromFile("a.ndjson", { follow: 1 as never }), /follow is true or false, but it is 1/],
      [() => fromFile("a.ndjson", null as never), /options are an object with .*, but they are null/],
      [() => fromFile("a.ndjson", { maxAhead: -1 }), /^fromFile \(a\.ndjson\): maxAhead/],
    ] as const) {
      expect(make).toThrow(ConfigError);
      expect(make).toThrow(message);
    }
  });

  test("defaults: ascending, any timestamp, by the name's format", () => {
    expect(fromFile("A.JSONL")).toMatchObject({
      description: "file A.JSONL",
      partitions: 1,
      maxAhead: Number.POSITIVE_INFINITY,
      watermark: { description: "ascending" },
    });
    expect(fromFile("a.log", { format: "ndjson" }).kind).toBe("injector");
  });

  test("an aborted pull gives nothing and does not lose what comes next", async () => {
    const context = readingContext();
    const reader = await fromFile(file("1\n2\n")).open(context, undefined);
    const { items } = await reader.pull(1);
    context.abort();
    expect(await reader.pull(10)).toEqual({ items: [], done: false });
    await reader.close();
    expect(items).toHaveLength(1);
  });

  test("close frees the file, also where opening failed half-way", async () => {
    const at = file("a,b\n1,2\n", "a.csv");
    const reader = await fromFile(at).open(readingContext(), undefined);
    expect(isOpen(at)).toBe(true);
    const { items } = await reader.pull(10);
    await reader.close();
    expect(isOpen(at)).toBe(false);
    writeFileSync(at, "other\n1\n2\n3\n");
    await expect(fromFile(at).open(readingContext(), items[0]!.position)).rejects.toThrow(MillraceError);
    expect(isOpen(at)).toBe(false);
  });

  /** Has this process a descriptor of the file? */
  function isOpen(at: string): boolean {
    const { ino, dev } = statSync(at);
    return readdirSync("/dev/fd").some((fd) => {
      try {
        const found = fstatSync(Number(fd));
        return found.ino === ino && found.dev === dev;
      } catch {
        return false;
      }
    });
  }
});
