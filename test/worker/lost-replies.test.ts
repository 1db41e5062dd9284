/** A reply that is lost tells nothing: the same bytes go again until the store has said what became of them (R10). */
import { describe, expect, test } from "vitest";
import { MemoryStore, StoreUnavailableError } from "../../src/index.ts";
import { shardOf } from "../../src/key.ts";
import type { Commit } from "../../src/store/index.ts";
import type { MemoryData } from "../../src/store/memory-data.ts";
import { Prng } from "../support/prng.ts";
import { Bench, type OnRecordNow, type Probing } from "./probe.ts";
import type { Rig } from "./rig.ts";

const counting: OnRecordNow = (record, context, self) => {
  self.see(context, record.value.do);
  context.produce(self.results, `${record.key}:${record.value.do}`);
  context.setTimer(self.event.for(record.value.do), record.timestamp + 10);
};
const telling: NonNullable<Probing["onTimer"]> = (timer, context, self) => {
  self.see(context, `-${timer.tag}`);
  context.produce(self.results, `${context.key}:-${timer.tag}`);
};

describe.each([
  { name: "applied before its reply was lost", applied: true },
  { name: "lost before it was applied", applied: false },
])("a commit that was $name", ({ applied }) => {
  test("is sent again as it was, and counts once", async () => {
    const bench = await Bench.start({ onRecord: counting, onTimer: telling });
    let fail = true;
    const sent: Commit[][] = [];
    bench.rig.line.onCommit = async (commits, apply) => {
      sent.push([...commits]);
      fail = !fail;
      if (fail) return await apply(commits);
      if (applied) await apply(commits);
      throw new StoreUnavailableError("no reply");
    };
    await bench.give("k:a@1 k:b@2 other:c@3");
    await bench.rig.advance(5_000);
    await bench.promise(100);
    await bench.rig.advance(5_000);
    expect(await bench.seen("k")).toEqual(["a", "b", "-a", "-b"]);
    expect([...bench.kept.values].sort()).toEqual(["k:-a", "k:-b", "k:a", "k:b", "other:-c", "other:c"]);
    const byId = new Map<string, Commit>();
    for (const commit of sent.flat()) {
      const before = byId.get(commit.id);
      if (before !== undefined) expect(commit).toBe(before);
      byId.set(commit.id, commit);
    }
    expect(bench.rig.worker.engine.counted.resends).toBeGreaterThan(3);
    expect(bench.rig.worker.engine.counted).toMatchObject({ gaps: 0, fenced: 0 });
    expect(bench.rig.watermark("kept").input).toBe(100);
  });
});

test("while an outcome is unknown the next batch gathers, and other shards go on", async () => {
  const bench = await Bench.start({ onRecord: counting, shards: 2 });
  const [first] = bench.rig.shards("probe");
  let away = true;
  bench.rig.line.onCommit = async (commits, apply) => {
    if (away && commits.some((commit) => commit.shard === first)) throw new StoreUnavailableError("no reply");
    return await apply(commits);
  };
  const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
  const [mine, others] = [0, 1].map((shard) => keys.filter((key) => shardOf(key, 2) === shard)) as [string[], string[]];
  await bench.give(`${mine[0]}:first@1`);
  for (const key of keys) await bench.give(`${key}:x@2`);
  await bench.rig.advance(5_000);
  expect(bench.kept.values).toEqual(others.map((key) => `${key}:x`));
  const sealed = bench.rig.line.commits.length;
  away = false;
  await bench.rig.advance(2_000);
  expect(bench.kept.values).toHaveLength(21);
  expect(
    new Set(
      bench.rig.line.commits
        .slice(sealed)
        .filter((commit) => commit.shard === first)
        .map((commit) => commit.number),
    ).size,
  ).toBe(2);
});

test("a store that is away for a minute costs that minute: nothing is lost, nothing runs twice", async () => {
  let calls = 0;
  const bench = await Bench.start({
    onRecord(record, context, self) {
      calls++;
      counting(record, context, self);
    },
  });
  await bench.give("k:a@1");
  bench.rig.line.onCall = () => {
    throw new StoreUnavailableError("away");
  };
  bench.rig.line.onCommit = async () => {
    throw new StoreUnavailableError("away");
  };
  bench.feed.push({ key: "k", do: "b" }, 2).promise(50);
  for (let i = 0; i < 60; i++) await bench.rig.jump(1_000);
  const asked = [...bench.rig.line.calls.values()].reduce((sum, count) => sum + count, 0);
  expect(asked).toBeLessThan(1_000);
  bench.rig.line.onCall = () => {};
  bench.rig.line.onCommit = (commits, apply) => apply(commits);
  await bench.rig.advance(5_000);
  expect(bench.kept.values).toEqual(["k:a", "k:b"]);
  expect(calls).toBe(2);
  expect(bench.rig.watermark("kept").input).toBe(50);
});

