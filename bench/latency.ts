/**
 * Latency at a fixed rate, from an open-loop generator: each record is due at a time fixed beforehand, and its latency
 * counts from then, so a stall shows in every record it delays. Measured where the record becomes visible to the next
 * consumer: in a callback sink behind the last counter, after that counter's commit.
 */
import {
  type RedisDurability,
  Computation,
  type Context,
  injector,
  input,
  output,
  Pipeline,
  sink,
  state,
  stream,
  type Stream,
  type StreamRecord,
} from "../src/index.ts";
import { run } from "../src/run.ts";
import { ascending } from "../src/watermark/ascending.ts";
import { openStore, type StoreName } from "./stores.ts";
import { watchStolen } from "./machine.ts";
import { Metronome } from "./metronome.ts";
import { keyOf } from "./counter-pipeline.ts";

export interface LatencyOptions {
  readonly store: StoreName;
  /** How often Redis flushes its append-only file: everysec, always or no. */
  readonly fsync: string;
  /** Replicas that Redis has, and what a commit waits for. */
  readonly replicas: number;
  readonly durability: RedisDurability;
  readonly keys: number;
  readonly hops: number;
  readonly shards: number;
  readonly batch: number;
  /** Records a second. */
  readonly rate: number;
  readonly seconds: number;
}

interface Timed {
  readonly key: string;
  readonly due: number;
  readonly text: string;
}

class Pass extends Computation {
  readonly from;
  readonly to;
  readonly count = state("count", { initial: 0 });
  constructor(from: Stream<Timed>, to: Stream<Timed>) {
    super();
    this.from = input(from, { key: (timed) => timed.key });
    this.to = output(to);
  }
  override processRecord(record: StreamRecord<Timed>, context: Context): void {
    const count = context.state(this.count);
    count.set(count.get() + 1);
    context.produce(this.to, record.value);
  }
}

/** The first seconds warm the code up and are not counted. */
const WARM_UP = 4;
/** Ticks a second: a record waits for the next one, so this is part of what is measured. */
const TICKS = 4_000;

export async function latency(options: LatencyOptions): Promise<object> {
  const latencies: number[] = [];
  const metronome = new Metronome(TICKS);
  const streams = Array.from({ length: options.hops + 1 }, (_, hop) => stream<Timed>(`timed-${hop}`));
  const pipeline = new Pipeline("latency", { shards: options.shards }).inject("load", streams[0] as Stream<Timed>, openLoop(options, metronome));
  for (let hop = 0; hop < options.hops; hop++)
    pipeline.compute(`pass-${hop}`, () => new Pass(streams[hop] as Stream<Timed>, streams[hop + 1] as Stream<Timed>));
  let counted = Number.POSITIVE_INFINITY;
  const target = sink<Timed>({
    kind: "sink",
    description: "measure",
    attempts: 1,
    open: () => {
      const write = (records: readonly StreamRecord<unknown>[]) => {
        const now = performance.now();
        if (counted === Number.POSITIVE_INFINITY) counted = now + WARM_UP * 1_000;
        else if (latencies.length === 0) metronome.reset();
        for (const { value } of records) if (now >= counted) latencies.push(now - (value as Timed).due);
        return Promise.resolve(undefined);
      };
      return Promise.resolve({ write, close: () => Promise.resolve() });
    },
  });
  pipeline.sink("measure", streams[options.hops] as Stream<Timed>, target);
  const stolen = watchStolen();
  const { store, dispose } = await openStore(options.store, options.fsync, options.replicas, options.durability);
  try {
    const running = await run(pipeline, { store, batchRecords: options.batch });
    await running.finished;
    await running.stop();
  } finally {
    await metronome.stop();
    await dispose();
  }
  latencies.sort((a, b) => a - b);
  const at = (quantile: number) => Number((latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * quantile))] ?? 0).toFixed(2));
  return {
    bench: "latency",
    store: options.store,
    hops: options.hops,
    shards: options.shards,
    rate: options.rate,
    records: latencies.length,
    p50Ms: at(0.5),
    p90Ms: at(0.9),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    maxMs: at(1),
    machineP99Ms: metronome.late(0.99),
    machineMaxMs: metronome.late(1),
    stolenPercent: stolen(),
  };
}

/** Gives the records that are due; a pull that comes late gives all that have become due meanwhile. */
function openLoop({ rate, seconds, keys }: LatencyOptions, metronome: Metronome) {
  return injector<Timed>({
    kind: "injector",
    description: `${rate} records/s`,
    partitions: 1,
    timestamp: undefined,
    id: undefined,
    idRetention: 0,
    watermark: ascending(),
    maxAhead: Number.POSITIVE_INFINITY,
    open: () => {
      const began = performance.now();
      const all = rate * (seconds + WARM_UP);
      let n = 0;
      const pull = async (max: number) => {
        const dueOf = (i: number) => began + (i * 1_000) / rate;
        while (n < all && dueOf(n) > performance.now()) await metronome.tick();
        const items = [];
        for (const now = performance.now(); n < all && items.length < max && dueOf(n) <= now; n++) {
          items.push({ value: { key: keyOf(n, keys), due: dueOf(n), text: "x".repeat(54) }, timestamp: 1_000_000 + n, position: n + 1 });
        }
        return { items, done: n >= all };
      };
      return Promise.resolve({ pull, close: () => Promise.resolve() });
    },
  });
}
