/** `npm run fuzz -- --inputs N [--target NAME] [--seed S] [--json]`: N inputs, as many for each target; exits with 1 after a crash. */
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

const each = Math.ceil(inputs / names.length);
const results: FuzzResult[] = [];
for (const name of names) {
  const target = await targets.get(name)!();
  const result = await fuzz(target, each, seed);
  await target.close?.();
  results.push(result);
  for (const { why, input } of result.found) console.error(`${name}: ${why}\n  ${Buffer.from(input).toString("base64")}`);
  if (!values.json) console.log(lineOf(result));
}
const total = {
  fuzz: names.length,
  seed,
  inputs: sum("inputs"),
  refused: sum("refused"),
  crashes: sum("crashes"),
  slowestMs: Math.max(...results.map(({ slowestMs }) => slowestMs)),
  seconds: Number(sum("seconds").toFixed(1)),
};
if (values.json) console.log(JSON.stringify({ ...total, targets: results.map((result) => ({ ...result, found: undefined })) }));
else console.log(lineOf({ ...results[0]!, ...total, target: `all ${names.length}` }));
process.exitCode = total.crashes === 0 ? 0 : 1;

function sum(of: "inputs" | "refused" | "crashes" | "seconds"): number {
  return results.reduce((all, result) => all + result[of], 0);
}

function lineOf({ target, inputs: of, refused, crashes, slowestMs, seconds }: FuzzResult): string {
  return `${target.padEnd(20)} ${of} inputs, ${refused} refused, ${crashes} crashes, slowest ${slowestMs} ms, ${seconds} s`;
}
