import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CsvFormat } from "../../src/injectors/csv-format.ts";
import type { FileFormat } from "../../src/injectors/file-format.ts";
import { NdjsonFormat } from "../../src/injectors/ndjson-format.ts";

const formats: readonly (readonly [string, () => FileFormat])[] = [
  ["ndjson", () => new NdjsonFormat()],
  ["csv", () => new CsvFormat("file", { header: false })],
];
const text = fc.array(fc.constantFrom('"', ",", "\n", "\r", "a", "é", "🔑", '{"a":1}'), { maxLength: 60 }).map((parts) => Buffer.from(parts.join("")));

/** Where records end, as a reader asks that is given the bytes in pieces. */
function ends(format: FileFormat, bytes: Uint8Array, pieces: readonly number[]): number[] {
  const found: number[] = [];
  let [scanned, filled, next] = [0, 0, 0];
  while (scanned < bytes.length) {
    if (scanned === filled) filled = Math.min(bytes.length, filled + (pieces[next++ % pieces.length] ?? 1));
    const end = format.recordEnd(bytes, scanned, filled);
    if (end > 0) found.push(end);
    scanned = end > 0 ? end : filled;
  }
  return found;
}

describe.each(formats)("%s", (_, make) => {
  test("records end at the same places however the bytes come in", () => {
    fc.assert(
      fc.property(text, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }), (bytes, pieces) => {
        expect(ends(make(), bytes, pieces)).toEqual(ends(make(), bytes, [bytes.length + 1]));
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});

test("any JSON value on a line of its own is read back", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 10 }), (values) => {
      const format = new NdjsonFormat();
      const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(""));
      let from = 0;
      const read = ends(format, bytes, [5]).map((end) => {
        const line = bytes.toString("utf8", from, end - 1);
        from = end;
        return format.decode(line);
      });
      expect(read).toEqual(values.map((value) => JSON.parse(JSON.stringify(value)) as unknown));
    }),
    { seed: 1 },
  );
});
