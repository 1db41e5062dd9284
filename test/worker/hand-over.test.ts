/** Several workers on one store: each comes to own its share, and what moves is neither lost nor done twice. */
import { expect, test } from "vitest";
import { MemoryStore, StoreUnavailableError } from "../../src/index.ts";
import { shardRef, type ShardRef } from "../../src/key.ts";
import { reconcile } from "../../src/worker/reconcile.ts";
import { Bench, Gate, type Probing } from "./probe.ts";
import type { Rig } from "./rig.ts";

const SHARDS = 8;
const shared = () => ({ store: new MemoryStore({ exclusive: false }), leaseMs: 2_000 });
const KEYS = Array.from({ length: 24 }, (_, i) => `k${i}`);

/** Time goes on for all of them alike. */
async function pass(ms: number, ...rigs: Rig[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    rigs[0]?.clock.advance(10);
    for (const rig of [...rigs, ...rigs]) await rig.rest();
  }
}

const owned = (rig: Rig): ShardRef[] => [...rig.worker.engine.shards.values()].map(({ ref }) => ref).sort((a, b) => a - b);

/** Counts the calls for each record; what it does shows in the state. */
function counting(calls: Map<string, number>): Probing {
  return {
    shards: SHARDS,
    onRecord: (record, context, self) => {
      const what = `${record.key}:${record.value.do}`;
      calls.set(what, (calls.get(what) ?? 0) + 1);
      self.see(context, record.value.do);
      context.produce(self.results, what);
    },
  };
}

test("a worker that joins gets its share within a second, and everything is done once", async () => {
  const calls = new Map<string, number>();
  const bench = await Bench.start(counting(calls), shared());
  await bench.give(KEYS.map((key, i) => `${key}:1@${i}`).join(" "));
  expect(owned(bench.rig)).toHaveLength(SHARDS + 2);
  const second = await bench.rig.another();
  await pass(1_000, bench.rig, second);
  expect([bench.rig.worker.engine.ownership.complete, second.worker.engine.ownership.complete]).toEqual([true, true]);
  expect([owned(bench.rig).length, owned(second).length]).toEqual([5, 5]);
  bench.feed.pushAll(
    KEYS.map((key) => ({ key, do: "2" })),
    (_, i) => 100 + i,
  );
  bench.feed.promise(1_000);
  await pass(500, bench.rig, second);
  for (const key of KEYS) expect(await bench.seen(key)).toEqual(["1", "2"]);
  expect([...calls.values()].every((count) => count === 1)).toBe(true);
  expect(bench.kept.values).toHaveLength(2 * KEYS.length);
  expect(bench.rig.worker.engine.reporter.published(bench.rig.planned("kept").id).output).toBe(1_000);
  await second.kill();
});

test("a shard is given up only when its last commit is known to be applied, so nothing is done again", async () => {
  const calls = new Map<string, number>();
  const bench = await Bench.start(counting(calls), shared());
  const { line } = bench.rig;
  const gate = new Gate();
  let released = 0;
  line.onCall = (method) => void (method === "release" && released++);
  line.onCommit = async (commits, apply) => {
    await gate.promise;
    return await apply(commits);
  };
  bench.feed.pushAll(
    KEYS.map((key) => ({ key, do: "1" })),
    (_, i) => i,
  );
  await bench.rig.turns();
  const second = await bench.rig.another();
  for (let passed = 0; passed < 1_000; passed += 10) {
    bench.rig.clock.advance(10);
    await bench.rig.turns(4);
    await second.turns(4);
  }
  const injector = bench.rig.shards("feed")[0] ?? 0;
  const moves = second.worker.engine.ownership.membership.isOurs(injector);
  expect(second.worker.engine.shards.has(injector)).toBe(false);
  gate.open();
  await pass(1_000, bench.rig, second);
  expect(second.worker.engine.shards.has(injector)).toBe(moves);
  expect(released).toBeGreaterThan(0);
  for (const key of KEYS) expect(await bench.seen(key)).toEqual(["1"]);
  expect([...calls.values()].every((count) => count === 1)).toBe(true);
  expect(bench.kept.values.toSorted()).toEqual(KEYS.map((key) => `${key}:1`).sort());
  await second.kill();
});

