/** What an injector hands over ahead of its next commit, while the one before is under way. */
import { afterEach, expect, test } from "vitest";
import { exponential, MemoryStore } from "../../src/index.ts";
import { shardOf, type ShardRef } from "../../src/key.ts";
import { Barrier } from "../../src/worker/barrier.ts";
import type { PlannedInjector } from "../../src/worker/plan.ts";
import { Bench, Gate, type OnRecordNow, type Probing } from "./probe.ts";

const KEYS = Array.from({ length: 10 }, (_, n) => `k${n}`);
/** A key of each shard. */
const [ZERO, ONE] = [0, 1].map((shard) => KEYS.find((key) => shardOf(key, 2) === shard)) as [string, string];

const counting: OnRecordNow = (record, context, self) => {
  self.see(context, record.value.do);
  context.produce(self.results, `${record.key} ${record.value.do}`);
};

let bench: Bench;
let gate: Gate;
afterEach(() => bench.rig.kill());

/** A commit that brings a record to shard 1 has been applied, and its answer is under way. */
async function underWay(probing: Partial<Probing> = {}): Promise<void> {
  bench = await Bench.start({ onRecord: counting, shards: 2, ...probing }, { store: new MemoryStore({ exclusive: false }), leaseMs: 1_000 });
  await bench.give(`${ZERO}:1@1 ${ONE}:1@1`);
  gate = new Gate();
  let held = false;
  bench.rig.line.onCommit = async (commits, apply) => {
    const reply = await apply(commits);
    if (!held && commits.some(({ handed }) => handed.length > 0)) {
      held = true;
      await gate.promise;
    }
    return reply;
  };
  bench.feed.push({ key: ONE, do: "2" }, 2);
  await bench.rig.turns();
}

const receiver = () => bench.rig.worker.engine.computation(bench.rig.shards("probe")[0] as ShardRef);

/** One that a thief has for a moment is lost with the next renewal of leases. */
async function lose(shard: ShardRef): Promise<void> {
  await bench.rig.line.store.acquire({ worker: "thief", shards: [shard], leaseMs: 10, steal: true });
  const before = bench.rig.line.count("renew");
  for (let i = 0; i < 10 && bench.rig.line.count("renew") === before; i++) {
    bench.rig.clock.advance(100);
    await bench.rig.turns();
  }
}

test("records are done while the commit before is under way, and go in the next one's chain", async () => {
  await underWay();
  const commits = bench.rig.line.commits.length;
  bench.feed.push({ key: ZERO, do: "2" }, 3);
  await bench.rig.turns();
  bench.feed.push({ key: ZERO, do: "3" }, 4);
  await bench.rig.turns();
  expect(receiver()?.open.taken).toBe(2);
  expect(bench.rig.line.commits.length).toBe(commits);
  gate.open();
  await bench.rig.rest();
  const [injected, done] = bench.rig.line.commits.slice(commits);
  expect([injected?.handed.map(({ records }) => records), injected?.parcels, done?.chain]).toEqual([[2], [], injected?.chain]);
  expect(await bench.seen(ZERO)).toEqual(["1", "2", "3"]);
  expect([...bench.kept.values].sort()).toEqual([`${ONE} 1`, `${ONE} 2`, `${ZERO} 1`, `${ZERO} 2`, `${ZERO} 3`].sort());
});

test("a shard that was handed records ahead does nothing else until it is sealed with them, though a timer of its is due", async () => {
  const fired: string[] = [];
  await underWay({
    onRecord: (record, context, self) => {
      if (record.key === ZERO && record.value.do === "1") context.setTimer(self.wall.for("due"), context.now() + 500, { output: "none" });
      counting(record, context, self);
    },
    onTimer: (timer) => void fired.push(timer.tag),
  });
  bench.feed.push({ key: ZERO, do: "2" }, 3);
  await bench.rig.turns();
  bench.rig.worker.engine.learnStoreTime(bench.rig.clock.now() + 600);
  bench.rig.worker.driver.kick();
  await bench.rig.turns();
  expect([receiver()?.open.taken, fired]).toEqual([1, []]);
  gate.open();
  await bench.rig.rest();
  expect(fired).toEqual(["due"]);
  expect(await bench.seen(ZERO)).toEqual(["1", "2"]);
});

test.each([
  ["a shard that was handed records ahead is lost before the commit: they are appended for its next owner", "probe"],
  ["an injector is lost before its commit: so is whoever it has handed records to", "feed"],
])("%s, and all is done once", async (_, participant) => {
  await underWay();
  bench.feed.push({ key: ZERO, do: "2" }, 3);
  await bench.rig.turns();
  const before = receiver();
  expect(before?.open.taken).toBe(1);
  await lose(bench.rig.shards(participant)[0] as ShardRef);
  expect(receiver()).not.toBe(before);
  gate.open();
  await bench.rig.advance(3_000);
  expect(await bench.seen(ZERO)).toEqual(["1", "2"]);
  expect([...bench.kept.values].sort()).toEqual([`${ONE} 1`, `${ONE} 2`, `${ZERO} 1`, `${ZERO} 2`].sort());
});

test("a barrier waits for what stands aside of records that were handed over ahead of their commit", async () => {
  let failures = 1;
  await underWay({
    onRecord: (record, context, self) => {
      if (record.value.do === "shy" && failures-- > 0) throw new Error("not yet");
      counting(record, context, self);
    },
    compute: { backoff: exponential(300, 300) },
  });
  bench.feed.push({ key: ZERO, do: "shy" }, 3);
  await bench.rig.turns();
  expect(failures).toBe(0);
  const { engine } = bench.rig.worker;
  const barrier = new Barrier(engine, engine.options.plan.participants[0] as PlannedInjector);
  gate.open();
  await bench.rig.rest();
  expect(barrier.look()).toBe("waiting");
  await bench.rig.advance(1_000);
  expect(barrier.look()).toBe("passed");
  expect(await bench.seen(ZERO)).toEqual(["1", "shy"]);
});
