/**
 * Latency at fixed rates, from an open-loop generator, measured where a record becomes visible to the next consumer: in a
 * callback sink behind the last counter, after that counter's commit. With `--rewrite N` Redis rewrites its append-only
 * file all the while, with N keys beside ours.
 */
import { benchmark, type Common, durabilityText, settingOf } from "./harness/benchmark.ts";
import { measuredRun, quantiles, rewriting, type RunSetting } from "./harness/measured-run.ts";
import { inTurn, round } from "./harness/medians.ts";
import { timed, type TimedLoad } from "./timed-pipeline.ts";

const RATES = [1_000, 5_000, 10_000, 20_000];

export const latency = benchmark({
  name: "latency",
  about: "from when a record was due until it is visible behind the last stage, at fixed rates",
  numbers: { rate: 0, seconds: 10, warmup: 4, keys: 100_000, hops: 1, shards: 64, rewrite: 0 },
  texts: { ids: ["none", "deduplicated", "unchecked"] },
  tiny: { rate: 500, seconds: 0.2, warmup: 0.1, keys: 50, shards: 8 },
  run: async (given) => {
    const rates = given.rate === 0 ? RATES : [given.rate];
    const variants = rates.map((rate) => ({ ...given, rate, warmUp: given.warmup, counting: true, lookMs: 0 }));
    return inTurn(given.runs, variants, (each) => latencyRow(each, given.rewrite));
  },
});

export async function latencyRow(given: TimedLoad & Common, rewrite: number, setting: Partial<RunSetting> = {}): Promise<Record<string, unknown>> {
  const { rate, seconds, warmUp, keys, hops, shards, counting, ids, lookMs } = given;
  const rewrites = { count: 0 };
  const beside: Partial<RunSetting> = rewrite > 0 ? { beside: rewriting(rewrite, rewrites), args: ["--enable-debug-command", "local"] } : {};
  const run = await measuredRun(
    timed,
    { rate, seconds, warmUp, keys, hops, shards, counting, ids, lookMs },
    {
      ...settingOf(given),
      ...beside,
      ...setting,
      after: async (used) => ({ roundTripMs: round((await used.roundTrip()) ?? 0) }),
    },
  );
  const { recordsPerSecond: _, ...figures } = run.figures;
  const lags = Object.fromEntries(
    [...Array(hops).keys()].flatMap((hop) => {
      const lag = run.histogram(`lag-${hop + 1}`);
      return lag.count === 0
        ? []
        : ([
            [`lag${hop + 1}P50Ms`, round(lag.at(0.5))],
            [`lag${hop + 1}P95Ms`, round(lag.at(0.95))],
            [`lag${hop + 1}MaxMs`, round(lag.max)],
          ] as const);
    }),
  );
  return {
    bench: "latency",
    store: given.store,
    fsync: given.fsync,
    durability: durabilityText(given.durability),
    rttMs: run.extra["roundTripMs"] ?? null,
    rate,
    hops,
    shards,
    ids,
    ...(rewrite > 0 ? { keysBeside: rewrite, rewrites: rewrites.count } : {}),
    counted: run.histogram("latency").count,
    ...quantiles(run.histogram("latency")),
    ...lags,
    machineP99Ms: run.note("machineP99Ms"),
    machineMaxMs: run.note("machineMaxMs"),
    ...figures,
  };
}
