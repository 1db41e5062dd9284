/**
 * The pipeline that is put under faults: three stages, each keyed anew, timers of both kinds, sums that double when work
 * is done twice, and one append-only stream of lines that the verifier reads. It checks nothing that the verifier checks;
 * what only it can see (a count that jumped, a record that is late) it writes into the line.
 */
import { Computation, type Context, input, output, Pipeline, type Sink, state, stream, type StreamRecord, type Timer, timer, timers } from "../src/index.ts";
import { groupOf, type Item, type Load, WINDOW, windowOf } from "./load.ts";
import { numbersOf, type Throttle } from "./numbers.ts";
import { type Sum, sums } from "./versions.ts";

const PIPELINE = "chaos";
/** ms that a group gathers before it writes what it has. */
const GATHER = 50;

interface Counted {
  readonly key: string;
  readonly n: number;
  readonly amount: number;
  /** The key's records so far, this one included, and their sum. */
  readonly count: number;
  readonly sum: number;
  readonly late: boolean;
}
interface Closed {
  readonly key: string;
  readonly start: number;
  readonly count: number;
  readonly sum: number;
}
interface Part {
  readonly group: string;
  readonly part: number;
  readonly count: number;
  readonly sum: number;
}
/** One line of the stream that is verified. `wrong`: what the last stage found amiss. */
export type Line =
  | ({ readonly kind: "record"; readonly wrong?: string | undefined } & Counted)
  | ({ readonly kind: "window"; readonly wrong?: string | undefined } & Closed)
  | ({ readonly kind: "part"; readonly wrong?: string | undefined } & Part);

const numbers = stream<Item>("numbers");
const counted = stream<Counted>("counted");
const grouped = stream<Counted>("grouped");
const closed = stream<Closed>("closed");
const parts = stream<Part>("parts");
const lines = stream<Line>("lines");

const NOTHING: Sum = { count: 0, sum: 0 };
const plus = (to: Sum, amount: number): Sum => ({ count: to.count + 1, sum: to.sum + amount });

/** Counts by key, and by key and window of event time; each window is told when the watermark has passed its end. */
class Counter extends Computation {
  readonly numbers = input(numbers, { key: (item) => item.key });
  readonly counted = output(counted);
  readonly closed = output(closed);
  readonly total;
  readonly windows = state("windows", { initial: new Map<number, Sum>() });
  readonly closing = timers<number>("closing");
  readonly #load: Load;

  constructor(load: Load, code: number) {
    super();
    this.total = state("total", { initial: NOTHING, codec: sums(code) });
    this.#load = load;
  }

  override processRecord(record: StreamRecord<Item>, context: Context): void | Promise<void> {
    const { hangs } = this.#load;
    if (record.value.n !== hangs?.n) return this.#count(record, context);
    return new Promise<void>((resolve) => setTimeout(resolve, hangs.ms)).then(() => this.#count(record, context));
  }

  #count(record: StreamRecord<Item>, context: Context): void {
    const { n, amount } = record.value;
    const total = plus(context.state(this.total).get(), amount);
    context.state(this.total).set(total);
    context.produce(this.counted, { key: context.key, n, amount, ...total, late: record.late });
    const start = windowOf(record.timestamp);
    context.state(this.windows).update((windows) => void windows.set(start, plus(windows.get(start) ?? NOTHING, amount)));
    context.setTimer(this.closing.for(start), start + WINDOW);
  }

  override processTimer({ tag }: Timer<number>, context: Context): void {
    const sum = context.state(this.windows).get().get(tag) ?? NOTHING;
    context.produce(this.closed, { key: context.key, start: tag, ...sum });
    context.state(this.windows).update((windows) => void windows.delete(tag));
  }
}

/** Passes records on, and adds up what came of a group until a timer of processing time fires. */
class Groups extends Computation {
  readonly counted = input(counted, { key: ({ key }) => groupOf(key) });
  readonly grouped = output(grouped);
  readonly parts = output(parts);
  readonly gathered = state("gathered", { initial: { part: 0, count: 0, sum: 0 } });
  readonly telling = timer("telling", { clock: "wall" });

  override processRecord(record: StreamRecord<Counted>, context: Context): void {
    const gathered = context.state(this.gathered).get();
    if (gathered.count === 0) context.setTimer(this.telling, context.now() + GATHER);
    context.state(this.gathered).set({ part: gathered.part, ...plus(gathered, record.value.amount) });
    context.produce(this.grouped, { ...record.value, late: record.value.late || record.late });
  }

  override processTimer(_: Timer, context: Context): void {
    const { part, count, sum } = context.state(this.gathered).get();
    context.state(this.gathered).set({ part: part + 1, ...NOTHING });
    context.produce(this.parts, { group: context.key, part, count, sum });
  }
}

/** Brings everything together by key, counts once more, and writes a line for each. */
class Ledger extends Computation {
  readonly grouped = input(grouped, { key: ({ key }) => `ledger ${key}` });
  readonly closed = input(closed, { key: ({ key }) => `ledger ${key}` });
  readonly parts = input(parts, { key: ({ group }) => group });
  readonly lines = output(lines);
  readonly total;
  readonly #seen: (n: number) => void;

  constructor(seen: (n: number) => void, code: number) {
    super();
    this.total = state("total", { initial: NOTHING, codec: sums(code) });
    this.#seen = seen;
  }

  override processRecord(record: StreamRecord<Counted> | StreamRecord<Closed> | StreamRecord<Part>, context: Context): void {
    if (record.is(this.grouped)) {
      const total = plus(context.state(this.total).get(), record.value.amount);
      context.state(this.total).set(total);
      const { count, sum, late, n } = record.value;
      const wrong = total.count === count && total.sum === sum ? undefined : `counted ${total.count} and ${total.sum}`;
      context.produce(this.lines, { kind: "record", ...record.value, late: late || record.late, wrong });
      this.#seen(n);
    } else if (record.is(this.closed)) context.produce(this.lines, { kind: "window", ...record.value });
    else if (record.is(this.parts)) {
      const total = plus(context.state(this.total).get(), record.value.sum);
      context.state(this.total).set(total);
      const wrong = total.count === record.value.part + 1 ? undefined : `part ${record.value.part} is the ${total.count}th`;
      context.produce(this.lines, { kind: "part", ...record.value, wrong });
    }
  }
}

export interface ChaosPipelineOptions {
  readonly load: Load;
  readonly shards: number;
  readonly throttle: Throttle;
  readonly sink: Sink<Line>;
  /** The version of the code, as far as it shows in what is stored. */
  readonly code: number;
  /** Called when the last stage works on a record: not committed yet, and not for the only time where work is done again. */
  readonly seen: (n: number) => void;
}

export function chaosPipeline({ load, shards, throttle, sink, code, seen }: ChaosPipelineOptions): Pipeline {
  return new Pipeline(PIPELINE, { shards })
    .inject("numbers", numbers, numbersOf(load, throttle))
    .compute("counter", () => new Counter(load, code))
    .compute("groups", Groups)
    .compute("ledger", () => new Ledger(seen, code))
    .sink("lines", lines, sink);
}
