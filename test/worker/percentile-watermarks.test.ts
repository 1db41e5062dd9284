/** Timers that fire by a percentile watermark: when, what is late then, what goes downstream, and what a crash leaves. */
import { describe, expect, test } from "vitest";
import {
  byHand,
  Computation,
  type Context,
  input,
  type Input,
  output,
  type Output,
  Pipeline,
  state,
  stream,
  type Stream,
  type StreamRecord,
  type Timer,
  timers,
} from "../../src/index.ts";
import { trackOf } from "../../src/watermark/percentile.ts";
import { Feed, Kept } from "./feed.ts";
import { results, type Step, steps } from "./probe.ts";
import { realStores, STORES, Trial, until } from "./real-stores.ts";
import { Rig, type RigOptions } from "./rig.ts";

const SIZE = 100;
const middle = stream<Step>("middle");

/** Counts in windows of 100 ms: tells each count early, again where it has changed since, and for good. */
class Counter extends Computation {
  readonly in: Input<Step>;
  readonly out: Output<string>;
  readonly counts = state("counts", { initial: new Map<number, number>() });
  readonly early = timers<number>("early", { percentile: 50 });
  readonly closing = timers<number>("closing");

  constructor(from: Stream<Step> = steps) {
    super();
    this.in = input(from, { key: (step) => step.key });
    this.out = output(results);
  }

  processRecord(record: StreamRecord<Step>, context: Context) {
    const start = record.timestamp - (record.timestamp % SIZE);
    if (record.late) context.produce(this.out, `late ${record.timestamp}`);
    else if (record.timestamp < context.percentileWatermark(this.early)) context.produce(this.out, `behind ${record.timestamp}`);
    context.state(this.counts).update((counts) => counts.set(start, (counts.get(start) ?? 0) + 1));
    context.setTimer(this.early.for(start), start + SIZE);
    context.setTimer(this.closing.for(start), start + SIZE);
  }

  override processTimer(timer: Timer<number>, context: Context) {
    const count = context.state(this.counts).get().get(timer.tag) ?? 0;
    context.produce(this.out, `${timer.is(this.early) ? "early" : "final"} ${timer.tag}: ${count}`);
  }
}

class Relay extends Computation {
  readonly in = input(steps, { key: (step) => step.key });
  readonly out = output(middle);
  processRecord(record: StreamRecord<Step>, context: Context) {
    context.produce(this.out, record.value);
  }
}

interface Started {
  readonly feed: Feed<Step>;
  readonly kept: Kept<string>;
  readonly rig: Rig;
  readonly give: (...at: number[]) => Promise<void>;
}

async function start(make: (feed: Feed<Step>, kept: Kept<string>) => Pipeline = oneStage, options: RigOptions = {}): Promise<Started> {
  const feed = new Feed<Step>({ watermark: byHand() });
  const kept = new Kept<string>();
  const rig = await Rig.start(make(feed, kept), options);
  const give = async (...at: number[]) => {
    feed.pushAll(
      at.map(() => ({ key: "k", do: "" })),
      (_, i) => at[i] as number,
    );
    await rig.rest();
  };
  return { feed, kept, rig, give };
}

const oneStage = (feed: Feed<Step>, kept: Kept<string>) =>
  new Pipeline("early", { shards: 2 })
    .inject("feed", steps, feed.injector)
    .compute("counter", () => new Counter())
    .sink("kept", results, kept.sink);

const twoStages = (feed: Feed<Step>, kept: Kept<string>) =>
  new Pipeline("early", { shards: 2 })
    .inject("feed", steps, feed.injector)
    .compute("relay", Relay)
    .compute("counter", () => new Counter(middle))
    .sink("kept", results, kept.sink);

function percentile(rig: Rig, name: string): { input: number; output: number } {
  const planned = rig.planned(name);
  const inputs = rig.worker.engine.shardsOf(planned).map((shard) => shard.image.percentiles.get(50) ?? Number.NaN);
  return { input: Math.min(...inputs), output: rig.worker.engine.reporter.published(trackOf(planned.id, 50)).output };
}

describe.each([
  ["one stage", oneStage],
  ["behind another computation", twoStages],
] as const)("a percentile timer, %s", (_name, make) => {
  test("fires when so many of the records are in, while the low watermark alone is told downstream", async () => {
    const { kept, rig, give } = await start(make);
    await give(10, 20, 30, 99, 99);
    expect(kept.values).toEqual([]);
    await give(100);
    expect(kept.values).toEqual(["early 0: 5"]);
    expect(percentile(rig, "counter")).toEqual({ input: 100, output: 100 });
    expect(rig.watermark("counter")).toMatchObject({ input: -1, output: -1 });
    expect(rig.watermark("kept")).toMatchObject({ input: -1 });
  });

  test("is set and fires again for what comes behind it, which is late only behind the low watermark", async () => {
    const { feed, kept, rig, give } = await start(make);
    await give(10, 20, 30, 100, 110, 120);
    await give(40);
    expect(kept.values).toEqual(["early 0: 3", "behind 40", "early 0: 4"]);
    feed.promise(60);
    await rig.rest();
    await give(50, 70);
    expect(kept.values.slice(3)).toEqual(["late 50", "early 0: 5", "behind 70", "early 0: 6"].sort((a, b) => kept.values.indexOf(a) - kept.values.indexOf(b)));
    expect(rig.counters("counter")).toMatchObject({ late: 1 });
    feed.promise(100);
    await rig.rest();
    expect(kept.values.at(-1)).toBe("final 0: 6");
  });

  test("that has fired does not fire again after a crash, and its watermark does not go back", async () => {
    const { feed, kept, rig, give } = await start(make);
    await give(10, 20, 30, 99, 100);
    expect(kept.values).toEqual(["early 0: 4"]);
    await rig.crash();
    expect(percentile(rig, "counter")).toEqual({ input: 100, output: 100 });
    expect(kept.values).toEqual(["early 0: 4"]);
    await give(50);
    expect(kept.values).toEqual(["early 0: 4", "behind 50", "early 0: 5"]);
    feed.promise(100);
    await rig.rest();
    expect(kept.values.slice(3)).toEqual(["final 0: 5"]);
  });
});