test("calls that go on are waited for for a while; then their work is the next owner's, and what they do later is nothing", async () => {
  const gate = new Gate();
  let begun = 0;
  const onRecord: Probing["onRecord"] = async (record, context, self) => {
    if (begun++ < KEYS.length) await gate.promise;
    self.see(context, record.value.do);
  };
  const bench = await Bench.start({ shards: SHARDS, onRecord }, shared());
  bench.feed.pushAll(
    KEYS.map((key) => ({ key, do: "1" })),
    (_, i) => i,
  );
  await bench.rig.turns();
  expect(begun).toBe(KEYS.length);
  const second = await bench.rig.another();
  await pass(1_000, bench.rig, second);
  expect([owned(bench.rig).length, owned(second).length]).toEqual([5, 5]);
  gate.open();
  await pass(500, bench.rig, second);
  for (const key of KEYS) expect(await bench.seen(key)).toEqual(["1"]);
  expect(begun).toBeGreaterThan(KEYS.length);
  await second.kill();
});

test("a worker that is heard of once, and then not, moves nothing", async () => {
  const bench = await Bench.start(counting(new Map()), shared());
  const { line } = bench.rig;
  let heard = 0;
  line.after = async (method) => {
    if (method !== "announce") return;
    // Between this worker's announcements another one comes, is heard of by the next, and goes.
    if (++heard % 4 === 1) await line.store.announce(`passer-by-${heard}`, 10_000);
    else if (heard % 4 === 3) await line.store.depart(`passer-by-${heard - 2}`);
  };
  await pass(3_000, bench.rig);
  expect(heard).toBeGreaterThan(8);
  expect(line.count("release")).toBe(0);
  expect(owned(bench.rig)).toHaveLength(SHARDS + 2);
});

test("a worker that was not heard yet wants no shard, and takes all once it was", async () => {
  const options = shared();
  const first = await Bench.start(counting(new Map()), options);
  await first.rig.kill();
  first.rig.clock.advance(5_000);
  const second = await Bench.start(counting(new Map()), { ...options, clock: first.rig.clock });
  expect(owned(second.rig)).toHaveLength(SHARDS + 2);
  second.rig.line.onCall = (method) => {
    if (method === "announce") throw new StoreUnavailableError("cut off");
  };
  // Announcements that fail change nothing.
  await pass(3_000, second.rig);
  expect(owned(second.rig)).toHaveLength(SHARDS + 2);
});

test("those that stay take over from one that stops as soon as they hear of it", async () => {
  const bench = await Bench.start(counting(new Map()), shared());
  const second = await bench.rig.another();
  await pass(1_000, bench.rig, second);
  expect(owned(second)).toHaveLength(5);
  const stopping = second.worker.driver.stop(1_000);
  for (let passed = 0; passed < 350; passed += 10) {
    bench.rig.clock.advance(10);
    await bench.rig.turns(10);
  }
  await stopping;
  await pass(50, bench.rig);
  expect(owned(bench.rig)).toHaveLength(SHARDS + 2);
});

test("commits to a shard that was handed over, and that nobody has taken yet, are told of when the store has lost them", async () => {
  const bench = await Bench.start(counting(new Map()), shared());
  const { rig } = bench;
  await bench.give(KEYS.map((key, i) => `${key}:1@${i}`).join(" "));
  const committed = new Set(rig.line.commits.map(({ shard }) => shard));
  const before = await new MemoryStore({ exclusive: false }).open({ pipeline: rig.pipeline.name, clock: rig.clock, random: { id: () => "other" } });
  await reconcile(before, rig.pipeline.graph(), []);
  let released = 0;
  rig.line.after = (method) => {
    if (method !== "release" || released++ > 0) return;
    // At once, before the worker that waits for them can ask this store.
    rig.line.lead(before);
    rig.line.generation++;
  };
  const second = await rig.another();
  await pass(1_000, rig, second);
  expect(released).toBeGreaterThan(0);
  const told = rig.worker.engine.lostTails.found.flatMap(({ shards }) => shards.map(({ participant, shard }) => shardRef(rig.planned(participant).id, shard)));
  expect(new Set(told)).toEqual(committed);
  await second.kill();
});
