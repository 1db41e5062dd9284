/** Identities of records: given by the client and taken once, or given by Millrace and never twice (R2). */
import { describe, expect, test } from "vitest";
import { ascending, byHand, fromHttp, fromIterable } from "../../src/index.ts";
import { Feed } from "./feed.ts";
import { Bench, type Probing, type Step } from "./probe.ts";

const HOUR = 3_600_000;
const plain: Probing["onRecord"] = (record, context, self) => {
  self.see(context, record.value.do);
  context.produce(self.results, record.id);
};

/** The client's id is what comes before "/" in `do`. */
const idOf = (step: Step): string => {
  const id = step.do.split("/")[0] as string;
  if (id === "throws") throw new Error("no id here");
  return id === "number" ? (7 as never) : id;
};

const withIds = (idRetention = HOUR) => new Feed<Step>({ id: idOf, idRetention, watermark: byHand() });

describe("an id that is not looked at (deduplicate: false)", () => {
  test("is the record's, is taken as often as it comes, and nothing is stored or asked for it", async () => {
    const feed = new Feed<Step>({ id: idOf, deduplicate: false, watermark: byHand() });
    const bench = await Bench.start({ onRecord: plain, feed });
    await bench.give("k:x/1@1 k:x/2@2 k:y/1@3");
    await bench.rig.crash();
    await bench.give("k:x/3@4");
    expect(bench.kept.values).toEqual(["x", "x", "y", "x"]);
    expect(bench.rig.counters("feed").duplicates).toBe(0);
    expect(bench.rig.line.count("readIds")).toBe(0);
    expect(bench.rig.line.commits.flatMap((commit) => commit.ids)).toEqual([]);
  });

  test("is refused where it is none, as every id is; and no record is too old", async () => {
    const bench = await Bench.start({ onRecord: plain, feed: new Feed<Step>({ id: idOf, idRetention: 10, deduplicate: false, watermark: byHand() }) });
    bench.feed.promise(1_000_000);
    await bench.give("k:throws@1000001 k:x/1@1000002 k:y/1@5");
    expect(bench.kept.values.toSorted()).toEqual(["x", "y"]);
    expect((await bench.rig.deadLetters("feed")).map(({ reason }) => reason)).toEqual(["id failed: no id here"]);
  });

  test("has to have an effect: without ids, or beside idRetention, it is a ConfigError", () => {
    expect(() => fromIterable<number>(() => [], { deduplicate: false })).toThrow(/deduplicate: false has no effect without an id/);
    expect(() => fromIterable<number>(() => [], { id: String, idRetention: 5, deduplicate: false })).toThrow(/no effect beside idRetention/);
    expect(() => fromIterable<number>(() => [], { id: String, deduplicate: "no" as never })).toThrow(/deduplicate is true or false/);
    expect(fromHttp({ deduplicate: false }).deduplicate).toBe(false);
    expect(fromIterable<number>(() => [], { id: String }).deduplicate).toBe(true);
  });
});

