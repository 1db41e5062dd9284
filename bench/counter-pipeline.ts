/**
 * A chain of keyed counters behind an injector, each hop keyed anew so that every commit fans out over all shards: what
 * the throughput benchmark and most others run. Records are made before the clock starts, and each key is as frequent as
 * any other.
 */
import { Computation, type Context, injector, input, output, Pipeline, state, stream, type StreamRecord, type Stream } from "../src/index.ts";
import { ascending } from "../src/watermark/ascending.ts";
import { now, type Probe, type Workload } from "./harness/workload.ts";

export interface Hit {
  readonly key: string;
  readonly sent: number;
  readonly text: string;
}

export interface Load {
  readonly records: number;
  readonly keys: number;
  readonly hops: number;
  readonly shards: number;
  /** Ids of the records: none; each taken once; or ids that are not looked at. */
  readonly ids?: "none" | "deduplicated" | "unchecked" | undefined;
}

/** One record in this many carries the time at which it was pulled. */
const SAMPLE = 256;
/** A prime that no sensible number of keys is a multiple of. */
const STRIDE = 2_654_435_761;

/** About 100 bytes as CBOR. */
export const TEXT = "x".repeat(54);

/** All keys, of 16 bytes, each once; those that come one after the other are unrelated. Record n has key n modulo their number. */
export function keyRing(keys: number): string[] {
  return Array.from({ length: keys }, (_, n) => `key-${String((n * STRIDE) % keys).padStart(12, "0")}`);
}

/** Another key of as many, so that the next hop's records spread over all its shards. Twice gives the same key again. */
export const rekeyed = (key: string): string => key.slice(0, 4) + [...key.slice(4)].toReversed().join("");

/** How often key `n` of a ring of so many keys comes in so many records. */
export const timesOf = (n: number, keys: number, records: number): number => Math.floor(records / keys) + (n < records % keys ? 1 : 0);

class Counter extends Computation {
  readonly from;
  readonly to;
  readonly count = state("count", { initial: 0 });
  readonly #last: boolean;
  readonly #probe: Probe;

  constructor(from: Stream<Hit>, to: Stream<Hit>, last: boolean, probe: Probe) {
    super();
    this.from = input(from, { key: (hit) => hit.key });
    this.to = output(to);
    this.#last = last;
    this.#probe = probe;
  }

  override processRecord(record: StreamRecord<Hit>, context: Context): void {
    const count = context.state(this.count);
    count.set(count.get() + 1);
    if (!this.#last) context.produce(this.to, { ...record.value, key: rekeyed(record.value.key) });
    else if (record.value.sent > 0) this.#probe.histogram("age").add(now() - record.value.sent);
  }
}

export const counters: Workload<Load> = {
  name: "counters",
  work: ({ records, hops }) => ({ records, processings: records * (hops + 1) }),

  pipeline(load, probe) {
    const streams = Array.from({ length: load.hops + 1 }, (_, hop) => stream<Hit>(`hits-${hop}`));
    const pipeline = new Pipeline("counters", { shards: load.shards }).inject("load", streams[0] as Stream<Hit>, saturating(load, probe));
    for (let hop = 0; hop < load.hops; hop++) {
      pipeline.compute(`counter-${hop}`, () => new Counter(streams[hop] as Stream<Hit>, streams[hop + 1] as Stream<Hit>, hop === load.hops - 1, probe));
    }
    return pipeline;
  },

  expect({ records, keys, hops }, results) {
    for (const [n, key] of keyRing(keys).entries()) {
      const times = timesOf(n, keys, records);
      for (let hop = 0; hop < hops && times > 0; hop++) results.add(`counter-${hop}`, "count", hop % 2 === 0 ? key : rekeyed(key), times);
    }
  },
};

/** As fast as they are taken. */
function saturating({ records, keys, ids = "none" }: Load, probe: Probe) {
  return injector<Hit>({
    kind: "injector",
    description: `${records} records`,
    partitions: 1,
    timestamp: undefined,
    id: ids === "none" ? undefined : "item",
    idRetention: ids === "deduplicated" ? records : 0,
    deduplicate: ids !== "unchecked",
    watermark: ascending(),
    maxAhead: Number.POSITIVE_INFINITY,
    open: (_context, position) => {
      let n = (position as number | undefined) ?? 0;
      const values = keyRing(keys).map((key): Hit => ({ key, sent: 0, text: TEXT }));
      const pull = (max: number) => {
        probe.begin();
        const items = [];
        for (const end = Math.min(n + max, records); n < end; ) {
          const value = values[n % keys] as Hit;
          items.push({
            value: n % SAMPLE === 0 ? { ...value, sent: now() } : value,
            timestamp: 1_000_000 + n,
            id: ids === "none" ? undefined : `id-${n}`,
            position: ++n,
          });
        }
        probe.pulled += items.length;
        return Promise.resolve({ items, done: n >= records });
      };
      return Promise.resolve({ pull, close: () => Promise.resolve() });
    },
  });
}
