/** Who speaks for a shard's watermark, where registrations and reports arrive later than they should. */
import { expect, test } from "vitest";
import { MemoryStore, StoreUnavailableError, type StreamRecord } from "../../src/index.ts";
import { type ShardRef, shardOf } from "../../src/key.ts";
import type { Interval, WatermarkReport } from "../../src/store/index.ts";
import { Bench, Gate, type Step } from "./probe.ts";
import { type Line, Rig } from "./rig.ts";

const KEYS = Array.from({ length: 24 }, (_, i) => `k${i}`);
const shared = () => ({ store: new MemoryStore({ exclusive: false }), leaseMs: 1_000 });

/** The first worker has acquired and recovered all shards, and its registration is under way while another takes them over. */
async function overtaken(): Promise<{ bench: Bench; second: Rig; gate: Gate; reported: WatermarkReport[] }> {
  const bench = await Bench.start({ onRecord: (record, context, self) => context.produce(self.results, record.key) }, shared());
  await bench.give("a:1@1");
  const gate = new Gate();
  const reported: WatermarkReport[] = [];
  let away = true;
  bench.rig.line.onCall = async (method, args) => {
    if (method === "register") await gate.promise;
    else if ((method === "renew" || method === "announce") && away) throw new StoreUnavailableError("cut off");
    else if (method === "report") reported.push(...(args[1] as WatermarkReport[]));
  };
  bench.rig.line.generation++;
  bench.rig.worker.driver.kick();
  await bench.rig.turns();
  bench.rig.clock.advance(200);
  await bench.rig.turns();
  expect(bench.rig.line.count("register")).toBe(2);
  bench.rig.clock.advance(1_100);
  await bench.rig.turns();
  const second = await bench.rig.another();
  await second.advance(100);
  expect(second.worker.engine.ownership.complete).toBe(true);
  away = false;
  reported.length = 0;
  return { bench, second, gate, reported };
}

test("a worker that registers after another has taken its shards over speaks for none of them (R7)", async () => {
  const { bench, second, gate, reported } = await overtaken();
  bench.feed.push({ key: "a", do: "2" }, 2).promise(10);
  await second.rest();
  gate.open();
  await bench.rig.turns(100);
  expect(reported).toEqual([]);
  expect(bench.rig.worker.engine.shards.size).toBe(0);
  // The owner is refused, and goes on with the shards as they are.
  bench.feed.push({ key: "a", do: "3" }, 11).promise(20);
  await second.advance(2_000);
  expect(second.watermark("kept").output).toBe(20);
  expect(bench.kept.values).toEqual(["a", "a", "a"]);
  await second.kill();
});

test("an owner whose shards another has registered finds out, although it has nothing new to report", async () => {
  const { bench, second, gate } = await overtaken();
  bench.feed.end();
  await second.rest();
  expect(second.outcome).toBe("finished");
  gate.open();
  await bench.rig.turns(100);
  const { store } = second.line;
  const statuses = async () => (await store.report("nobody", [])).watermarks.map(({ status }) => status);
  expect(await statuses()).toEqual(["live", "live", "live"]);
  await bench.rig.kill();
  await second.advance(3_000);
  expect(await statuses()).toEqual(["finished", "finished", "finished"]);
});

test("a report that arrives after a later one of the same worker changes nothing", async () => {
  const bench = await Bench.start({ onRecord: (record, context, self) => context.produce(self.results, record.key) });
  await bench.give("a:1@1");
  const { line, worker } = bench.rig;
  let late: readonly WatermarkReport[] = [];
  let name = "";
  line.onCall = (method, args) => {
    if (method !== "report" || (args[1] as WatermarkReport[]).length === 0 || late.length > 0) return;
    name = args[0] as string;
    late = args[1] as WatermarkReport[];
  };
  await bench.promise(5);
  bench.feed.end();
  await bench.rig.rest();
  expect(bench.rig.outcome).toBe("finished");
  const { refused, watermarks } = await line.store.report(name, late);
  expect(late.some(({ status }) => status === "live")).toBe(true);
  expect(refused).toEqual([]);
  expect(watermarks.map(({ status }) => status)).toEqual(watermarks.map(() => "finished"));
  expect(worker.engine.counted.fenced).toBe(0);
});

