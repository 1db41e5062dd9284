/** One worker of `scale`, in a process of its own: runs the counting pipeline on a given Redis, and tells what it has cost. */
import { RedisStore } from "../src/index.ts";
import { run, workerOf } from "../src/run.ts";
import { counters, type Load } from "./counter-pipeline.ts";
import { Probe } from "./harness/workload.ts";

export interface ScaleLoad extends Load {
  readonly store: string;
  readonly batch: number;
}
/** Records up to this one may be given; the CPU of what comes after the first such order is counted from the second on. */
export interface ToWorker {
  readonly limit: number;
}
/** `processed`: by the shards that it owns, since the pipeline began. */
export interface FromWorker {
  readonly kind: "ready" | "pulse" | "finished";
  readonly processed: number;
  /** Since the latest order. */
  readonly cpuMicros: number;
  readonly commits: number;
}

/** ms between pulses. */
const PULSE = 100;

const load = JSON.parse(process.argv[2] ?? "{}") as ScaleLoad;
const probe = new Probe(undefined, () => {});
probe.limit = 0;
let cpu = process.cpuUsage();
let before = 0;
const running = await run(counters.pipeline(load, probe), { store: new RedisStore(load.store), batchRecords: load.batch });
const { engine } = workerOf(running);

function tell(kind: FromWorker["kind"]): void {
  let processed = 0;
  for (const shard of engine.shards.values()) if (shard.kind === "computation") processed += shard.image.counters.processed;
  const { user, system } = process.cpuUsage(cpu);
  process.send?.({ kind, processed, cpuMicros: user + system, commits: engine.counted.commits - before } satisfies FromWorker);
}

process.on("message", (order: ToWorker) => {
  probe.limit = order.limit;
  cpu = process.cpuUsage();
  before = engine.counted.commits;
});
process.on("disconnect", () => process.exit(0));
tell("ready");
const pulse = setInterval(() => tell("pulse"), PULSE);
await running.finished;
clearInterval(pulse);
tell("finished");
