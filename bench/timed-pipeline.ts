/**
 * Keyed counters that pass their records on, from an open-loop source to a callback sink behind the last one: how long a
 * record takes until it is visible to the next consumer, and how far the watermark of each stage is behind. What a stage
 * does besides can be switched off.
 */
import { Computation, type Context, END, input, output, Pipeline, sink, state, stream, type Stream, type StreamRecord } from "../src/index.ts";
import { keyRing, TEXT, timesOf } from "./counter-pipeline.ts";
import { now, type Probe, type Workload } from "./harness/workload.ts";
import { counts, openLoop, recordsOf, type Schedule } from "./open-loop.ts";

export interface TimedLoad extends Schedule {
  readonly keys: number;
  readonly hops: number;
  readonly shards: number;
  /** Does each stage keep a count by key? */
  readonly counting: boolean;
  readonly ids: "none" | "deduplicated" | "unchecked";
  /** ms between looks at the watermarks; 0: none. */
  readonly lookMs: number;
}

interface Timed {
  readonly n: number;
  readonly key: string;
  readonly due: number;
  readonly text: string;
}

class Pass extends Computation {
  readonly from;
  readonly to;
  constructor(from: Stream<Timed>, to: Stream<Timed>) {
    super();
    this.from = input(from, { key: (timed) => timed.key });
    this.to = output(to);
  }
  override processRecord(record: StreamRecord<Timed>, context: Context): void {
    context.produce(this.to, record.value);
  }
}

class CountingPass extends Pass {
  readonly count = state("count", { initial: 0 });
  override processRecord(record: StreamRecord<Timed>, context: Context): void {
    const count = context.state(this.count);
    count.set(count.get() + 1);
    super.processRecord(record, context);
  }
}

export const timed: Workload<TimedLoad> = {
  name: "timed",
  work: (load) => ({ records: recordsOf(load), processings: recordsOf(load) * (load.hops + 2) }),

  pipeline(load, probe) {
    const keys = keyRing(load.keys);
    const valueOf = (n: number, due: number): Timed => ({ n, key: keys[n % keys.length] as string, due, text: TEXT });
    const streams = Array.from({ length: load.hops + 1 }, (_, hop) => stream<Timed>(`timed-${hop}`));
    const pipeline = new Pipeline("timed", { shards: load.shards }).inject("load", streams[0] as Stream<Timed>, openLoop(load, probe, valueOf, load.ids));
    for (let hop = 0; hop < load.hops; hop++) {
      const [from, to] = [streams[hop] as Stream<Timed>, streams[hop + 1] as Stream<Timed>];
      if (load.counting) pipeline.compute(`pass-${hop}`, () => new CountingPass(from, to));
      else pipeline.compute(`pass-${hop}`, () => new Pass(from, to));
    }
    if (load.lookMs > 0) lookAtWatermarks(load, probe);
    return pipeline.sink("measure", streams[load.hops] as Stream<Timed>, measuring(load, probe));
  },

  expect(load, results) {
    if (!load.counting) return;
    const records = recordsOf(load);
    for (const [n, key] of keyRing(load.keys).entries()) {
      const times = timesOf(n, load.keys, records);
      for (let hop = 0; hop < load.hops && times > 0; hop++) results.add(`pass-${hop}`, "count", key, times);
    }
  },
};

function measuring(load: TimedLoad, probe: Probe) {
  return sink<Timed>({
    kind: "sink",
    description: "measure",
    attempts: 1,
    open: () => {
      const latency = probe.histogram("latency");
      const write = (records: readonly StreamRecord<unknown>[]) => {
        const at = now();
        for (const { value } of records) {
          const { n, due } = value as Timed;
          if (counts(load, n)) latency.add(at - due);
        }
        return Promise.resolve(undefined);
      };
      return Promise.resolve({ write, close: () => Promise.resolve() });
    },
  });
}

/** Lag of a stage: how far the published output watermark is behind the clock, which is what records are stamped with. */
function lookAtWatermarks(load: TimedLoad, probe: Probe): void {
  probe.watching.push((published) => {
    const look = (): void => {
      const { beganAt } = probe;
      const at = now();
      if (beganAt === undefined || at < beganAt + load.warmUp * 1_000 || at > beganAt + (load.warmUp + load.seconds) * 1_000) return;
      for (let hop = 0; hop < load.hops; hop++) {
        const watermark = published(`pass-${hop}`);
        // Until the first one has come it is not behind but unknown.
        if (watermark > 0 && watermark < END) probe.histogram(`lag-${hop + 1}`).add(at - watermark);
      }
    };
    const looking = setInterval(look, load.lookMs);
    probe.closing.push(() => clearInterval(looking));
  });
}
