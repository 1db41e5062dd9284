/** State as user code meets it: cells, initial values, time to live, clear. */
import { describe, expect, test } from "vitest";
import {
  Computation,
  type Context,
  exponential,
  input,
  minutes,
  output,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timer,
  timers,
} from "../../src/index.ts";
import { Feed, Kept } from "./feed.ts";
import { type Step, steps } from "./probe.ts";
import { Rig, type RigOptions } from "./rig.ts";

const results = stream<string>("results");

class Cells extends Computation {
  readonly steps = input(steps, { key: (step) => step.key });
  readonly results = output(results);
  readonly list = state("list", { initial: [] as string[] });
  readonly maybe = state<number>("maybe");
  readonly brief = state<string>("brief", { ttl: minutes(10) });
  readonly briefList = state("brief-list", { initial: ["initial"], ttl: minutes(10) });
  readonly due = timers<string>("due");
  readonly plain = timer("plain", { clock: "wall" });
  protected readonly fails: () => boolean;

  constructor(fails = () => false) {
    super();
    this.fails = fails;
  }

  processRecord(record: StreamRecord<Step>, context: Context): void | Promise<void> {
    const [verb, what = ""] = record.value.do.split("=");
    const list = context.state(this.list);
    const maybe = context.state(this.maybe);
    if (verb === "add") list.update((all) => void all.push(what));
    if (verb === "replace") list.update(() => [what]);
    if (verb === "set") maybe.set(Number(what));
    if (verb === "delete") {
      maybe.delete();
      list.delete();
    }
    if (verb === "brief") {
      context.state(this.brief).set(what);
      context.state(this.briefList).update((all) => void all.push(what));
    }
    if (verb === "timers") {
      for (const tag of ["a", "b", "c"]) context.setTimer(this.due.for(tag), 500);
      context.setTimer(this.plain, context.now() + 1_000);
      context.hold(record.timestamp);
    }
    if (verb === "clear") {
      context.setTimer(this.due.for("before"), 600);
      context.clear();
      context.setTimer(this.due.for("after"), 700);
      maybe.set(1);
    }
    if (this.fails()) throw new Error("not yet");
    context.produce(this.results, `${list.get().join("")}|${maybe.get()}|${context.state(this.brief).get()}|${context.state(this.briefList).get().join("")}`);
  }

  override processTimer(fired: Timer<string | undefined>, context: Context) {
    context.produce(this.results, `fired ${fired.tag}`);
  }
}

async function cells(options: RigOptions = {}, make = () => new Cells()) {
  const feed = new Feed<Step>();
  const kept = new Kept<string>();
  const pipeline = new Pipeline("cells", { shards: 1 })
    .inject("feed", steps, feed.injector)
    .compute("cells", make, { backoff: exponential(100, 100) })
    .sink("kept", results, kept.sink);
  const rig = await Rig.start(pipeline, options);
  const give = async (...all: string[]) => {
    feed.pushAll(
      all.map((each) => ({ key: each.split(":")[0] as string, do: each.split(":")[1] as string })),
      () => 10,
    );
    await rig.rest();
  };
  return { feed, kept, rig, give };
}

describe.each([
  { mode: "as in production", options: {} },
  { mode: "with what is read frozen", options: { frozen: true } },
  { mode: "without a cache", options: { cacheBytes: 0, batchRecords: 1 } },
])("$mode", ({ options }) => {
  test("an initial value is each key's own; get shows the last write; delete goes back to it", async () => {
    const { kept, rig, give } = await cells(options);
    await give("a:look=", "a:add=1", "b:add=2", "a:add=3", "a:set=7", "a:replace=x", "a:delete=", "a:look=", "b:look=");
    expect(kept.values.map((value) => value.split("|").slice(0, 2).join("|"))).toEqual([
      "|undefined",
      "1|undefined",
      "2|undefined",
      "13|undefined",
      "13|7",
      "x|7",
      "|undefined",
      "|undefined",
      "2|undefined",
    ]);
    expect(await rig.state("cells", "list", "a")).toBeUndefined();
    expect(await rig.state("cells", "maybe", "a")).toBeUndefined();
    await rig.crash();
    await give("a:look=", "b:look=");
    expect(kept.values.slice(-2)).toEqual(["|undefined|undefined|initial", "2|undefined|undefined|initial"]);
  });

  test("clear deletes every cell, timer and hold of its key, what was set before it in the same call too, and nothing after it or of others", async () => {
    const { feed, kept, rig, give } = await cells(options);
    await give("a:add=1", "a:set=2", "a:brief=x", "a:timers=", "b:add=1", "b:timers=");
    feed.promise(400);
    await rig.rest();
    expect(rig.watermark("cells").output).toBe(10);
    await give("a:clear=", "b:look=");
    expect(kept.values.slice(-2)).toEqual(["|1|undefined|initial", "1|undefined|undefined|initial"]);
    expect(await rig.stored("cells")).toMatchObject({ timers: 1 + 4, state: 1 + 2 });
    kept.records = [];
    feed.promise(1_000);
    await rig.jump(2_000);
    expect(kept.values).toEqual(["fired a", "fired b", "fired c", "fired after", "fired undefined"]);
    await rig.crash();
    expect(await rig.state("cells", "list", "b")).toEqual(["1"]);
  });

  test("a cell with a time to live is gone that long after its last write, and its entry is deleted from the store", async () => {
    const { kept, rig, give } = await cells(options);
    await give("a:brief=x", "b:brief=y");
    await rig.jump(minutes(6));
    await give("b:brief=z");
    await rig.jump(minutes(4) - 1);
    await give("a:look=", "b:look=");
    expect(kept.values.slice(-2)).toEqual(["|undefined|x|initialx", "|undefined|z|initialyz"]);
    await rig.crash();
    await rig.jump(1);
    await give("a:look=", "b:look=");
    expect(kept.values.slice(-2)).toEqual(["|undefined|undefined|initial", "|undefined|z|initialyz"]);
    expect(await rig.stored("cells")).toMatchObject({ state: 2, timers: 2 });
    await rig.jump(minutes(6));
    expect(await rig.stored("cells")).toMatchObject({ state: 0, timers: 0 });
    await give("b:look=");
    expect(kept.values.at(-1)).toBe("|undefined|undefined|initial");
  });
});

