/** The stored graph against the code's: every kind of name is changed over a pipeline that was killed with data in it. */
import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import {
  type Codec,
  Computation,
  type Context,
  IncompatibleDataError,
  injector,
  input,
  json,
  MemoryStore,
  output,
  Pipeline,
  sink,
  state,
  stream,
  type StreamRecord,
  timer,
  toCallback,
} from "../../src/index.ts";
import { systemRandom } from "../../src/random.ts";
import type { PipelineStore } from "../../src/store/store.ts";
import { byHand } from "../../src/watermark/by-hand.ts";
import { type Plan } from "../../src/worker/plan.ts";
import { reconcile } from "../../src/worker/reconcile.ts";
import { startWorker } from "../../src/worker/worker.ts";

interface Names {
  readonly injector?: string;
  readonly computation?: string;
  readonly input?: string;
  readonly cell?: string;
  readonly timer?: string;
  readonly sink?: string;
  readonly stream?: string;
  readonly shards?: number;
  readonly cellCodec?: Codec<number>;
  readonly clock?: "watermark" | "wall";
  /** Says that every name that differs is a new name of the old thing. */
  readonly renamed?: boolean;
}

const total = stream<number>("totals");

/** A pipeline whose every durable name can be told. Its source gives three records and then waits for ever. */
function pipeline(names: Names = {}): Pipeline {
  const from = (now: string | undefined, before: string) => (names.renamed && now !== undefined && now !== before ? { renamedFrom: before } : {});
  const numbers = stream<number>(names.stream ?? "numbers");
  class Sum extends Computation {
    readonly numbers = input(numbers, { key: () => "all", name: names.input ?? "numbers", ...from(names.input, "numbers") });
    readonly totals = output(total);
    readonly sum =
      names.cellCodec === undefined
        ? state<number>(names.cell ?? "sum", { initial: 0, ...from(names.cell, "sum") })
        : state<number>(names.cell ?? "sum", { initial: 0, codec: names.cellCodec });
    readonly later = timer(names.timer ?? "later", { clock: names.clock ?? "watermark", ...from(names.timer, "later") });
    override processRecord(record: StreamRecord<number>, context: Context): void {
      context.state(this.sum).update((sum) => sum + record.value);
      context.setTimer(this.later, 1_000_000);
      context.produce(this.totals, context.state(this.sum).get());
    }
    override processTimer(): void {}
  }
  const source = injector<number>({
    kind: "injector",
    description: "three numbers",
    partitions: 1,
    timestamp: undefined,
    id: undefined,
    idRetention: 0,
    watermark: byHand(),
    maxAhead: Number.POSITIVE_INFINITY,
    open: ({ signal }, position) => {
      let at = (position as number | undefined) ?? 0;
      const pull = async () => {
        if (at < 3) return { items: [{ value: ++at, timestamp: at, position: at }], done: false };
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        return { items: [], done: false };
      };
      return Promise.resolve({ pull, close: () => Promise.resolve() });
    },
  });
  const stuck = sink<number>({
    kind: "sink",
    description: "never writes",
    attempts: 1,
    open: () => Promise.resolve({ initial: 0, write: () => new Promise(() => {}), close: () => Promise.resolve() }),
  });
  return new Pipeline("renamed", { shards: names.shards ?? 2 })
    .inject(names.injector ?? "in", numbers, source, from(names.injector, "in"))
    .compute(names.computation ?? "sum", Sum, from(names.computation, "sum"))
    .sink(names.sink ?? "out", total, stuck, from(names.sink, "out"));
}

const open = (store: MemoryStore): Promise<PipelineStore> => store.open({ pipeline: "renamed", clock: systemClock, random: systemRandom });

function work(plan: Plan, store: PipelineStore) {
  return startWorker({
    plan,
    store,
    clock: systemClock,
    random: systemRandom,
    leaseMs: 10_000,
    batchRecords: 256,
    cacheBytes: 1 << 20,
    frozen: true,
    log: () => {},
  });
}

/** A store in which a worker of the pipeline died with state, a timer, and records waiting for a sink that never wrote. */
async function killed(): Promise<MemoryStore> {
  const memory = new MemoryStore();
  const store = await open(memory);
  const plan = await reconcile(store, pipeline().graph(), []);
  const worker = work(plan, store);
  const sum = plan.participants.find((participant) => participant.name === "sum");
  const out = plan.participants.find((participant) => participant.name === "out");
  await expect
    .poll(async () => {
      const counts = [await store.countEntries(sum?.id as number, 2), await store.countEntries(out?.id as number, 1)] as const;
      return [counts[0].state, counts[0].timers, counts[1].queued];
    })
    .toEqual([1, 1, 3]);
  await worker.driver.halt();
  return memory;
}

