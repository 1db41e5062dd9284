/** docs/audit.md says of every invariant what the audit itself says. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { INVARIANTS } from "../../src/audit/invariants.ts";

test("the table of invariants in the documents is that of the code, word for word", () => {
  const rows = readFileSync(new URL("../../docs/audit.md", import.meta.url), "utf8")
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  expect(rows).toEqual(Object.entries(INVARIANTS).map(([id, { claim, meaning, remedy }]) => `| \`${id}\` | ${claim} | ${meaning} | ${remedy} |`));
});