test("a report tells no event time of what is not committed (W1)", async () => {
  const bench = await Bench.start({ onRecord: (_, context, self) => context.setTimer(self.event.for("t"), 5_000) }, shared());
  const { line } = bench.rig;
  const probe = bench.rig.planned("probe");
  const reported: number[] = [];
  line.onCall = (method, args) => {
    if (method === "report") reported.push(...(args[1] as WatermarkReport[]).filter(({ participant }) => participant === probe.id).map(({ last }) => last));
  };
  const gate = new Gate();
  line.onCommit = async (commits, apply) => {
    if (commits.some(({ shard }) => bench.rig.shards("probe").includes(shard))) await gate.promise;
    return await apply(commits);
  };
  bench.feed.push({ key: "a", do: "1" }, 7);
  await bench.rig.turns(50);
  bench.rig.clock.advance(400);
  await bench.rig.turns(50);
  expect(line.commits.some(({ timerSets }) => timerSets.length > 0)).toBe(true);
  expect(reported).not.toEqual([]);
  expect(Math.max(...reported)).toBe(-1);
  gate.open();
  await bench.promise(8);
  expect(Math.max(...reported)).toBe(5_000);
});

test("a worker that has lost a part of a computation's shards goes on to speak for the rest", async () => {
  const bench = await Bench.start({ onRecord: (record, context, self) => context.produce(self.results, record.key), shards: 4 }, shared());
  await bench.give("a:1@1");
  await bench.promise(10);
  const { store } = bench.rig.line;
  const probe = bench.rig.planned("probe");
  const taken = bench.rig.shards("probe").slice(2);
  await store.acquire({ worker: "other", shards: taken, leaseMs: 1_000_000, steal: true });
  await bench.rig.advance(1_000);
  const [registration] = await store.register("other", [{ participant: probe.id, shards: [2, 3], of: 4 }]);
  const generation = registration?.generation ?? 0;
  await store.report("other", [{ participant: probe.id, generation, number: 1, output: 100, status: "live", last: 100 }]);
  await bench.rig.advance(1_000);
  expect(bench.rig.worker.engine.shardsOf(probe)).toHaveLength(2);
  await bench.promise(50);
  await bench.rig.advance(1_000);
  const { watermarks } = await store.report("nobody", []);
  expect(watermarks.find(({ participant }) => participant === probe.id)?.output).toBe(50);
});

test("what was late under the last owner is late under the next, though a third has held back what is published (R7)", async () => {
  const late: [string, boolean][] = [];
  const gate = new Gate();
  const onRecord = async ({ value, late: isLate }: StreamRecord<Step>): Promise<void> => {
    if (value.do === "straggles" && !killed) await gate.promise;
    late.push([value.do, isLate]);
  };
  let killed = false;
  const bench = await Bench.start({ onRecord, shards: 4 }, shared());
  const probe = bench.rig.planned("probe");
  await bench.give("a:1@1");
  await bench.promise(10);
  const { store } = bench.rig.line;
  const published = async () => (await store.report("nobody", [])).watermarks.find(({ participant }) => participant === probe.id)?.output;
  await store.acquire({ worker: "third", shards: bench.rig.shards("probe").slice(2), leaseMs: 1_000_000, steal: true });
  await bench.rig.advance(1_000);
  await store.register("third", [{ participant: probe.id, shards: [2, 3], of: 4 }]);
  await bench.promise(50);
  expect(await published()).toBe(10);
  // Of a shard whose last commit was before all this, so that what was reported of it is all that is known.
  const key = KEYS.find((each) => each !== "a" && shardOf(each, 4) < 2) as string;
  bench.feed.push({ key, do: "straggles" }, 20);
  await bench.rig.turns();
  killed = true;
  const second = await bench.rig.another();
  await bench.rig.kill();
  await second.advance(3_000);
  expect(late).toEqual([
    ["1", false],
    ["straggles", true],
  ]);
  expect(await published()).toBe(10);
  gate.open();
  await second.kill();
});

