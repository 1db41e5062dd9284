/**
 * The pipeline that is watched at rest and with age: records of the present at a constant rate, counted by key in windows
 * of ten seconds. Keys have the window's number in their names, so what is not deleted adds up and is seen.
 */
import {
  Computation,
  type Context,
  fromIterable,
  input,
  output,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  timer,
  type Timer,
  toCallback,
} from "../src/index.ts";

interface Hit {
  readonly key: string;
  readonly text: string;
}

const hits = stream<Hit>("hits");
const counts = stream<number>("counts");

export const WINDOW = 10_000;
/** ms between the chunks of records. */
const CHUNK = 50;
/** About 100 bytes as CBOR. */
const TEXT = "x".repeat(54);

class WindowCounter extends Computation {
  readonly hits = input(hits, { key: ({ key }) => key });
  readonly counts = output(counts);
  readonly count = state("count", { initial: 0 });
  readonly closing = timer("closing");

  override processRecord(record: StreamRecord<Hit>, context: Context): void {
    const count = context.state(this.count);
    if (count.get() === 0) context.setTimer(this.closing, record.timestamp - (record.timestamp % WINDOW) + WINDOW);
    count.set(count.get() + 1);
  }

  override processTimer(_timer: Timer, context: Context): void {
    context.produce(this.counts, context.state(this.count).get());
    context.state(this.count).delete();
  }
}

export interface WindowsLoad {
  readonly shards: number;
  readonly keys: number;
  /** Records a second. */
  readonly rate: number;
  /** ms for which records come. */
  readonly lasts: number;
  /** What follows: the end of the input, at which every window closes, or silence. */
  readonly ending: "end" | "silence";
}

/** `counted` is told of each window's count when it has left the pipeline. */
export function windowsPipeline({ shards, ...load }: WindowsLoad, counted: (count: number) => void): Pipeline {
  return new Pipeline("windows", { shards })
    .inject(
      "hits",
      hits,
      fromIterable<Hit>((position, signal) => constantRate(load, (position as number | undefined) ?? 0, signal)),
    )
    .compute("window-counter", WindowCounter)
    .sink(
      "counts",
      counts,
      toCallback(({ value }) => counted(value)),
    );
}

async function* constantRate({ keys, rate, lasts, ending }: Omit<WindowsLoad, "shards">, first: number, signal: AbortSignal) {
  const startedAt = performance.now();
  for (let n = first, spent = 0; spent < lasts && !signal.aborted; spent = performance.now() - startedAt) {
    const due = first + Math.floor((spent / 1_000) * rate);
    const now = Date.now();
    const chunk = [];
    for (; n < due; n++) chunk.push({ value: { key: `key-${n % keys}-${Math.floor(now / WINDOW)}`, text: TEXT }, position: n + 1, timestamp: now });
    if (chunk.length > 0) yield chunk;
    await pause(CHUNK, signal);
  }
  while (ending === "silence" && !signal.aborted) await pause(60_000, signal);
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timeout);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timeout = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
