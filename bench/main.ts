/** `npm run --silent bench -- throughput|latency|audit|http|hot-keys|watermark-tick|idle|soak [options]`: prints one JSON object, or a readable form of it. */
import { parseArgs } from "node:util";
import type { RedisDurability } from "../src/index.ts";
import { auditBench } from "./audit.ts";
import { hotKeysBench } from "./hot-keys.ts";
import { httpBench } from "./http.ts";
import { idle } from "./idle.ts";
import { latency } from "./latency.ts";
import { soak } from "./soak.ts";
import { watermarkTick } from "./watermark-tick.ts";
import { throughput, type ThroughputOptions } from "./throughput.ts";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    store: { type: "string", default: "redis" },
    records: { type: "string" },
    keys: { type: "string", default: "100000" },
    hops: { type: "string", default: "1" },
    shards: { type: "string" },
    batch: { type: "string", default: "256" },
    rate: { type: "string", default: "10000" },
    seconds: { type: "string", default: "10" },
    minutes: { type: "string", default: "30" },
    workers: { type: "string", default: "4" },
    stages: { type: "string", default: "10" },
    fsync: { type: "string", default: "everysec" },
    ids: { type: "string" },
    replicas: { type: "string", default: "0" },
    durability: { type: "string", default: "primary" },
    json: { type: "boolean", default: false },
  },
});

const store = values.store as ThroughputOptions["store"];
if (!["redis", "lmdb", "memory"].includes(store)) usage(`--store is redis, lmdb or memory, not ${store}`);
const { fsync } = values;
if (!["everysec", "always", "no"].includes(fsync)) usage(`--fsync is everysec, always or no, not ${fsync}`);
const replicas = Number(values.replicas);
if (!(Number.isInteger(replicas) && replicas >= 0 && replicas <= 5)) usage(`--replicas is a whole number from 0 to 5, not ${values.replicas}`);
const durability = durabilityOf(values.durability);
const number = (name: "records" | "keys" | "hops" | "shards" | "batch" | "rate" | "seconds" | "minutes" | "workers" | "stages", otherwise: number): number => {
  const given = values[name] === undefined ? otherwise : Number(values[name]);
  if (!Number.isInteger(given) || given < 1) usage(`--${name} is a whole number from 1 on, not ${values[name]}`);
  return given;
};

function durabilityOf(text: string): RedisDurability {
  if (text === "primary" || text === "fsynced") return text;
  const [, wanted] = /^replicas=([1-5])$/.exec(text) ?? usage(`--durability is primary, fsynced or replicas=N, not ${text}`);
  if (Number(wanted) > replicas) usage(`--durability ${text} needs --replicas ${wanted}`);
  return { replicas: Number(wanted) };
}

function usage(problem: string): never {
  console.error(
    `${problem}\nusage: bench -- throughput|latency|audit|http|hot-keys|watermark-tick|idle|soak [--store redis|lmdb|memory] [--records N] [--keys N] [--hops N] [--shards N] [--batch N] [--rate N] [--seconds N] [--minutes N] [--workers N] [--stages N] [--ids none|deduplicated|unchecked] [--fsync everysec|always|no] [--replicas N] [--durability primary|fsynced|replicas=N] [--json]`,
  );
  process.exit(2);
}

const ids = values.ids as ThroughputOptions["ids"];
if (ids !== undefined && !["none", "deduplicated", "unchecked"].includes(ids)) usage(`--ids is none, deduplicated or unchecked, not ${ids}`);
const shape = {
  store,
  fsync,
  ids,
  replicas,
  durability,
  keys: number("keys", 100_000),
  hops: number("hops", 1),
  shards: number("shards", 64),
  batch: number("batch", 256),
};
let result: object;
switch (positionals[0]) {
  case "throughput":
    result = await throughput({ ...shape, records: number("records", 1_000_000) });
    break;
  case "latency":
    result = await latency({ ...shape, rate: number("rate", 10_000), seconds: number("seconds", 10) });
    break;
  case "audit":
    result = await auditBench({ store, keys: shape.keys, shards: shape.shards });
    break;
  case "http":
    result = await httpBench({ store, records: number("records", 1_000_000), keys: shape.keys, shards: shape.shards });
    break;
  case "hot-keys":
    result = hotKeysBench(number("records", 10_000_000));
    break;
  case "watermark-tick":
    result = await watermarkTick({
      shards: number("shards", 1_000),
      stages: number("stages", 10),
      workers: number("workers", 4),
      ticks: number("records", 100),
    });
    break;
  case "idle":
    result = await idle({ shards: shape.shards, keys: number("keys", 10_000), seconds: number("seconds", 60) });
    break;
  case "soak":
    result = await soak({ shards: shape.shards, keys: number("keys", 1_000), rate: number("rate", 1_000), minutes: number("minutes", 30) });
    break;
  default:
    usage(`no benchmark is called ${positionals[0] ?? "nothing"}`);
}
if (values.json) console.log(JSON.stringify(result));
else for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(24)}${String(value)}`);
