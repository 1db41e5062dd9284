/**
 * A process of its own for `test/crash/real-processes.test.ts`: counts numbers, with timers and late records, on a real
 * store, and strikes itself down at a place of a worker's life (docs/correctness.md) the time that it is reached after
 * so many. Its arguments: the store, the place ("-" for none), the signal, how often the place is passed first.
 */
import { systemClock } from "../../src/clock.ts";
import {
  ascending,
  Computation,
  type Context,
  fromIterable,
  input,
  LmdbStore,
  Pipeline,
  type Positioned,
  RedisStore,
  run,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
} from "../../src/index.ts";
import { openValue } from "../../src/computation/envelope.ts";
import { shardOf, shardRef } from "../../src/key.ts";
import { workerOf } from "../../src/run.ts";
import { stateField } from "../../src/store/address.ts";
import type { OpenOptions, PipelineStore, Store } from "../../src/store/index.ts";

const [, , where = "", place = "-", signal = "SIGKILL", after = "0"] = process.argv;
let left = Number(after);

function reach(here: string): void {
  if (here !== place || left-- !== 0) return;
  process.stdout.write(`${here}\n`);
  // Said before the process stops: a pipe keeps what was written to it.
  process.kill(process.pid, signal as NodeJS.Signals);
}

/** Places before and after calls of the store. */
const BEFORE: Readonly<Record<string, readonly string[]>> = { commit: ["K4"], readState: ["K1"], report: ["K11"], renew: ["K12"], release: ["K13"] };
const AFTER: Readonly<Record<string, readonly string[]>> = { acquire: ["K0"], commit: ["K5"], register: ["K12"] };

let opened: PipelineStore;

function struck(inner: Store): Store {
  const open = async (options: OpenOptions): Promise<PipelineStore> => {
    opened = await inner.open(options);
    return striking(opened);
  };
  return { kind: "store", open };
}

function striking(store: PipelineStore): PipelineStore {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const method = value.bind(target) as (...args: unknown[]) => unknown;
      const [before, later] = [BEFORE[String(name)] ?? [], AFTER[String(name)] ?? []];
      if (before.length + later.length === 0) return method;
      return async (...args: unknown[]) => {
        // What a report says that has nothing to say is no place.
        const idle = name === "report" && (args[1] as unknown[]).length === 0;
        if (!idle) for (const here of before) reach(here);
        const answer = await method(...args);
        for (const here of later) reach(here);
        return answer;
      };
    },
  });
}

const RECORDS = 60;
const numbers = stream<number>("numbers");

class Count extends Computation {
  readonly numbers = input(numbers, { key: (number) => `k${number % 5}` });
  readonly counted = state("counted", { initial: { sum: 0, records: 0, late: 0, fired: 0 } });
  readonly due = timers<number>("due");
  override processRecord(record: StreamRecord<number>, context: Context): void {
    reach("K2");
    context.state(this.counted).update((counted) => {
      counted.sum += record.value;
      counted.records++;
      if (record.late) counted.late++;
    });
    if (!record.late) context.setTimer(this.due.for(record.value), record.timestamp + 25);
  }
  override processTimer(_: Timer<number>, context: Context): void {
    reach("K2");
    context.state(this.counted).update((counted) => {
      counted.fired++;
    });
  }
}

/** Each tenth is older than those before it, and late unless their promise has not come as far yet. */
async function* source(position: number | undefined): AsyncGenerator<Positioned<number, number>> {
  for (let n = (position ?? -1) + 1; n < RECORDS; n++) {
    yield { value: n, position: n, timestamp: n % 10 === 9 ? 500 + 10 * n : 1_000 + 10 * n };
    await new Promise<void>((resolve) => systemClock.after(1, resolve));
  }
}

const store = where.startsWith("lmdb:") ? new LmdbStore(where.slice(5)) : new RedisStore(where);
const pipeline = new Pipeline("struck", { shards: 2 })
  .inject("numbers", numbers, fromIterable<number, number>(source, { watermark: ascending() }))
  .compute("count", Count);
const running = await run(pipeline, { store: struck(store), batchRecords: 4, leaseMs: 500, cacheBytes: 1_000, log: () => {} });
await running.finished;
process.stdout.write(`${JSON.stringify(await counted())}\n`);
await running.stop();
process.stdout.write("finished\n");

/** What is stored of each key. */
async function counted(): Promise<unknown[]> {
  const planned = workerOf(running).engine.options.plan.participants.find(({ name }) => name === "count");
  if (planned?.kind !== "computation") throw new RangeError("the pipeline has no such computation");
  const [cell] = planned.cells;
  if (cell === undefined) throw new RangeError("the computation has no state");
  return await Promise.all(
    ["k0", "k1", "k2", "k3", "k4"].map(async (key) => {
      const [bytes] = await opened.readState(shardRef(planned.id, shardOf(key, planned.shards)), [stateField(cell.id, key)]);
      return bytes === undefined ? undefined : openValue(cell.node.codec, bytes).value;
    }),
  );
}
