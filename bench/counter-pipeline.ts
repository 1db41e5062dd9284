/**
 * The pipeline that the throughput benchmark runs: an injector and a chain of keyed counters, each hop keyed anew so
 * that every commit fans out over all shards. Records are made before the clock starts.
 */
import { Computation, type Context, injector, input, output, Pipeline, state, stream, type StreamRecord, type Stream } from "../src/index.ts";
import { ascending } from "../src/watermark/ascending.ts";

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
  /** Records below it are given; asked again until all are. Default: all. */
  readonly limit?: () => number;
  /** Ids of the records: none; each taken once; or ids that are not looked at. */
  readonly ids?: "none" | "deduplicated" | "unchecked" | undefined;
}

/** One record in this many carries the time at which it was pulled. */
const SAMPLE = 256;

/** A 16-byte key; consecutive records have unrelated keys. */
export const keyOf = (n: number, keys: number): string => `key-${String(((n * 2_654_435_761) >>> 0) % keys).padStart(12, "0")}`;

/** About 100 bytes as CBOR. */
const TEXT = "x".repeat(54);

class Counter extends Computation {
  readonly from;
  readonly to;
  readonly count = state("count", { initial: 0 });
  readonly #last: boolean;
  readonly #ages: number[];

  constructor(from: Stream<Hit>, to: Stream<Hit>, last: boolean, ages: number[]) {
    super();
    this.from = input(from, { key: (hit) => hit.key });
    this.to = output(to);
    this.#last = last;
    this.#ages = ages;
  }

  override processRecord(record: StreamRecord<Hit>, context: Context): void {
    const count = context.state(this.count);
    count.set(count.get() + 1);
    if (!this.#last) context.produce(this.to, { ...record.value, key: rekeyed(record.value.key) });
    else if (record.value.sent > 0) this.#ages.push(performance.now() - record.value.sent);
  }
}

/** Another key of the same set, so that the next hop's records spread over all its shards. */
const rekeyed = (key: string): string => key.slice(0, 4) + [...key.slice(4)].toReversed().join("");

export function counterPipeline(load: Load, ages: number[]): Pipeline {
  const { partitions = 1, limit = () => load.records } = load;
  const streams = Array.from({ length: load.hops + 1 }, (_, hop) => stream<Hit>(`hits-${hop}`));
  const source = injector<Hit>({
    kind: "injector",
    description: `${load.records} records`,
    partitions,
    timestamp: undefined,
    id: (load.ids ?? "none") === "none" ? undefined : "item",
    idRetention: load.ids === "deduplicated" ? load.records : 0,
    deduplicate: load.ids !== "unchecked",
    watermark: ascending(),
    maxAhead: Number.POSITIVE_INFINITY,
    open: ({ partition, signal }, position) => {
      let n = (position as number | undefined) ?? partition;
      const pull = async (max: number) => {
        const items = [];
        while (n < load.records && n >= limit() && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 5));
        for (const end = Math.min(n + max * partitions, limit()); n < end; ) {
          const sent = n % SAMPLE === 0 ? performance.now() : 0;
          items.push({
            value: { key: keyOf(n, load.keys), sent, text: TEXT },
            timestamp: 1_000_000 + n,
            id: load.ids === undefined ? undefined : `id-${n}`,
            position: (n += partitions),
          });
        }
        return { items, done: n >= load.records };
      };
      return Promise.resolve({ pull, close: () => Promise.resolve() });
    },
  });
  const pipeline = new Pipeline("throughput", { shards: load.shards }).inject("load", streams[0] as Stream<Hit>, source);
  for (let hop = 0; hop < load.hops; hop++) {
    pipeline.compute(`counter-${hop}`, () => new Counter(streams[hop] as Stream<Hit>, streams[hop + 1] as Stream<Hit>, hop === load.hops - 1, ages));
  }
  return pipeline;
}
