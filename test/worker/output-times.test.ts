/** Output timestamps and holds: what a timer or a key will still produce is on time for those downstream (F26, F34, R13). */
import { describe, expect, test } from "vitest";
import { Computation, type Context, days, hours, input, output, Pipeline, stream, type StreamRecord, type Timer, timer } from "../../src/index.ts";
import { Feed, Kept } from "./feed.ts";
import { Bench, type OnRecordNow, type Probing, results, type Step, steps } from "./probe.ts";
import { Rig } from "./rig.ts";

const middle = stream<Step>("middle");

/** Sets a timer 10 after its record, to produce at 5 after it. */
class First extends Computation {
  readonly steps = input(steps, { key: (step) => step.key });
  readonly middle = output(middle);
  readonly event = timer("event");
  readonly wall = timer("wall", { clock: "wall" });
  processRecord(record: StreamRecord<Step>, context: Context) {
    context.produce(this.middle, record.value);
    if (record.value.do === "event") context.setTimer(this.event, record.timestamp + 10, { output: record.timestamp + 5 });
    else context.setTimer(this.wall, context.now() + hours(1), { output: record.timestamp + 5 });
  }
  override processTimer(_fired: Timer, context: Context) {
    context.produce(this.middle, { key: context.key, do: "fired" });
  }
}

/** Sets a timer 8 after each record. */
class Second extends Computation {
  readonly middle = input(middle, { key: (step) => step.key });
  readonly results = output(results);
  readonly close = timer("close");
  processRecord(record: StreamRecord<Step>, context: Context) {
    context.setTimer(this.close, record.timestamp + 8);
    context.produce(this.results, `${record.value.do}@${record.timestamp}${record.late ? " late" : ""}`);
  }
  override processTimer(fired: Timer, context: Context) {
    context.produce(this.results, `closed ${fired.time}`);
  }
}

describe.each(["event", "wall"])("an %s timer with an output timestamp", (clock) => {
  test("holds those downstream there until its firing is committed, through a crash (C62)", async () => {
    const feed = new Feed<Step>();
    const kept = new Kept<string>();
    const pipeline = new Pipeline("staged", { shards: 1 })
      .inject("feed", steps, feed.injector)
      .compute("first", First)
      .compute("second", Second)
      .sink("kept", results, kept.sink);
    const rig = await Rig.start(pipeline);
    feed.push({ key: "k", do: clock }, 3).promise(9);
    await rig.rest();
    expect(rig.watermark("first")).toMatchObject({ input: 9, output: 8 });
    expect(kept.values).toEqual([`${clock}@3`]);
    await rig.crash();
    expect(rig.watermark("first")).toMatchObject({ input: 9, output: 8 });
    feed.promise(clock === "event" ? 12 : 500);
    await rig.rest();
    expect(kept.values).toEqual([`${clock}@3`]);
    feed.promise(500);
    await rig.jump(hours(1));
    expect(kept.values).toEqual([`${clock}@3`, "fired@8", "closed 16"]);
    expect(rig.watermark("second").output).toBe(500);
  });
});

const onWall: NonNullable<Probing["onTimer"]> = (_timer, context, self) => context.produce(self.results, `at ${context.watermark}`);

test("a wall timer produces, by default, where the record that set it stands, and holds there: data of 2001 stays in 2001 (R13)", async () => {
  const y2001 = Date.UTC(2001, 0, 1);
  const bench = await Bench.start({ onRecord: (_record, context, self) => context.setTimer(self.wall.for("t"), context.now() + hours(1)), onTimer: onWall });
  await bench.give(`k:a@${y2001}`);
  await bench.promise(y2001 + days(30));
  expect(bench.rig.watermark("probe")).toMatchObject({ input: y2001 + days(30), output: y2001 });
  expect(bench.rig.heldBy("probe")).toBe("timer");
  await bench.rig.jump(hours(1));
  expect(bench.kept.records).toMatchObject([{ timestamp: y2001, late: false }]);
  expect(bench.rig.watermark("probe").output).toBe(y2001 + days(30));
});

