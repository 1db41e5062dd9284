/**
 * Audit: how long `millrace audit` takes over a store with many keys, and how much memory. Every key has a state value
 * of about 100 bytes, and one in ten a timer with a hold of its own, in the shards of one computation.
 */
import { cbor } from "../src/computation/cbor-codec.ts";
import { sealValue } from "../src/computation/envelope.ts";
import { systemClock } from "../src/clock.ts";
import { audit } from "../src/inspect/index.ts";
import { HASH_NAME, shardOf, shardRef } from "../src/key.ts";
import { systemRandom } from "../src/random.ts";
import { stateField, timerHold, timerMember } from "../src/store/address.ts";
import { type Commit, NO_EFFECTS } from "../src/store/commit.ts";
import type { PipelineStore } from "../src/store/store.ts";
import { DATA_FORMAT, type StoredGraph } from "../src/store/stored-graph.ts";
import { encodeImage, newImage } from "../src/worker/image.ts";
import { benchmark } from "./harness/benchmark.ts";
import { watchStolen } from "./machine.ts";
import { redisCpuSeconds } from "./redis-cpu.ts";
import { openStore, type StoreName } from "./stores.ts";

interface AuditBenchOptions {
  readonly store: StoreName;
  readonly keys: number;
  readonly shards: number;
}

export const auditing = benchmark({
  name: "audit",
  about: "`millrace audit` over many keys: time, CPU and memory",
  numbers: { keys: 100_000, shards: 64 },
  tiny: { store: "lmdb", keys: 500, shards: 8 },
  run: (given) => auditBench(given),
});

const [INJECTOR, COUNTER, INPUT, CELL, TIMER] = [1, 2, 3, 4, 5];
/** One key in this many has a timer. */
const TIMED = 10;
const AT_ONCE = 1_000;

async function auditBench({ store: name, keys, shards }: AuditBenchOptions): Promise<object> {
  const { store, server, dispose } = await openStore({ store: name });
  try {
    const opened = await store.open({ pipeline: "audited", clock: systemClock, random: systemRandom });
    await fill(opened, keys, shards);
    await opened.flushed();
    await opened.close();
    const [redisBefore, cpuBefore, rssBefore] = [await redisCpuSeconds(server), process.cpuUsage(), process.memoryUsage().rss];
    let rss = rssBefore;
    const watching = setInterval(() => (rss = Math.max(rss, process.memoryUsage().rss)), 20);
    const [stolen, began] = [watchStolen(), performance.now()];
    const report = await audit(store, { pipeline: "audited" });
    const seconds = (performance.now() - began) / 1_000;
    clearInterval(watching);
    const cpu = process.cpuUsage(cpuBefore);
    if (report.violations > 0 || report.entries.state !== keys)
      throw new Error(`the audit found ${report.violations} violations in ${report.entries.state} keys`);
    return {
      bench: "audit",
      store: name,
      keys,
      shards,
      seconds: round(seconds, 2),
      keysPerSecond: Math.round(keys / seconds),
      checks: report.invariants.reduce((sum, { checked }) => sum + checked, 0),
      nodeSeconds: round((cpu.user + cpu.system) / 1e6, 2),
      redisSeconds: server === undefined ? null : round((await redisCpuSeconds(server)) - redisBefore, 2),
      rssGrowthMiB: Math.round((rss - rssBefore) / 2 ** 20),
      stolenPercent: stolen(),
    };
  } finally {
    await dispose();
  }
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

export async function fill(store: PipelineStore, keys: number, shards: number): Promise<void> {
  await store.init(graphOf(shards), undefined);
  const refs = Array.from({ length: shards }, (_, index) => shardRef(COUNTER, index));
  const outcomes = await store.acquire({ worker: "bench", shards: refs, leaseMs: 600_000 });
  const image = newImage();
  const filled = refs.map((shard, i) => {
    const outcome = outcomes[i];
    return { shard, sequencer: outcome?.kind === "acquired" ? outcome.sequencer : "", number: 0, names: [] as string[] };
  });
  for (let n = 0; n < keys; n++) {
    const key = `key-${String(n).padStart(12, "0")}`;
    const to = filled[shardOf(key, shards)] as (typeof filled)[number];
    if (to.names.push(key) >= AT_ONCE) await commit(to.names.splice(0), to);
  }
  for (const to of filled) if (to.names.length > 0) await commit(to.names.splice(0), to);

  async function commit(names: readonly string[], of: (typeof filled)[number]): Promise<void> {
    of.number += 1;
    const timed = names.filter((_, i) => i % TIMED === 0).map((key) => timerMember(TIMER, undefined, key));
    const sealed: Commit = {
      ...NO_EFFECTS,
      shard: of.shard,
      sequencer: of.sequencer,
      number: of.number,
      id: systemRandom.id(),
      graphVersion: 1,
      image: encodeImage(image),
      stateFields: names.map((key) => stateField(CELL, key)),
      stateValues: names.map((key) => sealValue(cbor(), { key, count: of.number, text: "x".repeat(64) })),
      timerSets: timed.map((member) => ({ clock: "watermark", member, time: 2_000_000 })),
      holdSets: timed.map((member) => ({ member: timerHold("watermark", member), time: 1_000_000 })),
    };
    const { outcomes } = await store.commit([sealed]);
    if (outcomes[0] !== "committed") throw new Error(`a commit of the benchmark was answered ${outcomes[0]}`);
  }
}

function graphOf(shards: number): StoredGraph {
  const none = { inputs: [], outputs: [], cells: [], timers: [] };
  return {
    format: DATA_FORMAT,
    version: 1,
    pipeline: "audited",
    shards,
    hash: HASH_NAME,
    nextId: TIMER + 1,
    participants: [
      { ...none, id: INJECTOR, name: "load", kind: "injector", shards: 1, outputs: ["records"] },
      {
        ...none,
        id: COUNTER,
        name: "counter",
        kind: "computation",
        shards,
        inputs: [{ id: INPUT, name: "records", stream: "records", codec: "cbor" }],
        cells: [{ id: CELL, name: "count", codec: "cbor" }],
        timers: [{ id: TIMER, name: "closing", clock: "watermark" }],
      },
    ],
  };
}
