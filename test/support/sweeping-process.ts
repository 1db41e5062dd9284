/**
 * A process of its own for `test/crash/sweep.test.ts`: fills a store with what is dropped afterwards, or runs the code that
 * has lost it, and kills itself at the commit of the sweep that comes after so many, before it is applied or behind that.
 * Its arguments: the store, "fill" or "sweep", how many sweeping commits pass ("-" for all), "before" or "behind".
 */
import { systemClock } from "../../src/clock.ts";
import { byHand, fromIterable, LmdbStore, type Positioned, RedisStore, run } from "../../src/index.ts";
import type { Commit, OpenOptions, PipelineStore, Store } from "../../src/store/index.ts";
import { DROP, dropping, NEW, OLD, type Visit } from "./dropping.ts";

const [, , where = "", what = "fill", passes = "-", side = "before"] = process.argv;
const KEYS = 2_400;
let left = passes === "-" ? Number.POSITIVE_INFINITY : Number(passes);

async function* visits(after: number | undefined): AsyncGenerator<Positioned<Visit, number>> {
  for (let n = (after ?? -1) + 1; n < KEYS; n++) yield { value: { key: `k${n}` }, position: n, timestamp: 1_000 };
  await new Promise<never>(() => {});
}

const sweeps = ({ consumed, stateFields, timerDeletes }: Commit): boolean => consumed === undefined && stateFields.length + timerDeletes.length > 0;

const strike = (): never => {
  process.kill(process.pid, "SIGKILL");
  for (;;);
};

function striking(store: PipelineStore): PipelineStore {
  const commit: PipelineStore["commit"] = async (commits) => {
    const isDue = commits.some(sweeps) && left-- === 0;
    if (isDue && side === "before") strike();
    const reply = await store.commit(commits);
    return isDue ? strike() : reply;
  };
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = name === "commit" ? commit : Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

let opened: PipelineStore | undefined;
const inner = where.startsWith("lmdb:") ? new LmdbStore(where.slice(5)) : new RedisStore(where);
const store: Store = { kind: "store", open: async (options: OpenOptions) => striking((opened = await inner.open(options))) };
const pipeline = dropping(fromIterable<Visit, number>(visits, { watermark: byHand() }), what === "fill" ? OLD : NEW);
const running = await run(pipeline, { store, leaseMs: 200, drop: what === "fill" ? [] : DROP, log: () => {} });
const graph = await opened?.readGraph();
const { id = 0, shards = 0 } = graph?.participants.find(({ name }) => name === "visits") ?? {};
for (;;) {
  const { state = 0, timers = 0, queued = 0 } = (await opened?.countEntries(id, shards)) ?? {};
  const isDone = what === "fill" ? state === 2 * KEYS && queued === 0 : state === KEYS && timers === KEYS;
  if (isDone) break;
  await new Promise<void>((resolve) => systemClock.after(5, resolve));
}
await running.stop();
process.stdout.write("done\n");
