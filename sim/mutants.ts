/**
 * Wrongs planted in the engine, to see whether the simulator finds them. Each is a patch in `mutants/`, applied to a copy
 * of what was built; nothing in `src` knows of them. The header of a patch, lines that begin with "#", says what is wrong
 * and which promise that breaks.
 */
import { execFile } from "node:child_process";
import { cpSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { applyPatch, parsePatch } from "diff";
import ts from "typescript-oldest";

export interface Mutant {
  /** Its place below `mutants/`, without the ending. */
  readonly name: string;
  /** What is wrong. */
  readonly text: string;
  readonly patch: string;
}

export interface Verdict {
  readonly mutant: string;
  readonly text: string;
  /** Schedules until it was found; undefined: it was not. */
  readonly schedules: number | undefined;
  /** The rule that it broke. */
  readonly rule: string | undefined;
}

/** What is built lies one folder deeper than its source. */
const root = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../" : "../../", import.meta.url));
const built = join(root, ".build");

/** Those that the simulation has to find, and those of the stores' own code, which it does not run. */
export type MutantsOf = "engine" | "stores";
const STORES = /^(redis|lmdb)\//;

/** All of them, or those whose names contain `only`. */
export function readMutants(only = "", of: MutantsOf = "engine"): Mutant[] {
  const folder = join(root, "mutants");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".patch"));
  return files
    .map((file) => ({ name: file.replaceAll("\\", "/").replace(/\.patch$/, ""), patch: readFileSync(join(folder, file), "utf8") }))
    .filter(({ name }) => name.includes(only) && STORES.test(name) === (of === "stores"))
    .map(({ name, patch }) => ({ name, patch, text: /^# (.*)/.exec(patch)?.[1] ?? name }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Gives `use` a copy of what was built with the mutant planted in it: the path of a folder that is gone afterwards. `parts`
 * are the folders of the repository that it needs besides `src`, `purpose` keeps those apart that are at it at once.
 */
export async function withPlanted<T>(mutant: Mutant, purpose: string, parts: readonly string[], use: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(built, purpose, mutant.name.replaceAll("/", "-"));
  rmSync(folder, { recursive: true, force: true });
  try {
    for (const part of ["src", ...parts]) cpSync(join(built, part), join(folder, part), { recursive: true, filter: (file) => !file.endsWith(".map") });
    cpSync(join(root, "package.json"), join(folder, "package.json"));
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "dir");
    for (const [file, source] of mutated(mutant)) {
      writeFileSync(join(folder, file.replace(/\.ts$/, ".js")), file.endsWith(".ts") ? compiled(source) : source);
    }
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Simulates with a mutant, in a process of its own, until it is found or so many schedules have found nothing. */
export async function tryMutant(mutant: Mutant, seed: number, schedules: number): Promise<Verdict> {
  return await withPlanted(mutant, "mutants", ["sim"], async (folder) => {
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "sim", "mutant-process.js"), String(seed), String(schedules)], {
      maxBuffer: 1 << 26,
    });
    const { found, rule } = JSON.parse(stdout) as { readonly found?: number; readonly rule?: string };
    return { mutant: mutant.name, text: mutant.text, schedules: found, rule };
  });
}

/** The changed files, by path. Throws where the patch does not fit the source any more. */
export function mutated({ name, patch }: Mutant): Map<string, string> {
  const sources = new Map<string, string>();
  for (const each of parsePatch(patch)) {
    if (each.newFileName === undefined) continue;
    const file = each.newFileName.replace(/^b\//, "");
    const source = applyPatch(readFileSync(join(root, file), "utf8"), each, { fuzzFactor: 2 });
    if (source === false) throw new Error(`mutants/${name}.patch does not fit ${file} any more: make it anew`);
    sources.set(file, source);
  }
  if (sources.size === 0) throw new Error(`mutants/${name}.patch changes nothing`);
  return sources;
}

function compiled(source: string): string {
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  return outputText;
}
