/** Durable names over a pipeline that was killed with data behind each of them: renamed, dropped, or refused with what would be lost. */
import { describe, expect, test } from "vitest";
import {
  type Codec,
  Computation,
  type ComputeOptions,
  type Context,
  exponential,
  IncompatibleDataError,
  input,
  json,
  MemoryStore,
  output,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
} from "../../src/index.ts";
import { Feed, Kept } from "./feed.ts";
import type { Step } from "./probe.ts";
import { Rig } from "./rig.ts";

const steps = stream<Step>("steps");
const results = stream<string>("results");

/** What a change of code may change; what is not said stays. */
interface Code {
  readonly injector?: { name: string; renamedFrom?: string };
  readonly computation?: { name: string; renamedFrom?: string };
  readonly sink?: { name: string; renamedFrom?: string };
  readonly cell?: { name?: string; renamedFrom?: string; codec?: Codec<string[]> };
  readonly timer?: { name?: string; renamedFrom?: string; clock?: "wall" };
  readonly input?: { name: string; renamedFrom?: string };
  readonly stream?: typeof steps;
  readonly shards?: number;
  readonly swapped?: boolean;
  readonly onFailure?: "park";
}

const feed = () => new Feed<Step>();

function program(code: Code, edges: { feed: Feed<Step>; kept: Kept<string> }): Pipeline {
  const { cell = {}, timer = {} } = code;
  const from = code.stream ?? steps;
  class Calc extends Computation {
    readonly steps = input(from, { key: (step) => step.key, ...code.input });
    readonly results = output(results);
    readonly seen = state(cell.name ?? "seen", { initial: [] as string[], codec: cell.codec ?? json<string[]>(), renamedFrom: cell.renamedFrom });
    readonly due = timers<string>(timer.name ?? "due", { renamedFrom: timer.renamedFrom, ...(timer.clock === undefined ? {} : { clock: timer.clock }) });
    processRecord(record: StreamRecord<Step>, context: Context) {
      if (record.value.do === "stuck") throw new Error("stuck");
      context.state(this.seen).update((seen) => void seen.push(record.value.do));
      context.setTimer(this.due.for(record.value.do), 2_000_000);
      context.produce(this.results, `${context.key}:${context.state(this.seen).get().join("")}`);
    }
    override processTimer(fired: Timer<string>, context: Context) {
      context.produce(this.results, `${context.key} ${fired.tag} of ${context.state(this.seen).get().join("")}`);
    }
  }
  const compute: ComputeOptions = {
    attempts: 2,
    backoff: exponential(1_000, 1_000),
    onFailure: code.onFailure ?? "halt-key",
    renamedFrom: code.computation?.renamedFrom,
  };
  const pipeline = new Pipeline("named", { shards: code.shards ?? 2 });
  pipeline.inject(code.injector?.name ?? "in", from, edges.feed.injector, { renamedFrom: code.injector?.renamedFrom });
  if (code.swapped) return pipeline.sink("calc", from, new Kept<Step>().sink).sink("out", from, new Kept<Step>().sink);
  pipeline.compute(code.computation?.name ?? "calc", Calc, compute);
  return pipeline.sink(code.sink?.name ?? "out", results, edges.kept.sink, { renamedFrom: code.sink?.renamedFrom });
}

/** A pipeline that was killed with state, timers, a held record, dead letters at its door and records waiting in the sink's inbox. */
async function killed() {
  const edges = { feed: feed(), kept: new Kept<string>() };
  const rig = await Rig.start(program({}, edges));
  edges.feed
    .push({ key: "k", do: "a" }, 1)
    .push({ key: "k", do: "b" }, 2)
    .push({ key: "h", do: "stuck" }, 4_000_000)
    .push({ key: "k", do: "never" }, Number.NaN);
  await rig.rest();
  edges.kept.before = () => new Promise<void>(() => {});
  edges.feed.push({ key: "z", do: "c" }, 4);
  await rig.turns(40);
  await rig.kill();
  edges.kept.before = () => {};
  return { edges, rig };
}

async function restarted(code: Code, drop: readonly string[] = []) {
  const { edges, rig } = await killed();
  await rig.crash(program(code, edges), drop);
  return { edges, rig };
}

const goOn = async ({ edges, rig }: Awaited<ReturnType<typeof restarted>>) => {
  edges.feed.push({ key: "k", do: "d" }, 5);
  await rig.rest();
  edges.feed.promise(3_000_000);
  await rig.rest();
};

const whole = ["k:a", "k:ab", "z:c", "k:abd"];

