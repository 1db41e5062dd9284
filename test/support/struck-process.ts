/**
 * A process of its own for `test/crash/real-processes.test.ts`: counts numbers, with timers and late records, on a real
 * store, and strikes itself down at a place of a worker's life (docs/correctness.md) the time that it is reached after
 * so many. Its arguments: the store, the place ("-" for none), the signal, how often the place is passed first, the lease.
 */
import { systemClock } from "../../src/clock.ts";
import {
  ascending,
  Computation,
  type Context,
  fromIterable,
  input,
  LmdbStore,
  output,
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
import type { Commit, OpenOptions, PipelineStore, Store } from "../../src/store/index.ts";
import { onTheLine } from "./struck-line.ts";

const [, , where = "", place = "-", signal = "SIGKILL", after = "0", leaseMs = "500"] = process.argv;
const isRedis = !where.startsWith("lmdb:");
let left = Number(after);

/** Is this the time that it is to be struck at its place? Counts the times before. */
const isDue = (here: string): boolean => here === place && left-- === 0;

function strike(): void {
  process.stdout.write(`${place}\n`);
  // Said before the process stops: a pipe keeps what was written to it.
  process.kill(process.pid, signal as NodeJS.Signals);
}

function reach(here: string): void {
  if (isDue(here)) strike();
}

/** Places before and after calls of the store; those of a commit are further below. */
const BEFORE: Readonly<Record<string, readonly string[]>> = { readState: ["K1"], report: ["K11"], renew: ["K12"], release: ["K13"] };
const AFTER: Readonly<Record<string, readonly string[]>> = { acquire: ["K0"], register: ["K12"] };

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
      if (name === "commit") return strikingCommit(target);
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

/** The places of a call that commits: those of every one, and those of what is in it. */
function placesOf(commits: readonly Commit[]): string[] {
  const places = ["K3", "K4", "K5"];
  if (commits.some(({ consumed, parcels }) => consumed !== undefined && parcels.length > 0)) places.push("K7");
  if (commits.some(({ consumed }) => consumed !== undefined)) places.push("K8");
  if (commits.some(({ ids }) => ids.length > 0)) places.push("K9");
  if (commits.some(({ idsExpireBelow }) => idsExpireBelow !== undefined)) places.push("K10");
  return places;
}

/**
 * On the line to Redis: half of it is written; all of it is; it is applied and its answer not read. To LMDB, which is in
 * this process: not yet; its thread has it; it is applied and the engine not told.
 */
function strikingCommit(store: PipelineStore): PipelineStore["commit"] {
  return async (commits) => {
    const here = placesOf(commits).find(isDue);
    if (here === undefined) return await store.commit(commits);
    if (isRedis) {
      onTheLine(commits[0]?.id ?? "", here === "K3" ? "half" : here === "K4" ? "sent" : "applied", strike);
      return await store.commit(commits);
    }
    if (here === "K3") strike();
    const answer = store.commit(commits);
    if (here === "K4") setImmediate(strike);
    const reply = await answer;
    if (here !== "K3" && here !== "K4") strike();
    return reply;
  };
}

const RECORDS = 60;
const numbers = stream<number>("numbers");
const done = stream<number>("done");

class Count extends Computation {
  readonly numbers = input(numbers, { key: (number) => `k${number % 5}` });
  readonly counted = state("counted", { initial: { sum: 0, records: 0, late: 0, fired: 0 } });
  readonly due = timers<number>("due");
  readonly done = output(done);
  override processRecord(record: StreamRecord<number>, context: Context): void {
    reach("K2");
    context.produce(this.done, record.value);
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

/** All of them, once more: what the counting gives to others. */
class Tally extends Computation {
  readonly done = input(done, { key: () => "all" });
  readonly tallied = state("tallied", { initial: { sum: 0, records: 0 } });
  override processRecord({ value }: StreamRecord<number>, context: Context): void {
    context.state(this.tallied).update((tallied) => {
      tallied.sum += value;
      tallied.records++;
    });
  }
}

/** Ids are known for longer than a record may be late, and for so short that they are forgotten on the way. */
const ID_RETENTION = 800;

/** Each tenth is older than those before it, and late unless their promise has not come as far yet. */
async function* source(position: number | undefined): AsyncGenerator<Positioned<number, number>> {
  for (let n = (position ?? -1) + 1; n < RECORDS; n++) {
    yield { value: n, position: n, timestamp: n % 10 === 9 ? 500 + 10 * n : 1_000 + 10 * n };
    await new Promise<void>((resolve) => systemClock.after(1, resolve));
  }
}

const store = isRedis ? new RedisStore(where) : new LmdbStore(where.slice(5));
const pipeline = new Pipeline("struck", { shards: 2 })
  .inject("numbers", numbers, fromIterable<number, number>(source, { watermark: ascending(), id: (n) => `n${n}`, idRetention: ID_RETENTION }))
  .compute("count", Count)
  .compute("tally", Tally);
const running = await run(pipeline, { store: struck(store), batchRecords: 4, leaseMs: Number(leaseMs), cacheBytes: 1_000, log: () => {} });
const { engine } = workerOf(running);
const heard = engine.onCommitReply.bind(engine);
engine.onCommitReply = (...answer) => {
  heard(...answer);
  reach("K6");
};
await running.finished;
const keys = ["k0", "k1", "k2", "k3", "k4"];
process.stdout.write(`${JSON.stringify([...(await cellsOf("count", keys)), ...(await cellsOf("tally", ["all"]))])}\n`);
await running.stop();
process.stdout.write("finished\n");

/** What is stored of each key in the one cell of a computation. */
async function cellsOf(computation: string, of: readonly string[]): Promise<unknown[]> {
  const planned = engine.options.plan.participants.find(({ name }) => name === computation);
  if (planned?.kind !== "computation") throw new RangeError("the pipeline has no such computation");
  const [cell] = planned.cells;
  if (cell === undefined) throw new RangeError("the computation has no state");
  return await Promise.all(
    of.map(async (key) => {
      const [bytes] = await opened.readState(shardRef(planned.id, shardOf(key, planned.shards)), [stateField(cell.id, key)]);
      return bytes === undefined ? undefined : openValue(cell.node.codec, bytes).value;
    }),
  );
}
