/**
 * Figure 9 of the MillWheel paper: searches are counted in windows of a second, and a query whose count stays well below
 * what was expected is a dip. A window closes when the low watermark says that all its searches are in, so a slow
 * log is never taken for a dip. As in the figure, a query that falls silent has no more windows, and is not seen.
 */
import {
  boundedDisorder,
  Computation,
  type Context,
  fromFile,
  input,
  output,
  Pipeline,
  seconds,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
  toFile,
} from "../src/index.ts";

export interface Query {
  readonly text: string;
  readonly at: number;
}
export interface WindowCount {
  readonly query: string;
  readonly start: number;
  readonly count: number;
}
export interface Dip {
  readonly query: string;
  readonly confidence: number;
}

export const queries = stream<Query>("queries");
export const windows = stream<WindowCount>("windows");
export const dips = stream<Dip>("dip-stream");

const WINDOW = seconds(1);

/** Counts each query's searches in windows [start, start + 1 s) and produces a count when its window has closed. */
export class Windower extends Computation {
  readonly queries = input(queries, { key: (query) => query.text });
  readonly windows = output(windows);
  readonly counts = state("counts", { initial: new Map<number, number>() });
  readonly closing = timers<number>("closing");

  override processRecord(record: StreamRecord<Query>, context: Context): void {
    const start = record.timestamp - (record.timestamp % WINDOW);
    context.state(this.counts).update((counts) => counts.set(start, (counts.get(start) ?? 0) + 1));
    context.setTimer(this.closing.for(start), start + WINDOW);
  }

  override processTimer(timer: Timer<number>, context: Context): void {
    const start = timer.tag;
    const count = context.state(this.counts).get().get(start) ?? 0;
    context.produce(this.windows, { query: context.key, start, count });
    context.state(this.counts).update((counts) => {
      counts.delete(start);
    });
  }
}

/** Expects a running mean, and is the surer of a dip the longer counts stay below half of it. */
export class DipDetector extends Computation {
  readonly windows = input(windows, { key: (window) => window.query });
  readonly dips = output(dips);
  readonly model = state("model", { initial: { expected: 0, confidence: 0 } });
  readonly #threshold: number;

  constructor(options: { readonly threshold: number }) {
    super();
    this.#threshold = options.threshold;
  }

  override processRecord(record: StreamRecord<WindowCount>, context: Context): void {
    const { expected, confidence: before } = context.state(this.model).get();
    const actual = record.value.count;
    const confidence = actual < expected / 2 ? before + (1 - before) / 4 : 0;
    context.state(this.model).set({ expected: expected + (actual - expected) / 16, confidence });
    if (confidence > this.#threshold) context.produce(this.dips, { query: context.key, confidence });
  }
}

export default new Pipeline("zeitgeist")
  .inject("query-log", queries, fromFile("queries.ndjson", { timestamp: (query) => query.at, watermark: boundedDisorder(seconds(5)) }))
  .compute("windower", Windower)
  .compute("dip-detector", () => new DipDetector({ threshold: 0.8 }))
  .sink("dips", dips, toFile("dips.ndjson"));
