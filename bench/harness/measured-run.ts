/**
 * One run of a workload, from an empty store to a verified and audited end: in a process of its own, or in this one. With
 * `kill`, its worker is killed by SIGKILL half way, and another goes on where the store stands.
 */
import { Redis } from "ioredis";
import type { RedisServer } from "../../test/support/redis-server.ts";
import { watchStolen } from "../machine.ts";
import { redisCpuSeconds } from "../redis-cpu.ts";
import { type BenchStore, openAddress, openStore, type StoreSetting } from "../stores.ts";
import { Child } from "./child.ts";
import { conclude, type Verdict } from "./conclude.ts";
import { Histogram } from "./histogram.ts";
import { round } from "./medians.ts";
import { peakRssMiB } from "./process-usage.ts";
import { type Measured, work, type WorkOptions } from "./worker.ts";
import type { WorkOrder } from "./worker-process.ts";
import type { Workload } from "./workload.ts";

export interface RunSetting extends StoreSetting {
  readonly batch?: number;
  readonly leaseMs?: number;
  readonly cacheBytes?: number;
  /** SIGKILL once this part of all records was pulled; 0 or none: never. */
  readonly killAt?: number;
  /** No process is started: for tests of the benchmarks themselves. */
  readonly inProcess?: boolean;
  /** Done before the workers start, and stopped with them: load of another kind on the same Redis. */
  readonly beside?: (server: RedisServer) => Promise<() => Promise<void>>;
  /** Measured on the same store after the run, before it is gone. */
  readonly after?: (used: BenchStore) => Promise<Record<string, number | null>>;
}

/** What a run has shown. `figures`: in every benchmark's row. */
export interface Run {
  readonly seconds: number;
  readonly measured: readonly Measured[];
  readonly figures: Readonly<Record<string, number | string | null>>;
  readonly extra: Readonly<Record<string, number | null>>;
  histogram(name: string): Histogram;
  note(name: string): number | null;
  /** Of the workers, all of them. */
  readonly stateReads: number;
  readonly verdict: Verdict;
  /** ms from the kill to the first commit of the next worker. */
  readonly recoveredMs: number | undefined;
}

export async function measuredRun<S>(workload: Workload<S>, settings: S, setting: RunSetting): Promise<Run> {
  const used = await openStore(setting);
  try {
    const stop = used.server === undefined ? undefined : await setting.beside?.(used.server);
    const redisBefore = await redisCpuSeconds(used.server);
    const stolen = watchStolen();
    const worked = setting.inProcess === true ? await inThisProcess(workload, settings, setting, used) : await inProcesses(workload, settings, setting, used);
    await stop?.();
    const stolenPercent = stolen();
    const redisSeconds = (await redisCpuSeconds(used.server)) - redisBefore;
    const redisRssMiB = used.server === undefined ? null : peakRssMiB(used.server.pid);
    const verdict = worked.verdict ?? (await conclude(used.store, workload, settings));
    const extra = (await setting.after?.(used)) ?? {};
    return summary(worked, verdict, workload.work(settings), { redisSeconds, redisRssMiB, stolenPercent, extra, isRedis: used.server !== undefined });
  } finally {
    await used.dispose();
  }
}

interface Worked {
  readonly measured: readonly Measured[];
  readonly verdict: Verdict | undefined;
  readonly recoveredMs: number | undefined;
}

const optionsOf = ({ batch = 256, leaseMs = 2_000, cacheBytes = 128 << 20 }: RunSetting, beganAt?: number): WorkOptions => ({
  batchRecords: batch,
  leaseMs,
  cacheBytes,
  beganAt,
  dieAt: 0,
});

async function inThisProcess<S>(workload: Workload<S>, settings: S, setting: RunSetting, { store, address }: BenchStore): Promise<Worked> {
  const of = address.kind === "memory" ? store : openAddress(address);
  return { measured: [await work(workload, settings, of, optionsOf(setting), () => {})], verdict: undefined, recoveredMs: undefined };
}

