/**
 * The types are part of the product: right programs compile as they stand, and each wrong line is refused with a
 * message that says what is wrong. Both are compiled by the oldest and the newest TypeScript that users may have.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { messages } from "./wrong-messages.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const wrong = readFileSync(new URL("./wrong.ts", import.meta.url), "utf8").split("\n");

/** Case number and its 1-based line: the one below its comment. */
const cases = wrong.flatMap((line, index) => {
  const found = /\/\/ CASE (\d\d) (.+)/.exec(line);
  return found === null ? [] : [{ number: found[1] as string, title: found[2] as string, line: index + 2 }];
});

interface Diagnostic {
  readonly file: string;
  readonly line: number;
  text: string;
}

test("every case has its message and every message its case", () => {
  expect(cases.map((each) => each.number).toSorted()).toEqual(Object.keys(messages).toSorted());
});

describe.each([
  ["the oldest TypeScript", "typescript-oldest"],
  ["the newest TypeScript", "typescript"],
])("%s", (_, compiler) => {
  const diagnostics: Diagnostic[] = [];

  beforeAll(() => diagnostics.push(...compile(compiler)), 300_000);

  test("compiles every right program", () => {
    expect(diagnostics.filter(({ file }) => !file.endsWith("types/wrong.ts"))).toEqual([]);
  });

  test("refuses nothing but the wrong lines", () => {
    const lines = new Set(cases.map(({ line }) => line));
    expect(diagnostics.filter(({ file, line }) => file.endsWith("types/wrong.ts") && !lines.has(line))).toEqual([]);
  });

  test.each(cases)("refuses $title (case $number) and says why", ({ number, line }) => {
    const said = diagnostics.filter((each) => each.file.endsWith("types/wrong.ts") && each.line === line).map(({ text }) => text);
    expect(said.join("\n")).toContain(messages[number]);
  });
});

function compile(compiler: string): readonly Diagnostic[] {
  const tsc = fileURLToPath(new URL(`../../node_modules/${compiler}/bin/tsc`, import.meta.url));
  const { stdout } = spawnSync(process.execPath, [tsc, "-p", "test/types/tsconfig.json", "--pretty", "false"], { cwd: root, encoding: "utf8" });
  const diagnostics: Diagnostic[] = [];
  for (const line of stdout.split("\n")) {
    const found = /^(.+?)\((\d+),\d+\): error (.*)$/.exec(line);
    const last = diagnostics.at(-1);
    if (found !== null) diagnostics.push({ file: (found[1] as string).replaceAll("\\", "/"), line: Number(found[2]), text: found[3] as string });
    else if (line.startsWith("error")) diagnostics.push({ file: "", line: 0, text: line });
    else if (last !== undefined && line.trim() !== "") last.text += `\n${line}`;
  }
  return diagnostics;
}
