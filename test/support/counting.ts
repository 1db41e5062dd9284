/**
 * A pipeline that goes on until it is told to end, and what a plain loop makes of the same numbers: counts per key, and
 * counts per key and window that event timers close, each in a file. For tests in which the store goes back in time.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  Computation,
  type Context,
  fromIterable,
  input,
  output,
  Pipeline,
  type Positioned,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
  toFile,
} from "../../src/index.ts";

const KEYS = 7;
const STEP = 10;
const WINDOW = 1_000;
const START = 1_000_000;
const timeOf = (n: number): number => START + n * STEP;
const keyOf = (n: number): string => `k${n % KEYS}`;

interface Total {
  readonly key: string;
  readonly count: number;
  readonly n: number;
  readonly late: boolean;
}
interface Window {
  readonly key: string;
  readonly start: number;
  readonly count: number;
}
const numbers = stream<number>("numbers");
const totals = stream<Total>("totals");
const windows = stream<Window>("windows");

class Count extends Computation {
  readonly numbers = input(numbers, { key: keyOf });
  readonly totals = output(totals);
  readonly count = state("count", { initial: 0 });
  override processRecord(record: StreamRecord<number>, context: Context): void {
    const count = context.state(this.count).get() + 1;
    context.state(this.count).set(count);
    context.produce(this.totals, { key: context.key, count, n: record.value, late: record.late });
  }
}

class Windows extends Computation {
  readonly totals = input(totals, { key: (total) => total.key });
  readonly windows = output(windows);
  readonly counts = state("counts", { initial: new Map<number, number>() });
  readonly closing = timers<number>("closing");
  override processRecord(record: StreamRecord<Total>, context: Context): void {
    const start = record.timestamp - (record.timestamp % WINDOW);
    context.state(this.counts).update((counts) => counts.set(start, (counts.get(start) ?? 0) + 1));
    context.setTimer(this.closing.for(start), start + WINDOW);
  }
  override processTimer(timer: Timer<number>, context: Context): void {
    const start = timer.tag;
    context.produce(this.windows, { key: context.key, start, count: context.state(this.counts).get().get(start) ?? 0 });
    context.state(this.counts).update((counts) => void counts.delete(start));
  }
}

/** 0, 1, 2 and so on, twenty at a time, until it is told to end; it goes on from where it is asked to. */
export class Numbers {
  /** Numbers there are; Infinity: no end yet. */
  end = Number.POSITIVE_INFINITY;
  /** The next number that is given for the first time. */
  next = 0;
  /** From where it was asked to go on, each time. */
  readonly opened: number[] = [];
  /** Called before each chunk, with the number that it begins at: a test may hold it there. */
  before: (next: number) => void | Promise<void> = () => {};
  /** ms between two chunks. */
  readonly #pause: number;

  constructor(pause = 2) {
    this.#pause = pause;
  }

  async *open(position: number | undefined): AsyncGenerator<Positioned<number, number>[]> {
    let at = position === undefined ? 0 : position + 1;
    this.opened.push(at);
    while (at < this.end) {
      await this.before(at);
      const chunk = Array.from({ length: Math.min(20, this.end - at) }, (_, i) => ({ value: at + i, position: at + i, timestamp: timeOf(at + i) }));
      at += chunk.length;
      this.next = Math.max(this.next, at);
      yield chunk;
      await delay(this.#pause);
    }
  }

  /** There are no more than have been given. */
  finish(): void {
    this.end = this.next;
  }
}

/** What was counted is written to files in `directory`. */
export function counting(numbersGiven: Numbers, directory: string): Pipeline {
  return new Pipeline("counting", { shards: 4 })
    .inject(
      "numbers",
      numbers,
      fromIterable<number, number>((position) => numbersGiven.open(position)),
    )
    .compute("count", Count)
    .compute("windows", Windows)
    .sink("totals-file", totals, toFile(join(directory, "totals.ndjson")))
    .sink("windows-file", windows, toFile(join(directory, "windows.ndjson")));
}

const linesOf = <T>(path: string): T[] =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);

/** What is wrong in the files, compared with a plain loop over the numbers below `end`; empty: nothing. */
export function differences(directory: string, end: number): string[] {
  const wrong: string[] = [];
  const all = linesOf<Total>(join(directory, "totals.ndjson"));
  if (all.length !== end) wrong.push(`${all.length} totals of ${end} numbers`);
  for (let key = 0; key < KEYS; key++) {
    const of = all.filter((total) => total.key === `k${key}`);
    of.forEach((total, i) => {
      if (total.n !== key + i * KEYS || total.count !== i + 1 || total.late) wrong.push(`total ${i} of k${key} is ${JSON.stringify(total)}`);
    });
  }
  const expected = new Map<string, number>();
  for (let n = 0; n < end; n++) {
    const name = `${keyOf(n)} ${timeOf(n) - (timeOf(n) % WINDOW)}`;
    expected.set(name, (expected.get(name) ?? 0) + 1);
  }
  const closed = linesOf<Window>(join(directory, "windows.ndjson"));
  if (closed.length !== expected.size) wrong.push(`${closed.length} windows of ${expected.size}`);
  for (const { key, start, count } of closed)
    if (expected.get(`${key} ${start}`) !== count) wrong.push(`window ${start} of ${key} counts ${count}, not ${expected.get(`${key} ${start}`)}`);
  return wrong;
}
