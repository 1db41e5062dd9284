/**
 * The injector for any source that can start after a position: a database query, another system's log, a test's array.
 * It owns the pace at which the iterable is asked; what a position is belongs to the user.
 *
 * F1  Items are handed on in the order of the iterable, each once, and a chunk (an array) may end in the middle of a pull.
 * F2  `next` is never called while an earlier call is open; at most one result is asked for ahead of the pulls.
 * F3  A pushed promise comes after everything that the iterable has yielded before it.
 */
import { type Injector, injector, type InjectorOptions } from "../computation/edges.ts";
import type { Schema } from "../computation/schema.ts";
import { ConfigError, InjectorFailedError, messageOf } from "../errors.ts";
import { isWatermark } from "../watermark/saved-estimate.ts";
import type { Pulled, SourceContext, SourceItem, SourceReader } from "./injector.ts";
import { type InjectorSettings, injectorSettings } from "./injector-settings.ts";
import { PushedMarks } from "./pushed-marks.ts";
import { WakeUp } from "./wake-up.ts";

/** A value and where to go on after it. */
export interface PositionedValue<T, P = unknown> {
  readonly value: T;
  /** Plain data (what CBOR takes), at most a few hundred bytes. Committed with the value; a restart continues after it. */
  readonly position: P;
  /** Event time, integer ms since the epoch; the option `timestamp` goes before it. Default: the time of arrival. */
  readonly timestamp?: number | undefined;
  /** Identity, for sources that may yield one value at two positions; the option `id` goes before it. */
  readonly id?: string | undefined;
  /** No later value has a timestamp below this. Read by the policy `byHand` alone. */
  readonly watermark?: number | undefined;
}

/** A promise of event time without a value. Made by `watermarkMark`. */
export interface WatermarkMark<P = unknown> {
  readonly mark: true;
  readonly value?: undefined;
  readonly position: P;
  readonly watermark: number;
}

export type Positioned<T, P = unknown> = PositionedValue<T, P> | WatermarkMark<P>;

/** Promises, between two values, that no later one has a timestamp below `watermark`. For the policy `byHand`. */
export function watermarkMark<P>(position: P, watermark: number): WatermarkMark<P> {
  return { mark: true, position, watermark };
}

/** What an iterable may yield: one at a time, or many in an array, which is much faster. */
export type PositionedIterable<T, P = unknown> =
  | AsyncIterable<Positioned<T, P> | readonly Positioned<T, P>[]>
  | Iterable<Positioned<T, P> | readonly Positioned<T, P>[]>;

export interface IterableOptions<T> extends InjectorOptions<T> {
  /** For people, in errors and views. Default "iterable". */
  readonly description?: string | undefined;
}

/**
 * Brings in what `open` iterates over. The end of the iterable is the end of the input.
 *
 * `open` is called at the start and again after each failure or change of owner, with the position of the last
 * committed value (undefined: none yet); the iterable must go on strictly after it and yield the same values in the
 * same order as before, as far as they are still there. The iterator's `return` is called when reading ends early; a
 * `next` that waits at that moment is not interrupted by it, so whoever waits long should listen to `signal`.
 * What the iterable throws is reported with the description, and it is opened again.
 *
 * Defaults: `watermark` ascending(), `maxAhead` one hour.
 */
export function fromIterable<T, P = unknown>(
  open: (position: P | undefined, signal: AbortSignal) => PositionedIterable<unknown, P>,
  options: IterableOptions<T> & { readonly schema: Schema<T> },
): Injector<T>;
export function fromIterable<T, P = unknown>(
  open: (position: P | undefined, signal: AbortSignal) => PositionedIterable<T, P>,
  options?: IterableOptions<T>,
): Injector<T>;
export function fromIterable<T, P = unknown>(
  open: (position: P | undefined, signal: AbortSignal) => PositionedIterable<unknown, P>,
  options: IterableOptions<T> = {},
): Injector<T> {
  // Whatever was given: the description is part of what is said of it.
  const { description = "iterable" } = Object(options) as IterableOptions<T>;
  if (typeof open !== "function") throw new ConfigError(`fromIterable (${description}): give a function that opens the iterable at a position`);
  const settings = injectorSettings(`fromIterable (${description})`, options, { own: ["description"] });
  return injector<T>({
    kind: "injector",
    description,
    partitions: 1,
    ...settings,
    open: async (context, position) =>
      new IterableReader(
        description,
        settings,
        context,
        position,
        opened(description, () => open(position as P | undefined, context.signal)),
      ),
  });
}

type Yielded = Positioned<unknown> | readonly Positioned<unknown>[];
type AnyIterator = Iterator<Yielded> | AsyncIterator<Yielded>;

