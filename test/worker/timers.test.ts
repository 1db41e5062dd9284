/** Timers as user code meets them: when they fire, in what order, with what time; cases C58 to C66 and C74. */
import { describe, expect, test } from "vitest";
import { Computation, type Context, days, END, input, output, Pipeline, stream, type StreamRecord, type Timer, timer, timers } from "../../src/index.ts";
import { Feed, Kept } from "./feed.ts";
import { Bench, type Probing, results, type Step, steps } from "./probe.ts";
import { Rig } from "./rig.ts";

/** Every firing is produced as "key tag@time". */
const telling: NonNullable<Probing["onTimer"]> = (timer, context, self) => context.produce(self.results, `${context.key} ${timer.tag}@${timer.time}`);

describe.each(["event", "wall"] as const)("an %s timer", (kind) => {
  const at = (bench: Bench, time: number) => (kind === "event" ? bench.promise(time) : bench.rig.advance(time - bench.rig.clock.now()));
  const base = 1_000_000;

  test("that is set twice fires once, for the last time (C58)", async () => {
    const bench = await Bench.start({
      onRecord: (record, context, self) => context.setTimer(self[kind].for("t"), base + Number(record.value.do)),
      onTimer: telling,
    });
    await bench.give("k:100@1 k:300@2");
    await at(bench, base + 299);
    expect(bench.kept.values).toEqual([]);
    await at(bench, base + 300);
    await at(bench, base + 1_000);
    expect(bench.kept.values).toEqual([`k t@${base + 300}`]);
  });

  test("that is set twice in one call, or deleted and set again, fires once; deleted it never fires, set again in the past it fires again (C58, C59)", async () => {
    const bench = await Bench.start({
      onRecord(record, context, self) {
        const t = self[kind].for("t");
        if (record.value.do === "twice") {
          context.setTimer(t, base + 100);
          context.setTimer(t, base + 300);
        }
        if (record.value.do === "back") {
          context.setTimer(t, base + 50);
          context.deleteTimer(t);
          context.setTimer(t, base + 400);
        }
        if (record.value.do === "gone") {
          context.setTimer(t, base + 100);
          context.deleteTimer(t);
          context.deleteTimer(t);
        }
        if (record.value.do === "past") context.setTimer(t, base);
      },
      onTimer: telling,
    });
    await bench.give("a:twice@1 b:back@1 c:gone@1 d:twice@1 d:gone@2");
    await at(bench, base + 1_000);
    expect(bench.kept.values).toEqual([`a t@${base + 300}`, `b t@${base + 400}`]);
    await bench.give("a:past@2000000");
    expect(bench.kept.values.slice(2)).toEqual([`a t@${base}`]);
    expect(await bench.rig.stored("probe")).toMatchObject({ timers: 0 });
  });

  test("is not early: at 1,500 one of 1,000, 5,000, 10,000 fires, at 50,000 the others in order, whatever the order of setting (C74)", async () => {
    for (const order of ["1000 5000 10000", "10000 5000 1000", "5000 10000 1000"]) {
      const bench = await Bench.start({
        onRecord(record, context, self) {
          for (const time of record.value.do.split("+")) context.setTimer(self[kind].for(time), base + Number(time));
        },
        onTimer: (timer, context, self) => context.produce(self.results, timer.tag),
      });
      await bench.give(`k:${order.replaceAll(" ", "+")}@1`);
      await at(bench, base + 1_500);
      expect(bench.kept.values).toEqual(["1000"]);
      await bench.rig.crash();
      await at(bench, base + 50_000);
      expect(bench.kept.values).toEqual(["1000", "5000", "10000"]);
    }
  });

  test("that a firing sets before the next one fires before it; two that set each other skip nothing (C61, R11)", async () => {
    const bench = await Bench.start({
      onRecord(_record, context, self) {
        context.setTimer(self[kind].for("10"), base + 10);
        context.setTimer(self[kind].for("20"), base + 20);
      },
      onTimer(timer, context, self) {
        context.produce(self.results, timer.tag);
        if (timer.tag === "10") context.setTimer(self[kind].for("15"), base + 15);
        if (timer.tag === "20") context.setTimer(self[kind].for("12"), base + 12);
      },
    });
    await bench.give("k:x@1");
    await at(bench, base + 100);
    expect(bench.kept.values).toEqual(["10", "15", "20", "12"]);
  });

  test("that its own firing sets again goes on, and none of its loops is lost in a batch or a crash (C66, R11)", async () => {
    const bench = await Bench.start({
      onRecord: (_record, context, self) => context.setTimer(self[kind].for("loop"), base + 10),
      onTimer(timer, context, self) {
        context.produce(self.results, String((timer.time - base) / 10));
        context.setTimer(self[kind].for("loop"), timer.time + 10);
      },
    });
    await bench.give("k:x@1");
    await at(bench, base + 25);
    expect(bench.kept.values).toEqual(["1", "2"]);
    await bench.rig.crash();
    await at(bench, base + 55);
    expect(bench.kept.values).toEqual(["1", "2", "3", "4", "5"]);
  });

  test("that is deleted by work of its key that goes before it in the same batch does not fire (R11)", async () => {
    const bench = await Bench.start({
      onRecord: (_record, context, self) => {
        context.setTimer(self[kind].for("first"), base + 10);
        context.setTimer(self[kind].for("second"), base + 20);
        context.setTimer(self[kind].for("third"), base + 30);
      },
      onTimer(timer, context, self) {
        context.produce(self.results, timer.tag);
        if (timer.tag !== "first") return;
        context.deleteTimer(self[kind].for("second"));
        context.setTimer(self[kind].for("third"), base + 500);
      },
    });
    await bench.give("k:x@1");
    await at(bench, base + 100);
    expect(bench.kept.values).toEqual(["first"]);
    await at(bench, base + 500);
    expect(bench.kept.values).toEqual(["first", "third"]);
  });

  test("of sixty days ahead is one store entry and one wake-up, survives a crash, and fires then", async () => {
    const bench = await Bench.start({ onRecord: (_record, context, self) => context.setTimer(self[kind].for("far"), base + days(60)), onTimer: telling });
    await bench.give("k:x@1");
    expect(await bench.rig.stored("probe")).toMatchObject({ timers: 1 });
    const reads = bench.rig.line.count("readTimers");
    await at(bench, base + 10_000);
    expect(bench.rig.line.count("readTimers")).toBe(reads);
    expect(bench.kept.values).toEqual([]);
    await bench.rig.crash();
    bench.rig.clock.advance(days(60));
    await bench.promise(base + days(61));
    expect(bench.kept.values).toEqual([`k far@${base + days(60)}`]);
  });
});

