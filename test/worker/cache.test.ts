/** What does not fit in memory is in the store: results do not depend on what is where. */
import { describe, expect, test } from "vitest";
import { Bench, type OnRecordNow, type Probing } from "./probe.ts";

const counting: OnRecordNow = (record, context, self) => {
  self.see(context, record.value.do);
  context.produce(self.results, `${record.key}:${context.state(self.seen).get().length}`);
};

async function run(cacheBytes: number): Promise<{ bench: Bench; reads: number; keys: number }> {
  const bench = await Bench.start({ onRecord: counting }, { cacheBytes, batchRecords: 16 });
  for (let round = 0; round < 6; round++) {
    bench.feed.pushAll(
      Array.from({ length: 200 }, (_, i) => ({ key: `k${(i * 7) % 100}`, do: String(round) })),
      () => round,
    );
    await bench.rig.rest();
  }
  const shard = bench.rig.worker.engine.computation(bench.rig.shards("probe")[0] as number);
  return { bench, reads: bench.rig.line.count("readState"), keys: shard?.cachedKeys ?? 0 };
}

describe("the cache of states", () => {
  test("holds as little as it is told, with the same results", async () => {
    const large = await run(1 << 30);
    const small = await run(5_000);
    const none = await run(0);
    expect(small.bench.kept.values).toEqual(large.bench.kept.values);
    expect([...none.bench.kept.values].sort()).toEqual([...large.bench.kept.values].sort());
    for (let i = 0; i < 100; i++) expect(await none.bench.seen(`k${i}`)).toEqual(await large.bench.seen(`k${i}`));
    expect([large.reads, large.keys]).toEqual([0, 100]);
    expect(small.reads).toBeGreaterThan(0);
    expect(small.keys).toBeLessThan(100);
    expect(none.keys).toBeLessThanOrEqual(small.keys);
  });

  test("needs no read for a key that is new, nor for one that is there; after a restart each key is read once", async () => {
    const bench = await Bench.start({ onRecord: counting });
    await bench.give("a:x@1 b:x@1");
    await bench.give("a:x@1 c:x@1");
    expect(bench.rig.line.count("readState")).toBe(0);
    await bench.rig.crash();
    await bench.give("a:x@1 b:x@1");
    await bench.give("a:x@1 b:x@1 a:x@1");
    expect(bench.rig.line.count("readState")).toBe(1);
    expect(await bench.seen("a")).toHaveLength(5);
  });

  test("lets go of keys of which nothing is stored any more, and needs no read when they come again", async () => {
    const onRecord: OnRecordNow = (record, context, self) => {
      if (record.value.do === "delete") context.state(self.seen).delete();
      else self.see(context, record.value.do);
    };
    const bench = await Bench.start({ onRecord });
    const cached = () => bench.rig.worker.engine.computation(bench.rig.shards("probe")[0] as number)?.cachedKeys;
    await bench.give("a:x@1 b:x@1 c:x@1");
    expect(cached()).toBe(3);
    await bench.give("a:delete@2 b:delete@2");
    expect(cached()).toBe(1);
    await bench.give("a:y@3");
    expect([cached(), bench.rig.line.count("readState")]).toEqual([2, 0]);
    expect([await bench.seen("a"), await bench.seen("b")]).toEqual([["y"], undefined]);
  });

  test("reads the states of a whole run of records at once, not one by one", async () => {
    const bench = await Bench.start({ onRecord: counting });
    bench.feed.pushAll(
      Array.from({ length: 300 }, (_, i) => ({ key: `k${i}`, do: "x" })),
      () => 1,
    );
    await bench.rig.rest();
    await bench.rig.crash();
    bench.feed.pushAll(
      Array.from({ length: 300 }, (_, i) => ({ key: `k${i}`, do: "y" })),
      () => 1,
    );
    await bench.rig.rest();
    expect(bench.rig.line.count("readState")).toBeLessThanOrEqual(3);
    expect(await bench.seen("k299")).toEqual(["x", "y"]);
  });

  test("never lets go of a key whose work is not committed, waits, or stands aside", async () => {
    const bench = await Bench.start(
      {
        onRecord(record, context, self) {
          counting(record, context, self);
          if (record.value.do === "bad") throw new Error("poison");
        },
        compute: { attempts: 1, onFailure: "halt-key" },
      },
      { cacheBytes: 0 },
    );
    await bench.give("halted:a@1 halted:bad@1");
    for (let i = 0; i < 5; i++) await bench.give(`k${i}:x@1 halted:b@1`);
    expect(await bench.rig.stored("probe")).toMatchObject({ held: 6 });
    expect(await bench.seen("halted")).toEqual(["a"]);
    expect(bench.rig.worker.engine.computation(bench.rig.shards("probe")[0] as number)?.halted).toEqual(["halted"]);
  });
});

