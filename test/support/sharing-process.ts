/**
 * A worker of its own for `test/crash/sharing.test.ts`: counts numbers by key in two stages, with whoever else does, and
 * tells in lines of JSON which shards it works on, since when. Its arguments: the store, the lease in ms, the file of the
 * sink, and the file that says that the numbers may end at the next full thousand.
 */
import { existsSync } from "node:fs";
import { systemClock } from "../../src/clock.ts";
import {
  ascending,
  Computation,
  type Context,
  fromIterable,
  input,
  output,
  Pipeline,
  type Positioned,
  RedisStore,
  run,
  state,
  stream,
  type StreamRecord,
  toFile,
} from "../../src/index.ts";
import { workerOf } from "../../src/run.ts";

const [, , url = "", lease = "", kept = "", end = ""] = process.argv;
const KEYS = 40;
const CHUNK = 20;
const tell = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`);

interface Count {
  readonly key: string;
  readonly count: number;
  readonly sum: number;
}
const numbers = stream<number>("numbers");
const counts = stream<Count>("counts");
const totals = stream<Count>("totals");

class Counter extends Computation {
  readonly numbers = input(numbers, { key: (number) => `n${number % KEYS}` });
  readonly counts = output(counts);
  readonly counted = state("counted", { initial: { count: 0, sum: 0 } });
  override processRecord(record: StreamRecord<number>, context: Context): void {
    const { count, sum } = context.state(this.counted).get();
    const counted = { count: count + 1, sum: sum + record.value };
    context.state(this.counted).set(counted);
    context.produce(this.counts, { key: record.key, ...counted });
  }
}

/** Its keys are in other shards than those of the first stage. */
class Totals extends Computation {
  readonly counts = input(counts, { key: ({ key }) => `total of ${key}` });
  readonly totals = output(totals);
  readonly last = state("last", { initial: 0 });
  override processRecord(record: StreamRecord<Count>, context: Context): void {
    const { key, count, sum } = record.value;
    if (context.state(this.last).get() !== count - 1) throw new Error(`${key} goes from ${context.state(this.last).get()} to ${count}`);
    context.state(this.last).set(count);
    context.produce(this.totals, { key, count, sum });
  }
}

async function* source(position: number | undefined): AsyncGenerator<Positioned<number, number>[]> {
  for (let n = (position ?? -1) + 1; n % 1_000 > 0 || !existsSync(end); ) {
    const chunk: Positioned<number, number>[] = [];
    do chunk.push({ value: n, position: n, timestamp: 1_000 + n });
    while (++n % CHUNK > 0);
    yield chunk;
    await new Promise<void>((resolve) => systemClock.after(10, resolve));
  }
}

const pipeline = new Pipeline("sharing", { shards: 16 })
  .inject("numbers", numbers, fromIterable<number, number>(source, { watermark: ascending() }))
  .compute("counter", Counter)
  .compute("totals", Totals)
  .sink("kept", totals, toFile(kept));
const running = await run(pipeline, { store: new RedisStore(url), leaseMs: Number(lease) });
const { name, engine } = workerOf(running);
tell({ worker: name, at: Date.now() });

const working = new Set<number>();
const look = setInterval(() => {
  const at = Date.now();
  for (const { ref, leaving } of engine.shards.values()) {
    if (!leaving && !working.has(ref)) tell({ begins: ref, at });
    if (leaving && working.delete(ref)) tell({ ends: ref, at });
    if (!leaving) working.add(ref);
  }
  for (const ref of working) if (!engine.shards.has(ref) && working.delete(ref)) tell({ ends: ref, at });
}, 2);

const signal = new Promise<string>((resolve) => process.once("SIGTERM", () => resolve("stopped")));
const how = await Promise.race([running.finished.then(() => "finished"), signal]);
await running.stop();
clearInterval(look);
tell({ how });
