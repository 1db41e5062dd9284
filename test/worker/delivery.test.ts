/** What is produced for another atomic domain waits in an outbox, and is delivered from there once and in order. */
import { describe, expect, test } from "vitest";
import { MemoryStore, StoreUnavailableError } from "../../src/index.ts";
import { shardOf } from "../../src/key.ts";
import type { Delivery } from "../../src/store/index.ts";
import { Bench, type OnRecordNow } from "./probe.ts";

const SHARDS = 4;
/** Feed and sink are of shard 0, so these keys' records cross domains twice. */
const FAR = Array.from({ length: 40 }, (_, i) => `k${i}`).filter((key) => shardOf(key, SHARDS) !== 0);
const [a = "", b = ""] = FAR;

const passing: OnRecordNow = (record, context, self) => {
  self.see(context, record.value.do);
  context.produce(self.results, `${record.key}:${record.value.do}`);
};

const start = (onRecord = passing) => Bench.start({ onRecord, shards: SHARDS }, { store: new MemoryStore({ domains: SHARDS }) });

/** What is stored in the outboxes of a participant: "target n", n 0 for the note of a channel's last place. */
async function stored(bench: Bench, name: string): Promise<string[]> {
  const recovered = await bench.rig.line.store.recover(bench.rig.shards(name), { timers: 0, holds: 0 });
  return recovered.flatMap(({ outbox }) => outbox.map(({ target, place }) => `${target} ${place.n}`));
}

describe("records between domains", () => {
  test("arrive once, in the order of their sender for each key, and the watermark passes when they are there", async () => {
    const bench = await start();
    const given: string[] = [];
    for (let round = 0; round < 30; round++) {
      given.push(`${a}:${round}`, `${b}:${round}`);
      await bench.give(`${a}:${round}@${round} ${b}:${round}@${round}`);
    }
    await bench.promise(100);
    expect(bench.kept.values).toHaveLength(60);
    for (const key of [a, b]) {
      const mine = given.filter((value) => value.startsWith(`${key}:`));
      expect(bench.kept.values.filter((value) => value.startsWith(`${key}:`))).toEqual(mine);
      expect(await bench.seen(key)).toEqual(mine.map((value) => value.slice(key.length + 1)));
    }
    expect(bench.rig.watermark("kept").input).toBe(100);
    expect(bench.rig.worker.engine.delivery.counted).toMatchObject({ again: 0, lost: 0, dropped: 0, resends: 0 });
    expect(bench.rig.worker.engine.delivery.counted.delivered).toBeGreaterThan(30);
  });

  test("are deleted with a later commit, or after a while; a note of each channel's last place stays", async () => {
    const bench = await start();
    await bench.give(`${a}:x@1 ${a}:y@2`);
    expect((await stored(bench, "feed")).some((entry) => !entry.endsWith(" 0"))).toBe(true);
    await bench.rig.advance(1_000);
    for (const name of ["feed", "probe"]) {
      const entries = await stored(bench, name);
      expect(entries).toHaveLength(1);
      expect(entries[0]).toMatch(/ 0$/);
    }
    const { commits } = bench.rig.line;
    const before = commits.length;
    await bench.rig.advance(5_000);
    expect(commits.length).toBe(before);
  });
});

describe("while a domain is away", () => {
  test("what was produced for it holds the watermark, is named, and is sent again as it was", async () => {
    const bench = await start();
    await bench.promise(10);
    let away = true;
    const sent: (readonly Delivery[])[] = [];
    bench.rig.line.onCall = (method, [deliveries]) => {
      if (method !== "deliver") return;
      sent.push(deliveries as readonly Delivery[]);
      if (away) throw new StoreUnavailableError("no answer");
    };
    await bench.give(`${a}:x@50`);
    await bench.promise(100);
    await bench.rig.advance(3_000);
    expect(bench.rig.watermark("feed")).toMatchObject({ output: 50, status: "live" });
    expect([bench.rig.heldBy("feed"), bench.kept.values]).toEqual(["undelivered", []]);
    expect(bench.rig.worker.engine.shardsOf(bench.rig.planned("feed"))[0]?.why()).toMatchObject({ kind: "undelivered", at: 50, records: 1 });
    expect(sent.length).toBeGreaterThan(3);
    for (const deliveries of sent) expect(deliveries).toBe(sent[0]);
    away = false;
    await bench.rig.advance(2_000);
    expect([bench.kept.values, bench.rig.watermark("kept").input]).toEqual([[`${a}:x`], 100]);
  });

  test("its senders stop when their outboxes are full, and go on when it is back", async () => {
    const bench = await start();
    let away = true;
    bench.rig.line.onCall = (method) => {
      if (away && method === "deliver") throw new StoreUnavailableError("no answer");
    };
    const many = 9_000;
    bench.feed.pushAll(
      Array.from({ length: many }, (_, i) => ({ key: a, do: String(i) })),
      (_, i) => i,
    );
    await bench.rig.advance(2_000);
    const { processed } = bench.rig.counters("feed");
    expect(processed).toBeGreaterThan(4_096);
    expect(processed).toBeLessThan(4_096 + 4_096);
    expect(bench.rig.worker.engine.shardsOf(bench.rig.planned("feed"))[0]?.outbox.full).toBe(true);
    away = false;
    await bench.rig.advance(10_000);
    expect(bench.kept.values).toEqual(Array.from({ length: many }, (_, i) => `${a}:${i}`));
  });
});