test.each([1, 2, 3, 4, 5, 6])("replies and requests that are lost at random, of every call, change no result (seed %i)", async (seed) => {
  const prng = new Prng(seed);
  const bench = await Bench.start({ onRecord: counting, onTimer: telling, shards: 3 }, { cacheBytes: seed % 2 === 0 ? 0 : 1 << 20, batchRecords: 5 });
  let calm = false;
  bench.rig.line.onCommit = async (commits, apply) => {
    const luck = calm ? 1 : prng.next();
    if (luck < 0.15) throw new StoreUnavailableError("request lost");
    const reply = await apply(commits);
    if (luck < 0.3) throw new StoreUnavailableError("reply lost");
    return reply;
  };
  bench.rig.line.onCall = (method) => {
    if (!calm && method !== "readGraph" && method !== "init" && prng.next() < 0.2) throw new StoreUnavailableError(`${method} lost`);
  };
  const given: string[] = [];
  for (let round = 0; round < 20; round++) {
    const batch = Array.from({ length: 1 + prng.below(10) }, (_, i) => ({ key: `k${prng.below(5)}`, do: `${round}.${i}` }));
    given.push(...batch.map((step) => `${step.key}:${step.do}`));
    bench.feed.pushAll(batch, () => round * 10);
    bench.feed.promise(round * 10);
    await bench.rig.advance(prng.below(300));
    if (prng.next() < 0.1) await bench.rig.crash();
  }
  calm = true;
  await bench.rig.advance(10_000);
  await bench.promise(10_000);
  const fired = given.map((each) => each.replace(":", ":-"));
  expect([...bench.kept.values].sort()).toEqual([...given, ...fired].sort());
  for (let i = 0; i < 5; i++) {
    const mine = given.filter((each) => each.startsWith(`k${i}:`)).map((each) => each.slice(3));
    expect(((await bench.seen(`k${i}`)) as string[]).filter((each) => !each.startsWith("-"))).toEqual(mine);
  }
});

/** A store that can be put back to what it was: one that lost its tail. */
class ForgetfulStore extends MemoryStore {
  #current: MemoryData | undefined = undefined;

  override data(pipeline: string): MemoryData {
    return this.#current ?? super.data(pipeline);
  }

  async goBackTo(past: MemoryData, rig: Rig): Promise<void> {
    this.#current = past;
    await rig.reconnect();
  }
}

describe("a store that lost its tail", () => {
  test.each([{ told: true }, { told: false }])(
    "has everything read anew, sources and sinks included, and every record counts once (R1; told: $told)",
    async ({ told }) => {
      const store = new ForgetfulStore();
      const bench = await Bench.start({ onRecord: counting, onTimer: telling, shards: 2 }, { store });
      await bench.give("a:1@1 b:2@2");
      const past = store.data("bench").copy();
      await bench.give("a:3@3 b:4@4");
      await bench.promise(3);
      const opened = [bench.feed.opened, bench.kept.opened];
      await store.goBackTo(past, bench.rig);
      if (told) bench.rig.line.generation++;
      await bench.give("a:5@5 b:6@6");
      await bench.rig.advance(1_000);
      await bench.promise(1_000);
      expect(bench.rig.worker.engine.counted.gaps > 0).toBe(!told);
      expect([bench.feed.opened, bench.kept.opened].map((count, i) => count - (opened[i] as number))).toEqual([1, 1]);
      for (const [key, all] of [
        ["a", ["1", "3", "5"]],
        ["b", ["2", "4", "6"]],
      ] as const) {
        expect(bench.kept.values.filter((value) => value.startsWith(key))).toEqual([...all, ...all.map((each) => `-${each}`)].map((each) => `${key}:${each}`));
        expect(await bench.seen(key)).toEqual([...all, ...all.map((each) => `-${each}`)]);
      }
      if (told) expect(bench.rig.counters("probe").late).toBe(0);
    },
  );

  test("is not believed by a read-ahead of what it has forgotten: a commit names the parcel it consumed (R1)", async () => {
    const store = new ForgetfulStore();
    const bench = await Bench.start({ onRecord: counting }, { store });
    await bench.give("k:a@1");
    const past = store.data("bench").copy();
    // The computation has read b, and its commit waits; the injector's tail is lost, and another record takes b's place.
    let release = () => {};
    const probe = bench.rig.shards("probe");
    bench.rig.line.onCommit = async (commits, apply) => {
      if (commits.some((commit) => probe.includes(commit.shard))) await new Promise<void>((resolve) => (release = resolve));
      return await apply(commits);
    };
    bench.feed.push({ key: "k", do: "b" }, 2);
    await bench.rig.turns();
    await store.goBackTo(past, bench.rig);
    bench.rig.line.onCommit = (commits, apply) => apply(commits);
    release();
    await bench.rig.advance(1_000);
    await bench.give("k:c@3");
    await bench.rig.advance(1_000);
    expect(bench.kept.values).toEqual(["k:a", "k:b", "k:c"]);
    expect(await bench.seen("k")).toEqual(["a", "b", "c"]);
  });
});
