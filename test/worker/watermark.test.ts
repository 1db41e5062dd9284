/** Low watermarks of one process: what raises them, what holds them, and what is late. */
import { describe, expect, test } from "vitest";
import {
  ascending,
  boundedDisorder,
  byHand,
  Computation,
  type Context,
  END,
  exponential,
  input,
  learnedDisorder,
  output,
  Pipeline,
  stream,
  StoreUnavailableError,
  type StreamRecord,
  type Timer,
  timer,
  type WatermarkPolicy,
} from "../../src/index.ts";
import { Feed, Kept } from "./feed.ts";
import { Bench, type OnRecordNow, results, type Step, steps } from "./probe.ts";
import { Rig } from "./rig.ts";

const judging: OnRecordNow = (record, context, self) => {
  self.see(context, record.value.do);
  context.produce(self.results, `${record.value.do}${record.late ? " late" : ""} at ${context.watermark}`);
};

describe("a watermark", () => {
  test("of an input rises to the promise once everything before it is done, and late means below it", async () => {
    const bench = await Bench.start({ onRecord: judging });
    expect(bench.rig.watermark("probe")).toMatchObject({ input: -1, output: -1, status: "live" });
    await bench.give("k:a@95");
    await bench.promise(100);
    expect(bench.rig.watermark("probe")).toMatchObject({ input: 100, output: 100 });
    await bench.give("k:b@100 k:c@99");
    expect(bench.kept.values).toEqual(["a at -1", "b at 100", "c late at 100"]);
    expect(bench.rig.counters("probe")).toMatchObject({ processed: 3, late: 1 });
  });

  test("never falls: not by a smaller promise, nor by late data, nor by a restart (C70, F27)", async () => {
    const bench = await Bench.start({ onRecord: judging });
    await bench.promise(1_000);
    await bench.promise(0);
    await bench.give("k:late@5");
    expect(bench.rig.watermark("probe")).toMatchObject({ input: 1_000, output: 1_000 });
    await bench.rig.crash();
    expect(bench.rig.watermark("probe")).toMatchObject({ input: 1_000, output: 1_000 });
    expect(bench.rig.watermark("kept")).toMatchObject({ input: 1_000, output: 1_000 });
  });

  test("gives one verdict: a record that was late before a crash is late after it (R6)", async () => {
    let dead = true;
    const bench = await Bench.start({
      onRecord(record, context, self) {
        judging(record, context, self);
        if (dead) throw new Error("not now");
      },
      compute: { attempts: 100, backoff: exponential(1_000, 1_000) },
    });
    await bench.promise(100);
    await bench.give("k:r@95");
    await bench.rig.crash();
    dead = false;
    await bench.rig.advance(1_000);
    expect(bench.kept.values).toEqual(["r late at 100"]);
  });

  test("waits for late records until they are done, but is never pinned to their timestamps (R6, C71, C72)", async () => {
    const tries: number[] = [];
    const bench = await Bench.start({
      onRecord(record, context) {
        if (record.value.do !== "hours-late") return;
        tries.push(context.watermark);
        if (tries.length < 3) throw new Error("not now");
      },
      compute: { backoff: exponential(100, 100) },
    });
    await bench.promise(1_000_000);
    await bench.give("k:hours-late@0");
    await bench.promise(2_000_000);
    expect(bench.rig.watermark("probe")).toMatchObject({ input: 1_000_000, output: 1_000_000 });
    expect(bench.rig.heldBy("probe")).toBe("held");
    await bench.rig.advance(1_000);
    expect(tries).toEqual([1_000_000, 1_000_000, 1_000_000]);
    expect(bench.rig.watermark("probe")).toMatchObject({ input: 2_000_000, output: 2_000_000 });
  });

  test("moves on although there is always some very late record waiting (R6)", async () => {
    const bench = await Bench.start({ onRecord: () => {} }, { batchRecords: 1 });
    for (let round = 1; round <= 20; round++) {
      bench.feed.pushAll(
        Array.from({ length: 10 }, (_, i) => ({ key: `k${i}`, do: "x" })),
        (_, i) => (i === 5 ? 0 : round * 100 + i),
      );
      bench.feed.promise(round * 100);
    }
    await bench.rig.rest();
    expect(bench.rig.watermark("probe")).toMatchObject({ input: 2_000, output: 2_000 });
  });

  test("crosses a stage that produces nothing (C73)", async () => {
    const bench = await Bench.start({ onRecord: () => {} });
    await bench.give("k:a@10");
    await bench.promise(500);
    expect(bench.rig.watermark("kept").input).toBe(500);
  });

  test("of a computation is the least of all its shards, and of a sink that of its records (F28)", async () => {
    const bench = await Bench.start({ onRecord: (record, context, self) => context.setTimer(self.event.for("t"), record.timestamp + 10), shards: 8 });
    await bench.give("a:x@10 b:x@200 c:x@300");
    await bench.promise(15);
    expect(bench.rig.watermark("probe")).toMatchObject({ input: 15, output: 15 });
    await bench.promise(500);
    expect(bench.rig.watermark("probe")).toMatchObject({ input: 500, output: 500 });
  });
});

