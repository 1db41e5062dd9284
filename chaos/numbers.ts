/**
 * The source of a run: gives each record when it is due, and none beyond what the harness lets pass. Its positions are
 * numbers, so it goes on anywhere. It knows neither the pipeline nor the faults.
 */
import { boundedDisorder, byHand, type Injector, injector } from "../src/index.ts";
import type { Pulled, SourceContext, SourceItem, SourceReader } from "../src/index.ts";
import { DISORDER, dueAt, type Item, itemOf, type Load, timeOf } from "./load.ts";

/** What the harness lets pass, changed while the run goes on. */
export interface Throttle {
  /** When record 0 is due, ms since the epoch. */
  startAt: number;
  /** Only records below it are given. */
  limit: number;
  /** Below it are all records of the run. */
  records: number;
}

/** ms between looks at the throttle, at most. */
const LOOK = 40;

export function numbersOf(load: Load, throttle: Throttle): Injector<Item> {
  return injector<Item>({
    kind: "injector",
    description: `${load.records} numbers`,
    partitions: load.partitions,
    timestamp: undefined,
    id: undefined,
    idRetention: 0,
    watermark: load.shape === "backlog" || load.shape === "timers" ? byHand() : boundedDisorder(DISORDER),
    maxAhead: Number.POSITIVE_INFINITY,
    open: (context, position) => Promise.resolve(new NumbersReader(load, throttle, context, position as number | undefined)),
  });
}

class NumbersReader implements SourceReader {
  readonly #load: Load;
  readonly #throttle: Throttle;
  readonly #context: SourceContext;
  #next: number;

  constructor(load: Load, throttle: Throttle, context: SourceContext, position: number | undefined) {
    this.#load = load;
    this.#throttle = throttle;
    this.#context = context;
    this.#next = position === undefined ? context.partition : position + load.partitions;
  }

  async pull(max: number): Promise<Pulled> {
    const items: SourceItem[] = [];
    for (;;) {
      const now = Date.now();
      while (items.length < max && this.#passes(now)) {
        const n = this.#next;
        items.push({ value: itemOf(this.#load, n), position: n, timestamp: timeOf(this.#load, n) });
        this.#next += this.#load.partitions;
      }
      const done = this.#next >= this.#throttle.records;
      if (items.length > 0 || done || this.#context.signal.aborted) return { items, done };
      await new Promise<void>((resolve) => void this.#context.clock.after(LOOK, resolve));
    }
  }

  #passes(now: number): boolean {
    const n = this.#next;
    return n < Math.min(this.#throttle.records, this.#throttle.limit) && dueAt(this.#load, this.#throttle.startAt, n) <= now;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
