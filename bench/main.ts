/** `npm run --silent bench -- NAME [options] [--json]`: prints one JSON object a row, or a readable form of it. */
import { parseArgs } from "node:util";
import type { RedisDurability } from "../src/index.ts";
import type { Benchmark, Common } from "./harness/benchmark.ts";
import { smoke } from "./smoke.ts";
import type { StoreName } from "./stores.ts";
import { SUITE } from "./suite.ts";

const COMMON = {
  store: { type: "string", default: "redis" },
  fsync: { type: "string", default: "everysec" },
  replicas: { type: "string", default: "0" },
  durability: { type: "string", default: "primary" },
  runs: { type: "string", default: "5" },
  rtt: { type: "string", default: "0" },
  batch: { type: "string", default: "256" },
  kill: { type: "boolean", default: false },
  "in-process": { type: "boolean", default: false },
  json: { type: "boolean", default: false },
} as const;

function usage(problem: string): never {
  const lines = SUITE.map(({ name, about, numbers, texts }) => {
    const own = [
      ...Object.entries(numbers).map(([each, value]) => `--${each} ${value}`),
      ...Object.entries(texts).map(([each, of]) => `--${each} ${of.join("|")}`),
    ];
    return `  ${name.padEnd(15)} ${about}\n${" ".repeat(18)}${own.join(" ")}`;
  });
  console.error(
    `${problem}\nusage: bench -- NAME [options], the numbers being the defaults\n${lines.join("\n")}
  all: --store redis|lmdb|memory --runs 5 --batch 256 --kill --json --fsync everysec|always|no|off --rtt MS
       --replicas N --durability primary|fsynced|replicas=N`,
  );
  process.exit(2);
}

const [, , name = "", ...args] = process.argv;
if (name === "smoke") {
  for await (const row of smoke()) console.log(JSON.stringify(row));
  process.exit(0);
}
// So that servers and directories of a run that is broken off go, too.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const chosen = SUITE.find((each) => each.name === name) ?? usage(`no benchmark is called ${name === "" ? "nothing" : name}`);
const { options, json } = optionsOf(chosen, args);
const result = await chosen.run(options);
for (const row of Array.isArray(result) ? (result as object[]) : [result]) print(row, json);
// With the code that a benchmark has set.
process.exit();

function print(row: object, asJson: boolean): void {
  if (asJson) console.log(JSON.stringify(row));
  else for (const [field, value] of Object.entries(row)) console.log(`${field.padEnd(24)}${typeof value === "object" ? JSON.stringify(value) : String(value)}`);
}

function optionsOf({ numbers, texts }: Benchmark, given: readonly string[]): { readonly options: Record<string, unknown> & Common; readonly json: boolean } {
  const own = Object.fromEntries([...Object.keys(numbers), ...Object.keys(texts)].map((each) => [each, { type: "string" } as const]));
  const values = parsed(given, own);
  const number = (option: string, otherwise: number, least = 0): number => {
    const value = values[option] === undefined ? otherwise : Number(values[option]);
    if (!Number.isFinite(value) || value < least) usage(`--${option} is a number from ${least} on, not ${String(values[option])}`);
    return value;
  };
  const text = <T extends string>(option: string, of: readonly T[]): T => {
    const value = (values[option] ?? of[0]) as T;
    return of.includes(value) ? value : usage(`--${option} is ${of.join(", ")}, not ${value}`);
  };
  const replicas = number("replicas", 0);
  const common: Common = {
    store: text<StoreName>("store", ["redis", "lmdb", "memory"]),
    fsync: text("fsync", ["everysec", "always", "no", "off"]),
    replicas,
    durability: durabilityOf(String(values["durability"]), replicas),
    runs: number("runs", 5, 1),
    rtt: number("rtt", 0),
    batch: number("batch", 256, 1),
    kill: values["kill"] === true,
    inProcess: values["in-process"] === true,
  };
  const ours = [
    ...Object.entries(numbers).map(([each, value]) => [each, number(each, value)] as const),
    ...Object.entries(texts).map(([each, of]) => [each, text(each, of)] as const),
  ];
  return { options: { ...common, ...Object.fromEntries(ours) }, json: values["json"] === true };
}

function parsed(given: readonly string[], own: Record<string, { readonly type: "string" }>): Readonly<Record<string, string | boolean | undefined>> {
  try {
    return parseArgs({ args: [...given], options: { ...COMMON, ...own } }).values as Record<string, string | boolean | undefined>;
  } catch (error) {
    return usage((error as Error).message);
  }
}

function durabilityOf(given: string, replicas: number): RedisDurability {
  if (given === "primary" || given === "fsynced") return given;
  const [, wanted] = /^replicas=([1-5])$/.exec(given) ?? usage(`--durability is primary, fsynced or replicas=N, not ${given}`);
  if (Number(wanted) > replicas) usage(`--durability ${given} needs --replicas ${wanted}`);
  return { replicas: Number(wanted) };
}
