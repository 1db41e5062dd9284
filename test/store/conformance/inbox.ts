/** Inboxes: order of appends, windows of reading, and the counts that tell of them. */
import { expect } from "vitest";
import type { Bench, Define } from "./bench.ts";
import { ALL, append, consumed, counter, far, farther, joiner, report, source } from "./values.ts";

/** p0 to p9 in the inbox of `counter`. */
async function tenParcels(bench: Bench): Promise<void> {
  const sender = await bench.acquire(source);
  await sender.commit({ parcels: Array.from({ length: 10 }, (_, i) => append(counter, `p${i}`)) });
}

async function window(bench: Bench, from: number, most: number): Promise<unknown> {
  const { from: start, parcels, tail } = await bench.store.readInbox(counter, from, most);
  return [start, parcels.map((each) => Buffer.from(each).toString("latin1").slice(0, 2)), tail];
}

export function inbox(define: Define): void {
  order(define);
  windows(define);
  counts(define);
}

function order(define: Define): void {
  define("parcels of one commit are appended in its order, to each target", async (bench) => {
    const owner = await bench.acquire(source);
    await owner.commit({
      parcels: [append(counter, "1"), append(joiner, "2"), append(counter, "3"), append(report, "4"), append(counter, "5"), append(joiner, "6")],
    });
    expect([await bench.inbox(counter), await bench.inbox(joiner), await bench.inbox(report)]).toEqual([["1", "3", "5"], ["2", "6"], ["4"]]);
  });

  define("parcels of one list are appended in the order of its commits", async (bench) => {
    const owners = [await bench.acquire(joiner), await bench.acquire(source), await bench.acquire(counter)];
    for (const round of [0, 1]) {
      await bench.store.commit(owners.map((owner, i) => owner.seal({ parcels: [append(report, `${round}${i}a`), append(report, `${round}${i}b`)] })));
      for (const owner of owners) owner.number += 1;
    }
    expect(await bench.inbox(report)).toEqual(["00a", "00b", "01a", "01b", "02a", "02b", "10a", "10b", "11a", "11b", "12a", "12b"]);
  });

  define("a shard may append to its own inbox", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ parcels: [append(counter, "mine", 2)] });
    await owner.commit({ consumed: consumed(1, 0, 2, "mine"), parcels: [append(counter, "again", 1)] });
    expect(await bench.inbox(counter)).toEqual(["again"]);
  });

  define("a target needs no owner", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ parcels: [append(joiner, "waits")] });
    expect(await bench.inbox(joiner)).toEqual(["waits"]);
    const [summary] = await bench.store.summarize([joiner]);
    expect(summary).toMatchObject({ tail: 1, queued: 1, number: 0 });
  });

  define("a new owner of a target does not disturb what is in its inbox", async (bench) => {
    const sender = await bench.acquire(source);
    await sender.commit({ parcels: [append(counter, "one")] });
    await bench.acquire(counter, "w1");
    await sender.commit({ parcels: [append(counter, "two")] });
    await bench.acquire(counter, "w2");
    expect(await bench.inbox(counter)).toEqual(["one", "two"]);
  });

  define("a thousand parcels of one commit keep their order", async (bench) => {
    const owner = await bench.acquire(source);
    const names = Array.from({ length: 1_000 }, (_, i) => `n${i}`);
    await owner.commit({ parcels: names.map((name) => append(counter, name)) });
    expect(await bench.inbox(counter)).toEqual(names);
  });

  define("shards with the same index, or of the same participant, have inboxes of their own", async (bench) => {
    await (await bench.acquire(counter)).commit({ parcels: [append(counter, "here")] });
    for (const other of [source, joiner, report, far, farther]) expect(await bench.inbox(other)).toEqual([]);
  });
}

function windows(define: Define): void {
  define("an empty inbox reads as nothing, with its tail", async (bench) => {
    expect(await window(bench, 0, 5)).toEqual([0, [], 0]);
  });
  define("a window begins where it is asked to and has at most so many parcels", async (bench) => {
    await tenParcels(bench);
    expect(await window(bench, 0, 3)).toEqual([0, ["p0", "p1", "p2"], 10]);
    expect(await window(bench, 4, 2)).toEqual([4, ["p4", "p5"], 10]);
    expect(await window(bench, 9, 1)).toEqual([9, ["p9"], 10]);
  });
  define("a window that ends beyond the tail has what there is", async (bench) => {
    await tenParcels(bench);
    expect(await window(bench, 8, 100)).toEqual([8, ["p8", "p9"], 10]);
    expect(await window(bench, 8, ALL)).toEqual([8, ["p8", "p9"], 10]);
  });
  define("a window at the tail is empty", async (bench) => {
    await tenParcels(bench);
    expect(await window(bench, 10, 5)).toEqual([10, [], 10]);
  });
  define("a window beyond the tail is empty and tells the tail", async (bench) => {
    await tenParcels(bench);
    const read = await bench.store.readInbox(counter, 15, 5);
    expect([read.parcels, read.tail]).toEqual([[], 10]);
  });
  define("a window of no parcels still has one, if there is one", async (bench) => {
    await tenParcels(bench);
    expect(await window(bench, 3, 0)).toEqual([3, ["p3"], 10]);
  });
  define("a window that begins before the first kept parcel begins there, and says so", async (bench) => {
    await tenParcels(bench);
    await (await bench.acquire(counter)).commit({ consumed: consumed(4, 0, 4, "p3") });
    expect(await window(bench, 0, 2)).toEqual([4, ["p4", "p5"], 10]);
    expect(await window(bench, 4, 2)).toEqual([4, ["p4", "p5"], 10]);
    expect(await window(bench, 5, 2)).toEqual([5, ["p5", "p6"], 10]);
  });
  define("the parcel that is consumed in part can still be read", async (bench) => {
    await tenParcels(bench);
    const sender = await bench.acquire(source, "w9");
    await sender.commit({ parcels: [append(counter, "q0", 3)] });
    await (await bench.acquire(counter)).commit({ consumed: consumed(10, 2, 12, "q0") });
    expect(await window(bench, 0, 5)).toEqual([10, ["q0"], 11]);
  });
  define("parcels are read back byte for byte, large ones too", async (bench) => {
    const owner = await bench.acquire(source);
    const large = Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 31 + (i >> 8)) & 255);
    const inside = large.subarray(1_000, 1_300);
    await owner.commit({
      parcels: [
        { target: counter, records: 1, bytes: large },
        { target: counter, records: 1, bytes: inside },
      ],
    });
    const { parcels } = await bench.store.readInbox(counter, 0, 2);
    expect(parcels.map((each) => Buffer.compare(each, parcels.indexOf(each) === 0 ? large : inside))).toEqual([0, 0]);
  });
}

