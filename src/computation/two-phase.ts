/**
 * An aggregation whose keys may be hot: the records of one key are first summed up under several keys, which many
 * shards share, then what came of that is merged under one. Two computations over the public API, and nothing else.
 *
 * T1  Which of its parts a record goes to follows from the record alone, as every key does.
 * T2  A part's total for a window has the last timestamp of that window and holds the watermark there until it is
 *     committed, so the merge has all of them when the window closes there.
 */
import { ConfigError } from "../errors.ts";
import { shardOf } from "../key.ts";
import { checkOptions } from "../options.ts";
import type { StreamRecord } from "../record.ts";
import { cbor } from "./cbor-codec.ts";
import { checkInteger, checkName, show } from "./checks.ts";
import { Computation } from "./computation.ts";
import type { Context } from "./context.ts";
import { type Input, input } from "./input.ts";
import { type Output, output } from "./output.ts";
import { state, type StateCell, type Value } from "./state.ts";
import type { NameFor } from "./stored.ts";
import { checkStream, type Stream, stream } from "./stream.ts";
import { type Timer, timers } from "./timer.ts";

/** What a key's records in [start, start + window) came to. Its timestamp is the last of the window. */
export interface WindowTotal<A> {
  readonly key: string;
  /** ms since the epoch, a multiple of the window. */
  readonly start: number;
  readonly value: A;
}

export interface TwoPhaseOptions<T, A> {
  /** What is aggregated, and by which key. */
  readonly from: Stream<T>;
  readonly key: (value: T) => string;
  /** What differs among the records of one key, as an id or a user does: by this they are spread over the parts. Pure. */
  readonly spreadBy: (value: T) => string;
  /** Gets one total of each key and window that has a record, when the window closes. */
  readonly to: Stream<WindowTotal<A>>;
  /** Length of the windows, ms of event time, 1 or more. A record of a window that has closed is left out. */
  readonly window: number;
  /** The total of no records. */
  readonly initial: () => A;
  /** A total with one record more; it may change the total that it is given, and gives it back. */
  readonly add: (total: A, value: T) => A;
  /** Of two totals, one. It must not matter in which order records and totals come together. */
  readonly merge: (one: A, other: A) => A;
  /** Parts of each key, 2 to 1,024: the load of one key is that of so many. Default: 16. */
  readonly parts?: number | undefined;
}

/** What `Pipeline.compute` takes, once each, under names of their own. */
export interface TwoPhase<T, A> {
  readonly partial: () => PartialTotals<T, A>;
  readonly merged: () => MergedTotals<A>;
}

const PARTS = 16;

/**
 * Aggregates by key and window in two phases. Add both computations to the pipeline. `name` is durable, and that of the
 * stream between them is made of it; of totals that would not survive the store it does not compile. ConfigError for options
 * that cannot be meant.
 */
export function twoPhase<T, A>(name: NameFor<A>, options: TwoPhaseOptions<T, A>): TwoPhase<T, A> {
  checkName("a two-phase aggregation", name);
  const where = `two-phase aggregation ${show(name)}`;
  checkOptions(where, options, ["from", "key", "spreadBy", "to", "window", "initial", "add", "merge", "parts"]);
  checkStream(`${where}: from`, options.from);
  checkStream(`${where}: to`, options.to);
  checkInteger(where, "window, ms,", options.window, 1);
  const { parts = PARTS } = options;
  checkInteger(where, "parts", parts, 2, 1_024);
  for (const each of ["key", "spreadBy", "initial", "add", "merge"] as const)
    if (typeof options[each] !== "function") throw new ConfigError(`${where}: ${each} is a function, but it is ${show(options[each])}`);
  const between = stream<WindowTotal<A>>(`${String(name)}.partials`, { codec: cbor<WindowTotal<A>>() });
  return { partial: () => new PartialTotals(options, between, parts), merged: () => new MergedTotals(options, between) };
}

/** Totals by the start of their window. */
type Windows<A> = Map<number, A>;

const windowsOf = <A>(): StateCell<Value<Windows<A>>> => state("windows", { codec: cbor<Windows<A>>(), initial: new Map<number, A>() });

/** The first phase: keyed by key and part. */
export class PartialTotals<T, A> extends Computation {
  readonly from: Input<T>;
  readonly totals: Output<WindowTotal<A>>;
  readonly windows = windowsOf<A>();
  readonly closing = timers<number>("closing");
  readonly options: TwoPhaseOptions<T, A>;

  constructor(options: TwoPhaseOptions<T, A>, between: Stream<WindowTotal<A>>, parts: number) {
    super();
    this.options = options;
    this.from = input(options.from, { key: (value) => `${shardOf(options.spreadBy(value), parts)}:${keyOf(options, value)}` });
    this.totals = output(between);
  }

  processRecord(record: StreamRecord<T>, context: Context): void {
    const { window, initial, add } = this.options;
    const start = record.timestamp - (record.timestamp % window);
    if (start + window <= context.watermark) return;
    context.state(this.windows).update((windows) => {
      if (!windows.has(start)) context.setTimer(this.closing.for(start), start + window, { output: start + window - 1 });
      windows.set(start, add(windows.has(start) ? (windows.get(start) as A) : initial(), record.value));
    });
  }

  override processTimer({ tag: start }: Timer<number>, context: Context): void {
    const key = context.key.slice(context.key.indexOf(":") + 1);
    context.produce(this.totals, { key, start, value: context.state(this.windows).get().get(start) as A });
    close(context, this.windows, start);
  }
}

/** The second phase. */
export class MergedTotals<A> extends Computation {
  readonly from: Input<WindowTotal<A>>;
  readonly to: Output<WindowTotal<A>>;
  readonly windows = windowsOf<A>();
  readonly closing = timers<number>("closing");
  readonly options: Pick<TwoPhaseOptions<never, A>, "window" | "merge">;

  constructor(options: Pick<TwoPhaseOptions<never, A>, "window" | "merge" | "to">, between: Stream<WindowTotal<A>>) {
    super();
    this.options = options;
    this.from = input(between, { key: (total) => total.key });
    this.to = output(options.to);
  }

  processRecord({ value: total }: StreamRecord<WindowTotal<A>>, context: Context): void {
    const { window, merge } = this.options;
    const { start } = total;
    if (start + window <= context.watermark) return;
    context.state(this.windows).update((windows) => {
      if (!windows.has(start)) context.setTimer(this.closing.for(start), start + window, { output: start + window - 1 });
      windows.set(start, windows.has(start) ? merge(windows.get(start) as A, total.value) : total.value);
    });
  }

  override processTimer({ tag: start }: Timer<number>, context: Context): void {
    context.produce(this.to, { key: context.key, start, value: context.state(this.windows).get().get(start) as A });
    close(context, this.windows, start);
  }
}

function close<A>(context: Context, cell: StateCell<Value<Windows<A>>>, start: number): void {
  context.state(cell).update((windows) => {
    windows.delete(start);
  });
  if (context.state(cell).get().size === 0) context.clear();
}

/** A key that is none is refused as every key is: not one that looks like one by its part. */
function keyOf<T>({ key }: Pick<TwoPhaseOptions<T, never>, "key">, value: T): string {
  const given: unknown = key(value);
  if (typeof given === "string" && given !== "") return given;
  throw new ConfigError(`the key of a two-phase aggregation is ${show(given)}; it is a string that is not empty`);
}
