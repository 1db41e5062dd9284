/** How records are gathered into commits is nobody's business: the results are the same, value by value and key by key. */
import { describe, expect, test } from "vitest";
import { Computation, type Context, input, output, Pipeline, state, stream, type StreamRecord, type Timer, timer, timers } from "../../src/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";
import { Prng } from "../support/prng.ts";
import { Feed, Kept } from "./feed.ts";
import { Rig } from "./rig.ts";

interface Trade {
  readonly symbol: string;
  readonly price: number;
  readonly venue: string;
}
interface Bar {
  readonly symbol: string;
  readonly start: number;
  readonly open: number;
  readonly prices: readonly number[];
  readonly late: number;
}
interface Note {
  readonly symbol: string;
  readonly text: string;
  readonly seen: ReadonlyMap<string, number>;
}

const trades = stream<Trade>("trades");
const bars = stream<Bar>("bars");
const notes = stream<Note>("notes");
const totals = stream<string>("totals");

class Bars extends Computation {
  readonly trades = input(trades, { key: (trade) => trade.symbol });
  readonly bars = output(bars);
  readonly notes = output(notes);
  readonly open = state("open", { initial: new Map<number, number[]>() });
  readonly venues = state("venues", { initial: new Map<string, number>() });
  readonly late = state("late", { initial: 0 });
  readonly closing = timers<number>("closing");
  readonly rest = timer("rest");

  processRecord(record: StreamRecord<Trade>, context: Context) {
    const start = record.timestamp - (record.timestamp % 100);
    context.state(this.open).update((open) => void open.set(start, [...(open.get(start) ?? []), record.value.price]));
    context.state(this.venues).update((seen) => seen.set(record.value.venue, (seen.get(record.value.venue) ?? 0) + 1));
    if (record.late) context.state(this.late).update((n) => n + 1);
    context.setTimer(this.closing.for(start), start + 100);
    context.setTimer(this.rest, record.timestamp + 350);
    if (record.value.price % 5 === 0)
      for (let i = 0; i < record.value.price % 4; i++)
        context.produce(this.notes, { symbol: context.key, text: `${i}`, seen: context.state(this.venues).get() });
    if (record.value.price % 11 === 0) context.deleteTimer(this.closing.for(start - 100));
  }

  override processTimer(fired: Timer<number | undefined>, context: Context) {
    const open = context.state(this.open);
    if (fired.is(this.rest)) {
      context.produce(this.notes, { symbol: context.key, text: "rests", seen: context.state(this.venues).get() });
      if (open.get().size === 0) context.clear();
      return;
    }
    const start = fired.tag as number;
    const prices = open.get().get(start) ?? [];
    context.produce(this.bars, { symbol: context.key, start, open: prices[0] ?? -1, prices, late: context.state(this.late).get() });
    open.update((all) => void all.delete(start));
  }
}

class Totals extends Computation {
  readonly bars = input(bars, { key: (bar) => bar.symbol });
  readonly notes = input(notes, { key: (note) => note.symbol });
  readonly totals = output(totals);
  readonly log = state("log", { initial: [] as string[] });
  readonly flush = timer("flush");
  processRecord(record: StreamRecord<Bar> | StreamRecord<Note>, context: Context) {
    const line = record.is(this.bars)
      ? `bar ${record.value.start} of ${record.value.prices.length}`
      : record.is(this.notes)
        ? `note ${record.value.text}`
        : "?";
    context.state(this.log).update((log) => [...log, line].slice(-20));
    context.produce(this.totals, `${context.key} ${context.state(this.log).get().join(",")}`);
    context.setTimer(this.flush, record.timestamp + 500);
  }
  override processTimer(fired: Timer, context: Context) {
    context.produce(this.totals, `${context.key} flushed at ${fired.time}`);
    context.state(this.log).delete();
  }
}

/** What all streams carried and what all states came to, in bytes that can be compared. */
type Result = Record<string, string>;

function perKey<T>(records: readonly StreamRecord<T>[], keyOf: (value: T) => string): Record<string, string> {
  const lists: Record<string, unknown[]> = {};
  for (const { value, timestamp } of records)
    (lists[keyOf(value)] ??= []).push([
      timestamp,
      value instanceof Object && "seen" in value ? { ...value, seen: [...(value.seen as Map<string, number>)] } : value,
    ]);
  return Object.fromEntries(Object.entries(lists).map(([key, list]) => [key, JSON.stringify(list)]));
}