describe("of 25,000 timers of one shard, more than are read at a start,", () => {
  const COUNT = 25_000;
  const setting: Probing["onRecord"] = (record, context, self) => {
    const [verb, from, to] = record.value.do.split("-");
    if (verb === "clear") context.clear();
    for (let i = Number(from); i < Number(to); i++) {
      if (verb === "event") context.setTimer(self.event.for(String(i)), 10_000 + i);
      if (verb === "wall") context.setTimer(self.wall.for(String(i)), 2_000_000 + i, { output: 50_000 - i });
      if (verb === "delete") context.deleteTimer(self.event.for(String(i)));
      if (verb === "move") context.setTimer(self.event.for(String(i)), 200_000 + i);
    }
  };
  const telling: NonNullable<Probing["onTimer"]> = (timer, context, self) => context.produce(self.results, timer.tag);
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => String(from + i));

  test("each fires once, in the order of their times, after a restart and with others deleted and moved meanwhile", async () => {
    const bench = await Bench.start({ onRecord: setting, onTimer: telling });
    await bench.give(`k:event-0-${COUNT}@1`);
    await bench.rig.crash();
    await bench.give("k:delete-20000-21000@1 k:move-22000-22100@1 k:delete-100-200@1");
    await bench.promise(100_000);
    expect(bench.kept.values.join(" ")).toBe([...numbers(0, 100), ...numbers(200, 20_000), ...numbers(21_000, 22_000), ...numbers(22_100, COUNT)].join(" "));
    await bench.promise(300_000);
    expect(bench.kept.values.slice(-100)).toEqual(numbers(22_000, 22_100));
    expect(await bench.rig.stored("probe")).toMatchObject({ timers: 0 });
  });

  test("those of the wall clock produce at their output timestamps, also where these were not read", async () => {
    const bench = await Bench.start({ onRecord: setting, onTimer: telling });
    await bench.give(`k:wall-0-${COUNT}@1`);
    await bench.rig.crash();
    await bench.promise(60_000);
    expect(bench.rig.watermark("probe").output).toBe(50_000 - COUNT + 1);
    await bench.rig.jump(2_000_000);
    expect(bench.kept.values.length).toBe(COUNT);
    const wrong = bench.kept.records.filter((record) => record.timestamp !== 50_000 - Number(record.value));
    expect(wrong.length).toBe(0);
    expect(bench.rig.watermark("probe").output).toBe(60_000);
  });

  test("clear deletes all of its key, also those that were not read", async () => {
    const bench = await Bench.start({ onRecord: setting, onTimer: telling });
    await bench.give(`k:event-0-${COUNT}@1 other:event-0-3@1`);
    await bench.rig.crash();
    await bench.give("k:clear@1 k:event-7-8@1 third:event-0-1@1");
    await bench.rig.advance(100);
    expect(await bench.rig.stored("probe")).toMatchObject({ timers: 5, held: 0 });
    expect(bench.rig.counters("probe")).toMatchObject({ failures: 0, processed: 5 });
    await bench.promise(300_000);
    expect(bench.kept.values.length).toBe(5);
  });
});
