/**
 * One worker of a chaos run, in a process of its own: takes orders on standard input, tells on standard output what it
 * holds and does. It ends with whoever started it.
 */
import { LmdbStore, RedisStore, toFile } from "../src/index.ts";
import type { RunningPipeline, Sink } from "../src/index.ts";
import { toRedisStream } from "../src/redis-streams/index.ts";
import type { ShardRef } from "../src/key.ts";
import { runIn, workerOf } from "../src/run.ts";
import type { Throttle } from "./numbers.ts";
import { LINES, lineReader, type Order, type Settings, type Telling } from "./orders.ts";
import { chaosPipeline, type Line } from "./pipeline.ts";
import { StruckStore } from "./struck-store.ts";
import { timersPipeline } from "./timers-pipeline.ts";

/** One record in so many is told of. */
const SAMPLE = 4;
/** ms between pulses, and between looks at what is owned. */
const PULSE = 100;
const LOOK = 10;
const SAID = 200;

const tell = (telling: Telling): void => void process.stdout.write(`${JSON.stringify(telling)}\n`);
const throttle: Throttle = { startAt: 0, limit: 0, records: 0 };
let running: RunningPipeline | undefined;
let struck: StruckStore | undefined;
let seen: [number, number][] = [];
let said = 0;

const take = lineReader<Order>((order) => {
  if ("start" in order) void start(order.start).catch(fail);
  else if ("pass" in order) Object.assign(throttle, order.pass);
  else if ("strike" in order) struck?.strike(order.strike);
  else void stop("stopped").catch(fail);
});
process.stdin.setEncoding("utf8").on("data", take);
// Whoever gives the orders is gone.
process.stdin.on("end", () => process.exit(0));
// Also what a store loads when it is opened.
await import("ioredis");
tell({ loaded: true });

async function start(settings: Settings): Promise<void> {
  Object.assign(throttle, settings.throttle);
  const { store: where, load, shards, leaseMs, batchRecords } = settings;
  const lmdb = where.startsWith("lmdb:");
  const held = (): ShardRef[] =>
    running === undefined
      ? []
      : workerOf(running)
          .engine.ownership.leases()
          .map(({ shard }) => shard);
  struck = new StruckStore(lmdb ? new LmdbStore(where.slice(5)) : redisOf(settings), held, tell);
  const sink: Sink<Line> = lmdb ? toFile<Line>(settings.file) : toRedisStream<Line>(LINES, { connection: where });
  const options = { load, shards, throttle, sink, code: settings.code, seen: (n: number) => n % SAMPLE === 0 && seen.push([n, Date.now()]) };
  const pipeline = settings.pipeline === "timers" ? timersPipeline(options) : chaosPipeline(options);
  running = await runIn(pipeline, { store: struck, leaseMs, batchRecords, log: say }, settings.place);
  tell({ started: workerOf(running).name });
  watch(running);
  await running.finished;
  await stop("finished");
}

function redisOf({ store, cluster, timeoutMs }: Settings): RedisStore {
  if (cluster === undefined) return new RedisStore(store, { timeoutMs });
  return new RedisStore({ cluster: cluster.urls }, { timeoutMs, durability: cluster.durability });
}

function say(level: string, text: string): void {
  if ((level === "warn" || level === "error") && said++ < SAID) tell({ level, text });
}

function fail(error: unknown): void {
  tell({ level: "fatal", text: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  process.exit(1);
}

/** Tells which shards it works on, and every so often how it fares. */
function watch(pipeline: RunningPipeline): void {
  const { engine } = workerOf(pipeline);
  const working = new Set<ShardRef>();
  const look = (): void => {
    const at = Date.now();
    for (const { ref, leaving } of engine.shards.values()) {
      if (leaving ? working.delete(ref) : false) tell({ ends: ref, at });
      if (leaving || working.has(ref)) continue;
      working.add(ref);
      tell({ begins: ref, at });
    }
    for (const ref of working) if (engine.shards.get(ref) === undefined && working.delete(ref)) tell({ ends: ref, at });
  };
  const pulse = (): void => {
    const { commits, fenced } = engine.counted;
    let [injected, processed, fired] = [0, 0, 0];
    for (const { kind, name, image } of engine.shards.values()) {
      if (kind === "injector") injected += image.counters.processed;
      if (name !== "waiter" && name !== "counter") continue;
      processed += image.counters.processed;
      fired += image.counters.timersFired;
    }
    const heap = process.memoryUsage().heapUsed;
    const { tails: lostTails, commits: lostCommits } = engine.lostTails.counted;
    const { delivered, lost: lostEntries } = engine.delivery.counted;
    tell({
      pulse: Date.now(),
      commits,
      fenced,
      lostTails,
      lostCommits,
      delivered,
      lostEntries,
      owned: engine.shards.size,
      heap,
      injected,
      processed,
      fired,
      seen,
    });
    seen = [];
  };
  setInterval(look, LOOK);
  setInterval(pulse, PULSE);
}

let ending = false;
async function stop(how: "finished" | "stopped"): Promise<void> {
  if (ending) return;
  ending = true;
  await running?.stop();
  process.stdout.write(`${JSON.stringify({ ended: how } satisfies Telling)}\n`, () => process.exit(0));
}