test("a looping timer flushes what came before it: every prefix exactly once, in order (C60)", async () => {
  const bench = await Bench.start({
    onRecord(record, context, self) {
      self.see(context, record.value.do);
      if (record.value.do === "0") {
        context.setTimer(self.event.for("flush"), record.timestamp + 1);
        context.setTimer(self.event.for("cleanup"), 101_000);
      }
    },
    onTimer(timer, context, self) {
      const seen = context.state(self.seen).get();
      const due = seen.slice(0, Math.floor((timer.time - 1) / 1_000) + 1);
      context.produce(self.results, `${due.join(":")}${timer.tag === "cleanup" ? ":cleanup" : ""}`);
      if (timer.tag === "flush" && timer.time < 99_000) context.setTimer(self.event.for("flush"), timer.time + 1_000);
    },
  });
  for (let i = 0; i < 100; i++) {
    bench.feed.push({ key: "k", do: String(i) }, i * 1_000);
    if (i % 10 === 9) bench.feed.promise(i * 1_000 + 1);
    if (i % 30 === 29) await bench.rig.crash();
  }
  await bench.promise(200_000);
  const prefix = (length: number) => Array.from({ length }, (_, i) => i).join(":");
  expect(bench.kept.values).toEqual([...Array.from({ length: 100 }, (_, i) => prefix(i + 1)), `${prefix(100)}:cleanup`]);
});

test("two timers that set each other alternate through both clocks of time without a skip (C61)", async () => {
  const bench = await Bench.start({
    onRecord: (_record, context, self) => {
      context.setTimer(self.event.for("t1"), 1_000);
      context.setTimer(self.event.for("t2"), 2_000);
    },
    onTimer(timer, context, self) {
      self.see(context, timer.tag);
      const count =
        context
          .state(self.seen)
          .get()
          .filter((tag) => tag === timer.tag).length - 1;
      context.produce(self.results, `${timer.tag}:${count}`);
      if (timer.tag === "t1") context.setTimer(self.event.for("t2"), timer.time);
      else if (timer.time < 1_100) context.setTimer(self.event.for("t1"), timer.time + 1);
    },
  });
  await bench.give("k:x@1");
  await bench.promise(5_000);
  expect(bench.kept.values).toEqual(Array.from({ length: 101 }, (_, i) => [`t1:${i}`, `t2:${i}`]).flat());
});

test("of fifty keys with fifteen records each no key's timer is lost, and each fires once (C64)", async () => {
  const bench = await Bench.start({
    onRecord: (record, context, self) => {
      context.produce(self.results, String(Number(record.value.do) + 5_000));
      context.setTimer(self.event.for("end"), 999);
    },
    onTimer: (_timer, context, self) => context.produce(self.results, "4093"),
    shards: 8,
  });
  bench.feed.pushAll(
    Array.from({ length: 750 }, (_, i) => ({ key: `k${i % 50}`, do: String(i) })),
    () => 5,
  );
  await bench.rig.crash();
  await bench.promise(1_000);
  expect(bench.kept.values.filter((value) => value === "4093")).toHaveLength(50);
  expect(new Set(bench.kept.values).size).toBe(751);
});

