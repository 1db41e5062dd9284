/**
 * Tapes that are kept: each made a wrong of `mutants/` break a rule, and breaks none without it. A tape is tied to the
 * choices that the simulator and the engine ask for, so what it is worth is not taken for granted:
 *
 * T1  A tape that is kept breaks its rule in a copy of the engine in which its wrong is planted. One that does not any
 *     more is stale: it is another run by now, and has to be made again (`npm run sim -- --tapes --remake`).
 *
 * A bug that was found and fixed has its tape under the patch that undoes the fix.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { tapeOfText, textOfTape } from "../src/testing/simulation/tape-text.ts";
import { type Mutant, readMutants, withPlanted } from "./mutants.ts";

export interface KeptTape {
  /** Of the patch below `mutants/` that it finds. */
  readonly wrong: string;
  /** The rule that it breaks with that patch. */
  readonly rule: string;
  /** The commit that fixed the bug, where there was one. */
  readonly fixed: string | undefined;
  /** As `npm run sim -- --tape` takes it. */
  readonly text: string;
}

export interface TapeVerdict {
  readonly file: string;
  /** The rule that it breaks with its wrong; undefined: none. */
  readonly rule: string | undefined;
  readonly stale: boolean;
}

/** What is built lies one folder deeper than its source. */
const FOLDER = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../test/simulation/tapes/" : "../../test/simulation/tapes/", import.meta.url));
/** Runs that shrinking one may take. */
const SHRINKING = 600;
const WIDTH = 120;

const fileOf = (wrong: string): string => `${wrong.replaceAll("/", "-")}.tape`;

/** All that are kept, by the names of their files. */
export function readTapes(): ReadonlyMap<string, KeptTape> {
  const files = existsSync(FOLDER) ? readdirSync(FOLDER).filter((file) => file.endsWith(".tape")) : [];
  return new Map(files.toSorted().map((file) => [file, parseTape(file, readFileSync(join(FOLDER, file), "utf8"))]));
}

/** Throws `SyntaxError` with the name of the file. */
function parseTape(file: string, content: string): KeptTape {
  const lines = content.split("\n");
  const said = (what: string): string | undefined => lines.find((line) => line.startsWith(`# ${what}: `))?.slice(what.length + 4);
  const [wrong, rule] = [said("Finds"), said("Breaks")];
  const text = lines.filter((line) => !line.startsWith("#")).join("");
  if (wrong === undefined || rule === undefined) throw new SyntaxError(`${file} does not say which wrong it finds and which rule that breaks`);
  tapeOfText(text);
  return { wrong, rule, fixed: said("Fixed"), text };
}

function writeTape({ wrong, rule, fixed, text }: KeptTape, what: string): void {
  const head = [`# Finds: ${wrong}`, `# What: ${what}`, `# Breaks: ${rule}`, ...(fixed === undefined ? [] : [`# Fixed: ${fixed}`])];
  const body = text.match(new RegExp(`.{1,${WIDTH}}`, "g")) ?? [];
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(join(FOLDER, fileOf(wrong)), `${[...head, ...body].join("\n")}\n`);
}

/** Of the copy of the engine in a folder. */
async function engineIn(folder: string) {
  const part = async (path: string): Promise<unknown> => await import(pathToFileURL(join(folder, path)).href);
  const { run } = (await part("sim/schedule.js")) as typeof import("./schedule.ts");
  const { runSeeds } = (await part("sim/run-seeds.js")) as typeof import("./run-seeds.ts");
  const { Tape } = (await part("src/testing/simulation/tape.js")) as typeof import("../src/testing/simulation/tape.ts");
  const { shrink } = (await part("src/testing/simulation/shrink.js")) as typeof import("../src/testing/simulation/shrink.ts");
  return { run, runSeeds, Tape, shrink };
}

/** Each tape with its wrong planted (T1). */
export async function checkTapes(tapes: ReadonlyMap<string, KeptTape>): Promise<TapeVerdict[]> {
  const mutants = new Map(readMutants().map((mutant) => [mutant.name, mutant]));
  const verdicts: TapeVerdict[] = [];
  for (const [file, { wrong, rule, text }] of tapes) {
    const mutant = mutants.get(wrong);
    if (mutant === undefined) throw new RangeError(`${file} finds mutants/${wrong}.patch, which is not there any more`);
    const broken = await withPlanted(mutant, "tapes", ["sim"], async (folder) => {
      const { run, Tape } = await engineIn(folder);
      return (await run(Tape.of(tapeOfText(text)))).violation?.rule;
    });
    verdicts.push({ file, rule: broken, stale: broken !== rule });
  }
  return verdicts;
}

/** Looks for a schedule that finds the wrong, shrinks it and keeps it. Gives the seed; undefined: none of so many found it. */
export async function makeTape(mutant: Mutant, seed: number, schedules: number): Promise<number | undefined> {
  const before = readTapes().get(fileOf(mutant.name));
  return await withPlanted(mutant, "tapes", ["sim"], async (folder) => {
    const { run, runSeeds, shrink } = await engineIn(folder);
    const [failing] = (await runSeeds(seed, schedules)).violations;
    if (failing === undefined) return undefined;
    const { cells } = await shrink(failing.cells, failing.rule, (tape) => run(tape), SHRINKING);
    writeTape({ wrong: mutant.name, rule: failing.rule, fixed: before?.fixed, text: textOfTape(cells) }, mutant.text);
    return failing.seed;
  });
}
