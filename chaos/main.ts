/** `npm run --silent chaos -- <name> [options]`: one scenario of faults on real processes, one JSON object of what came of it. */
import { parseArgs } from "node:util";
import { backlog } from "./backlog.ts";
import { cluster } from "./cluster.ts";
import { hotKey } from "./hot-key.ts";
import { kill } from "./kill.ts";
import { lostTail } from "./lost-tail.ts";
import { oom } from "./oom.ts";
import { partition } from "./partition.ts";
import { redisRestart } from "./redis-restart.ts";
import { rolling } from "./rolling.ts";
import { timers } from "./timers.ts";
import type { Scenario, ScenarioOptions } from "./scenario.ts";
import { zombie } from "./zombie.ts";

/** A scenario is a function of a file of its own; add it here. */
const SCENARIOS: Readonly<Record<string, Scenario>> = {
  kill,
  zombie,
  "redis-restart": redisRestart,
  "lost-tail": lostTail,
  partition,
  oom,
  "hot-key": hotKey,
  backlog,
  cluster,
  timers,
  rolling,
};

const USAGE = `usage: chaos -- ${Object.keys(SCENARIOS).join("|")} [--minutes M] [--cycles N] [--records N] [--rate N] [--lease MS] [--fsync always|everysec] [--durability primary|replicas] [--newcomers] [--store redis|lmdb] [--json]`;

function usage(problem: string): never {
  console.error(`${problem}\n${USAGE}`);
  process.exit(2);
}

function optionsOf(values: Readonly<Record<string, string | boolean | undefined>>): ScenarioOptions {
  const number = (name: string): number | undefined => {
    const given = values[name];
    if (given === undefined) return undefined;
    if (typeof given !== "string" || !(Number(given) > 0)) usage(`--${name} is a number above 0, not ${String(given)}`);
    return Number(given);
  };
  const { store, fsync, durability } = values;
  if (store !== "redis" && store !== "lmdb") usage(`--store is redis or lmdb, not ${String(store)}`);
  if (fsync !== undefined && fsync !== "always" && fsync !== "everysec") usage(`--fsync is always or everysec, not ${String(fsync)}`);
  if (durability !== undefined && durability !== "primary" && durability !== "replicas")
    usage(`--durability is primary or replicas, not ${String(durability)}`);
  return {
    store,
    fsync,
    durability,
    minutes: number("minutes"),
    cycles: number("cycles"),
    records: number("records"),
    rate: number("rate"),
    leaseMs: number("lease"),
    newcomers: values["newcomers"] === true,
  };
}

// Servers and workers that were started end when this process exits, and not when a signal ends it.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: "string", default: "redis" },
    minutes: { type: "string" },
    cycles: { type: "string" },
    records: { type: "string" },
    rate: { type: "string" },
    lease: { type: "string" },
    fsync: { type: "string" },
    durability: { type: "string" },
    newcomers: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const scenario = SCENARIOS[positionals[0] ?? ""];
if (scenario === undefined) usage(`no scenario is called ${positionals[0] ?? "nothing"}`);
const result = await scenario(optionsOf(values));
if (values.json) console.log(JSON.stringify(result));
else for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(20)}${typeof value === "object" ? JSON.stringify(value) : String(value)}`);
const { lost, doubled, outOfOrder, violations } = result;
process.exitCode = lost + doubled + outOfOrder + violations === 0 ? 0 : 1;