test("a worker that is not told whether it has one shard, and registers another meanwhile, goes on to speak for what it has", async () => {
  const bench = await Bench.start({ onRecord: (record, context, self) => context.produce(self.results, record.key), shards: 4 }, shared());
  await bench.give("a:1@1");
  await bench.promise(10);
  const { line } = bench.rig;
  const { store } = line;
  const probe = bench.rig.planned("probe");
  const [first, second] = bench.rig.shards("probe") as [ShardRef, ShardRef];
  const gate = new Gate();
  const registered: (readonly number[])[] = [];
  let unconfirmed = false;
  line.onCall = async (method, args) => {
    if (method === "register") registered.push(...(args[1] as Interval[]).map(({ shards }) => shards));
    // The renewal that is to confirm the first shard.
    if (method !== "renew" || unconfirmed || registered.at(-1)?.length !== 3) return;
    unconfirmed = true;
    await gate.promise;
  };
  await store.acquire({ worker: "other", shards: [first], leaseMs: 700, steal: true });
  await store.acquire({ worker: "other", shards: [second], leaseMs: 1_500, steal: true });
  for (let passed = 0; passed < 3_000 && registered.at(-1)?.length !== 4; passed += 50) {
    bench.rig.clock.advance(50);
    await bench.rig.turns();
  }
  expect(registered).toEqual([
    [2, 3],
    [0, 2, 3],
    [0, 1, 2, 3],
  ]);
  gate.fail(new StoreUnavailableError("cut off"));
  await store.acquire({ worker: "other", shards: [first], leaseMs: 1_000_000, steal: true });
  const [registration] = await store.register("other", [{ participant: probe.id, shards: [0], of: 4 }]);
  const generation = registration?.generation ?? 0;
  await store.report("other", [{ participant: probe.id, generation, number: 1, output: 100, status: "live", last: 100 }]);
  await bench.rig.advance(1_000);
  expect(bench.rig.worker.engine.shardsOf(probe).map(({ ref }) => ref)).toEqual(bench.rig.shards("probe").slice(1));
  await bench.promise(50);
  await bench.rig.advance(1_000);
  const { watermarks } = await store.report("nobody", []);
  expect(watermarks.find(({ participant }) => participant === probe.id)?.output).toBe(50);
});

test("a shard that is granted after the lease has run out on its way is not registered: whoever has it by then keeps it", async () => {
  const gate = new Gate();
  const onLine = (line: Line) => (line.after = (method) => (method === "acquire" ? gate.promise : undefined));
  const bench = await Bench.start({ onRecord: (record, context, self) => context.produce(self.results, record.key) }, { ...shared(), mortal: true, onLine });
  const { rig } = bench;
  expect(rig.line.count("acquire")).toBeGreaterThan(0);
  rig.clock.advance(1_100);
  const second = await Rig.start(rig.pipeline, { ...rig.options, mortal: false, onLine: () => {}, clock: rig.clock });
  await second.advance(100);
  expect(second.worker.engine.ownership.complete).toBe(true);
  const theirs = [...second.worker.engine.shards.values()].map(({ participant }) => participant);
  expect(theirs).not.toEqual([]);
  const registered: number[] = [];
  rig.line.onCall = (method, args) => {
    if (method === "register") registered.push(...(args[1] as Interval[]).map(({ participant }) => participant));
  };
  gate.open();
  await rig.turns(50);
  expect(registered).not.toEqual([]);
  expect(registered.filter((participant) => theirs.includes(participant))).toEqual([]);
  await second.kill();
  await rig.kill();
});
