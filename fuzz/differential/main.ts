/**
 * `npm run differential -- --histories N [--seed S] [--lanes N] [--whole] [--json]`: exits with 1 if the stores differ; `--whole` leaves a history as it is.
 * `npm run differential -- --mutants [--only TEXT] [--histories N] [--json]`: exits with 1 if a wrong that is planted in a store is not found.
 */
import { parseArgs } from "node:util";
import { startContestants } from "./contestants.ts";
import { readMutants } from "../../sim/mutants.ts";
import { differential, report } from "./differential.ts";
import { type StoreVerdict, tryStoreMutant } from "./store-mutants.ts";

const { values } = parseArgs({
  options: {
    histories: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    lanes: { type: "string", default: "8" },
    whole: { type: "boolean", default: false },
    mutants: { type: "boolean", default: false },
    only: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

const number = (name: "histories" | "seed" | "lanes", least: number, most: number): number => {
  const given = Number(values[name]);
  if (Number.isInteger(given) && given >= least && given <= most) return given;
  console.error(`--${name} is a whole number from ${least} to ${most}, not ${values[name]}`);
  process.exit(2);
};
const asked = { histories: number("histories", 1, 1e9), seed: number("seed", 0, 2 ** 31) };

if (values.mutants) await tryMutants();
else await compare();

async function compare(): Promise<void> {
  const began = performance.now();
  const contestants = await startContestants(number("lanes", 1, 16));
  try {
    const { histories, operations, differences } = await differential({ ...asked, lanes: contestants.lanes, shrinks: !values.whole });
    const seconds = (performance.now() - began) / 1_000;
    const result = {
      differential: ["memory", "lmdb", "redis"],
      seed: asked.seed,
      histories,
      operations,
      differences: differences.length,
      seconds: Number(seconds.toFixed(1)),
      historiesPerSecond: Number((histories / seconds).toFixed(1)),
    };
    for (const each of differences) console.error(report(each));
    if (values.json) console.log(JSON.stringify(result));
    else for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(24)}${String(value)}`);
    process.exitCode = differences.length === 0 ? 0 : 1;
  } finally {
    await contestants.dispose();
  }
}

async function tryMutants(): Promise<void> {
  const table: StoreVerdict[] = [];
  for (const mutant of readMutants(values.only, "stores")) {
    const verdict = await tryStoreMutant(mutant, asked.histories);
    table.push(verdict);
    if (!values.json) console.log(`${verdict.mutant.padEnd(44)}${verdict.found ? "" : "NOT FOUND, "}${verdict.by}`);
  }
  const result = { mutants: table.length, found: table.filter(({ found }) => found).length };
  console.log(JSON.stringify(values.json ? { ...result, table } : result));
  if (result.found < result.mutants) process.exitCode = 1;
}
