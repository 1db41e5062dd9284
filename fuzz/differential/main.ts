/** `npm run differential -- --histories N [--seed S] [--lanes N] [--json]`: exits with 1 if the stores differ. */
import { parseArgs } from "node:util";
import { startContestants } from "./contestants.ts";
import { differential, report } from "./differential.ts";

const { values } = parseArgs({
  options: {
    histories: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    lanes: { type: "string", default: "8" },
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

const began = performance.now();
const contestants = await startContestants(number("lanes", 1, 16));
try {
  const { histories, operations, differences } = await differential({ ...asked, lanes: contestants.lanes });
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