describe.each([{ applied: true }, { applied: false }])("a delivery whose answer is lost (applied: $applied)", ({ applied }) => {
  test("is sent again, and appends once", async () => {
    const bench = await start();
    let fail = false;
    const { line } = bench.rig;
    line.onCall = (method) => {
      if (method !== "deliver") return;
      fail = !fail;
      if (fail && !applied) throw new StoreUnavailableError("no answer");
    };
    line.after = (method) => {
      if (method === "deliver" && fail && applied) throw new StoreUnavailableError("no answer");
    };
    for (let i = 0; i < 5; i++) await bench.give(`${a}:${i}@${i} ${b}:${i}@${i}`);
    await bench.promise(100);
    await bench.rig.advance(10_000);
    expect(await bench.seen(a)).toEqual(["0", "1", "2", "3", "4"]);
    expect(bench.kept.values.toSorted()).toEqual([a, b].flatMap((key) => [0, 1, 2, 3, 4].map((i) => `${key}:${i}`)).toSorted());
    expect(bench.rig.watermark("kept").input).toBe(100);
    expect(bench.rig.worker.engine.delivery.counted.again > 0).toBe(applied);
  });
});

describe("a new owner", () => {
  test("delivers what the one before has produced and not delivered, before its own", async () => {
    const bench = await start();
    let away = true;
    bench.rig.line.onCall = (method) => {
      if (away && method === "deliver") throw new StoreUnavailableError("no answer");
    };
    await bench.give(`${a}:1@1 ${a}:2@2`);
    await bench.give(`${a}:3@3`);
    await bench.rig.crash();
    away = false;
    await bench.give(`${a}:4@4`);
    await bench.promise(100);
    await bench.rig.advance(5_000);
    expect([await bench.seen(a), bench.kept.values]).toEqual([["1", "2", "3", "4"], ["1", "2", "3", "4"].map((i) => `${a}:${i}`)]);
    expect(bench.rig.worker.engine.delivery.counted.lost).toBe(0);
  });

  test("goes on where the channels end, also where nothing of them is left to deliver", async () => {
    const bench = await start();
    for (let owner = 0; owner < 4; owner++) {
      await bench.give(`${a}:${owner}@${owner} ${b}:${owner}@${owner}`);
      // With what was delivered still stored, and with only a note of it.
      if (owner % 2 === 0) await bench.rig.advance(1_000);
      await bench.rig.crash();
    }
    await bench.give(`${a}:end@50`);
    await bench.promise(100);
    await bench.rig.advance(1_000);
    expect(await bench.seen(a)).toEqual(["0", "1", "2", "3", "end"]);
    expect(bench.rig.worker.engine.delivery.counted.lost).toBe(0);
    expect(bench.rig.watermark("kept").input).toBe(100);
  });
});

test("a receiver that has lost its tail is told of once, and its channel goes on from what it has", async () => {
  const bench = await start();
  await bench.give(`${a}:1@1 ${a}:2@2`);
  await bench.give(`${a}:3@3`);
  await bench.rig.advance(1_000);
  const [feed = 0] = bench.rig.shards("feed");
  const target = bench.rig.shards("probe")[shardOf(a, SHARDS)] as number;
  const { marks } = (bench.rig.disk as MemoryStore).data("bench").shard(target);
  marks.set(feed, { monotonic: (marks.get(feed)?.monotonic ?? 0) - 7, n: 1 });
  await bench.give(`${a}:4@4`);
  marks.delete(feed);
  await bench.give(`${a}:5@5 ${a}:6@6`);
  await bench.give(`${a}:7@7`);
  await bench.promise(100);
  await bench.rig.advance(1_000);
  expect(await bench.seen(a)).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
  expect(bench.rig.worker.engine.delivery.counted.lost).toBe(2);
  expect(bench.rig.logged.filter((line) => /^error: the store has lost the tail of a channel from shard \d+ to shard \d+/.test(line))).toHaveLength(2);
});