const start = async (memory: MemoryStore, names: Names, drop: readonly string[] = []): Promise<Plan> =>
  reconcile(await open(memory), pipeline(names).graph(), drop);
const orphansOf =
  (names: Names, drop: readonly string[] = []) =>
  async () => {
    const error = await start(await killed(), names, drop).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(IncompatibleDataError);
    return (error as IncompatibleDataError).orphans.join("; ");
  };

test("the same code starts again, and changes nothing that is stored", async () => {
  const memory = await killed();
  expect((await start(memory, {})).version).toBe(1);
});

test.each([
  ["a computation", { computation: "adder" }, /computation "sum": 1 entries of state, 1 timers/],
  ["a sink", { sink: "report" }, /sink "out": .*3 records waiting/],
  ["an injector, whose checkpoint would be lost,", { injector: "feed" }, /injector "in": its checkpoint/],
  ["a cell", { cell: "total" }, /state "sum" of computation "sum": .*1 entries of state/],
  ["a timer", { timer: "alarm" }, /timer "later" of computation "sum": .*1 timers/],
] as const)("%s that the code no longer names, with data behind it, is refused with what would be orphaned", async (_kind, names, orphan) => {
  expect(await orphansOf(names)()).toMatch(orphan);
});

test.each([
  ["a computation", { computation: "adder" }],
  ["a sink", { sink: "report" }],
  ["a cell", { cell: "total" }],
  ["a timer", { timer: "alarm" }],
  ["an input", { input: "figures" }],
  ["an injector", { injector: "feed" }],
  ["everything at once", { computation: "adder", sink: "report", cell: "total", timer: "alarm", input: "figures", injector: "feed" }],
] as const)("%s that says renamedFrom takes over what is stored", async (_kind, names) => {
  const memory = await killed();
  const before = await (await open(memory)).readGraph();
  const plan = await start(memory, { ...names, renamed: true });
  expect(plan.version).toBe(2);
  const ids = (graph: typeof before) =>
    graph?.participants.map(({ id, cells, timers, inputs }) => [
      id,
      cells.map((each) => each.id),
      timers.map((each) => each.id),
      inputs.map((each) => each.id),
    ]);
  expect(ids(plan.stored)).toEqual(ids(before));
});

test("what is dropped by name is gone, and only that", async () => {
  const memory = await killed();
  const plan = await start(memory, { computation: "adder" }, ["sum"]);
  const store = await open(memory);
  expect(plan.stored.participants.map((participant) => participant.name).sort()).toEqual(["adder", "in", "out"]);
  const adder = plan.participants.find((participant) => participant.name === "adder");
  expect((await store.countEntries(adder?.id as number, 2)).state).toBe(0);
  const out = plan.participants.find((participant) => participant.name === "out");
  expect((await store.countEntries(out?.id as number, 1)).queued).toBe(3);
});

test("a timer that was dropped by name is left behind and harms no one", async () => {
  const memory = await killed();
  const plan = await start(memory, { timer: "alarm" }, ["sum/later"]);
  const store = await open(memory);
  const worker = work(plan, store);
  await expect.poll(() => worker.engine.ownership.complete).toBe(true);
  await worker.driver.stop(1);
});

test("a name to drop that is still in the code drops nothing", async () => {
  const memory = await killed();
  await expect(start(memory, {}, ["sum"])).rejects.toThrow(/still in the code/);
  expect((await (await open(memory)).readGraph())?.version).toBe(1);
});

test("another number of shards, another kind under a name, another codec and another clock are refused, and say what to do", async () => {
  const memory = await killed();
  await expect(start(memory, { shards: 4 })).rejects.toThrow(/has data in 2 shards, its code says 4.*shards: 2/);
  await expect(start(memory, { computation: "out", sink: "sum" })).rejects.toThrow(
    /"out" is stored as a sink and is a computation|"sum" is stored as a computation and is a sink/,
  );
  expect(await orphansOf({ cellCodec: json<number>() })()).toMatch(/state "sum" of "sum" was encoded with codec "cbor" and has codec "json" now/);
  expect(await orphansOf({ clock: "wall" })()).toMatch(/timer "later" of "sum" was set on the watermark clock and is on the wall clock now/);
});

test("a consumer that is added starts with what is produced from then on, and moves no one's ids", async () => {
  const memory = await killed();
  const store = await open(memory);
  const more = pipeline().sink(
    "copy",
    total,
    toCallback<number>(() => {}),
  );
  const plan = await reconcile(store, more.graph(), []);
  const copy = plan.participants.find((participant) => participant.name === "copy");
  expect((await store.countEntries(copy?.id as number, 1)).queued).toBe(0);
  expect(copy?.id).toBeGreaterThan(Math.max(...plan.participants.filter((participant) => participant !== copy).map((participant) => participant.id)));
});
