/** Timers of one key and the rest of the shard: order within the key, no waiting between keys. */
import { expect, test } from "vitest";
import { exponential } from "../../src/index.ts";
import { Bench, Gate } from "./probe.ts";

test("timers of a halted key wait behind it, however many are due, and the timers of other keys do not notice", async () => {
  const bench = await Bench.start({
    onRecord(record, context, self) {
      if (record.value.do === "bad") throw new Error("poison");
      for (let i = 0; i < 10_000; i++) context.setTimer(self.event.for(String(i)), 500);
    },
    onTimer: (timer, context, self) => context.produce(self.results, `${context.key} ${timer.tag}`),
    compute: { attempts: 1, onFailure: "halt-key" },
  });
  await bench.give("a:set@1 z:set@1");
  await bench.give("a:bad@600");
  const begin = process.hrtime.bigint();
  await bench.promise(1_000);
  expect(bench.kept.values.length).toBe(10_000);
  expect(bench.kept.values.every((value) => value.startsWith("z "))).toBe(true);
  expect(Number((process.hrtime.bigint() - begin) / 1_000_000n)).toBeLessThan(30_000);
  expect(bench.rig.watermark("probe").output).toBe(500);
});

test("timers of a key with a slow record wait for it, in order, and fire when it is done", async () => {
  const gate = new Gate();
  const bench = await Bench.start({
    async onRecord(record, context, self) {
      context.setTimer(self.event.for(record.value.do), record.timestamp + 5);
      if (record.value.do === "slow") await gate.promise;
      self.see(context, record.value.do);
    },
    onTimer(timer, context, self) {
      self.see(context, `fired ${timer.tag}`);
      context.produce(self.results, `${context.key} ${timer.tag}`);
    },
  });
  await bench.give("k:a@10 k:b@20 other:c@30");
  await bench.give("k:slow@40");
  await bench.promise(1_000);
  await bench.rig.advance(100);
  expect(bench.kept.values).toEqual(["other c"]);
  expect(bench.rig.watermark("probe")).toMatchObject({ input: 40, output: 15 });
  gate.open();
  await bench.rig.advance(100);
  expect(bench.kept.values.filter((value) => value.startsWith("k"))).toEqual(["k a", "k b", "k slow"]);
  expect(await bench.seen("k")).toEqual(["a", "b", "slow", "fired a", "fired b", "fired slow"]);
  expect(bench.rig.watermark("probe")).toMatchObject({ input: 1_000, output: 1_000 });
});

test("a timer deleted or moved by a record that was waiting when it came due is deleted or moved (R11)", async () => {
  const gate = new Gate();
  const bench = await Bench.start({
    async onRecord(record, context, self) {
      if (record.value.do === "set") {
        context.setTimer(self.event.for("deleted"), 50);
        context.setTimer(self.event.for("moved"), 50);
        context.setTimer(self.event.for("kept"), 50);
        return;
      }
      await gate.promise;
      context.deleteTimer(self.event.for("deleted"));
      context.setTimer(self.event.for("moved"), 2_000);
    },
    onTimer: (timer, context, self) => context.produce(self.results, timer.tag),
  });
  await bench.give("k:set@1");
  bench.feed.push({ key: "k", do: "wait" }, 60).promise(1_000);
  await bench.rig.advance(100);
  expect(bench.kept.values).toEqual([]);
  gate.open();
  await bench.rig.advance(100);
  expect(bench.kept.values).toEqual(["kept"]);
  await bench.promise(3_000);
  expect(bench.kept.values).toEqual(["kept", "moved"]);
});

test("a timer that fails keeps its place before the later timers and records of its key", async () => {
  let failures = 2;
  const bench = await Bench.start({
    onRecord(record, context, self) {
      self.see(context, record.value.do);
      if (record.value.do === "set") for (const tag of ["10", "20", "30"]) context.setTimer(self.event.for(tag), Number(tag));
    },
    onTimer(timer, context, self) {
      self.see(context, timer.tag);
      if (timer.tag === "20" && failures-- > 0) throw new Error("not yet");
      context.produce(self.results, context.state(self.seen).get().join(" "));
    },
    compute: { backoff: exponential(100, 100) },
  });
  await bench.give("k:set@1");
  await bench.promise(100);
  await bench.give("k:later@200");
  await bench.rig.crash();
  await bench.rig.advance(1_000);
  expect(await bench.seen("k")).toEqual(["set", "10", "20", "later", "30"]);
  expect(bench.kept.values.at(-1)).toBe("set 10 20 later 30");
});

test("a firing that failed is tried with its own time and tag, though its timer was set again meanwhile by another record", async () => {
  let failures = 1;
  const bench = await Bench.start({
    onRecord: (record, context, self) => context.setTimer(self.event.for("t"), Number(record.value.do)),
    onTimer(timer, context, self) {
      if (failures-- > 0) throw new Error("not yet");
      context.produce(self.results, String(timer.time));
    },
    compute: { backoff: exponential(1_000, 1_000) },
  });
  await bench.give("k:50@1");
  await bench.promise(100);
  await bench.give("k:150@101");
  await bench.promise(1_000);
  await bench.rig.advance(5_000);
  expect(bench.kept.values).toEqual(["50", "150"]);
});