function opened(description: string, open: () => PositionedIterable<unknown>): AnyIterator {
  let iterable: PositionedIterable<unknown>;
  try {
    iterable = open();
  } catch (error) {
    throw new InjectorFailedError(`${description} could not be opened: ${messageOf(error)}`, { cause: error });
  }
  const given = Object(iterable) as Partial<AsyncIterable<Yielded> & Iterable<Yielded>>;
  const iterator = given[Symbol.asyncIterator]?.() ?? given[Symbol.iterator]?.();
  if (iterator !== undefined) return iterator;
  throw new ConfigError(`${description}: open gave something that is not iterable`);
}

/** Turns of the microtask queue in which a further result may arrive to join a pull: enough for generators that wait for nothing. */
const PATIENCE = 16;

class IterableReader implements SourceReader {
  readonly #description: string;
  readonly #signal: AbortSignal;
  readonly #iterator: AnyIterator;
  readonly #wakeUp = new WakeUp();
  readonly #marks: PushedMarks;
  #chunk: readonly Positioned<unknown>[] = [];
  /** In `#chunk`: what is handed on next. */
  #cursor = 0;
  #position: unknown;
  /** Is a call of `next` open? */
  #asking = false;
  #ended = false;
  #failure: Error | undefined;

  constructor(description: string, settings: InjectorSettings, context: SourceContext, position: unknown, iterator: AnyIterator) {
    this.#description = description;
    this.#signal = context.signal;
    this.#position = position;
    this.#iterator = iterator;
    this.#marks = new PushedMarks(settings.watermark, this.#wakeUp.wake);
    this.#signal.addEventListener("abort", this.#wakeUp.wake);
  }

  async pull(max: number): Promise<Pulled> {
    const items: SourceItem[] = [];
    for (;;) {
      this.#take(items, max);
      if (items.length >= max || this.#ended || this.#failure !== undefined || this.#signal.aborted) break;
      this.#ask();
      if (this.#asking && items.length > 0) await this.#turns();
      if (!this.#asking) continue;
      this.#marks.append(items, this.#position);
      if (items.length > 0) break;
      await this.#wakeUp.wait();
    }
    if (this.#cursor === this.#chunk.length) this.#marks.append(items, this.#position);
    if (items.length === 0 && this.#failure !== undefined) throw this.#failure;
    return { items, done: this.#ended && this.#cursor === this.#chunk.length };
  }

  async close(): Promise<void> {
    this.#signal.removeEventListener("abort", this.#wakeUp.wake);
    this.#marks.close();
    if (this.#ended || this.#failure !== undefined) return;
    this.#ended = true;
    try {
      const returned: unknown = this.#iterator.return?.();
      // An open `next` may wait for ever, and a generator answers `return` only after it.
      if (this.#asking) void Promise.resolve(returned).catch(() => {});
      else await returned;
    } catch (error) {
      throw new InjectorFailedError(`${this.#description} failed while it was closed: ${messageOf(error)}`, { cause: error });
    }
  }

  #take(items: SourceItem[], max: number): void {
    while (this.#cursor < this.#chunk.length && items.length < max) {
      const item = this.#chunk[this.#cursor]!;
      const wrong = wrongWith(item);
      if (wrong !== undefined) {
        this.#failure = new ConfigError(`${this.#description} yielded ${wrong}`);
        return;
      }
      items.push(item as SourceItem);
      this.#position = item.position;
      this.#cursor++;
    }
  }

  /** Calls `next`, if no call is open; its result comes at once (a plain iterable) or wakes the reader. */
  #ask(): void {
    if (this.#asking) return;
    try {
      const result: IteratorResult<Yielded> | PromiseLike<IteratorResult<Yielded>> = this.#iterator.next();
      if (!isPromiseLike(result)) {
        this.#arrived(result);
        return;
      }
      this.#asking = true;
      void result.then(
        (arrived) => this.#arrived(arrived),
        (error: unknown) => this.#failed(error),
      );
    } catch (error) {
      this.#failed(error);
    }
  }

  #arrived(result: IteratorResult<Yielded>): void {
    this.#asking = false;
    if (result.done === true) this.#ended = true;
    else {
      this.#chunk = Array.isArray(result.value) ? result.value : [result.value as Positioned<unknown>];
      this.#cursor = 0;
    }
    this.#wakeUp.wake();
  }

  #failed(error: unknown): void {
    this.#asking = false;
    this.#failure = new InjectorFailedError(`${this.#description} failed: ${messageOf(error)}`, { cause: error });
    this.#wakeUp.wake();
  }

  async #turns(): Promise<void> {
    for (let turn = 0; turn < PATIENCE && this.#asking; turn++) await Promise.resolve();
  }
}

function isPromiseLike<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { readonly then?: unknown }).then === "function";
}

/** What of an item no restart could make good; undefined: nothing. Plain JavaScript may yield anything. */
function wrongWith(item: Positioned<unknown> | undefined): string | undefined {
  if (typeof item !== "object" || item === null) return `${String(item)} where { value, position } is expected`;
  if (item.position === undefined) return "an item without a position: a restart would not know where to go on";
  if (item.watermark !== undefined && !isWatermark(item.watermark)) return `the watermark ${String(item.watermark)}, which is not integer ms since the epoch`;
  return undefined;
}
