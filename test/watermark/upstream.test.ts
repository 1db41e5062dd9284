import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BEGINNING, END } from "../../src/time.ts";
import { boundOf, type Standing, type Upstream } from "../../src/watermark/upstream.ts";

const at = (output: number, status: Standing, last = BEGINNING): Upstream => ({ output, status, last });

describe("the bound is", () => {
  const cases: readonly (readonly [string, readonly Upstream[], number, string])[] = [
    ["the least of the live inputs", [at(5, "live"), at(3, "live")], 3, "live"],
    ["that of a back-pressured input like that of a live one", [at(5, "live"), at(3, "back-pressured")], 3, "live"],
    ["not held by an idle input while another is live", [at(5, "live"), at(3, "idle")], 5, "live"],
    ["not held by an idle input while another is back-pressured", [at(5, "back-pressured"), at(3, "idle")], 5, "live"],
    ["held by a live input although another has finished (C68)", [at(END, "finished"), at(BEGINNING, "live")], BEGINNING, "live"],
    ["what an idle input promised before, where the other has finished, and not the end of time (R8)", [at(END, "finished"), at(3, "idle")], 3, "idle"],
    ["the least that was promised where all are idle (R8)", [at(4, "idle"), at(3, "idle")], 3, "idle"],
    ["the end of time only where all have finished", [at(END, "finished"), at(END, "finished")], END, "finished"],
  ];
  test.each(cases)("%s", (_what, inputs, bound, status) => {
    expect(boundOf(inputs)).toMatchObject({ bound, status });
  });
});

test("the largest event time known is that of all inputs, idle and finished ones included", () => {
  expect(boundOf([at(1, "live", 10), at(1, "idle", 30), at(END, "finished", 20)]).last).toBe(30);
});

describe("of any inputs", () => {
  const upstream = fc.record({
    output: fc.integer({ min: BEGINNING, max: 100 }),
    status: fc.constantFrom<Standing>("live", "idle", "back-pressured", "finished"),
    last: fc.integer({ min: BEGINNING, max: 100 }),
  });
  const inputs = fc.array(upstream, { minLength: 1, maxLength: 6 });
  const check = (claim: (all: readonly Upstream[], others: readonly Upstream[]) => void) =>
    fc.assert(
      fc.property(
        inputs.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([all, others]) => claim(all, others),
      ),
      { seed: 1 },
    );

  test("the order does not matter", () =>
    check((all, others) => {
      expect(boundOf(others)).toEqual(boundOf(all));
    }));

  test("the bound is never above an input that is live", () =>
    check((all) => {
      for (const { status, output } of all) if (status === "live" || status === "back-pressured") expect(boundOf(all).bound).toBeLessThanOrEqual(output);
    }));

  test("the bound is the end of time exactly if all have finished", () =>
    check((all) => {
      expect(boundOf(all).bound === END).toBe(all.every(({ status }) => status === "finished"));
    }));

  test("when an input's promise rises, the bound does not fall", () =>
    check((all) => {
      for (const [i, one] of all.entries()) {
        const risen = all.map((each, j) => (i === j ? { ...one, output: one.output + 1 } : each));
        expect(boundOf(risen).bound).toBeGreaterThanOrEqual(boundOf(all).bound);
      }
    }));
});