async function inProcesses<S>(workload: Workload<S>, settings: S, setting: RunSetting, used: BenchStore): Promise<Worked> {
  const { killAt = 0 } = setting;
  const order = (options: WorkOptions): WorkOrder => ({ kind: "work", workload: workload.name, settings, store: used.address, options });
  const first = new Child();
  // Loaded before it is needed, as a second worker would be.
  const spare = killAt > 0 ? new Child() : undefined;
  await spare?.loaded;
  await first.order(order({ ...optionsOf(setting), dieAt: Math.ceil(killAt * workload.work(settings).records) }));
  const told = await first.done;
  if (told?.kind === "worked") {
    spare?.drop();
    if (spare !== undefined) throw new Error(`${workload.name} had ended before it was killed: give it more to do`);
    return { measured: [told.measured], verdict: told.verdict, recoveredMs: undefined };
  }
  if (told?.kind !== "dies" || spare === undefined) throw new Error(`${workload.name}: its process told nothing`);
  const diedAt = performance.now();
  await spare.order(order(optionsOf(setting, told.measured.beganAt)));
  const since = performance.now() - diedAt;
  const ended = await spare.done;
  if (ended?.kind !== "worked") throw new Error(`${workload.name}: the second process told nothing`);
  return { measured: [told.measured, ended.measured], verdict: ended.verdict, recoveredMs: since + ended.measured.firstCommitMs };
}

interface Around {
  readonly redisSeconds: number;
  readonly redisRssMiB: number | null;
  readonly stolenPercent: number | null;
  readonly isRedis: boolean;
  readonly extra: Readonly<Record<string, number | null>>;
}

function summary(
  { measured, recoveredMs }: Worked,
  verdict: Verdict,
  { records, processings }: { readonly records: number; readonly processings: number },
  { redisSeconds, redisRssMiB, stolenPercent, extra, isRedis }: Around,
): Run {
  const sum = (of: (each: Measured) => number) => measured.reduce((total, each) => total + of(each), 0);
  const first = measured[0] as Measured;
  const last = measured.at(-1) as Measured;
  const seconds = (last.endedAt - first.beganAt) / 1_000;
  const cpuSeconds = sum((each) => each.cpuSeconds);
  const hops = Math.max(1, processings / records - 1);
  return {
    seconds,
    measured,
    recoveredMs,
    verdict,
    extra,
    stateReads: sum((each) => each.stateReads),
    figures: {
      seconds: round(seconds),
      recordsPerSecond: Math.round((records * hops) / seconds),
      nodeMicrosPerRecord: round((cpuSeconds * 1e6) / (records * hops)),
      redisMicrosPerRecord: isRedis ? round((redisSeconds * 1e6) / (records * hops)) : null,
      batchMean: round(processings / sum((each) => each.commits), 1),
      commitsPerCall: round(sum((each) => each.commits) / sum((each) => each.calls), 1),
      gcShare: round(sum((each) => each.gcSeconds) / sum((each) => (each.endedAt - each.beganAt) / 1_000), 3),
      rssMiB: Math.max(...measured.map((each) => each.rssMiB)),
      redisRssMiB,
      verified: verdict.verified,
      violations: 0,
      ...(recoveredMs === undefined ? {} : { killed: 1, recoveredMs: Math.round(recoveredMs) }),
      stolenPercent,
    },
    histogram: (name) => {
      const all = new Histogram();
      for (const { histograms } of measured) if (histograms[name] !== undefined) all.merge(histograms[name]);
      return all;
    },
    note: (name) => last.notes[name] ?? null,
  };
}

/** `p50Ms` to `maxMs` of a histogram. */
export function quantiles(histogram: Histogram): Record<string, number> {
  return {
    p50Ms: round(histogram.at(0.5)),
    p90Ms: round(histogram.at(0.9)),
    p95Ms: round(histogram.at(0.95)),
    p99Ms: round(histogram.at(0.99)),
    p999Ms: round(histogram.at(0.999)),
    maxMs: round(histogram.max),
  };
}

/** Rewrites the append-only file again and again, with so many keys of 64 bytes in the server beside ours. */
export const rewriting =
  (keys: number, rewrites: { count: number }) =>
  async ({ socket }: RedisServer): Promise<() => Promise<void>> => {
    const client = new Redis(socket);
    await client.call("DEBUG", "POPULATE", String(keys), "beside", "64");
    let ended = false;
    const going = (async () => {
      while (!ended) {
        if (/aof_rewrite_in_progress:0/.test(await client.info("persistence"))) {
          await client.bgrewriteaof();
          rewrites.count++;
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    return async () => {
      ended = true;
      await going;
      client.disconnect();
    };
  };
