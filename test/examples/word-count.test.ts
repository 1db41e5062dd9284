/** What the README shows of a test, run. */
import { expect, test } from "vitest";
import pipeline, { totals, words } from "../../examples/01-word-count.ts";
import { PipelineTester } from "../../src/testing/index.ts";

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
