import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { loadPipeline } from "../../src/cli/load-pipeline.ts";
import { UsageError } from "../../src/cli/exit.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const path = temporaryDirectory();

/** A handle of another copy of the library is known by its brand. */
const MADE = `const made = (name) => ({ [Symbol.for("millrace.handle")]: true, kind: "pipeline", name });`;

function file(name: string, text: string): string {
  const at = path(name);
  writeFileSync(at, text);
  return at;
}

async function refusal(at: string): Promise<string> {
  try {
    await loadPipeline(at);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error(`${at} was loaded`);
}

test("an example in TypeScript is loaded without a build", async () => {
  expect((await loadPipeline(resolve("examples/01-word-count.ts"))).name).toBe("word-count");
});

test("the pipeline is the default export, or the one named pipeline, of any kind of module", async () => {
  const files = [
    file("default.mjs", `${MADE} export const other = made("other"); export default made("this");`),
    file("named.mjs", `${MADE} export const pipeline = made("this");`),
    file("module.cjs", `${MADE} module.exports = made("this");`),
    file("exports.cjs", `${MADE} exports.pipeline = made("this");`),
    file("interop.cjs", `${MADE} Object.defineProperty(exports, "__esModule", { value: true }); exports.default = made("this");`),
    file("typed.ts", `const name: string = "this"; ${MADE.replace("(name)", "(name: string)")} export default made(name);`),
    file("typed.mts", `${MADE.replace("(name)", "(name: string)")} export default made(await Promise.resolve("this"));`),
    file("typed.cts", `${MADE.replace("(name)", "(name: string)")} export const pipeline = made("this");`),
  ];
  for (const each of files) expect([each, (await loadPipeline(each)).name]).toEqual([each, "this"]);
});

test("a file without a pipeline is refused with what it needs", async () => {
  expect(await refusal(path("missing.ts"))).toMatch(/^there is no file /);
  expect(await refusal(".")).toBe(". is a directory: give the file in it that exports the pipeline");
  expect(await refusal(file("pipeline.txt", ""))).toContain("ends in .ts, .mts, .cts, .js, .mjs, .cjs");
  expect(await refusal(file("empty.mjs", ""))).toContain("exports no pipeline: it needs export default new Pipeline(...)");
  expect(await refusal(file("function.mjs", "export default () => 1"))).toContain("exports no pipeline");
  expect(await refusal(file("elsewhere.mjs", `${MADE} export const words = made("words");`))).toContain("exports a pipeline as words: export it as default");
});

test("a file that fails is refused with its reason and its place", async () => {
  const throwing = file("throwing.mjs", `\n\nthrow new Error("not today");`);
  expect(await refusal(throwing)).toBe(`${throwing} could not be loaded: not today\n  at ${throwing}:3`);
  const typed = file("throwing.ts", `\nconst text: string = "not today";\nthrow new Error(text);`);
  expect(await refusal(typed)).toContain(`could not be loaded: not today\n  at ${typed}:`);
  expect(await refusal(file("importing.mjs", `import "./nowhere.mjs";`))).toContain("nowhere.mjs");
  expect(await refusal(file("syntax.mjs", "const = 1"))).toContain("could not be loaded: ");
});
