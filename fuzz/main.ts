/** `npm run fuzz -- --inputs N [--target NAME] [--seed S] [--json]`: each target gets N inputs; exits with 1 after a crash. */
import { parseArgs } from "node:util";
import { fuzz, type FuzzResult } from "./fuzz.ts";
import { targets } from "./targets/index.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "100000" },
    target: { type: "string", multiple: true },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});

function usage(problem: string): never {
  console.error(`${problem}\nusage: fuzz -- [--inputs N] [--target NAME]... [--seed S] [--json]; targets: ${[...targets.keys()].join(", ")}`);
  process.exit(2);
}

const inputs = Number(values.inputs);
if (!Number.isInteger(inputs) || inputs < 1) usage(`--inputs is a whole number from 1 on, not ${values.inputs}`);
const seed = Number(values.seed);
if (!Number.isInteger(seed) || seed < 0) usage(`--seed is a whole number from 0 on, not ${values.seed}`);
const names = values.target ?? [...targets.keys()];
for (const name of names) if (!targets.has(name)) usage(`no target is called ${name}`);

const results: FuzzResult[] = [];
for (const name of names) {
  const target = await targets.get(name)!();
  const result = await fuzz(target, inputs, seed);
  await target.close?.();
  results.push(result);
  for (const { why, input } of result.found) console.error(`${name}: ${why}\n  ${Buffer.from(input).toString("base64")}`);
  const { found: _, ...figures } = result;
  if (values.json) console.log(JSON.stringify(figures));
  else console.log(Object.entries(figures).flat().join(" "));
}
process.exitCode = results.some(({ crashes }) => crashes > 0) ? 1 : 0;
