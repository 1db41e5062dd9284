/**
 * The edges of a pipeline under test: injectors that give what the test pushes, and taps that keep what every stream
 * carried. They keep to the contracts of `injectors/injector.ts` and `sinks/sink.ts`, so a crash costs nothing here either.
 */
import type { InjectorSource, Pulled, SourceContext, SourceItem, SourceReader } from "../injectors/injector.ts";
import type { StreamRecord } from "../record.ts";
import type { SinkTarget, SinkWriter } from "../sinks/sink.ts";
import { END } from "../time.ts";
import { byHand } from "../watermark/by-hand.ts";
import type { WatermarkPolicy } from "../watermark/policy.ts";

/** Gives, in order, what was pushed; its position is how many items were given. */
export class PushedSource implements InjectorSource {
  readonly kind = "injector";
  readonly description: string;
  readonly partitions = 1;
  readonly schema: InjectorSource["schema"];
  readonly timestamp = undefined;
  readonly id: InjectorSource["id"];
  readonly idRetention: number;
  readonly deduplicate: boolean | undefined;
  readonly watermark: WatermarkPolicy;
  readonly maxAhead: number;
  readonly #log: SourceItem[] = [];
  #done = false;
  /** Silent as far as the pipeline can tell, until something is pushed. */
  #quiet = false;
  /** Times that a reader was made to look although nothing came. */
  #nudges = 0;
  #wake: (() => void) | undefined = undefined;

  constructor(name: string, original: InjectorSource) {
    this.description = `test of ${name}`;
    this.schema = original.schema;
    this.id = original.id;
    this.idRetention = original.idRetention;
    this.deduplicate = original.deduplicate;
    this.maxAhead = original.maxAhead;
    this.watermark = Object.defineProperty({ ...byHand() }, "idleAfter", { get: () => (this.#quiet ? 0 : undefined) });
  }

  push(value: unknown, timestamp: number, given: string | undefined): void {
    const position = this.#log.length + 1;
    const id = given ?? (this.id === "item" ? `test-${position}` : undefined);
    this.#add({ value, timestamp, id, position });
  }

  promise(watermark: number): void {
    this.#add({ value: undefined, mark: true, watermark: Math.min(watermark, END), position: this.#log.length + 1 });
  }

  finish(): void {
    this.#done = true;
    this.#wake?.();
  }

  /** Nothing is to be expected of it, until something is pushed. */
  rest(): void {
    this.#quiet = true;
    this.#nudges++;
    this.#wake?.();
  }

  #add(item: SourceItem): void {
    this.#quiet = false;
    this.#log.push(item);
    this.#wake?.();
  }

  open({ signal }: SourceContext, position: unknown): Promise<SourceReader> {
    let at = (position as number | undefined) ?? 0;
    signal.addEventListener("abort", () => this.#wake?.(), { once: true });
    const pull = async (max: number): Promise<Pulled> => {
      const nudges = this.#nudges;
      while (at >= this.#log.length && !this.#done && !signal.aborted && nudges === this.#nudges) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      const items = this.#log.slice(at, at + max);
      at += items.length;
      return { items, done: this.#done && at >= this.#log.length };
    };
    return Promise.resolve({ pull, close: () => Promise.resolve() });
  }
}

/** A source that goes by the clock, until the test ends it. */
export class ClockedSource implements InjectorSource {
  readonly kind = "injector";
  readonly description: string;
  readonly partitions: number;
  readonly schema: InjectorSource["schema"];
  readonly timestamp: InjectorSource["timestamp"];
  readonly id: InjectorSource["id"];
  readonly idRetention: number;
  readonly deduplicate: boolean | undefined;
  readonly watermark: InjectorSource["watermark"];
  readonly maxAhead: number;
  readonly #original: InjectorSource;
  #done = false;
  readonly #ends = new Set<() => void>();

  constructor(original: InjectorSource) {
    this.#original = original;
    this.description = original.description;
    this.partitions = original.partitions;
    this.schema = original.schema;
    this.timestamp = original.timestamp;
    this.id = original.id;
    this.idRetention = original.idRetention;
    this.deduplicate = original.deduplicate;
    this.watermark = original.watermark;
    this.maxAhead = original.maxAhead;
  }

  finish(): void {
    this.#done = true;
    for (const end of this.#ends) end();
  }

  /** Its end comes as the end of its worker would; what it gives then is its last. */
  async open(context: SourceContext, position: unknown): Promise<SourceReader> {
    const end = new AbortController();
    const abort = () => end.abort();
    context.signal.addEventListener("abort", abort, { once: true });
    this.#ends.add(abort);
    const reader = await this.#original.open({ ...context, signal: end.signal }, position);
    if (this.#done) abort();
    const pull = async (max: number): Promise<Pulled> => {
      const { items, done } = await reader.pull(max);
      return { items, done: done || this.#done };
    };
    const close = async (): Promise<void> => {
      this.#ends.delete(abort);
      await reader.close();
    };
    return { pull, close };
  }
}

/** Keeps all records of a stream; a crash takes back what was not committed. */
export class Tap implements SinkTarget {
  readonly kind = "sink";
  readonly description: string;
  readonly attempts = Number.POSITIVE_INFINITY;
  readonly records: StreamRecord<unknown>[] = [];

  constructor(stream: string) {
    this.description = `tap of ${stream}`;
  }

  open(checkpoint: unknown): Promise<SinkWriter> {
    this.records.length = (checkpoint as number | undefined) ?? 0;
    const write = (records: readonly StreamRecord<unknown>[]) => {
      this.records.push(...records);
      return Promise.resolve(this.records.length);
    };
    return Promise.resolve({ initial: 0, write, close: () => Promise.resolve() });
  }
}

/** Takes a sink's place: a test writes nothing outside. What the stream carried is in its tap. */
export function discard(original: SinkTarget): SinkTarget {
  const writer: SinkWriter = { write: () => Promise.resolve(undefined), close: () => Promise.resolve() };
  return { kind: "sink", description: original.description, attempts: original.attempts, open: () => Promise.resolve(writer) };
}
