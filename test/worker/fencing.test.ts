/** Two workers that both believe they own a shard: only one of them can write (F18, F19, F28). */
import { describe, expect, test } from "vitest";
import { MemoryStore, StoreUnavailableError } from "../../src/index.ts";
import { Bench, Gate, type Probing } from "./probe.ts";
import type { Rig } from "./rig.ts";

const counting: Probing["onRecord"] = (record, context, self) => {
  self.see(context, record.value.do);
  context.produce(self.results, `${record.key}:${record.value.do}`);
  context.setTimer(self.event.for(record.value.do), record.timestamp + 10);
};

const shared = () => ({ store: new MemoryStore({ exclusive: false }), leaseMs: 1_000 });

/** From now on nothing of the rig reaches the store, until the gate is opened: a process that stands still. */
function frozen(rig: Rig): Gate {
  const gate = new Gate();
  rig.line.onCommit = async (commits, apply) => {
    await gate.promise;
    return await apply(commits);
  };
  rig.line.onCall = () => gate.promise;
  return gate;
}

describe("a worker that stood still while its leases ran out", () => {
  test("changes nothing when it goes on, and its successor has lost and doubled nothing", async () => {
    const bench = await Bench.start({ onRecord: counting, shards: 2 }, shared());
    await bench.give("a:1@1 b:2@2");
    const gate = frozen(bench.rig);
    bench.feed.push({ key: "a", do: "3" }, 3).push({ key: "b", do: "4" }, 4).promise(5);
    await bench.rig.turns();
    bench.rig.clock.advance(1_100);
    const second = await bench.rig.another();
    await second.advance(500);
    expect(second.worker.engine.ownership.complete).toBe(true);
    expect(bench.kept.values.slice(2).sort()).toEqual(["a:3", "b:4"]);
    const data = [await second.state("probe", "seen", "a"), await second.state("probe", "seen", "b")];
    gate.open();
    bench.feed.promise(6);
    await bench.rig.turns(100);
    await second.rest();
    expect([await second.state("probe", "seen", "a"), await second.state("probe", "seen", "b")]).toEqual(data);
    expect(bench.rig.worker.engine.shards.size).toBe(0);
    expect(bench.kept.values).toHaveLength(4);
    await second.kill();
    await bench.rig.advance(3_000);
    await bench.give("a:5@7 b:6@8");
    await bench.promise(100);
    expect(await bench.seen("a")).toEqual(["1", "3", "5"]);
    expect(bench.kept.values.filter((value) => value.startsWith("a"))).toEqual(["a:1", "a:3", "a:5"]);
    expect(bench.rig.watermark("kept").input).toBe(100);
    expect(bench.rig.outcome).toBeUndefined();
  });

  test("cannot raise a watermark past a timer that its successor has set (R7)", async () => {
    const bench = await Bench.start({ onRecord: counting }, shared());
    await bench.give("a:1@1");
    await bench.promise(20);
    const gate = frozen(bench.rig);
    await bench.rig.turns();
    bench.rig.clock.advance(1_100);
    const second = await bench.rig.another();
    bench.feed.push({ key: "a", do: "late-timer" }, 50).promise(55);
    await second.advance(100);
    expect(second.watermark("probe").output).toBe(55);
    const reports: unknown[] = [];
    bench.rig.line.onCall = async (method, args) => {
      await gate.promise;
      if (method === "report") reports.push(args);
    };
    gate.open();
    await bench.rig.turns(100);
    bench.feed.promise(58);
    await second.rest();
    expect(second.watermark("probe").output).toBe(58);
    bench.feed.promise(70);
    await second.rest();
    expect(second.watermark("probe").output).toBe(70);
    await second.kill();
  });

  test("answers to what it asked before it lost a shard are not taken for those of its new ownership", async () => {
    const options = { ...shared(), cacheBytes: 0 };
    const bench = await Bench.start({ onRecord: counting }, options);
    await bench.give("k:1@1");
    await bench.give("other:1@1");
    await bench.rig.crash();
    await bench.rig.advance(1_500);
    // The first worker reads the state of k; the answer comes much later.
    const gate = new Gate();
    let held = 0;
    bench.rig.line.after = async (method) => {
      if (method === "readState" && held++ === 0) await gate.promise;
    };
    bench.feed.push({ key: "k", do: "2" }, 2);
    await bench.rig.turns();
    expect(held).toBe(1);
    // Meanwhile another worker owns the shard, does more of k's work, and dies.
    bench.rig.line.onCall = () => {
      throw new StoreUnavailableError("cut off");
    };
    bench.rig.clock.advance(1_100);
    const second = await bench.rig.another();
    const advanced = async (): Promise<unknown> => second.advance(10).then(() => second.state("probe", "seen", "k"));
    await expect.poll(advanced).toEqual(["1", "2"]);
    await second.kill();
    bench.rig.line.onCall = () => {};
    for (let i = 0; i < 10; i++) {
      bench.rig.clock.advance(300);
      await bench.rig.turns();
    }
    expect(bench.rig.worker.engine.ownership.complete).toBe(true);
    gate.open();
    await bench.rig.rest();
    await bench.give("k:3@3");
    expect(await bench.seen("k")).toEqual(["1", "2", "3"]);
  });
});

test("a worker that is fenced in the middle of its batch drops it, and does it again only if the shard is its own again", async () => {
  const bench = await Bench.start({ onRecord: counting });
  await bench.give("k:1@1");
  const probe = bench.rig.shards("probe");
  let stolen = false;
  bench.rig.line.onCommit = async (commits, apply) => {
    if (!stolen && commits.some((commit) => probe.includes(commit.shard))) {
      stolen = true;
      await bench.rig.line.store.acquire({ worker: "thief", shards: probe, leaseMs: 10, steal: true });
    }
    return await apply(commits);
  };
  await bench.give("k:2@2 k:3@3");
  expect(await bench.seen("k")).toEqual(["1"]);
  expect(bench.rig.worker.engine.counted.fenced).toBe(1);
  await bench.rig.advance(1_000);
  expect(await bench.seen("k")).toEqual(["1", "2", "3"]);
  expect(bench.kept.values).toEqual(["k:1", "k:2", "k:3"]);
  await bench.promise(100);
  expect(bench.rig.watermark("kept").input).toBe(100);
});

test("a worker whose report is refused drops the shards it is about, and goes on when they are its own again (R7)", async () => {
  const bench = await Bench.start({ onRecord: counting, shards: 4 });
  await bench.give("k:1@1");
  const { id, shards } = bench.rig.planned("probe");
  await bench.rig.line.store.register("thief", [{ participant: id, shards: [0, 1], of: shards }]);
  await bench.promise(50);
  expect(bench.rig.watermark("probe").output).toBeLessThan(50);
  await bench.rig.advance(2_000);
  await bench.promise(60);
  await bench.rig.advance(2_000);
  expect(bench.rig.watermark("probe").output).toBe(60);
  expect(bench.kept.values).toEqual(["k:1"]);
});