class Join extends Computation {
  readonly left = input(steps, { key: (step) => step.key, name: "left" });
  readonly right = input(others, { key: (step) => step.key, name: "right" });
  readonly results = output(results);
  readonly close = timer("close");
  processRecord(record: StreamRecord<Step>, context: Context) {
    context.setTimer(this.close, record.timestamp + 10);
    context.produce(this.results, `${record.value.do}${record.late ? " late" : ""}`);
  }
  override processTimer(timer: Timer, context: Context) {
    context.produce(this.results, `fired ${timer.time}`);
  }
}
const others = stream<Step>("others");

async function joined(left: WatermarkPolicy = byHand(), right: WatermarkPolicy = byHand()) {
  const feeds = { left: new Feed<Step>({ watermark: left }), right: new Feed<Step>({ watermark: right }) };
  const kept = new Kept<string>();
  const pipeline = new Pipeline("joined", { shards: 2 })
    .inject("left", steps, feeds.left.injector)
    .inject("right", others, feeds.right.injector)
    .compute("join", Join)
    .sink("kept", results, kept.sink);
  return { feeds, kept, rig: await Rig.start(pipeline) };
}

const step = (what: string): Step => ({ key: "k", do: what });

describe("of two injectors", () => {
  test("one that has ended does not hold, one that is silent does; the end is the end of both (C68)", async () => {
    const { feeds, rig } = await joined();
    feeds.right.end();
    await rig.rest();
    expect(rig.watermark("join")).toMatchObject({ input: -1, output: -1, status: "live" });
    feeds.left.push(step("a"), 10_000).promise(10_000);
    await rig.rest();
    expect(rig.watermark("join")).toMatchObject({ input: 10_000, output: 10_000 });
    feeds.left.end();
    await rig.rest();
    expect(rig.watermark("join")).toMatchObject({ input: END, output: END, status: "finished" });
    expect(rig.outcome).toBe("finished");
  });

  test("one that is idle does not hold while the other is live (R8)", async () => {
    const { feeds, rig } = await joined(byHand({ idleAfter: 1_000 }));
    feeds.left.promise(50);
    feeds.right.promise(500);
    await rig.rest();
    expect(rig.watermark("join").input).toBe(50);
    await rig.advance(1_000);
    expect(rig.watermark("left").status).toBe("idle");
    expect(rig.watermark("join")).toMatchObject({ input: 500, status: "live" });
  });

  test("when one has ended and the other is idle nothing is known: no timer fires, and what comes then is on time (R8)", async () => {
    const { feeds, kept, rig } = await joined(byHand(), byHand({ idleAfter: 1_000 }));
    feeds.right.push(step("r"), 100).promise(100);
    feeds.left.push(step("l"), 100).end();
    await rig.advance(2_000);
    expect(rig.watermark("right").status).toBe("idle");
    expect(rig.watermark("join")).toMatchObject({ input: 100, status: "idle" });
    feeds.right.push(step("late?"), 101);
    await rig.rest();
    expect(kept.values).toEqual(["r", "l", "late?"].sort((a, b) => kept.values.indexOf(a) - kept.values.indexOf(b)));
    expect(kept.values).toHaveLength(3);
  });

  test("when both are idle the watermark stays, through a restart too", async () => {
    const { feeds, rig } = await joined(byHand({ idleAfter: 1_000 }), byHand({ idleAfter: 1_000 }));
    feeds.left.promise(50);
    feeds.right.promise(500);
    await rig.advance(5_000);
    expect(rig.watermark("join")).toMatchObject({ input: 50, output: 50, status: "idle" });
    await rig.crash();
    await rig.advance(5_000);
    expect(rig.watermark("join")).toMatchObject({ input: 50, output: 50, status: "idle" });
  });

  test("one that wakes up is reported live before its first record is injected, at once (R8)", async () => {
    const { feeds, rig } = await joined(byHand({ idleAfter: 1_000 }), byHand());
    feeds.left.promise(50);
    feeds.right.promise(500);
    await rig.rest();
    await rig.advance(1_000);
    const order: string[] = [];
    const left = rig.planned("left").id;
    rig.line.onCall = (method, args) => {
      if (method !== "report") return;
      for (const report of args[1] as readonly { participant: number; status: string }[]) if (report.participant === left) order.push(report.status);
    };
    rig.line.onCommit = (commits, apply) => {
      if (commits.some((commit) => rig.shards("left").includes(commit.shard))) order.push("injected");
      return apply(commits);
    };
    feeds.left.push(step("a"), 600);
    await rig.rest();
    expect(order.slice(0, 2)).toEqual(["live", "injected"]);
    feeds.right.promise(700);
    await rig.rest();
    expect(rig.watermark("join").input).toBe(500);
  });

  test("one whose records are in a commit of unknown outcome is not idle: it holds until they are in (R8)", async () => {
    const { feeds, rig } = await joined(byHand({ idleAfter: 1_000 }), byHand());
    const [left] = rig.shards("left");
    let away = true;
    rig.line.onCommit = async (commits, apply) => {
      if (away && commits.some((commit) => commit.shard === left)) throw new StoreUnavailableError("no reply");
      return await apply(commits);
    };
    feeds.left.push(step("a"), 600);
    feeds.right.promise(1_000);
    await rig.rest();
    await rig.advance(3_000);
    expect(rig.watermark("left").status).toBe("live");
    expect(rig.watermark("join").input).toBe(-1);
    away = false;
    await rig.advance(1_500);
    expect(rig.watermark("join").status).toBe("live");
    expect(rig.watermark("left").status).toBe("idle");
  });

  test("an idle computation between them holds its consumer no more than an idle injector does (R8)", async () => {
    const feeds = { left: new Feed<Step>({ watermark: byHand({ idleAfter: 1_000 }) }), right: new Feed<Step>() };
    class Relay extends Computation {
      readonly steps = input(steps, { key: (each) => each.key });
      readonly others = output(others);
      processRecord(record: StreamRecord<Step>, context: Context) {
        context.produce(this.others, record.value);
      }
    }
    class Last extends Computation {
      readonly others = input(others, { key: (each) => each.key });
      processRecord() {}
    }
    const pipeline = new Pipeline("relayed", { shards: 2 })
      .inject("left", steps, feeds.left.injector)
      .inject("right", others, feeds.right.injector)
      .compute("relay", Relay)
      .compute("last", Last);
    const rig = await Rig.start(pipeline);
    feeds.left.push(step("a"), 40).promise(50);
    feeds.right.promise(500);
    await rig.rest();
    expect(rig.watermark("last").input).toBe(50);
    await rig.advance(1_000);
    expect(rig.watermark("relay").status).toBe("idle");
    expect(rig.watermark("last").input).toBe(500);
  });
});

