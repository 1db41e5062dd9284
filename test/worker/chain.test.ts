/** Chains: records that a commit hands over to a shard of the same worker, and that shard's commit, in one call. */
import { describe, expect, test } from "vitest";
import { Computation, type Context, exponential, input, MemoryStore, output, Pipeline, stream, type StreamRecord } from "../../src/index.ts";
import type { Commit } from "../../src/store/index.ts";
import { Feed, Kept } from "./feed.ts";
import { Bench, type OnRecordNow, type Probing, type Step, steps } from "./probe.ts";
import { Rig } from "./rig.ts";
import { Inbox } from "../../src/worker/inbox.ts";
import { packParcel, Production, whole } from "../../src/worker/parcel.ts";
import { cbor, encodePlain } from "../../src/computation/cbor-codec.ts";

const counting: OnRecordNow = (record, context, self) => {
  self.see(context, record.value.do);
  context.produce(self.results, record.value.do);
};

/** Of the commits since `from`: how many records each has handed over. */
const handed = (rig: Rig, from: number): number[] =>
  rig.line.commits.slice(from).flatMap(({ handed: parcels }) => (parcels.length === 0 ? [] : [parcels.reduce((sum, { records }) => sum + records, 0)]));

const queuedInAll = async (rig: Rig): Promise<number> => {
  const { tails } = await rig.line.store.readTails(rig.shards("probe"));
  return tails.reduce((sum, { tail }) => sum + tail, 0);
};

/** A bench whose feed and probe know each other. */
async function met(probing: Probing, options: Parameters<typeof Bench.start>[1] = {}): Promise<Bench> {
  const bench = await Bench.start(probing, options);
  await bench.give("k:1@1");
  return bench;
}

test("the first record of a sender goes through the inbox; later ones are consumed in the call that injects them, and never lie in it", async () => {
  const bench = await Bench.start({ onRecord: counting });
  await bench.give("k:1@1");
  expect([handed(bench.rig, 0), await queuedInAll(bench.rig)]).toEqual([[], 1]);
  const calls = bench.rig.line.count("commit");
  const before = bench.rig.line.commits.length;
  await bench.give("k:2@2 k:3@3");
  expect([handed(bench.rig, before), await queuedInAll(bench.rig)]).toEqual([[2], 1]);
  const [injected, done] = bench.rig.line.commits.slice(before) as [Commit, Commit];
  expect([injected.chain, injected.parcels]).toEqual([done.chain, []]);
  expect(injected.chain).toBeDefined();
  // The sink's is the second call.
  expect(bench.rig.line.count("commit") - calls).toBe(2);
  expect([await bench.seen("k"), bench.kept.values]).toEqual([
    ["1", "2", "3"],
    ["1", "2", "3"],
  ]);
});

test("three stages are one call once they know each other", async () => {
  const [first, second] = [stream<Step>("first"), stream<Step>("second")];
  class Pass extends Computation {
    readonly steps;
    readonly on;
    constructor(from: typeof steps, to: typeof steps) {
      super();
      this.steps = input(from, { key: (step: Step) => step.key });
      this.on = output(to);
    }
    override processRecord(record: StreamRecord<Step>, context: Context): void {
      context.produce(this.on, record.value);
    }
  }
  const [feed, kept] = [new Feed<Step>(), new Kept<Step>()];
  const pipeline = new Pipeline("stages", { shards: 2 })
    .inject("feed", steps, feed.injector)
    .compute("one", () => new Pass(steps, first))
    .compute("two", () => new Pass(first, second))
    .sink("kept", second, kept.sink);
  const rig = await Rig.start(pipeline);
  const give = async (what: string) => {
    for (const key of ["a", "b", "c", "d"]) feed.push({ key, do: what }, 1);
    await rig.rest();
  };
  await give("x");
  await give("y");
  const calls = rig.line.count("commit");
  await give("z");
  // One with the injector's and both stages', one of the sink's.
  expect(rig.line.count("commit") - calls).toBe(2);
  expect(kept.values.map((step) => step.do)).toEqual(["x", "x", "x", "x", "y", "y", "y", "y", "z", "z", "z", "z"]);
});