describe("data that the code no longer names is refused with what would be lost:", () => {
  const refused: readonly (readonly [string, Code, RegExp])[] = [
    ["an injector", { injector: { name: "in2" } }, /injector "in": its checkpoint, 1 dead letter/],
    ["a computation", { computation: { name: "calc2" } }, /computation "calc": .*entries of state, 3 timers, 1 held record/],
    ["a sink", { sink: { name: "out2" } }, /sink "out": 1 records? waiting/],
    ["a cell", { cell: { name: "seen2" } }, /state "seen" of computation "calc": computation "calc" has 2 entries of state/],
    ["a timer", { timer: { name: "due2" } }, /timer "due" of computation "calc": computation "calc" has 3 timers/],
    ["an input", { input: { name: "steps2" } }, /input "steps" of computation "calc": computation "calc" has 1 held record/],
    [
      "a codec",
      { cell: { codec: { id: "other", version: 0, encode: () => new Uint8Array(), decode: () => [] } } },
      /"seen".* codec "json" and has codec "other"/,
    ],
    ["a timer's clock", { timer: { clock: "wall" } }, /"due".* on the watermark clock and is on the wall clock/],
    ["an input's stream", { stream: stream<Step>("steps2"), input: { name: "steps" } }, /input "steps".* read stream "steps" and reads "steps2"/],
    ["what kind a name is of", { swapped: true }, /"calc" is stored as a computation and is a sink/],
    ["the number of shards", { shards: 4 }, /has data in 2 shards, its code says 4/],
  ];

  test.each(refused)("%s", async (_what, code, message) => {
    const { edges, rig } = await killed();
    const error = await rig.crash(program(code, edges)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(IncompatibleDataError);
    expect((error as Error).message).toMatch(message);
    // Nothing was written: the old code goes on.
    await rig.crash(program({}, edges));
    await goOn({ edges, rig });
    expect(edges.kept.values.filter((value) => value.includes(":"))).toEqual(whole);
  });
});

describe("renamedFrom takes over the data of", () => {
  const renamed: readonly (readonly [string, Code])[] = [
    ["an injector", { injector: { name: "in2", renamedFrom: "in" } }],
    ["a computation", { computation: { name: "calc2", renamedFrom: "calc" } }],
    ["a sink", { sink: { name: "out2", renamedFrom: "out" } }],
    ["a cell", { cell: { name: "seen2", renamedFrom: "seen" } }],
    ["a timer", { timer: { name: "due2", renamedFrom: "due" } }],
    ["an input", { input: { name: "steps2", renamedFrom: "steps" } }],
    [
      "everything at once",
      {
        injector: { name: "i", renamedFrom: "in" },
        computation: { name: "c", renamedFrom: "calc" },
        sink: { name: "o", renamedFrom: "out" },
        cell: { name: "s", renamedFrom: "seen" },
        timer: { name: "t", renamedFrom: "due" },
      },
    ],
  ];

  test.each(renamed)("%s: it goes on as if nothing had happened", async (_what, code) => {
    const { edges, rig } = await restarted(code);
    await goOn({ edges, rig });
    expect(edges.kept.values.filter((value) => value.includes(":"))).toEqual(whole);
    expect(edges.kept.values.filter((value) => value.includes(" of ")).sort()).toEqual(["k a of abd", "k b of abd", "k d of abd", "z c of c"]);
    expect(await rig.stored(code.computation?.name ?? "calc")).toMatchObject({ held: 1, timers: 0 });
    // The name may be left out of renamedFrom again.
    const again = JSON.parse(JSON.stringify(code, (key, value: unknown) => (key === "renamedFrom" ? undefined : value))) as Code;
    await rig.crash(program(again, edges));
    await goOn({ edges, rig });
    expect(edges.kept.values.at(-1)).toBe("k d of abdd");
  });
});

describe("drop deletes the data of", () => {
  test("a computation: the new one starts with nothing, and nothing of the old one is left", async () => {
    const { edges, rig } = await restarted({ computation: { name: "calc2" } }, ["calc"]);
    await goOn({ edges, rig });
    expect(edges.kept.values).toEqual(["k:a", "k:ab", "z:c", "k:d", "k d of d"]);
    expect(rig.outcome).toBeUndefined();
  });

  test("an injector: its dead letters and position go, so the source is read from its beginning", async () => {
    const { edges, rig } = await restarted({ injector: { name: "in2" } }, ["in"]);
    await goOn({ edges, rig });
    expect(edges.kept.values.filter((value) => value.startsWith("k:")).at(-1)).toBe("k:ababd");
  });

  test("a sink: what waited for it goes", async () => {
    const { edges, rig } = await restarted({ sink: { name: "out2" } }, ["out"]);
    edges.kept.records = [];
    await goOn({ edges, rig });
    expect(edges.kept.values.filter((value) => value.includes(":"))).not.toContain("z:c");
  });

  test("a cell: it begins anew, with all else of its key in place", async () => {
    const { edges, rig } = await restarted({ cell: { name: "seen2" } }, ["calc/seen"]);
    await goOn({ edges, rig });
    expect(edges.kept.values).toEqual(["k:a", "k:ab", "z:c", "k:d", ...edges.kept.values.slice(4)]);
    expect(edges.kept.values.slice(4).sort()).toEqual(["k a of d", "k b of d", "k d of d", "z c of "]);
  });

  test("a timer: those that were set are forgotten when they come due, and hold nothing", async () => {
    const { edges, rig } = await restarted({ timer: { name: "due2" } }, ["calc/due"]);
    await goOn({ edges, rig });
    expect(edges.kept.values).toEqual([...whole, "k d of abd"]);
    expect(await rig.stored("calc")).toMatchObject({ timers: 0 });
    expect(rig.outcome).toBeUndefined();
  });

  test("an input: what waits of it goes to dead letters, and the worker lives", async () => {
    const { edges, rig } = await killed();
    await rig.crash();
    const calc = rig.shards("calc");
    rig.line.onCommit = (commits, apply) => (commits.some((commit) => calc.includes(commit.shard)) ? new Promise(() => {}) : apply(commits));
    edges.feed.push({ key: "k", do: "waits" }, 5).push({ key: "y", do: "waits" }, 6);
    await rig.turns();
    await rig.kill();
    expect(await rig.stored("calc")).toMatchObject({ queued: 2, held: 1 });
    await rig.crash(program({ input: { name: "steps2" }, onFailure: "park" }, edges), ["calc/steps"]);
    await rig.advance(10_000);
    await goOn({ edges, rig });
    expect(edges.kept.values.filter((value) => value.includes(":"))).toEqual(whole);
    expect(rig.outcome).toBeUndefined();
    expect((await rig.deadLetters("calc")).map(({ key, timestamp }) => `${key} ${timestamp}`).sort()).toEqual(["k 5", "y 6"]);
    expect(await rig.stored("calc")).toMatchObject({ held: 1, queued: 0 });
    expect(rig.watermark("calc").output).toBe(3_000_000);
  });

  test("nothing that the code still has: a slip of the hand", async () => {
    const { edges, rig } = await killed();
    await expect(rig.crash(program({}, edges), ["calc"])).rejects.toThrow(/"calc" is to be dropped but is still in the code/);
    await expect(rig.crash(program({}, edges), ["calc/seen"])).rejects.toThrow(/still in the code/);
    await rig.crash(program({}, edges), ["something that never was"]);
    await goOn({ edges, rig });
    expect(edges.kept.values.filter((value) => value.includes(":"))).toEqual(whole);
  });
});

test("what has no data behind it may go without a word, and what is new starts without one", async () => {
  const edges = { feed: feed(), kept: new Kept<string>() };
  const rig = await Rig.start(program({}, edges));
  await rig.crash(program({ cell: { name: "x" }, timer: { name: "y" }, computation: { name: "z" } }, edges));
  edges.feed.push({ key: "k", do: "a" }, 1);
  await rig.rest();
  expect(edges.kept.values).toEqual(["k:a"]);
});

test("a computation that is added later starts with what is produced from then on, and holds no watermark but its own", async () => {
  const edges = { feed: feed(), kept: new Kept<string>() };
  const rig = await Rig.start(program({}, edges));
  edges.feed.push({ key: "k", do: "a" }, 1).promise(100);
  await rig.rest();
  const seen: string[] = [];
  class Late extends Computation {
    readonly results = input(results, { key: (text) => text });
    processRecord(record: StreamRecord<string>) {
      seen.push(record.value);
    }
  }
  await rig.crash(program({}, edges).compute("late", Late));
  edges.feed.push({ key: "k", do: "b" }, 101).promise(200);
  await rig.rest();
  expect(seen).toEqual(["k:ab"]);
  expect(rig.watermark("late").output).toBe(200);
  expect(rig.watermark("out").input).toBe(200);
});

test("two starts of the same new pipeline at once agree on one graph", async () => {
  const store = new MemoryStore({ exclusive: false });
  const edges = { feed: feed(), kept: new Kept<string>() };
  const rigs = await Promise.all([1, 2, 3].map(() => Rig.start(program({}, edges), { store })));
  expect(new Set(rigs.map((rig) => JSON.stringify(rig.worker.engine.options.plan.stored))).size).toBe(1);
});
