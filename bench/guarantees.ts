/**
 * What each guarantee costs, switched on and off by itself: latency at a fixed rate and throughput. The variants are run
 * in turn, so that each meets the same machine. What cannot be switched off is not here: fencing, commit numbers and the
 * places by which channels drop what they have.
 */
import type { RedisDurability } from "../src/index.ts";
import { benchmark, type Common } from "./harness/benchmark.ts";
import { inTurn, round } from "./harness/medians.ts";
import { latencyRow } from "./latency.ts";
import { throughputRow } from "./throughput.ts";

interface Variant {
  readonly switched: string;
  readonly ids: "none" | "deduplicated" | "unchecked";
  readonly counting: boolean;
  readonly fsync: string;
  readonly replicas: number;
  readonly durability: RedisDurability;
}

/** As little as can be had; then one thing more, of which the last has all that a durable pipeline has. */
const PLAIN: Variant = { switched: "nothing", ids: "none", counting: false, fsync: "off", replicas: 0, durability: "primary" };
const COUNTING: Variant = { ...PLAIN, switched: "state in the commit", counting: true };
const ON_REDIS: readonly Variant[] = [
  PLAIN,
  COUNTING,
  { ...COUNTING, switched: "+ ids of records", ids: "unchecked" },
  { ...COUNTING, switched: "+ ids deduplicated", ids: "deduplicated" },
  { ...COUNTING, switched: "+ AOF, no fsync", fsync: "no" },
  { ...COUNTING, switched: "+ AOF everysec", fsync: "everysec" },
  { ...COUNTING, switched: "+ AOF always", fsync: "always" },
  { ...COUNTING, switched: "+ AOF everysec, a replica waited for", fsync: "everysec", replicas: 1, durability: { replicas: 1 } },
  { ...COUNTING, switched: "+ AOF everysec, ids deduplicated", fsync: "everysec", ids: "deduplicated" },
];
const ELSEWHERE: readonly Variant[] = ON_REDIS.filter(({ fsync }) => fsync === "off");

export const guarantees = benchmark({
  name: "guarantees",
  about: "each guarantee on and off: latency at a fixed rate, and throughput",
  numbers: { rate: 2_000, seconds: 8, warmup: 3, records: 200_000, keys: 100_000, hops: 1, shards: 64, variants: 0 },
  tiny: { store: "memory", rate: 500, seconds: 0.1, warmup: 0.05, records: 500, keys: 50, shards: 4, variants: 1 },
  run: async (given) => {
    const all = given.store === "redis" ? ON_REDIS : ELSEWHERE;
    const rows = await inTurn(given.runs, given.variants === 0 ? all : all.slice(-given.variants), (variant) => row({ ...given, ...variant }));
    const base = rows[0] as Row;
    return rows.map((each) => ({
      ...each,
      p50Ratio: ratio(each, base, "p50Ms"),
      p95Ratio: ratio(each, base, "p95Ms"),
      microsRatio: ratio(each, base, "microsPerRecord"),
    }));
  },
});

type Row = Readonly<Record<string, unknown>>;
interface Sizes extends Common, Variant {
  readonly rate: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly records: number;
  readonly keys: number;
  readonly hops: number;
  readonly shards: number;
}

const ratio = (row: Row, base: Row, name: string): number => round((row[name] as number) / (base[name] as number));

async function row(given: Sizes): Promise<Row> {
  const slow = await latencyRow({ ...given, warmUp: given.warmup, lookMs: 0 }, 0);
  // Throughput always counts: without state there would be nothing to verify it by.
  const fast = await throughputRow(given);
  return {
    bench: "guarantees",
    store: given.store,
    switched: given.switched,
    rate: given.rate,
    p50Ms: slow["p50Ms"],
    p95Ms: slow["p95Ms"],
    p99Ms: slow["p99Ms"],
    // At the fixed rate, of Node and Redis together.
    microsPerRecord: round((slow["nodeMicrosPerRecord"] as number) + ((slow["redisMicrosPerRecord"] as number | null) ?? 0)),
    recordsPerSecond: fast["recordsPerSecond"],
    saturatedMicrosPerRecord: round((fast["nodeMicrosPerRecord"] as number) + ((fast["redisMicrosPerRecord"] as number | null) ?? 0)),
    rawCpuRatio: fast["rawCpuRatio"],
    verified: (slow["verified"] as number) + (fast["verified"] as number),
    violations: 0,
    stolenPercent: slow["stolenPercent"],
  };
}