test("what a receiver cannot do at once is appended to its inbox, behind what it has done, and is done in order", async () => {
  const bench = await met({ onRecord: counting, shards: 1 }, { batchRecords: 2 });
  const before = bench.rig.line.commits.length;
  await bench.give("k:2@2 k:3@3 k:4@4 k:5@5 k:6@6");
  expect(handed(bench.rig, before)[0]).toBe(2);
  expect(await queuedInAll(bench.rig)).toBeGreaterThan(1);
  expect(await bench.seen("k")).toEqual(["1", "2", "3", "4", "5", "6"]);
  expect(bench.kept.values).toEqual(["1", "2", "3", "4", "5", "6"]);
});

test("an inbox is drained, so that records may be handed over, only where nothing of it waits, is being read or may be unknown", () => {
  const parcel = {
    target: 1,
    records: 1,
    bytes: packParcel(2, 3, [new Production(1, 1, { place: 1, timestamp: 5, id: undefined }, "k", cbor(), whole(encodePlain(1)))]),
  };
  const inbox = new Inbox(1, 0, 0, 0);
  expect(inbox.drained).toBe(true);
  inbox.offer(0, parcel, 0);
  expect(inbox.drained).toBe(false);
  inbox.take();
  expect(inbox.drained).toBe(true);
  inbox.learnTail(2);
  expect(inbox.drained).toBe(false);
  inbox.wants();
  inbox.read(1, [parcel.bytes], 0);
  inbox.take();
  expect(inbox.drained).toBe(true);
  inbox.doubtTail();
  expect(inbox.drained).toBe(false);
});

test("a receiver that is fenced refuses the whole chain: nothing of it is kept, and all is done again once", async () => {
  const bench = await met({ onRecord: counting }, { store: new MemoryStore({ exclusive: false }), leaseMs: 1_000 });
  const probe = bench.rig.shards("probe");
  const outcomes: unknown[] = [];
  let stolen = false;
  bench.rig.line.onCommit = async (commits, apply) => {
    const chained = commits.some(({ handed: parcels }) => parcels.length > 0);
    if (chained && !stolen) {
      stolen = true;
      await bench.rig.line.store.acquire({ worker: "thief", shards: probe, leaseMs: 10, steal: true });
      const reply = await apply(commits);
      outcomes.push(reply.outcomes);
      return reply;
    }
    return await apply(commits);
  };
  await bench.give("k:2@2");
  expect(outcomes).toEqual([["unchained", "fenced"]]);
  expect(await bench.seen("k")).toEqual(["1"]);
  await bench.rig.advance(3_000);
  expect(await bench.seen("k")).toEqual(["1", "2"]);
  expect(bench.kept.values).toEqual(["1", "2"]);
});

test("a record that fails in a chain stands aside with its receiver's commit, and is tried again", async () => {
  let failures = 2;
  const bench = await met({
    onRecord(record, context, self) {
      if (record.value.do === "2" && failures-- > 0) throw new Error("not yet");
      counting(record, context, self);
    },
    compute: { backoff: exponential(50, 50) },
  });
  const before = bench.rig.line.commits.length;
  await bench.give("k:2@2 k:3@3");
  expect(handed(bench.rig, before)).toEqual([2]);
  expect(await bench.rig.stored("probe")).toMatchObject({ held: 2, queued: 0 });
  await bench.rig.advance(1_000);
  expect(await bench.seen("k")).toEqual(["1", "2", "3"]);
});

test("a handler that turns out to wait, amid a chain and behind a call of its key that did not, is called again", async () => {
  const bench = await met({
    onRecord(record, context, self) {
      if (record.value.do !== "slow") return counting(record, context, self);
      return Promise.resolve().then(() => counting(record, context, self));
    },
  });
  await bench.give("k:2@2 k:slow@3 k:4@4");
  await bench.rig.advance(1_000);
  expect(await bench.seen("k")).toEqual(["1", "2", "slow", "4"]);
  expect(bench.kept.values).toEqual(["1", "2", "slow", "4"]);
});

describe("after the death of a worker", () => {
  const shared = () => ({ store: new MemoryStore({ exclusive: false }), leaseMs: 1_000 });

  test("records are stored before they are done, for ten seconds: who dies of one leaves a trace", async () => {
    const bench = await met({ onRecord: counting }, shared());
    await bench.rig.crash();
    await bench.rig.advance(1_500);
    await bench.give("k:2@2");
    const before = bench.rig.line.commits.length;
    await bench.give("k:3@3");
    expect(handed(bench.rig, before)).toEqual([]);
    await bench.rig.advance(10_000);
    await bench.give("k:4@4");
    expect(handed(bench.rig, before)).toEqual([1]);
    expect(await bench.seen("k")).toEqual(["1", "2", "3", "4"]);
  });
});