describe("one record of the year 2038 makes nothing after it late, under", () => {
  const Y2038 = Date.UTC(2038, 0, 19);
  const policies: readonly (readonly [string, () => WatermarkPolicy])[] = [
    ["ascending", () => ascending()],
    ["bounded disorder", () => boundedDisorder(1_000)],
    ["learned disorder", () => learnedDisorder()],
    ["by hand", () => byHand()],
  ];
  test.each(policies)("%s: it goes to dead letters", async (_name, policy) => {
    const bench = await Bench.start({ onRecord: judging, feed: new Feed<Step>({ watermark: policy(), maxAhead: 86_400_000 }) });
    const now = bench.rig.clock.now();
    bench.feed
      .push(step("a"), now)
      .push(step("2038"), Y2038)
      .push(step("b"), now + 1);
    await bench.rig.rest();
    expect(bench.kept.values.map((value) => value.replace(/ at .*/, ""))).toEqual(["a", "b"]);
    expect(await bench.rig.deadLetters("feed")).toMatchObject([{ timestamp: Y2038, reason: expect.stringContaining("maxAhead") }]);
    expect(bench.rig.watermark("probe").input).toBeLessThanOrEqual(now + 1);
  });
});

test.each([Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, END, "soon", null])(
  "a record at %s goes to dead letters, and those around it pass",
  async (timestamp) => {
    const bench = await Bench.start({
      onRecord: judging,
      feed: new Feed<Step>({ watermark: ascending(), timestamp: (value: Step) => (value.do === "bad" ? (timestamp as number) : 100) }),
    });
    bench.feed.push(step("a")).push(step("bad")).push(step("b"));
    await bench.rig.rest();
    expect(bench.kept.values.map((value) => value.replace(/ at .*/, ""))).toEqual(["a", "b"]);
    expect(await bench.rig.deadLetters("feed")).toHaveLength(1);
    expect(bench.rig.watermark("feed").output).toBe(100);
  },
);
