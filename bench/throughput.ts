/**
 * Throughput: how many records a second one worker brings through a chain of keyed, fanned-out hops, exactly once, and
 * what each costs. On Redis a bare, vectorised and pipelined client writes the same bytes in the same run for comparison.
 */
import { counters, type Load } from "./counter-pipeline.ts";
import { benchmark, type Common, durabilityText, settingOf } from "./harness/benchmark.ts";
import { measuredRun, quantiles } from "./harness/measured-run.ts";
import { inTurn, round } from "./harness/medians.ts";
import { rawBeside } from "./raw.ts";

export const throughput = benchmark({
  name: "throughput",
  about: "records a second through keyed counters, at saturation, beside a bare client",
  numbers: { records: 1_000_000, keys: 100_000, hops: 1, shards: 64 },
  texts: { ids: ["none", "deduplicated", "unchecked"] },
  tiny: { records: 1_000, keys: 200, hops: 2, shards: 4 },
  run: async (given) => inTurn(given.runs, [given], throughputRow).then(([row]) => row as object),
});

export async function throughputRow(given: Load & Common): Promise<Record<string, unknown>> {
  const load: Load = { records: given.records, keys: given.keys, hops: given.hops, shards: given.shards, ids: given.ids };
  const run = await measuredRun(counters, load, { ...settingOf(given), after: rawBeside(given, load) });
  const { recordsPerSecond, nodeMicrosPerRecord, redisMicrosPerRecord } = run.figures;
  const { rawRecordsPerSecond: raw = null, rawMicrosPerRecord: rawMicros = null } = run.extra;
  return {
    bench: "throughput",
    store: given.store,
    fsync: given.fsync,
    durability: durabilityText(given.durability),
    rttMs: run.extra["roundTripMs"] ?? null,
    records: given.records,
    hops: given.hops,
    shards: given.shards,
    ids: given.ids ?? "none",
    ...run.figures,
    rawRecordsPerSecond: raw,
    rawRatio: raw === null ? null : round((recordsPerSecond as number) / raw, 3),
    // On a machine that others use, too, CPU is the fairer measure of the two.
    rawCpuRatio: rawMicros === null ? null : round(rawMicros / ((nodeMicrosPerRecord as number) + (redisMicrosPerRecord as number)), 3),
    ...quantiles(run.histogram("age")),
  };
}
