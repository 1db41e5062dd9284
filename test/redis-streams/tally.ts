/** A pipeline from stream to stream whose results tell whether any entry was lost or doubled. */
import { Computation, type Context, type Injector, input, output, Pipeline, type Sink, state, stream, type StreamRecord } from "../../src/index.ts";
import { fromRedisStream, toRedisStream } from "../../src/redis-streams/index.ts";

/** The nth entry of a key, and the sum of all up to it. */
export interface Tally {
  readonly key: string;
  readonly n: number;
  readonly sum: number;
}

const numbers = stream<number>("numbers");
const tallies = stream<Tally>("tallies");
const KEYS = 5;

class Count extends Computation {
  readonly numbers = input(numbers, { key: (number) => `k${number % KEYS}` });
  readonly tallies = output(tallies);
  readonly tally = state("tally", { initial: { n: 0, sum: 0 } });
  override processRecord(record: StreamRecord<number>, context: Context): void {
    context.state(this.tally).update((tally) => {
      tally.n++;
      tally.sum += record.value;
    });
    context.produce(this.tallies, { key: context.key, ...context.state(this.tally).get() });
  }
}

/** From the streams `from` (field n) to the stream `to`; "store:<key>" is in the store itself. */
export function tallyPipeline(connection: string, from: readonly string[], to: string): Pipeline {
  const numbersIn: Injector<number> = fromRedisStream<number>(from, { connection, value: ({ n }) => Number(n) });
  const talliesOut: Sink<Tally> = to.startsWith("store:") ? toRedisStream<Tally>(to.slice(6)) : toRedisStream<Tally>(to, { connection });
  return new Pipeline(to.startsWith("store:") ? "tally-in-commits" : "tally", { shards: 2 })
    .inject("numbers", numbers, numbersIn)
    .compute("count", Count)
    .sink("tallies", tallies, talliesOut);
}

/** What the numbers from 0 to `count` make, whatever the order in which two streams brought them: (key, n), and the last sums. */
export function expectedTallies(count: number): { readonly counted: readonly string[]; readonly sums: Readonly<Record<string, number>> } {
  const counted: string[] = [];
  const sums: Record<string, number> = {};
  for (let number = 0; number < count; number++) {
    const key = `k${number % KEYS}`;
    counted.push(`${key} ${Math.floor(number / KEYS) + 1}`);
    sums[key] = (sums[key] ?? 0) + number;
  }
  return { counted: counted.sort(), sums };
}

/** The same of what is in the stream; entries of others are left out. */
export function foundTallies(entries: readonly Readonly<Record<string, string>>[]): ReturnType<typeof expectedTallies> {
  const found = entries.flatMap(({ value }) => (value === undefined ? [] : [JSON.parse(value) as Tally]));
  const last = new Map<string, Tally>();
  for (const tally of found) last.set(tally.key, tally);
  return { counted: found.map(({ key, n }) => `${key} ${n}`).sort(), sums: Object.fromEntries([...last].map(([key, { sum }]) => [key, sum])) };
}
