/** What a handler that fails leaves behind: nothing but its count. Numbers in brackets are findings of the protocol's review. */
import { describe, expect, test } from "vitest";
import { exponential, RecordFailedError } from "../../src/index.ts";
import { Bench, type OnRecordNow, type Probing } from "./probe.ts";

const backoff = exponential(100, 1_000);

/** Sees every record, produces what it saw so far, and throws for "bad" at the very end. */
const strict: OnRecordNow = (record, context, self) => {
  self.see(context, record.value.do);
  context.produce(self.results, `${record.key}:${context.state(self.seen).get().join("")}`);
  context.setTimer(self.event.for(record.value.do), record.timestamp + 50);
  if (record.value.do === "bad") throw new Error("poison");
};

describe.each([{ batchRecords: 256 }, { batchRecords: 1 }])("with $batchRecords records a batch", (options) => {
  test("a handler that throws shows nothing of what it did, and earlier records of its batch and key keep theirs (R4)", async () => {
    const bench = await Bench.start({ onRecord: strict, compute: { attempts: 3, backoff } }, options);
    await bench.give("k:a@1 k:b@2 k:bad@3 k:c@4 other:x@5");
    expect(bench.kept.values).toEqual(expect.arrayContaining(["k:a", "k:ab", "other:x"]));
    expect(bench.kept.values).toHaveLength(3);
    expect(await bench.seen("k")).toEqual(["a", "b"]);
    await bench.rig.advance(10_000);
    expect(bench.kept.values.filter((value) => value.startsWith("k"))).toEqual(["k:a", "k:ab", "k:abc"]);
    expect(await bench.seen("k")).toEqual(["a", "b", "c"]);
    expect(await bench.rig.deadLetters("probe")).toMatchObject([{ key: "k", reason: "poison", attempts: 3, timestamp: 3, kind: "record" }]);
    expect(await bench.rig.stored("probe")).toMatchObject({ queued: 0, held: 0, dead: 1, timers: 4 });
    expect(bench.rig.outcome).toBeUndefined();
  });

  test("a record that fails and then succeeds counts once, in its place", async () => {
    let failures = 2;
    const onRecord: Probing["onRecord"] = (record, context, self) => {
      strict(record, context, self);
      if (record.value.do === "shy" && failures-- > 0) throw new Error("not yet");
    };
    const bench = await Bench.start({ onRecord, compute: { backoff } }, options);
    await bench.give("k:a@1 k:shy@2 k:c@3");
    await bench.rig.advance(10_000);
    expect(bench.kept.values).toEqual(["k:a", "k:ashy", "k:ashyc"]);
    expect(bench.rig.counters("probe")).toMatchObject({ processed: 3, failures: 2 });
    expect(await bench.rig.deadLetters("probe")).toEqual([]);
  });

  test("tries are spaced by the back-off, and other keys feel nothing", async () => {
    const tries: number[] = [];
    const bench: Bench = await Bench.start(
      {
        onRecord(record, context, self) {
          if (record.value.do === "bad") {
            tries.push(bench.rig.clock.now());
            throw new Error("poison");
          }
          context.produce(self.results, record.value.do);
        },
        compute: { attempts: 5, backoff: exponential(100, 300) },
      },
      options,
    );
    const begin = bench.rig.clock.now();
    await bench.give("k:bad@1 other:x@2");
    expect(bench.kept.values).toEqual(["x"]);
    await bench.rig.advance(5_000);
    expect(tries.map((at) => at - begin)).toEqual([0, 100, 300, 600, 900]);
  });

  test("tries survive a crash: a record that was tried twice is tried once more of three times (R3)", async () => {
    const bench = await Bench.start({ onRecord: strict, compute: { attempts: 3, backoff } }, options);
    await bench.give("k:bad@1 k:c@2");
    await bench.rig.advance(100);
    expect(bench.rig.counters("probe").failures).toBe(2);
    await bench.rig.crash();
    await bench.rig.advance(10_000);
    expect(await bench.rig.deadLetters("probe")).toMatchObject([{ key: "k", attempts: 3 }]);
    expect(bench.kept.values).toEqual(["k:c"]);
  });
});

test("state that is changed in place before a handler throws is as it was before the call, also where update itself throws (R4)", async () => {
  let calls = 0;
  const bench = await Bench.start({
    onRecord(record, context, self) {
      context.state(self.seen).update((seen) => {
        seen.push(record.value.do);
        if (record.value.do === "bad" && calls++ < 2) throw new Error("in the middle of a change");
      });
      context.produce(self.results, context.state(self.seen).get().join(""));
    },
    compute: { backoff },
  });
  await bench.give("k:a@1");
  await bench.give("k:bad@2");
  await bench.rig.advance(10_000);
  expect(bench.kept.values).toEqual(["a", "abad"]);
  expect(await bench.seen("k")).toEqual(["a", "bad"]);
});