test('a wall timer with output "none" holds nothing and produces at the input watermark of its firing', async () => {
  const bench = await Bench.start({
    onRecord: (_record, context, self) => context.setTimer(self.wall.for("t"), context.now() + hours(1), { output: "none" }),
    onTimer: onWall,
  });
  await bench.give("k:a@10");
  await bench.promise(500);
  expect(bench.rig.watermark("probe")).toMatchObject({ input: 500, output: 500 });
  await bench.rig.crash();
  await bench.rig.jump(hours(1));
  expect(bench.kept.records).toMatchObject([{ timestamp: 500, late: false, value: "at 500" }]);
});

test("a wall timer never fires early and processing time never runs back, though a worker's clock stands behind (R13)", async () => {
  const times: number[] = [];
  const bench = await Bench.start({
    onRecord(record, context, self) {
      times.push(context.now());
      if (record.value.do === "set") context.setTimer(self.wall.for("t"), context.now() + 1_000);
    },
    onTimer: (_timer, context) => void times.push(context.now()),
  });
  const begin = bench.rig.clock.now();
  await bench.give("k:set@1");
  await bench.rig.advance(600);
  await bench.give("k:x@2");
  await bench.rig.advance(399);
  expect(times).toHaveLength(2);
  await bench.rig.advance(1);
  expect(times).toHaveLength(3);
  expect(times[2]).toBe(begin + 1_000);
  expect(times).toEqual([...times].sort((a, b) => a - b));
});

describe("a key's hold (F26)", () => {
  const holding: OnRecordNow = (record, context, self) => {
    const [verb, at] = record.value.do.split("=");
    if (verb === "hold") context.hold(Number(at));
    else if (verb === "release") context.hold(undefined);
    else if (verb === "clear") context.clear();
    else context.produce(self.results, `${context.key} ${verb}`, at === undefined ? {} : { timestamp: Number(at) });
  };

  test("holds the output and not the input; the least of all keys counts; moved and released it lets go (C69)", async () => {
    const bench = await Bench.start({ onRecord: holding });
    await bench.give("odd:hold=1000@2000 even:hold=1234@2000");
    await bench.promise(9_000);
    expect(bench.rig.watermark("probe")).toMatchObject({ input: 9_000, output: 1_000 });
    expect(bench.rig.heldBy("probe")).toBe("hold");
    await bench.give("odd:release@9000");
    expect(bench.rig.watermark("probe")).toMatchObject({ output: 1_234 });
    await bench.give("even:hold=5678@9000");
    expect(bench.rig.watermark("probe")).toMatchObject({ output: 5_678 });
    await bench.rig.crash();
    expect(bench.rig.watermark("probe")).toMatchObject({ output: 5_678 });
    await bench.give("even:clear@9000");
    expect(bench.rig.watermark("probe")).toMatchObject({ input: 9_000, output: 9_000 });
  });

  test("survives batches of its key that do not mention it (C73)", async () => {
    const bench = await Bench.start({ onRecord: holding });
    await bench.give("k:hold=1000@2000");
    await bench.give("k:x@3000 other:y@3000");
    await bench.promise(9_000);
    expect(bench.rig.watermark("probe").output).toBe(1_000);
  });

  test("lets later calls of the key produce down to it, and not below; the call that sets it cannot yet (F34)", async () => {
    const refused: string[] = [];
    const bench = await Bench.start({
      onRecord(record, context, self) {
        try {
          holding(record, context, self);
          if (record.value.do.startsWith("hold")) context.produce(self.results, "too soon", { timestamp: 1_000 });
        } catch (error) {
          refused.push((error as Error).message);
        }
      },
    });
    await bench.give("k:hold=1000@2000 k:early=1000@3000 k:tooearly=999@3000");
    await bench.promise(9_000);
    await bench.give("k:still=1500@9000");
    expect(bench.kept.records.map(({ value, timestamp, late }) => [value, timestamp, late])).toEqual([
      ["k early", 1_000, false],
      ["k still", 1_500, false],
    ]);
    expect(refused).toHaveLength(2);
  });

  test("set after the watermark has passed holds only what is still to come: the watermark does not fall", async () => {
    const bench = await Bench.start({ onRecord: holding });
    await bench.promise(5_000);
    await bench.give("k:hold=1000@6000");
    await bench.promise(9_000);
    expect(bench.rig.watermark("probe")).toMatchObject({ input: 9_000, output: 5_000 });
  });
});