test("a percentile watermark is never below the low one, and comes to the end with it", async () => {
  const { feed, rig, kept, give } = await start();
  await give(10, 20);
  feed.promise(500);
  await rig.rest();
  expect(percentile(rig, "counter")).toEqual({ input: 500, output: 500 });
  expect(kept.values.sort()).toEqual(["early 0: 2", "final 0: 2"]);
  feed.end();
  await rig.rest();
  expect(rig.outcome).toBe("finished");
});

test("work that fails and is not behind it holds a percentile watermark, what is behind it does not", async () => {
  let failing: (timestamp: number) => boolean = () => true;
  class Faltering extends Counter {
    override processRecord(record: StreamRecord<Step>, context: Context) {
      if (record.value.do === "bad" && failing(record.timestamp)) throw new Error("not now");
      super.processRecord(record, context);
    }
  }
  const { feed, kept, rig, give } = await start((source, target) =>
    new Pipeline("early", { shards: 1 })
      .inject("feed", steps, source.injector)
      .compute("counter", () => new Faltering(), { attempts: 1, onFailure: "halt-key" })
      .sink("kept", results, target.sink),
  );
  await give(10, 20, 30, 90, 150, 160);
  expect(kept.values).toEqual(["early 0: 4"]);
  feed.push({ key: "other", do: "bad" }, 120);
  await give(170, 180, 190, 210);
  expect(kept.values.slice(1)).toEqual(["early 100: 5"]);
  feed.push({ key: "third", do: "bad" }, 240);
  await give(250, 260, 310, 320, 330);
  expect(percentile(rig, "counter").input).toBe(240);
  expect(kept.values.slice(2)).toEqual([]);
  failing = () => false;
});

test("where no timer has a percentile nothing of it is registered, reported or stored", async () => {
  class Plain extends Computation {
    readonly in = input(steps, { key: (step) => step.key });
    readonly out = output(results);
    processRecord(record: StreamRecord<Step>, context: Context) {
      context.produce(this.out, record.value.key);
    }
  }
  const { rig, give } = await start((feed, kept) =>
    new Pipeline("plain", { shards: 1 }).inject("feed", steps, feed.injector).compute("plain", Plain).sink("kept", results, kept.sink),
  );
  await give(10, 20);
  const { watermarks } = await rig.line.store.report("nobody", []);
  expect(watermarks).toHaveLength(3);
  expect(rig.line.commits.every((commit) => commit.image[0] === 1)).toBe(true);
});

test("a timer that is not in memory fires by its percentile, however many others are set before it", async () => {
  class Many extends Computation {
    readonly in = input(steps, { key: (step) => step.key });
    readonly out = output(results);
    readonly early = timers<number>("early", { percentile: 50 });
    readonly others = timers<number>("others");
    processRecord(record: StreamRecord<Step>, context: Context) {
      if (record.value.do !== "set") return;
      for (let i = 0; i < 10_010; i++) context.setTimer(this.others.for(i), 150);
      context.setTimer(this.early.for(0), 200);
    }
    override processTimer(timer: Timer<number>, context: Context) {
      if (timer.is(this.early)) context.produce(this.out, `early ${timer.time}`);
    }
  }
  const { feed, kept, rig, give } = await start((source, target) =>
    new Pipeline("many", { shards: 1 }).inject("feed", steps, source.injector).compute("many", Many).sink("kept", results, target.sink),
  );
  feed.push({ key: "k", do: "set" }, 10);
  await rig.rest();
  await rig.crash();
  await give(150, 160, 210, 220, 230);
  expect(kept.values).toEqual(["early 200"]);
});

describe("on real stores", () => {
  const storeOf = realStores();
  test.each(STORES)("%s: early results come before the watermark and once, through a restart", async (name) => {
    const feed = new Feed<Step>({ watermark: byHand() });
    const kept = new Kept<string>();
    const trial = new Trial(storeOf(name));
    const pipeline = twoStages(feed, kept);
    await trial.start(pipeline);
    feed.pushAll(
      [10, 20, 30, 100].map(() => ({ key: "k", do: "" })),
      (_, i) => [10, 20, 30, 100][i] as number,
    );
    await until(() => kept.values, ["early 0: 3"]);
    await trial.start(pipeline);
    feed.push({ key: "k", do: "" }, 40);
    await until(() => kept.values, ["early 0: 3", "behind 40", "early 0: 4"]);
    expect(trial.output("counter")).toBe(-1);
    feed.promise(100);
    await until(() => kept.values.slice(3), ["final 0: 4"]);
    await trial.stop();
  });
});
