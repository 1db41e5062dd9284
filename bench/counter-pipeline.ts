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
  /** Into which the source is divided. Default 1. */
  readonly partitions?: number | undefined;
  /** Ids of the records: none; each taken once; or ids that are not looked at. */
  readonly ids?: "none" | "deduplicated" | "unchecked" | undefined;
  /** Which key comes when: all in turn; drawn evenly; or by Zipf's law with exponent 1. Default: in turn. */
  readonly order?: KeyOrder | undefined;
}

export type KeyOrder = "turn" | "even" | "zipf";

/** One record in this many carries the time at which it was pulled. */
const SAMPLE = 256;
/** A prime that no sensible number of keys is a multiple of. */
const STRIDE = 2_654_435_761;

/** Text as a parser makes it: in one piece. What JavaScript puts together stays in pieces, and is slow to read letter by letter. */
const whole = (text: string): string => Buffer.from(text).toString("latin1");

/** About 100 bytes as CBOR. */
export const TEXT = whole("x".repeat(54));

/** Takes the numbers below `keys` in an order of their own. No product is past 2^53, where numbers would come twice and others never. */
export const strided = (n: number, keys: number): number => (n * (STRIDE % keys)) % keys;

/** All keys, of 16 bytes, each once; those that come one after the other are unrelated. Record n has key n modulo their number. */
export function keyRing(keys: number): string[] {
  return Array.from({ length: keys }, (_, n) => whole(`key-${String(strided(n, keys)).padStart(12, "0")}`));
}

/** Of record n, the number of its key in the ring. The same in every run. */
function keyNumbers({ keys, order = "turn" }: Pick<Load, "keys" | "order">): (n: number) => number {
  if (order === "turn") return (n) => n % keys;
  if (order === "even") return (n) => Math.floor(drawn(n) * keys);
  const upTo = new Float64Array(keys);
  for (let n = 0, sum = 0; n < keys; n++) upTo[n] = sum += 1 / (n + 1);
  const all = upTo[keys - 1] as number;
  return (n) => {
    const wanted = drawn(n) * all;
    let [low, high] = [0, keys - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] as number) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** From 0 to 1, the same for the same n, and as good as unrelated for others. */
export function drawn(n: number, seed = 0): number {
  let x = Math.imul(n + 1 + Math.imul(seed, 0x9e3779b1), 0x2c1b3c6d);
  x = Math.imul(x ^ (x >>> 15), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
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

  expect({ records, keys, hops, order }, results) {
    const counted = new Uint32Array(keys);
    const numberOf = keyNumbers({ keys, order });
    for (let n = 0; n < records; n++) {
      const number = numberOf(n);
      counted[number] = (counted[number] ?? 0) + 1;
    }
    for (const [n, key] of keyRing(keys).entries()) {
      const times = counted[n] as number;
      for (let hop = 0; hop < hops && times > 0; hop++) results.add(`counter-${hop}`, "count", hop % 2 === 0 ? key : rekeyed(key), times);
    }
  },
};

/** As fast as they are taken. */
function saturating({ records, keys, partitions = 1, ids = "none", order }: Load, probe: Probe) {
  // Before the worker starts: a million keys take a second, which is none of what a recovery takes.
  const values = keyRing(keys).map((key): Hit => ({ key, sent: 0, text: TEXT }));
  return injector<Hit>({
    kind: "injector",
    description: `${records} records`,
    partitions,
    timestamp: undefined,
    id: ids === "none" ? undefined : "item",
    idRetention: ids === "deduplicated" ? records : 0,
    deduplicate: ids !== "unchecked",
    watermark: ascending(),
    maxAhead: Number.POSITIVE_INFINITY,
    open: ({ partition, signal }, position) => {
      let n = (position as number | undefined) ?? partition;
      const numberOf = keyNumbers({ keys, order });
      const pull = async (max: number) => {
        probe.begin();
        const items = [];
        while (n >= probe.limit && n < records && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 5));
        for (const end = Math.min(n + max * partitions, records, probe.limit); n < end; ) {
          const value = values[numberOf(n)] as Hit;
          items.push({
            value: n % SAMPLE === 0 ? { ...value, sent: now() } : value,
            timestamp: 1_000_000 + n,
            id: ids === "none" ? undefined : `id-${n}`,
            position: (n += partitions),
          });
        }
        probe.pulled += items.length;
        return { items, done: n >= records };
      };
      return Promise.resolve({ pull, close: () => Promise.resolve() });
    },
  });
}