test("outputFloor is the smallest timestamp that is on time downstream, for what late records produce", async () => {
  const bench = await Bench.start({
    onRecord: (record, context, self) =>
      context.produce(self.results, record.late ? "late" : "on time", { timestamp: Math.max(record.timestamp, context.outputFloor) }),
  });
  await bench.promise(5_000);
  await bench.give("k:x@100");
  expect(bench.kept.records).toMatchObject([{ value: "late", timestamp: 5_000, late: false }]);
});

test("a timer set in the past fires at once, with its own time, before the timers after it", async () => {
  const bench = await Bench.start({
    onRecord(record, context, self) {
      if (record.value.do === "set") for (const time of [300, 100, 200]) context.setTimer(self.event.for(String(time)), time);
    },
    onTimer: (fired, context, self) => context.produce(self.results, `${fired.time} ${context.watermark}`),
  });
  await bench.promise(250);
  await bench.give("k:set@260");
  expect(bench.kept.records.map(({ value, timestamp, late }) => [value, timestamp, late])).toEqual([
    ["100 250", 100, true],
    ["200 250", 200, true],
  ]);
  await bench.promise(400);
  expect(bench.kept.values.at(-1)).toBe("300 400");
});

test("a firing holds the output at its time until its commit, not its call, has happened (C74)", async () => {
  const bench = await Bench.start({
    onRecord: (_record, context, self) => context.setTimer(self.event.for("t"), 50),
    onTimer: (_fired, context, self) => context.produce(self.results, "fired"),
  });
  await bench.give("k:a@1");
  const outputs: number[] = [];
  let release = () => {};
  bench.rig.line.onCommit = async (commits, apply) => {
    if (commits.some((commit) => commit.timerDeletes.length > 0)) {
      outputs.push(bench.rig.worker.engine.shardsOf(bench.rig.planned("probe"))[0]?.output as number);
      await new Promise<void>((resolve) => (release = resolve));
    }
    return await apply(commits);
  };
  bench.feed.promise(1_000);
  await bench.rig.turns();
  expect(outputs).toEqual([50]);
  expect(bench.rig.watermark("probe").output).toBe(50);
  expect(bench.kept.values).toEqual([]);
  release();
  await bench.rig.rest();
  expect(bench.rig.watermark("probe").output).toBe(1_000);
  expect(bench.kept.records).toMatchObject([{ value: "fired", timestamp: 50, late: false }]);
});

test("a wall timer whose output timestamp is its own time holds there, and produces at it", async () => {
  const at: number[] = [];
  const bench = await Bench.start({
    onRecord: (record, context, self) => context.setTimer(self.wall.for("t"), context.now() + 50, { output: context.now() + 50 + record.timestamp }),
    onTimer: (_timer, context, self) => context.produce(self.results, "fired"),
  });
  const due = bench.rig.clock.now() + 50;
  bench.kept.before = (records) => void at.push(...records.map(({ timestamp }) => timestamp));
  await bench.give("k:a@0");
  await bench.promise(due + 1_000);
  expect(bench.rig.watermark("probe").output).toBe(due);
  await bench.rig.advance(60);
  expect(at).toEqual([due]);
  expect(bench.rig.watermark("probe").output).toBe(due + 1_000);
});
