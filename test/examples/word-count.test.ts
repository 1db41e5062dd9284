/** What the documents show of tests, run. */
import { expect, test } from "vitest";
import pipeline, { totals, words } from "../../examples/01-word-count.ts";
import { PipelineTester, underFaults } from "../../src/testing/index.ts";

test("the word count survives a crash after a commit", async () => {
  // #region tester
  const t = await PipelineTester.start(pipeline);
  await t.push(words, "tea", { at: 0 });
  await t.crash({ at: "after-commit" });
  await t.push(words, "tea", { at: 1 });
  expect(t.values(totals)).toEqual([
    { word: "tea", count: 1 },
    { word: "tea", count: 2 },
  ]);
  // #endregion
});

test("the word count holds under faults", async () => {
  // #region under-faults
  await underFaults(pipeline, { schedules: 50 }, async (t) => {
    await Promise.all([t.push(words, "tea", { at: 0 }), t.push(words, "milk", { at: 1 })]);
    await t.push(words, "tea", { at: 2 });
    const teas = t.values(totals).filter(({ word }) => word === "tea");
    expect(teas.map(({ count }) => count)).toEqual([1, 2]);
  });
  // #endregion
});
