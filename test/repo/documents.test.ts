/**
 * Documents do not drift from the code: their examples are files that are type-checked and run, their links lead
 * somewhere.
 *
 * An example is marked by a comment before its code block: `<!-- example: examples/01-word-count.ts -->`. The block is
 * then that file without its opening comment; with `<!-- example: examples/01-word-count.ts #pipeline -->`, what stands
 * there between `// #region pipeline` and `// #endregion`; of several names, one after the other. In the block, the package
 * has its public name.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { expect, test } from "vitest";
import { files, lineOf, type ProjectFile, root } from "./project-files.ts";

const documents = files.filter(({ path }) => path.endsWith(".md"));

test("code in the documents is code of the examples", () => {
  expect(documents.flatMap(wrongExamples)).toEqual([]);
});

test("every block of TypeScript in the documents is marked as one of those that run", () => {
  expect(documents.flatMap(unmarked)).toEqual([]);
});

test("links between documents lead somewhere", () => {
  expect(documents.flatMap(brokenLinks)).toEqual([]);
});

test("links of the documents that are in the package lead to what is in the package", () => {
  const carried = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly files: readonly string[] }).files;
  const isCarried = (path: string) => carried.some((each) => path === each || path.startsWith(`${each}/`));
  const leadOut = documents.filter(({ path }) => isCarried(path)).flatMap(({ path, text }) => linksOf(path, text).filter(({ target }) => !isCarried(target)));
  expect(leadOut).toEqual([]);
});

const MARKED = /<!-- example: (?<path>\S+?)(?<regions>(?: #[\w-]+)*) -->\n+(?:```\w*\n(?<shown>[\s\S]*?)\n```)?/g;

function wrongExamples({ path: document, text }: ProjectFile): string[] {
  return [...text.matchAll(MARKED)].flatMap(({ index, groups }) => {
    const { path = "", regions = "", shown } = groups ?? {};
    const place = `${document}:${lineOf(text, index)}`;
    const file = files.find((each) => each.path === path);
    if (file === undefined) return [`${place}: there is no file ${path}`];
    if (shown === undefined) return [`${place}: the mark stands before no code block`];
    const expected = regions === "" ? bodyOf(file.text) : regionsOf(file.text, regions.slice(2).split(" #"));
    if (expected === undefined) return [`${place}: ${path} lacks a region of${regions}`];
    return publicNames(expected) === shown.trim() ? [] : [`${place}: the block is not what ${path}${regions} says:\n${publicNames(expected)}`];
  });
}

/** `file:` marks what a test writes and runs (`test/cli/reprocess.test.ts`). */
function unmarked({ path, text }: ProjectFile): string[] {
  return [...text.matchAll(/(?<before>[^\n]*)\n+```(?:ts|typescript|js|javascript)\n/g)].flatMap(({ index, groups }) =>
    /^<!-- (?:example|file): \S/.test(groups?.["before"] ?? "") ? [] : [`${path}:${lineOf(text, index) + 1}: the block is in no file that runs`],
  );
}

/** A file without its opening comment and without marks of regions. */
function bodyOf(text: string): string {
  return text
    .replace(/^\/\*\*[\s\S]*?\*\/\n+/, "")
    .replace(/^ *\/\/ #(end)?region.*\n/gm, "")
    .trim();
}

function regionsOf(text: string, names: readonly string[]): string | undefined {
  const found = names.map((name) => regionOf(text, name));
  return found.includes(undefined) ? undefined : found.join("\n\n");
}

function regionOf(text: string, name: string): string | undefined {
  const region = new RegExp(`^( *)// #region ${name}\\n([\\s\\S]*?)^ *// #endregion`, "m").exec(text);
  return region?.[2]?.replaceAll(new RegExp(`^${region[1] ?? ""}`, "gm"), "").trim();
}

/** In the repository the examples import the sources; a user imports the package. */
function publicNames(text: string): string {
  return text.replace(
    /"(?:\.\.\/)+src\/(?:(bullmq|inspect|redis-streams|testing)\/)?index\.ts"/g,
    (_, door?: string) => `"millrace${door === undefined ? "" : `/${door}`}"`,
  );
}

function brokenLinks({ path, text }: ProjectFile): string[] {
  return linksOf(path, text).flatMap(({ place, target, heading }) => {
    if (!existsSync(join(root, target))) return [`${place}: there is no ${target}`];
    const headings = files.find((each) => each.path === target)?.text.match(/^#+ .*$/gm) ?? [];
    return heading === undefined || headings.map(anchorOf).includes(heading) ? [] : [`${place}: ${target} has no heading #${heading}`];
  });
}

/** Links to files, wherever they lead. */
function linksOf(path: string, text: string): { readonly place: string; readonly target: string; readonly heading: string | undefined }[] {
  const prose = text.replace(/```[\s\S]*?```/g, (block) => block.replace(/[^\n]/g, " "));
  return [...prose.matchAll(/\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]*))?\)/g)].map(({ index, 1: file = "", 2: heading }) => ({
    place: `${path}:${lineOf(prose, index)}`,
    target: file === "" ? path : posix.join(dirname(path), file),
    heading,
  }));
}

/** By what a heading is linked to. */
function anchorOf(heading: string): string {
  return heading
    .replace(/^#+ /, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_ -]/gu, "")
    .replaceAll(" ", "-");
}
