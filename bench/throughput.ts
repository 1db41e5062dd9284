/**
 * Throughput: how many records a second one worker brings through one keyed, fanned-out hop, exactly once, and what
 * each costs. On Redis a bare, vectorised and pipelined client writes the same bytes in the same run for comparison.
 */
import type { RedisDurability, Store } from "../src/index.ts";
import { openValue } from "../src/computation/envelope.ts";
import { cbor } from "../src/computation/cbor-codec.ts";
import { shardOf, shardRef } from "../src/key.ts";
import { run, workerOf } from "../src/run.ts";
import { stateField } from "../src/store/address.ts";
import type { PipelineStore } from "../src/store/store.ts";
import { counterPipeline, type Load } from "./counter-pipeline.ts";
import { rawRedis } from "./raw-redis.ts";
import { watchStolen } from "./machine.ts";
import { type BenchStore, openStore, type StoreName } from "./stores.ts";
import { redisCpuSeconds } from "./redis-cpu.ts";

export interface ThroughputOptions extends Load {
  readonly store: StoreName;
  /** How often Redis flushes its append-only file: everysec, always or no. */
  readonly fsync: string;
  /** Replicas that Redis has, and what a commit waits for. */
  readonly replicas: number;
  readonly durability: RedisDurability;
  readonly batch: number;
}

export async function throughput(options: ThroughputOptions): Promise<object> {
  const used = await openStore(options.store, options.fsync, options.replicas, options.durability);
  try {
    return await measure(options, used);
  } finally {
    await used.dispose();
  }
}

async function measure(options: ThroughputOptions, { store, server }: BenchStore): Promise<object> {
  const ages: number[] = [];
  let opened: PipelineStore | undefined;
  const watched: Store = { kind: "store", open: async (open) => (opened = await store.open(open)) };
  const redisBefore = await redisCpuSeconds(server);
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  const stolen = watchStolen();
  const running = await run(counterPipeline(options, ages), { store: watched, batchRecords: options.batch });
  await running.finished;
  const seconds = (performance.now() - began) / 1_000;
  const cpu = process.cpuUsage(cpuBefore);
  const stolenPercent = stolen();
  const redisSeconds = (await redisCpuSeconds(server)) - redisBefore;
  const rssMiB = Math.round(process.memoryUsage().rss / 2 ** 20);
  const { commits } = workerOf(running).engine.counted;
  await checkTotals(
    opened as PipelineStore,
    workerOf(running)
      .engine.options.plan.participants.filter((each) => each.kind === "computation")
      .map((each) => each.id),
    options,
  );
  await running.stop();
  const raw = server === undefined ? undefined : await rawRedis(server, options);
  const done = options.records * options.hops;
  const perSecond = done / seconds;
  ages.sort((a, b) => a - b);
  const at = (quantile: number) => round(ages[Math.min(ages.length - 1, Math.floor(ages.length * quantile))] ?? 0, 2);
  return {
    bench: "throughput",
    store: options.store,
    durability: typeof options.durability === "string" ? options.durability : `replicas=${options.durability.replicas}`,
    replicas: options.replicas,
    hops: options.hops,
    shards: options.shards,
    batchMean: round((done + options.records) / commits, 1),
    records: options.records,
    recordsPerSecond: Math.round(perSecond),
    rawRecordsPerSecond: raw === undefined ? null : Math.round(raw),
    rawRatio: raw === undefined ? null : round(perSecond / raw, 3),
    nodeMicrosPerRecord: round((cpu.user + cpu.system) / done, 2),
    redisMicrosPerRecord: server === undefined ? null : round((redisSeconds * 1e6) / done, 2),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    rssMiB,
    stolenPercent,
  };
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

/** Every key's count as the store has it; throws unless each hop counted every record exactly once. */
export async function checkTotals(store: PipelineStore, computations: readonly number[], { records, keys, shards }: Load): Promise<void> {
  for (const id of computations) {
    const fields = new Map<number, string[]>();
    for (let n = 0; n < Math.min(keys, records * 2); n++) {
      const key = `key-${String(n).padStart(12, "0")}`;
      for (const each of [key, key.slice(0, 4) + [...key.slice(4)].toReversed().join("")]) {
        const shard = shardOf(each, shards);
        const known = fields.get(shard);
        if (known === undefined) fields.set(shard, [each]);
        else known.push(each);
      }
    }
    let total = 0;
    const cell = await cellOf(store, id);
    for (const [shard, names] of fields) {
      for (let from = 0; from < names.length; from += 1_000) {
        const values = await store.readState(
          shardRef(id, shard),
          [...new Set(names.slice(from, from + 1_000))].map((name) => stateField(cell, name)),
        );
        for (const bytes of values) if (bytes !== undefined) total += openValue(cbor<number>(), bytes).value as number;
      }
    }
    if (total !== records) throw new Error(`computation ${id} counted ${total} records of ${records}`);
  }
}

async function cellOf(store: PipelineStore, computation: number): Promise<number> {
  const graph = await store.readGraph();
  const cell = graph?.participants.find((participant) => participant.id === computation)?.cells[0];
  if (cell === undefined) throw new Error(`computation ${computation} has no stored cell`);
  return cell.id;
}
