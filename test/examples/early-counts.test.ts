/** Early counts come when 99% are in, again where one comes behind that, and for good with the watermark. */
import { expect, test } from "vitest";
import pipeline, { counts, searches } from "../../examples/early-counts.ts";
import { minutes } from "../../src/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";

test("a count is told early, corrected, and told for good", async () => {
  const t = await PipelineTester.start(pipeline);
  const told = () => t.values(counts).map(({ count, final }) => `${final ? "final" : "early"} ${count}`);
  for (let i = 0; i < 150; i++) await t.push(searches, { text: "tea", at: 0 }, { at: 1_000 + i });
  expect(told()).toEqual([]);
  await t.push(searches, { text: "milk", at: 0 }, { at: minutes(1) + 200 });
  expect(told()).toEqual(["early 150"]);
  await t.push(searches, { text: "tea", at: 0 }, { at: 5_000 });
  expect(told()).toEqual(["early 150", "early 151"]);
  await t.advanceWatermark(minutes(1));
  expect(told()).toEqual(["early 150", "early 151", "final 151"]);
});