describe("a client's id", () => {
  test("is taken once: in one pull, in the next, by another key, while its first commit is in flight (R2 d, e)", async () => {
    const bench = await Bench.start({ onRecord: plain, feed: withIds() });
    await bench.give("k:x/1@1 k:x/2@2 other:x/3@3 k:y/1@4");
    let release = () => {};
    bench.rig.line.onCommit = async (commits, apply) => {
      const reply = await apply(commits);
      if (commits.some((commit) => commit.ids.length > 0)) await new Promise<void>((resolve) => (release = resolve));
      return reply;
    };
    bench.feed.push({ key: "k", do: "z/1" }, 5);
    await bench.rig.turns();
    bench.feed.push({ key: "k", do: "z/2" }, 6).push({ key: "k", do: "x/4" }, 6);
    await bench.rig.turns();
    bench.rig.line.onCommit = (commits, apply) => apply(commits);
    release();
    await bench.rig.rest();
    expect(bench.kept.values).toEqual(["x", "y", "z"]);
    expect(await bench.seen("k")).toEqual(["x/1", "y/1", "z/1"]);
    expect(bench.rig.counters("feed").duplicates).toBe(4);
  });

  test.each(["before", "after"])("is taken once though the worker dies %s the commit that takes it", async (when) => {
    const bench = await Bench.start({ onRecord: plain, feed: withIds() });
    let died = false;
    const dying = async (...[commits, apply]: Parameters<typeof bench.rig.line.onCommit>) => {
      if (died || !commits.some((commit) => commit.ids.length > 0)) return await apply(commits);
      died = true;
      if (when === "after") await apply(commits);
      void bench.rig.kill();
      return await new Promise<never>(() => {});
    };
    bench.rig.line.onCommit = dying;
    bench.feed.push({ key: "k", do: "x/1" }, 1);
    await bench.rig.turns();
    expect(died).toBe(true);
    await bench.rig.crash();
    await bench.give("k:x/2@2 k:y/1@3 k:x/3@4");
    expect(bench.kept.values).toEqual(["x", "y"]);
    expect(await bench.seen("k")).toEqual(["x/1", "y/1"]);
  });

  test("is looked up in the store once after a restart, not again and again", async () => {
    const bench = await Bench.start({ onRecord: plain, feed: withIds() });
    await bench.give("k:x/1@1");
    expect(bench.rig.line.count("readIds")).toBe(0);
    await bench.rig.crash();
    await bench.give("k:x/2@2 k:y/1@3 k:y/2@3");
    expect(bench.rig.line.count("readIds")).toBe(1);
    await bench.give("k:y/3@4");
    expect(bench.rig.line.count("readIds")).toBe(1);
    expect(await bench.seen("k")).toEqual(["x/1", "y/1"]);
  });

  test("is remembered until the watermark is past it by its retention; what is older is refused, never taken as new (R2 f)", async () => {
    const bench = await Bench.start({ onRecord: plain, feed: withIds(1_000) });
    await bench.give("k:x/1@10000");
    await bench.promise(11_000);
    await bench.give("k:x/2@10000 k:w/1@10000 k:v/1@9999");
    expect(await bench.seen("k")).toEqual(["x/1", "w/1"]);
    await bench.promise(50_000);
    await bench.rig.crash();
    await bench.give("k:x/3@10000 k:u/1@48999 k:t/1@49000");
    expect(await bench.seen("k")).toEqual(["x/1", "w/1", "t/1"]);
    const letters = await bench.rig.deadLetters("feed");
    expect(letters.map(({ id, timestamp }) => [id, timestamp])).toEqual([
      ["v", 9_999],
      ["x", 10_000],
      ["u", 48_999],
    ]);
    expect(letters[0]?.reason).toMatch(/more than 1000 ms behind/);
  });

  test("of a record that was refused may be tried again", async () => {
    const bench = await Bench.start({ onRecord: plain, feed: withIds() });
    bench.feed.push({ key: "k", do: "x/1" }, Number.NaN).push({ key: "k", do: "x/2" }, 5).push({ key: "k", do: "x/3" }, 5);
    await bench.rig.rest();
    expect(await bench.seen("k")).toEqual(["x/2"]);
    expect(await bench.rig.deadLetters("feed")).toMatchObject([{ id: "x" }]);
  });

  test.each([
    ["throws", /no id here/],
    ["", /empty/],
    ["number", /its id is 7/],
    ["long".repeat(65), /256 bytes/],
    ["\ud800", /not well-formed/],
  ])("that is none (%.6s) sends its record to dead letters", async (id, reason) => {
    const bench = await Bench.start({ onRecord: plain, feed: withIds() });
    bench.feed.pushAll(
      [
        { key: "k", do: "a/1" },
        { key: "k", do: `${id}/1` },
        { key: "k", do: "b/1" },
      ],
      () => 1,
    );
    await bench.rig.rest();
    expect(await bench.seen("k")).toEqual(["a/1", "b/1"]);
    expect((await bench.rig.deadLetters("feed"))[0]?.reason).toMatch(reason);
  });

  test("goes with the record to user code, and its productions have ids of their own", async () => {
    const bench = await Bench.start({ onRecord: plain, feed: withIds() });
    await bench.give("k:mine/1@1");
    expect(bench.kept.records[0]?.value).toBe("mine");
    expect(bench.kept.records[0]?.id).not.toBe("mine");
  });
});

describe("an id that Millrace gives", () => {
  test("is the same through retries and crashes, unique among all records, and none is given twice by a new owner", async () => {
    const ids: string[] = [];
    let failures = 2;
    const bench = await Bench.start({
      onRecord(record, context, self) {
        ids.push(record.id);
        if (record.value.do === "shy" && failures-- > 0) throw new Error("not yet");
        context.produce(self.results, record.id);
        context.produce(self.results, record.id);
      },
      shards: 4,
    });
    await bench.give("k:shy@1");
    await bench.rig.crash();
    await bench.rig.advance(60_000);
    expect(new Set(ids).size).toBe(1);
    for (let i = 0; i < 5; i++) {
      await bench.give("a:x@2 b:x@2 c:x@2");
      await bench.rig.crash();
    }
    const produced = bench.kept.records.map((record) => record.id);
    expect(produced).toHaveLength(32);
    expect(new Set([...produced, ...bench.kept.values]).size).toBe(32 + 16);
  });
});

test("a source with positions goes on after its checkpoint: no record is lost or doubled, wherever its worker dies (R2 a, b)", async () => {
  const bench = await Bench.start({ onRecord: plain, feed: new Feed<Step>({ watermark: ascending() }) }, { batchRecords: 2 });
  const given: string[] = [];
  for (let round = 0; round < 30; round++) {
    const batch = Array.from({ length: 7 }, (_, i) => ({ key: `k${i % 2}`, do: `${round}.${i}` }));
    given.push(...batch.map((step) => step.do));
    let dead = false;
    let left = round % 5;
    bench.rig.line.onCommit = async (commits, apply) => {
      if (dead || left-- > 0) return await apply(commits);
      dead = true;
      if (round % 2 === 0) await apply(commits);
      void bench.rig.kill();
      return await new Promise<never>(() => {});
    };
    bench.feed.pushAll(batch, () => round);
    await bench.rig.turns();
    await bench.rig.crash();
  }
  const seen = [...((await bench.seen("k0")) as string[]), ...((await bench.seen("k1")) as string[])];
  expect(seen.sort()).toEqual(given.sort());
  expect(bench.kept.values).toHaveLength(given.length);
});