test("a change that throws and is caught keeps what it had done: in memory and in the store alike", async () => {
  for (const frozen of [false, true]) {
    const bench = await Bench.start(
      {
        onRecord(record, context, self) {
          try {
            context.state(self.seen).update((seen) => {
              seen.push(record.value.do);
              if (record.value.do === "bad") throw new Error("in the middle of a change");
            });
          } catch {
            context.produce(self.results, "caught");
          }
        },
      },
      { frozen },
    );
    await bench.give("k:a@1 k:bad@2");
    await bench.give("k:c@3");
    expect({ frozen, seen: await bench.seen("k") }).toEqual({ frozen, seen: ["a", "bad", "c"] });
  }
});

test("what a failing handler changed behind the back of a view is undone with the rest", async () => {
  let failures = 1;
  const bench = await Bench.start({
    onRecord(record, context, self) {
      if (record.value.do === "bad") {
        (context.state(self.seen).get() as string[]).push("behind the back");
        if (failures-- > 0) throw new Error("once");
      } else self.see(context, record.value.do);
      context.produce(self.results, context.state(self.seen).get().join(" "));
    },
    compute: { backoff },
  });
  await bench.give("k:a@1");
  await bench.give("k:bad@2");
  await bench.rig.advance(1_000);
  expect(bench.kept.values).toEqual(["a", "a behind the back"]);
});

test("halt-key: the key waits for an operator through a crash, holds the watermark by name, and no other key waits", async () => {
  const bench = await Bench.start({ onRecord: strict, compute: { attempts: 2, backoff, onFailure: "halt-key" } });
  await bench.give("k:bad@10 k:after@11 other:x@12");
  await bench.promise(100);
  await bench.rig.advance(60_000);
  expect(bench.kept.values).toEqual(["other:x"]);
  expect(bench.rig.watermark("probe")).toMatchObject({ output: 10 });
  expect(bench.rig.heldBy("probe")).toBe("halted");
  await bench.rig.crash();
  await bench.give("k:later@13 other:y@14");
  await bench.rig.advance(60_000);
  expect(bench.kept.values).toEqual(["other:x", "other:xy"]);
  expect(bench.rig.heldBy("probe")).toBe("halted");
  expect(await bench.rig.stored("probe")).toMatchObject({ held: 3, dead: 0, queued: 0 });
  expect(bench.rig.counters("probe").failures).toBe(2);
});

test("stop: finished rejects with what failed, and a start with better code goes on with that very record", async () => {
  const bench = await Bench.start({ onRecord: strict, compute: { attempts: 2, backoff, onFailure: "stop" } });
  await bench.give("k:a@1 k:bad@2 k:c@3");
  await bench.rig.advance(1_000);
  expect(bench.rig.outcome).toBeInstanceOf(RecordFailedError);
  expect(bench.rig.outcome).toMatchObject({ computation: "probe", key: "k", attempts: 2, code: "record-failed" });
  const better = new Bench({ ...bench, onRecord: (record, context, self) => context.produce(self.results, `fixed ${record.value.do}`) });
  await bench.rig.crash(better.pipeline);
  await bench.rig.advance(60_000);
  expect(bench.kept.values).toEqual(["k:a", "fixed bad", "fixed c"]);
});

test("a timer that fails is tried again, holds the output at its time meanwhile, and is parked as a timer", async () => {
  const fired: number[] = [];
  const bench = await Bench.start({
    onRecord: (record, context, self) => context.setTimer(self.event.for("t"), record.timestamp + 5),
    onTimer(timer, context, self) {
      fired.push(timer.time);
      self.see(context, "fired");
      throw new Error("no");
    },
    compute: { attempts: 3, backoff },
  });
  await bench.give("k:a@10");
  await bench.promise(100);
  expect(fired).toEqual([15]);
  expect(bench.rig.watermark("probe").output).toBe(15);
  await bench.rig.crash();
  expect(bench.rig.watermark("probe").output).toBe(15);
  expect(bench.rig.heldBy("probe")).toBe("held");
  await bench.rig.advance(10_000);
  expect(fired).toEqual([15, 15, 15]);
  expect(await bench.rig.deadLetters("probe")).toMatchObject([{ kind: "timer", key: "k", timestamp: 15, attempts: 3, reason: "no" }]);
  expect(bench.rig.watermark("probe").output).toBe(100);
  expect(await bench.seen("k")).toBeUndefined();
  expect(await bench.rig.stored("probe")).toMatchObject({ timers: 0, held: 0 });
});

test("a timer that fails and then succeeds produces at its own time, on time for those downstream", async () => {
  let failures = 1;
  const bench = await Bench.start({
    onRecord: (record, context, self) => context.setTimer(self.event.for("t"), record.timestamp + 5),
    onTimer(_timer, context, self) {
      if (failures-- > 0) throw new Error("no");
      context.produce(self.results, "fired");
    },
    compute: { backoff },
  });
  await bench.give("k:a@10");
  await bench.promise(100);
  await bench.rig.advance(1_000);
  expect(bench.kept.records.map(({ value, timestamp, late }) => ({ value, timestamp, late }))).toEqual([{ value: "fired", timestamp: 15, late: false }]);
});
