/**
 * Wrongs planted in the Redis and the LMDB store (`mutants/redis`, `mutants/lmdb`), to see that something finds them: the
 * random histories that are compared with the memory store, or else the tests of the store, its conformance suite first of
 * all. Each runs on a copy of its own. What the copies are made of, and how, is `sim/mutants.ts`'s.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mutated, type Mutant, withPlanted } from "../../sim/mutants.ts";

export interface StoreVerdict {
  readonly mutant: string;
  readonly text: string;
  readonly found: boolean;
  /** What found it; where nothing did, what was tried. */
  readonly by: string;
}

/** ms after which what does not end is ended, and has found nothing. */
const PATIENCE = 600_000;
/** ms that one test may take. */
const TEST_LIMIT = 30_000;

/** What is built lies two folders deeper here, one more than its source. */
const root = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "../../" : "../../../", import.meta.url));

/** By the histories; if they do not find it, by the tests. */
export async function tryStoreMutant(mutant: Mutant, histories: number): Promise<StoreVerdict> {
  return await withPlanted(mutant, "store-mutants", ["sim", "fuzz", "test"], async (folder) => {
    const compared = await ranHistories(folder, histories);
    const { by, found } = compared.found ? compared : await ranTests(mutant, folder);
    return { mutant: mutant.name, text: mutant.text, found, by };
  });
}

type Ran = Pick<StoreVerdict, "found" | "by">;

async function ranHistories(folder: string, histories: number): Promise<Ran> {
  const { stdout, ended } = await ran(
    [join(folder, "fuzz/differential/main.js"), "--json", "--whole", "--lanes", "1", "--histories", String(histories)],
    folder,
  );
  if (!ended) return { by: "histories that do not end", found: false };
  if (!stdout.includes('{"differential"')) return { by: "histories that fail", found: true };
  const { histories: done, differences } = JSON.parse(stdout.slice(stdout.indexOf('{"differential"'))) as { histories: number; differences: number };
  return differences === 0 ? { by: `nothing in ${done} histories`, found: false } : { by: `history ${done}`, found: true };
}

/** The tests of the store from their sources, on the planted one: up to the first that fails. */
async function ranTests(mutant: Mutant, folder: string): Promise<Ran> {
  const sources = join(folder, "sources");
  mkdirSync(sources);
  for (const part of ["src", "test/store", "test/support", "package.json"]) cpSync(join(root, part), join(sources, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(sources, "node_modules"), "dir");
  // Processes that the tests start have the wrong in them too.
  symlinkSync(folder, join(sources, ".build"), "dir");
  for (const [file, source] of mutated(mutant)) writeFileSync(join(sources, file), source);
  writeFileSync(join(sources, "vitest.config.mjs"), `export default { test: { testTimeout: ${TEST_LIMIT}, hookTimeout: ${TEST_LIMIT}, bail: 1 } };\n`);
  const report = join(sources, "report.json");
  const files = mutant.name.startsWith("lmdb/") ? "test/store/lmdb-" : "test/store/redis-store";
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const { ended } = await ran([vitest, "run", files, "--reporter=json", `--outputFile=${report}`], sources);
  if (!ended) return { by: "nothing: the tests do not end", found: false };
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as {
    readonly testResults: readonly { readonly assertionResults: readonly { readonly status: string; readonly title: string }[] }[];
  };
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  if (results.length === 0) return { by: "tests that do not begin", found: true };
  const failed = results.find(({ status }) => status === "failed");
  return failed === undefined ? { by: "nothing", found: false } : { by: `"${failed.title}"`, found: true };
}

/** Runs a program in a process of its own; what its exit code means is the caller's. */
function ran(args: readonly string[], cwd: string): Promise<{ readonly stdout: string; readonly ended: boolean }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd, maxBuffer: 1 << 26, timeout: PATIENCE, killSignal: "SIGKILL" }, (error, stdout) => {
      resolve({ stdout, ended: error === null || error.killed !== true });
    });
  });
}