function counts(define: Define): void {
  define("tails count parcels, queued counts records", async (bench) => {
    const owner = await bench.acquire(source);
    const reply = await owner.commit({ parcels: [append(counter, "1", 10), append(counter, "2", 5), append(joiner, "3", 1)] });
    expect([...reply.tails].sort((x, y) => x.shard - y.shard)).toEqual([
      { shard: counter, tail: 2, queued: 15 },
      { shard: joiner, tail: 1, queued: 1 },
    ]);
  });

  define("a reply names each target once, as it is after the whole call", async (bench) => {
    const [first, second] = [await bench.acquire(source), await bench.acquire(counter)];
    const reply = await bench.store.commit([
      first.seal({ parcels: [append(report, "1"), append(report, "2")] }),
      second.seal({ parcels: [append(report, "3")] }),
    ]);
    expect(reply.tails).toEqual([{ shard: report, tail: 3, queued: 3 }]);
  });

  define("a reply names no shard that was not appended to", async (bench) => {
    const owner = await bench.acquire(counter);
    expect((await owner.commit()).tails).toEqual([]);
  });

  define("readTails answers in the order it was asked, of all shards of a domain at one moment", async (bench) => {
    const owner = await bench.acquire(source);
    const { appends } = await owner.commit({ parcels: [append(counter, "1", 4), append(report, "2", 2)] });
    expect(await bench.store.readTails([report, joiner, counter])).toEqual({
      tails: [
        { shard: report, tail: 1, queued: 2 },
        { shard: joiner, tail: 0, queued: 0 },
        { shard: counter, tail: 1, queued: 4 },
      ],
      appends,
    });
    expect((await bench.store.readTails([])).tails).toEqual([]);
  });

  define("appends rises by one for a call that appends, however many parcels and targets it has", async (bench) => {
    const [first, second] = [await bench.acquire(source), await bench.acquire(counter)];
    expect((await first.commit({ parcels: [append(counter, "1"), append(counter, "2"), append(report, "3")] })).appends).toBe(1);
    expect((await first.commit({ parcels: [append(counter, "4")] })).appends).toBe(2);
    first.number = 2;
    expect((await bench.store.commit([first.seal({ parcels: [append(report, "5")] }), second.seal({ parcels: [append(report, "6")] })])).appends).toBe(3);
  });

  define("appends stays with calls that append nothing: no parcels, a resend, a refusal", async (bench) => {
    const owner = await bench.acquire(counter);
    const commit = owner.seal({ parcels: [append(report, "1")] });
    expect((await bench.store.commit([commit])).appends).toBe(1);
    expect((await bench.store.commit([commit])).appends).toBe(1);
    expect((await bench.store.commit([{ ...commit, number: 5 }])).appends).toBe(1);
    owner.number = 1;
    expect((await owner.commit()).appends).toBe(1);
    expect((await bench.store.readTails([report])).appends).toBe(1);
  });

  define("a call in which one commit appends and another is refused counts once", async (bench) => {
    const [first, second] = [await bench.acquire(source), await bench.acquire(counter)];
    const reply = await bench.store.commit([
      { ...first.seal({ parcels: [append(report, "1")] }), sequencer: "0.x" },
      second.seal({ parcels: [append(report, "2")] }),
    ]);
    expect([reply.outcomes, reply.appends]).toEqual([["fenced", "committed"], 1]);
  });

  define("a report tells the same appends as a commit", async (bench) => {
    const owner = await bench.acquire(counter);
    const { appends } = await owner.commit({ parcels: [append(report, "1")] });
    expect((await bench.store.report("w1", [])).appends).toEqual(bench.only(counter, appends));
  });

  define("queued falls by the records that the consumer says, never by parcels", async (bench) => {
    const sender = await bench.acquire(source);
    await sender.commit({ parcels: [append(counter, "p", 100)] });
    const owner = await bench.acquire(counter);
    for (const [offset, left] of [
      [30, 70],
      [60, 40],
      [99, 1],
    ] as const) {
      await owner.commit({ consumed: consumed(0, offset, offset === 99 ? 39 : 30, "p") });
      expect((await bench.store.readTails([counter])).tails[0]).toEqual({ shard: counter, tail: 1, queued: left });
    }
    await owner.commit({ consumed: consumed(1, 0, 1, "p") });
    expect((await bench.store.summarize([counter]))[0]).toMatchObject({ tail: 1, queued: 0 });
  });
}