test("a cell that has expired in the store is gone when it is read, though its timer has not had its turn", async () => {
  const { kept, rig, give } = await cells();
  await give("a:brief=x");
  await rig.kill();
  rig.clock.advance(minutes(11));
  await rig.crash();
  await give("a:brief=y");
  expect(kept.values.at(-1)).toBe("|undefined|y|initialy");
  await rig.jump(minutes(9));
  await give("a:look=");
  expect(kept.values.at(-1)).toBe("|undefined|y|initialy");
});

test("a failed call neither clears, nor prolongs a time to live, nor expires anything", async () => {
  let failing = false;
  const { kept, rig, give } = await cells({}, () => new Cells(() => failing));
  await give("a:brief=x", "a:add=1", "a:timers=");
  await rig.jump(minutes(9));
  failing = true;
  await give("a:clear=");
  await give("b:brief=y");
  expect(await rig.state("cells", "brief", "a")).toBe("x");
  expect(await rig.stored("cells")).toMatchObject({ timers: 5 });
  failing = false;
  await rig.advance(1_000);
  expect(await rig.state("cells", "brief", "a")).toBeUndefined();
  expect(await rig.state("cells", "brief", "b")).toBe("y");
  expect(kept.values.at(-1)).toBe("|undefined|y|initialy");
});

test("a cell that expires while a slow handler of its key runs expires after it, unless the handler writes it", async () => {
  let open = () => {};
  class Slow extends Cells {
    override async processRecord(record: StreamRecord<Step>, context: Context): Promise<void> {
      if (record.value.do.startsWith("slow")) await new Promise<void>((resolve) => (open = resolve));
      await super.processRecord(
        { ...record, key: record.key, value: { ...record.value, do: record.value.do.replace("slow-", "") }, timestamp: record.timestamp } as StreamRecord<Step>,
        context,
      );
    }
  }
  for (const [verb, left] of [
    ["look=", undefined],
    ["brief=new", "new"],
  ] as const) {
    const { rig, give } = await cells({}, () => new Slow());
    await give("a:brief=old");
    await rig.jump(minutes(10) - 10_000);
    await give(`a:slow-${verb}`);
    await rig.jump(20_000);
    open();
    await rig.advance(100);
    expect([verb, await rig.state("cells", "brief", "a")]).toEqual([verb, left]);
  }
});

test("what a view shows is frozen in tests, so that a change that nobody writes back is found", async () => {
  class Careless extends Computation {
    readonly steps = input(steps, { key: (step) => step.key });
    readonly deep = state("deep", { initial: { inner: [1] } });
    readonly map = state("map", { initial: new Map([["a", 1]]) });
    processRecord(record: StreamRecord<Step>, context: Context) {
      if (record.value.do === "deep") context.state(this.deep).get().inner.push(2);
      if (record.value.do === "value") (record.value as { do: string }).do = "changed";
      context.state(this.deep).update((deep) => void deep.inner.push(3));
    }
  }
  const feed = new Feed<Step>();
  const pipeline = new Pipeline("careless", { shards: 1 }).inject("feed", steps, feed.injector).compute("careless", Careless, { attempts: 1 });
  const rig = await Rig.start(pipeline, { frozen: true });
  feed.pushAll(
    ["fine", "deep", "value"].map((what) => ({ key: what, do: what })),
    () => 1,
  );
  await rig.rest();
  expect((await rig.deadLetters("careless")).map(({ key }) => key)).toEqual(["deep", "value"]);
  expect(await rig.state("careless", "deep", "fine")).toEqual({ inner: [1, 3] });
});
