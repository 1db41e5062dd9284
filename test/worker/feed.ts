/**
 * Edges of a pipeline in these tests: a source that gives what a test pushes, under any policy, and a target that keeps
 * what it is given. Both outlive the workers that use them, so a crash is seen from outside; both keep to their
 * contracts (`injectors/injector.ts`, `sinks/sink.ts`).
 */
import { byHand, type Injector, injector, type Sink, sink, type StreamRecord } from "../../src/index.ts";
import type { InjectorSource, ItemFate, Pulled, SourceContext, SourceItem, SourceReader } from "../../src/injectors/injector.ts";
import type { SinkWriter } from "../../src/sinks/sink.ts";

type FeedOptions = Partial<Pick<InjectorSource, "confirms" | "deduplicate" | "id" | "idRetention" | "maxAhead" | "timestamp" | "watermark">>;

/** Gives, in order, what was pushed; its position is how many items were given. */
export class Feed<T> {
  readonly #log: SourceItem[] = [];
  #ended = false;
  #wakes = new Set<() => void>();
  #failure: Error | undefined = undefined;
  /** Most items that one pull gives. */
  most = Number.POSITIVE_INFINITY;
  /** Readers opened, and items handed to any of them: what a test counts. */
  opened = 0;
  given = 0;
  /** What became of the items, as its readers were told. */
  readonly told: ItemFate[] = [];
  readonly injector: Injector<T>;

  constructor(options: FeedOptions = {}) {
    this.injector = injector<T>({
      kind: "injector",
      description: "feed",
      partitions: 1,
      timestamp: undefined,
      id: undefined,
      idRetention: 3_600_000,
      watermark: byHand(),
      maxAhead: Number.POSITIVE_INFINITY,
      ...options,
      open: async (context, position) => this.#open(context, (position as number | undefined) ?? 0),
    });
  }

  push(value: T, at?: number): this {
    return this.#add({ value, timestamp: at, position: this.#log.length + 1 });
  }

  /** Many at once, so that they come in one pull. */
  pushAll(values: readonly T[], at: (value: T, index: number) => number): this {
    values.forEach((value, i) => this.#log.push({ value, timestamp: at(value, i), position: this.#log.length + 1 }));
    return this.#wake();
  }

  promise(watermark: number): this {
    return this.#add({ value: undefined, mark: true, watermark, position: this.#log.length + 1 });
  }

  item(item: Omit<SourceItem, "position">): this {
    return this.#add({ ...item, position: this.#log.length + 1 });
  }

  end(): this {
    this.#ended = true;
    return this.#wake();
  }

  /** The next pull fails with this. */
  fail(error: Error): this {
    this.#failure = error;
    return this.#wake();
  }

  #add(item: SourceItem): this {
    this.#log.push(item);
    return this.#wake();
  }

  #wake(): this {
    for (const wake of this.#wakes) wake();
    this.#wakes.clear();
    return this;
  }

  #open({ signal }: SourceContext, position: number): SourceReader {
    this.opened++;
    let at = position;
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    const pull = async (max: number): Promise<Pulled> => {
      while (at >= this.#log.length && !this.#ended && !signal.aborted && this.#failure === undefined) {
        await new Promise<void>((resolve) => this.#wakes.add(resolve));
      }
      const failure = this.#failure;
      this.#failure = undefined;
      if (failure !== undefined) throw failure;
      const items = this.#log.slice(at, at + Math.min(max, this.most));
      at += items.length;
      this.given += items.length;
      return { items, done: this.#ended && at >= this.#log.length };
    };
    return { pull, confirm: (fates) => void this.told.push(...fates), close: () => Promise.resolve() };
  }
}

/** Keeps what it is given; opened anew, it cuts itself back to the checkpoint. */
export class Kept<T> {
  records: StreamRecord<T>[] = [];
  writes = 0;
  opened = 0;
  /** Called before each write: may wait, or throw what a target throws. */
  before: (records: readonly StreamRecord<T>[]) => void | Promise<void> = () => {};
  readonly sink: Sink<T>;

  constructor(options: { readonly attempts?: number } = {}) {
    this.sink = sink<T>({
      kind: "sink",
      description: "kept",
      attempts: options.attempts ?? Number.POSITIVE_INFINITY,
      open: async (checkpoint) => this.#open((checkpoint as number | undefined) ?? 0),
    });
  }

  get values(): T[] {
    return this.records.map((record) => record.value);
  }

  #open(checkpoint: number): SinkWriter {
    this.opened++;
    this.records.length = checkpoint;
    const write = async (records: readonly StreamRecord<unknown>[]): Promise<number> => {
      this.writes++;
      await this.before(records as readonly StreamRecord<T>[]);
      this.records.push(...(records as readonly StreamRecord<T>[]));
      return this.records.length;
    };
    return { initial: 0, write, close: () => Promise.resolve() };
  }
}
