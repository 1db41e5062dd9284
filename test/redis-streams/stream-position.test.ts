import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareIds, entryIdOf, timeOf } from "../../src/redis-streams/entry-id.ts";
import { lossAfter, type StreamFacts } from "../../src/redis-streams/stream-position.ts";

describe("ids of entries", () => {
  test.each([
    ["5", "5-0"],
    ["5-7", "5-7"],
    ["05-007", "5-7"],
    ["18446744073709551615-18446744073709551615", "18446744073709551615-18446744073709551615"],
    ["18446744073709551616-0", undefined],
    ["5-18446744073709551616", undefined],
    ["-1", undefined],
    ["5-", undefined],
    ["$", undefined],
    ["", undefined],
    [5, undefined],
  ])("%j is %s", (given, id) => {
    expect(entryIdOf(given)).toBe(id);
  });

  test("are in the order of their numbers", () => {
    const part = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
    fc.assert(
      fc.property(part, part, part, part, (a, b, c, d) => {
        const order = a === c ? (b < d ? -1 : b > d ? 1 : 0) : a < c ? -1 : 1;
        expect(Math.sign(compareIds(`${a}-${b}`, `${c}-${d}`))).toBe(order);
      }),
    );
  });

  test("have the time in them", () => {
    expect(timeOf("1700000000000-3")).toBe(1_700_000_000_000);
  });
});

describe("what is gone", () => {
  /** A stream that is added to, read, and trimmed; entry n has the id "n-0". */
  type Step = { readonly kind: "add" | "read" | "trim" | "delete-read"; readonly count: number };
  const step = fc.record<Step>({ kind: fc.constantFrom("add", "read", "trim", "delete-read"), count: fc.integer({ min: 1, max: 5 }) });

  test("is found exactly when an entry was trimmed before it was read, with how many", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let held: number[] = [];
        let added = 0;
        let read = 0;
        const facts = (): StreamFacts => ({ last: `${added}-0`, added, length: held.length, first: held[0] === undefined ? "" : `${held[0]}-0` });
        for (const { kind, count } of steps) {
          if (kind === "add") for (let i = 0; i < count; i++) held.push(++added);
          if (kind === "trim") held = held.slice(count);
          if (kind === "delete-read") held = held.filter((n) => n > read || n % count !== 0);
          const lost = Math.max(0, (held[0] ?? added + 1) - 1 - read);
          const loss = lossAfter({ key: "k", id: `${read}-0`, number: read }, facts());
          if (lost === 0) expect(loss).toBeUndefined();
          else {
            expect(loss?.text).toContain(`at least ${lost} entries`);
            expect(lossAfter(loss!.after!, facts())).toBeUndefined();
            read += lost;
          }
          if (kind === "read") read = Math.min(read + count, added);
        }
      }),
    );
  });
});
