/**
 * Scale: what a record costs Node and Redis, in CPU and not in time, as worker processes and shards become more. Each case
 * is the pipeline of `throughput` on a Redis of its own, at saturation, every commit fanned out over all shards; what is
 * done until the processes are warm is not counted.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { RedisStore } from "../src/store/redis/redis-store.ts";
import { redisCpuSeconds } from "./redis-cpu.ts";
import { benchmark } from "./harness/benchmark.ts";
import { conclude } from "./harness/conclude.ts";
import { counters } from "./counter-pipeline.ts";
import type { FromWorker, ScaleLoad, ToWorker } from "./scale-worker.ts";
import { openStore } from "./stores.ts";

const WORKERS = [1, 2, 4];
const SHARDS = [16, 64, 256, 1_024];
/** As many of the others are held fast while one is varied. */
const USUAL = { workers: 1, shards: 64 };
const PROGRAM = fileURLToPath(new URL("./scale-worker.js", import.meta.url));

interface ScaleOptions {
  /** Counted, of each case; half as many more come before. */
  readonly records: number;
  readonly keys: number;
  readonly hops: number;
  readonly batch: number;
}

interface Case {
  readonly workers: number;
  readonly shards: number;
}

export const scale = benchmark({
  name: "scale",
  about: "CPU of a record at 1, 2 and 4 worker processes, and at 16 to 1,024 shards",
  numbers: { records: 200_000, keys: 100_000, hops: 1 },
  run: scaling,
});

async function scaling(options: ScaleOptions): Promise<object> {
  const cases: Case[] = [...WORKERS.map((workers) => ({ ...USUAL, workers })), ...SHARDS.map((shards) => ({ ...USUAL, shards }))];
  const known = new Map<string, object>();
  const load = loadavg()[0] ?? 0;
  for (const each of cases) {
    const name = `${each.workers} workers, ${each.shards} shards`;
    if (!known.has(name)) known.set(name, await measure(options, each));
  }
  return { bench: "scale", records: options.records, hops: options.hops, load: Number(load.toFixed(1)), cases: [...known.values()] };
}

async function measure({ records, keys, hops, batch }: ScaleOptions, { workers, shards }: Case): Promise<object> {
  const { server, dispose } = await openStore({ store: "redis" });
  if (server === undefined) throw new Error("scale: needs a Redis");
  const warm = Math.round(records / 2);
  const load: ScaleLoad = { store: server.socket, records: warm + records, keys: Math.min(keys, records), hops, shards, batch, partitions: workers };
  const children = Array.from({ length: workers }, () => new Worker(load));
  try {
    await Promise.all(children.map((child) => child.until(({ kind }) => kind === "ready")));
    for (const child of children) child.send({ limit: warm });
    await warmed(children, warm * hops);
    const redisBefore = await redisCpuSeconds(server);
    const began = performance.now();
    for (const child of children) child.send({ limit: load.records });
    const ends = await Promise.all(children.map((child) => child.until(({ kind }) => kind === "finished")));
    const seconds = (performance.now() - began) / 1_000;
    const redisSeconds = (await redisCpuSeconds(server)) - redisBefore;
    await conclude(new RedisStore(server.socket), counters, load);
    const sum = (of: (end: FromWorker) => number): number => ends.reduce((total, end) => total + of(end), 0);
    const done = records * hops;
    return {
      workers,
      shards,
      recordsPerSecond: Math.round(done / seconds),
      nodeMicrosPerRecord: Number((sum(({ cpuMicros }) => cpuMicros) / done).toFixed(2)),
      redisMicrosPerRecord: Number(((redisSeconds * 1e6) / done).toFixed(2)),
      batchMean: Number(((done + records) / sum(({ commits }) => commits)).toFixed(1)),
    };
  } finally {
    for (const child of children) child.kill();
    await Promise.all(children.map(({ exited }) => exited));
    await dispose();
  }
}

async function warmed(children: readonly Worker[], wanted: number): Promise<void> {
  while (children.reduce((sum, { latest }) => sum + (latest?.processed ?? 0), 0) < wanted) await Promise.race(children.map((child) => child.until(() => true)));
}

/** One worker's process. */
class Worker {
  readonly #child: ChildProcess;
  readonly exited: Promise<unknown>;
  latest: FromWorker | undefined = undefined;

  constructor(load: ScaleLoad) {
    this.#child = fork(PROGRAM, [JSON.stringify(load)]);
    this.exited = once(this.#child, "exit");
    this.#child.setMaxListeners(50);
    this.#child.on("message", (message: FromWorker) => (this.latest = message));
  }

  send(order: ToWorker): void {
    this.#child.send(order);
  }

  /** The next thing it says that this is true of; rejects if it ends first. */
  until(holds: (message: FromWorker) => boolean): Promise<FromWorker> {
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(new Error("scale: a worker has ended"));
      const listen = (message: FromWorker): void => {
        if (!holds(message)) return;
        this.#child.off("message", listen).off("exit", ended);
        resolve(message);
      };
      this.#child.on("message", listen).once("exit", ended);
    });
  }

  kill(): void {
    this.#child.removeAllListeners("message");
    this.#child.kill("SIGKILL");
  }
}