test("a record in three windows has its timer in each of them (C65)", async () => {
  const bench = await Bench.start({
    onRecord: (record, context, self) => {
      for (const start of [0, 10, 20]) context.setTimer(self.event.for(`${start}`), start + 30);
      self.see(context, record.value.do);
    },
    onTimer: telling,
  });
  await bench.give("k:x@25");
  await bench.promise(50);
  expect(bench.kept.values).toEqual(["k 0@30", "k 10@40", "k 20@50"]);
});

test('a tag is a number or a string: 1 and "1" are two timers, each with its own tag when it fires', async () => {
  class Tagged extends Computation {
    readonly steps = input(steps, { key: (step) => step.key });
    readonly results = output(results);
    readonly any = timers<number | string>("any");
    readonly plain = timer("plain");
    processRecord(_record: StreamRecord<Step>, context: Context) {
      for (const tag of [1, "1", "", -0.5, "n1", "s1"]) context.setTimer(this.any.for(tag), 10);
      context.setTimer(this.plain, 10);
    }
    override processTimer(timer: Timer<number | string | undefined>, context: Context) {
      const known = timer.is(this.plain) ? "plain" : timer.is(this.any.for(1)) ? "one" : timer.is(this.any) ? "any" : "?";
      context.produce(this.results, `${known} ${JSON.stringify(timer.tag)}`);
    }
  }
  const feed = new Feed<Step>();
  const kept = new Kept<string>();
  const rig = await Rig.start(
    new Pipeline("tags", { shards: 1 }).inject("feed", steps, feed.injector).compute("tagged", Tagged).sink("kept", results, kept.sink),
  );
  feed.push({ key: "k", do: "x" }, 1).promise(20);
  await rig.rest();
  expect(kept.values.sort()).toEqual(['any ""', 'any "1"', 'any "n1"', 'any "s1"', "any -0.5", "one 1", "plain undefined"].sort());
});

test("100,000 timers at one millisecond fire once each, keys in parallel, one key's in the order of their tags; through a crash in the middle", async () => {
  const fired = stream<number>("fired");
  class Many extends Computation {
    readonly steps = input(steps, { key: (step) => step.key });
    readonly fired = output(fired);
    readonly due = timers<number>("due");
    processRecord(record: StreamRecord<Step>, context: Context) {
      const from = Number(record.value.do);
      for (let i = from; i < from + 1_000; i++) context.setTimer(this.due.for(i), 500);
    }
    override processTimer(timer: Timer<number>, context: Context) {
      context.produce(this.fired, timer.tag);
    }
  }
  const feed = new Feed<Step>();
  const kept = new Kept<number>();
  const rig = await Rig.start(new Pipeline("many", { shards: 1 }).inject("feed", steps, feed.injector).compute("many", Many).sink("kept", fired, kept.sink), {
    cacheBytes: 0,
  });
  feed.pushAll(
    Array.from({ length: 100 }, (_, i) => ({ key: `k${i}`, do: String(i * 1_000) })),
    () => 1,
  );
  await rig.rest();
  expect(await rig.stored("many")).toMatchObject({ timers: 100_000 });
  await rig.crash();
  let commits = 0;
  rig.line.onCommit = async (all, apply) => {
    if (all.some((commit) => commit.timerDeletes.length > 0) && ++commits === 20) void rig.kill();
    return await apply(all);
  };
  feed.promise(1_000);
  await rig.rest();
  await rig.crash();
  expect(kept.values.length).toBe(100_000);
  expect(new Set(kept.values).size).toBe(100_000);
  expect(await rig.stored("many")).toMatchObject({ timers: 0 });
});

test("at the end of time a looping timer's new setting is dropped and counted, and the pipeline finishes (R24)", async () => {
  const bench = await Bench.start({
    onRecord(record, context, self) {
      context.setTimer(self.event.for("loop"), record.timestamp + 10);
      context.setTimer(self.event.for("far"), 5_000);
    },
    onTimer(timer, context, self) {
      context.produce(self.results, `${timer.tag}@${timer.time}`);
      context.setTimer(self.event.for(timer.tag), timer.time + 1_000);
    },
  });
  await bench.give("k:x@1000");
  bench.feed.end();
  await bench.rig.rest();
  expect(bench.rig.outcome).toBe("finished");
  expect(bench.kept.values).toEqual(["loop@1010", "loop@2010", "loop@3010", "loop@4010", "far@5000"]);
  expect(bench.rig.counters("probe").droppedTimers).toBe(2);
  expect(bench.rig.watermark("kept").input).toBe(END);
});
