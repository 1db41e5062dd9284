/**
 * One worker of a run, in this process: runs the workload's pipeline on a store until it has finished, and measures
 * itself. What all workers of a run have measured is put together in `measured-run.ts`.
 */
import type { Store } from "../../src/index.ts";
import { run, workerOf } from "../../src/run.ts";
import type { PipelineStore } from "../../src/store/store.ts";
import type { HistogramText } from "./histogram.ts";
import { peakRssMiB, watchGarbage } from "./process-usage.ts";
import { now, Probe, type Workload } from "./workload.ts";

export interface WorkOptions {
  readonly batchRecords: number;
  readonly leaseMs: number;
  readonly cacheBytes: number;
  /** When an earlier process of the same run began to pull, ms since the epoch. */
  readonly beganAt: number | undefined;
  /** Records pulled at which the process is to die; 0: it lives. */
  readonly dieAt: number;
}

/** All since the first pull of this process (`beganAt`: of the first process), but `startMs` and `firstCommitMs`, which are from the call of `run`. */
export interface Measured {
  readonly beganAt: number;
  readonly endedAt: number;
  readonly cpuSeconds: number;
  readonly gcSeconds: number;
  readonly rssMiB: number;
  readonly pulled: number;
  readonly calls: number;
  readonly commits: number;
  /** State values that were not in memory. */
  readonly stateReads: number;
  /** `run` until the first pull; until the store had the first commit. */
  readonly startMs: number;
  readonly firstCommitMs: number;
  readonly histograms: Readonly<Record<string, HistogramText>>;
  readonly notes: Readonly<Record<string, number>>;
}

/** `die`: called at `dieAt`, with what was measured until then. */
export async function work<S>(workload: Workload<S>, settings: S, store: Store, options: WorkOptions, die: (measured: Measured) => void): Promise<Measured> {
  const asked = performance.now();
  let [pulledAt, cpu, gcBefore] = [0, process.cpuUsage(), 0];
  const garbage = watchGarbage();
  const counted = { stateReads: 0, firstCommitMs: 0 };
  const probe = new Probe(options.beganAt, () => {
    if (pulledAt === 0) [pulledAt, cpu, gcBefore] = [performance.now(), process.cpuUsage(), garbage()];
  });
  const pipeline = workload.pipeline(settings, probe);
  const watched: Store = { kind: "store", open: async (open) => watch(await store.open(open), () => performance.now() - asked, counted) };
  const running = await run(pipeline, {
    store: watched,
    batchRecords: options.batchRecords,
    leaseMs: options.leaseMs,
    cacheBytes: options.cacheBytes,
    stallMs: false,
  });
  const { engine } = workerOf(running);
  const measure = (): Measured => {
    const used = process.cpuUsage(cpu);
    return {
      beganAt: probe.beganAt ?? now(),
      endedAt: now(),
      cpuSeconds: (used.user + used.system) / 1e6,
      gcSeconds: (garbage() - gcBefore) / 1_000,
      rssMiB: peakRssMiB("self") ?? Math.round(process.memoryUsage().rss / 2 ** 20),
      pulled: probe.pulled,
      calls: engine.counted.calls,
      commits: engine.counted.commits,
      ...counted,
      startMs: pulledAt - asked,
      histograms: Object.fromEntries([...probe.histograms].map(([name, histogram]) => [name, histogram.toText()])),
      notes: probe.notes,
    };
  };
  const ids = new Map(engine.options.plan.participants.map(({ id, name }) => [name, id]));
  for (const each of probe.watching) each((participant) => engine.reporter.published(ids.get(participant) ?? 0).output);
  if (options.dieAt > 0) probe.at(options.dieAt, () => die(measure()));
  try {
    await running.finished;
    const measured = measure();
    for (const close of probe.closing) await close();
    return { ...measured, notes: probe.notes };
  } finally {
    await running.stop();
  }
}

/** The store, with what is asked of it counted. */
function watch(store: PipelineStore, since: () => number, counted: { stateReads: number; firstCommitMs: number }): PipelineStore {
  const readState = store.readState.bind(store);
  const commit = store.commit.bind(store);
  // What the store gives is passed on as it is: an answer that comes by a longer way is overtaken by others.
  store.readState = (shard, fields) => {
    counted.stateReads += fields.length;
    return readState(shard, fields);
  };
  store.commit = (commits) => {
    const answer = commit(commits);
    if (counted.firstCommitMs === 0) answer.then(() => (counted.firstCommitMs ||= since())).catch(() => {});
    return answer;
  };
  return store;
}
