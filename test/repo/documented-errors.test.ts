/** docs/errors.md and the limits of docs/guarantees.md are what the code has. */
import { expect, test } from "vitest";
import { endingOf } from "../../src/cli/exit.ts";
import * as errors from "../../src/errors.ts";
import * as limits from "../../src/limits.ts";
import { tableUnder } from "./document-tables.ts";
import { files } from "./project-files.ts";

/** The classes, each made once. */
const made = Object.values(errors)
  .filter((value) => typeof value === "function" && value.prototype instanceof errors.MillraceError)
  .map((type) => new (type as new (...values: readonly unknown[]) => errors.MillraceError)("", "", 0, undefined));

test("every code is documented with its class and how it ends millrace run, and no other is", () => {
  const documented = tableUnder("docs/errors.md", "Codes").map((row) => `${row["code"]} ${row["class"]} ${row["exit code"]}`);
  expect(new Set(documented)).toEqual(new Set(made.map((error) => `${error.code} ${error.name} ${endingOf(error).code}`)));
});

test("every code of the type ErrorCode has a class", () => {
  const text = files.find(({ path }) => path === "src/errors.ts")?.text ?? "";
  const type = /type ErrorCode =([^;]*);/.exec(text)?.[1] ?? "";
  expect(new Set<unknown>(made.map(({ code }) => code))).toEqual(new Set([...type.matchAll(/"([a-z-]+)"/g)].map(([, code]) => code)));
});

test("every code says its cause and its fix", () => {
  for (const { code, cause, fix } of tableUnder("docs/errors.md", "Codes"))
    expect([code, (cause ?? "").length > 20, (fix ?? "").length > 10]).toEqual([code, true, true]);
});

test("the exit codes are those of the command", () => {
  const exit = files.find(({ path }) => path === "src/cli/exit.ts")?.text ?? "";
  const constants = [...exit.matchAll(/^(?:export )?const ([A-Z]+) = (\d+);/gm)].map(([, name, code]) => [name, Number(code)]);
  expect(Object.fromEntries(constants)).toEqual({ DONE: 0, FAILED: 1, MISTAKEN: 2, VIOLATED: 1, UNCHECKED: 2, BROKEN: 70 });
  expect(tableUnder("docs/errors.md", "Exit codes").map((row) => row["exit code"])).toEqual(["0", "1", "1", "2", "70", "130, 143"]);
});

test("every limit is documented with its value, and no other is", () => {
  const documented = tableUnder("docs/guarantees.md", "Limits").map(({ limit, value }) => [limit, value]);
  const inCode = Object.entries(limits).flatMap(([name, value]) => (typeof value === "number" ? [[name, value.toLocaleString("en")]] : []));
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(inCode));
});