async function play(seed: number, options: { batchRecords: number; cacheBytes?: number; crash?: boolean }): Promise<Result> {
  const prng = new Prng(seed);
  const feed = new Feed<Trade>();
  const [keptBars, keptNotes, keptTotals] = [new Kept<Bar>(), new Kept<Note>(), new Kept<string>()];
  const pipeline = new Pipeline("trading", { shards: 4 })
    .inject("feed", trades, feed.injector)
    .compute("bars", Bars)
    .compute("totals", Totals)
    .sink("kept-bars", bars, keptBars.sink)
    .sink("kept-notes", notes, keptNotes.sink)
    .sink("kept-totals", totals, keptTotals.sink);
  const rig = await Rig.start(pipeline, options);
  let watermark = 0;
  for (let round = 0; round < 12; round++) {
    const batch = Array.from({ length: 1 + prng.below(150) }, () => ({
      symbol: `S${prng.below(9)}`,
      price: prng.below(1_000),
      venue: `V${prng.below(3)}`,
      at: Math.max(0, watermark - 60 + prng.below(400)),
    }));
    feed.pushAll(batch, (trade) => (trade as (typeof batch)[number]).at);
    await rig.rest();
    if (options.crash && round % 3 === 1) await rig.crash();
    watermark += 50 + prng.below(150);
    feed.promise(watermark);
    await rig.rest();
  }
  feed.end();
  await rig.rest();
  expect(rig.outcome).toBe("finished");
  const result: Result = {};
  const carried = {
    bars: perKey(keptBars.records, (bar) => bar.symbol),
    notes: perKey(keptNotes.records, (note) => note.symbol),
    totals: perKey(keptTotals.records, (text) => text.slice(0, 2)),
  };
  for (const [name, lists] of Object.entries(carried)) for (const [key, list] of Object.entries(lists)) result[`${name} ${key}`] = list;
  for (let i = 0; i < 9; i++) {
    for (const [computation, cell] of [
      ["bars", "open"],
      ["bars", "venues"],
      ["bars", "late"],
      ["totals", "log"],
    ] as const) {
      const value = await rig.state(computation, cell, `S${i}`);
      result[`${computation}.${cell} S${i}`] = JSON.stringify(value instanceof Map ? [...value] : value) ?? "none";
    }
  }
  return result;
}

describe.each([1, 2, 3])("of random trades (seed %i)", (seed) => {
  test("the results are the same at 1, 7 and 256 records a batch, with and without a cache, with and without crashes", async () => {
    const reference = await play(seed, { batchRecords: 256 });
    expect(Object.keys(reference).length).toBeGreaterThan(50);
    expect(await play(seed, { batchRecords: 1 })).toEqual(reference);
    expect(await play(seed, { batchRecords: 7, cacheBytes: 0 })).toEqual(reference);
    expect(await play(seed, { batchRecords: 7, crash: true })).toEqual(reference);
  });
});

test("one lonely record is committed and seen at once: no time has to pass, at any size of batch", async () => {
  for (const batchRecords of [1, 256]) {
    const feed = new Feed<Trade>();
    const kept = new Kept<Note>();
    const pipeline = new Pipeline("lonely").inject("feed", trades, feed.injector).compute("bars", Bars).sink("kept", notes, kept.sink);
    const rig = await Rig.start(pipeline, { batchRecords });
    const now = rig.clock.now();
    feed.push({ symbol: "S", price: 15, venue: "V" }, 10);
    await rig.rest();
    expect([rig.clock.now() - now, kept.values.length]).toEqual([0, 3]);
  }
});

test("PipelineTester gives the same values whatever batchRecords says", async () => {
  const results = await Promise.all(
    [1, 7, 256].map(async (batchRecords) => {
      const pipeline = new Pipeline("tested", { shards: 2 }).inject("feed", trades, new Feed<Trade>().injector).compute("bars", Bars).compute("totals", Totals);
      const tester = await PipelineTester.start(pipeline, { batchRecords });
      for (let i = 0; i < 40; i++) {
        await tester.push(trades, { symbol: `S${i % 3}`, price: i * 5, venue: "V" }, { at: i * 20 });
        if (i % 10 === 9) await tester.advanceWatermark(i * 20 - 30);
      }
      await tester.finish();
      return { bars: perKey(tester.records(bars), (bar) => bar.symbol), totals: perKey(tester.records(totals), (text) => text.slice(0, 2)) };
    }),
  );
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
  expect(Object.keys(results[0]?.bars ?? {})).toHaveLength(3);
});
