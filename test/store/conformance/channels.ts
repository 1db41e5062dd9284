/** Channels between atomic domains: the sender's outbox, and the receiver's rules of places. */
import { expect } from "vitest";
import { monotonicOf, type OutboxEntry, type Place } from "../../../src/store/commit.ts";
import { shardRef } from "../../../src/key.ts";
import type { Delivery } from "../../../src/store/store.ts";
import type { Bench, Define } from "./bench.ts";
import { append, bytes, consumed, counter, far, farther, joiner, parcel, source, text } from "./values.ts";

const place = (monotonic: number, n: number): Place => ({ monotonic, n });

/** A delivery from `counter` to `far` whose parcel is named after its place. */
function delivery(monotonic: number, n: number, previous?: Place, records = 1): Delivery {
  return { from: counter, to: far, place: place(monotonic, n), previous, records, bytes: parcel(`${monotonic}/${n}`) };
}
const entry = (n: number, target = far, previous?: Place): OutboxEntry => ({ target, n, previous, records: n, bytes: bytes(`entry ${n}`) });

export function channels(define: Define): void {
  outbox(define);
  oneSequencer(define);
  changeOfOwner(define);
  replies(define);
}

function outbox(define: Define): void {
  const listed = async (bench: Bench): Promise<string[]> =>
    (await bench.recover(counter)).outbox.map(
      ({ target, place: { monotonic, n }, records, bytes: body, previous }) =>
        `${target === far ? "far" : "farther"} ${monotonic} ${n} ${records} ${text(body)}${previous === undefined ? "" : ` after ${previous.monotonic}/${previous.n}`}`,
    );

  define("outbox entries are recovered whole, by target and place", async (bench) => {
    const owner = await bench.acquire(counter);
    const m = monotonicOf(owner.sequencer);
    await owner.commit({ outbox: [entry(2, farther), entry(10), entry(9), entry(1, farther, place(5, 7)), entry(1)] });
    expect(await listed(bench)).toEqual([
      `far ${m} 1 1 entry 1`,
      `far ${m} 9 9 entry 9`,
      `far ${m} 10 10 entry 10`,
      `farther ${m} 1 1 entry 1 after 5/7`,
      `farther ${m} 2 2 entry 2`,
    ]);
    expect((await bench.store.summarize([counter]))[0]!.outbox).toBe(5);
  });

  define("an outbox entry waits: it is in no inbox", async (bench) => {
    const owner = await bench.acquire(counter);
    const reply = await owner.commit({ outbox: [entry(1)] });
    expect([await bench.inbox(far), reply.tails, reply.appends]).toEqual([[], [], 0]);
  });

  define("acknowledged entries are deleted by place, in any order; others stay", async (bench) => {
    const owner = await bench.acquire(counter);
    const m = monotonicOf(owner.sequencer);
    await owner.commit({ outbox: [1, 2, 3, 4].map((n) => entry(n)) });
    await owner.commit({ outboxDeletes: [3, 1, 9].map((n) => ({ target: far, place: place(m, n) })) });
    await owner.commit({
      outboxDeletes: [
        { target: farther, place: place(m, 2) },
        { target: far, place: place(m - 1, 2) },
      ],
    });
    expect(await listed(bench)).toEqual([`far ${m} 2 2 entry 2`, `far ${m} 4 4 entry 4`]);
    await owner.commit({ outboxDeletes: [2, 4].map((n) => ({ target: far, place: place(m, n) })) });
    expect([await listed(bench), (await bench.store.countEntries(2, 4)).outbox]).toEqual([[], 0]);
  });

  define("entries that an earlier owner left keep their places", async (bench) => {
    const first = await bench.acquire(counter, "w1");
    await first.commit({ outbox: [entry(1), entry(2)] });
    const second = await bench.acquire(counter, "w2");
    const [m1, m2] = [monotonicOf(first.sequencer), monotonicOf(second.sequencer)];
    await second.commit({ outbox: [entry(1, far, place(m1, 2))] });
    expect(await listed(bench)).toEqual([`far ${m1} 1 1 entry 1`, `far ${m1} 2 2 entry 2`, `far ${m2} 1 1 entry 1 after ${m1}/2`]);
    await second.commit({ outboxDeletes: [{ target: far, place: place(m1, 1) }] });
    expect((await listed(bench)).length).toBe(2);
  });

  define("the note of a channel's last place is one entry, however often its owner puts it", async (bench) => {
    const owner = await bench.acquire(counter);
    const m = monotonicOf(owner.sequencer);
    await owner.commit({ outbox: [entry(0, far, place(5, 7))] });
    await owner.commit({ outbox: [entry(0, far, place(6, 1)), entry(1)] });
    expect(await listed(bench)).toEqual([`far ${m} 0 0 entry 0 after 6/1`, `far ${m} 1 1 entry 1`]);
    expect((await bench.store.summarize([counter]))[0]!.outbox).toBe(2);
  });

  define("one commit deletes entries and puts new ones", async (bench) => {
    const owner = await bench.acquire(counter);
    const m = monotonicOf(owner.sequencer);
    await owner.commit({ outbox: [entry(1)] });
    await owner.commit({ outboxDeletes: [{ target: far, place: place(m, 1) }], outbox: [entry(2)] });
    expect(await listed(bench)).toEqual([`far ${m} 2 2 entry 2`]);
  });
}

function oneSequencer(define: Define): void {
  define("the first entry of a channel is delivered", async (bench) => {
    expect(await bench.deliver(delivery(7, 1))).toEqual(["delivered"]);
    expect([await bench.inbox(far), await bench.mark(counter, far)]).toEqual([["7/1"], place(7, 1)]);
  });

  define("entries of one sequencer are delivered in the order of n, and again are duplicates", async (bench) => {
    expect(await bench.deliver(delivery(7, 1), delivery(7, 2), delivery(7, 3))).toEqual(["delivered", "delivered", "delivered"]);
    await bench.unchanged(async () =>
      expect(await bench.deliver(delivery(7, 3), delivery(7, 1), delivery(7, 2))).toEqual(["duplicate", "duplicate", "duplicate"]),
    );
    expect([await bench.inbox(far), await bench.mark(counter, far)]).toEqual([["7/1", "7/2", "7/3"], place(7, 3)]);
  });

  define("an entry above the next one is behind, and is not appended", async (bench) => {
    await bench.deliver(delivery(7, 1));
    await bench.unchanged(async () => expect(await bench.deliver(delivery(7, 3), delivery(7, 9))).toEqual(["behind", "behind"]));
    expect(await bench.deliver(delivery(7, 2), delivery(7, 3))).toEqual(["delivered", "delivered"]);
  });

  define("a channel's first entry must be n 1", async (bench) => {
    await bench.unchanged(async () => expect(await bench.deliver(delivery(7, 2))).toEqual(["behind"]));
    expect(await bench.mark(counter, far)).toBeUndefined();
  });

  define("one call may hold a duplicate, the next, and one that is behind", async (bench) => {
    await bench.deliver(delivery(7, 1), delivery(7, 2));
    expect(await bench.deliver(delivery(7, 2), delivery(7, 3), delivery(7, 5), delivery(7, 4), delivery(7, 4))).toEqual([
      "duplicate",
      "delivered",
      "behind",
      "delivered",
      "duplicate",
    ]);
    expect(await bench.inbox(far)).toEqual(["7/1", "7/2", "7/3", "7/4"]);
  });

  define("the place alone decides: other bytes at a place already taken are a duplicate", async (bench) => {
    await bench.deliver(delivery(7, 1));
    await bench.unchanged(async () => expect(await bench.deliver({ ...delivery(7, 1), bytes: parcel("other"), records: 9 })).toEqual(["duplicate"]));
  });

  define("n counts as a number: 10 follows 9", async (bench) => {
    for (let n = 1; n <= 12; n++) expect(await bench.deliver(delivery(1_700_000_000_000, n))).toEqual(["delivered"]);
    expect(await bench.mark(counter, far)).toEqual(place(1_700_000_000_000, 12));
  });
}

function changeOfOwner(define: Define): void {
  define("a new sequencer whose previous place is the mark is delivered", async (bench) => {
    await bench.deliver(delivery(7, 1), delivery(7, 2));
    expect(await bench.deliver(delivery(9, 1, place(7, 2)), delivery(9, 2))).toEqual(["delivered", "delivered"]);
    expect(await bench.mark(counter, far)).toEqual(place(9, 2));
  });

  define("after a new sequencer was taken, what is left of the old one is a duplicate", async (bench) => {
    await bench.deliver(delivery(7, 1), delivery(9, 1, place(7, 1)));
    await bench.unchanged(async () =>
      expect(await bench.deliver(delivery(7, 1), delivery(7, 2), delivery(8, 1, place(7, 1)))).toEqual(["duplicate", "duplicate", "duplicate"]),
    );
  });

  define("a new sequencer must begin with n 1", async (bench) => {
    await bench.deliver(delivery(7, 1));
    await bench.unchanged(async () => expect(await bench.deliver(delivery(9, 2), delivery(9, 2, place(6, 1)))).toEqual(["behind", "behind"]));
  });

  define("a new sequencer that knows of more than was taken is behind: the old owner's entries come first", async (bench) => {
    await bench.deliver(delivery(7, 1));
    await bench.unchanged(async () => expect(await bench.deliver(delivery(9, 1, place(7, 3)))).toEqual(["behind"]));
    await bench.unchanged(async () => expect(await bench.deliver(delivery(9, 1, place(8, 1)))).toEqual(["behind"]));
    expect(await bench.deliver(delivery(7, 2), delivery(7, 3), delivery(9, 1, place(7, 3)))).toEqual(["delivered", "delivered", "delivered"]);
  });

  define("a first entry that names a previous place is behind where nothing was ever taken", async (bench) => {
    await bench.unchanged(async () => expect(await bench.deliver(delivery(9, 1, place(7, 1)))).toEqual(["behind"]));
    expect(await bench.deliver(delivery(7, 1), delivery(9, 1, place(7, 1)))).toEqual(["delivered", "delivered"]);
  });

  define("a new sequencer that knows of less than was taken has lost a tail: it is appended, and said so", async (bench) => {
    await bench.deliver(delivery(7, 1), delivery(7, 2), delivery(7, 3));
    expect(await bench.deliver(delivery(9, 1, place(7, 1)))).toEqual(["after-loss"]);
    expect([await bench.inbox(far), await bench.mark(counter, far)]).toEqual([["7/1", "7/2", "7/3", "9/1"], place(9, 1)]);
    expect(await bench.deliver(delivery(9, 1, place(7, 1)), delivery(9, 2))).toEqual(["duplicate", "delivered"]);
  });

  define("a new sequencer that knows of an older sequencer than was taken has lost a tail", async (bench) => {
    await bench.deliver(delivery(5, 1), delivery(7, 1, place(5, 1)));
    expect(await bench.deliver(delivery(9, 1, place(5, 4)))).toEqual(["after-loss"]);
  });

  define("a new sequencer that knows of nothing where something was taken has lost a tail", async (bench) => {
    await bench.deliver(delivery(7, 1));
    expect(await bench.deliver(delivery(9, 1))).toEqual(["after-loss"]);
    expect(await bench.mark(counter, far)).toEqual(place(9, 1));
  });

  define("a sender that names the mark as the place before is taken where entries are missing: the receiver has lost a tail", async (bench) => {
    await bench.deliver(delivery(7, 1));
    await bench.unchanged(async () => expect(await bench.deliver(delivery(7, 9), delivery(9, 4, place(7, 9)))).toEqual(["behind", "behind"]));
    expect(await bench.deliver(delivery(7, 9, place(7, 1)), delivery(7, 10), delivery(9, 4, place(7, 10)))).toEqual(["after-loss", "delivered", "after-loss"]);
    expect([await bench.inbox(far), await bench.mark(counter, far)]).toEqual([["7/1", "7/9", "7/10", "9/4"], place(9, 4)]);
  });

  define("where nothing was ever taken, or all was lost, the place before is 0/0", async (bench) => {
    await bench.unchanged(async () => expect(await bench.deliver(delivery(7, 3))).toEqual(["behind"]));
    expect(await bench.deliver(delivery(7, 3, place(0, 0)), delivery(7, 4))).toEqual(["after-loss", "delivered"]);
    expect(await bench.deliver({ ...delivery(7, 1, place(0, 0)), from: joiner })).toEqual(["delivered"]);
  });

  define("previous counts at the first entry of a sequencer only", async (bench) => {
    await bench.deliver(delivery(7, 1));
    expect(await bench.deliver(delivery(7, 2, place(3, 3)), delivery(7, 3, place(99, 9)))).toEqual(["delivered", "delivered"]);
  });
}

function replies(define: Define): void {
  define("a delivery's reply has marks, tails and appends as a commit's has", async (bench) => {
    const reply = await bench.store.deliver([delivery(7, 1, undefined, 3), delivery(7, 2, undefined, 4), delivery(7, 9)]);
    expect(reply).toEqual({
      outcomes: [
        { outcome: "delivered", mark: place(7, 1) },
        { outcome: "delivered", mark: place(7, 2) },
        { outcome: "behind", mark: place(7, 2) },
      ],
      tails: [{ shard: far, tail: 2, queued: 7 }],
      appends: 1,
    });
    expect(await bench.store.deliver([delivery(7, 1), delivery(7, 9)])).toMatchObject({ tails: [], appends: 1 });
    expect(await bench.store.deliver([])).toMatchObject({ outcomes: [], tails: [] });
  });

  define("a delivery to a shard that is not in the graph is gone, and does not hinder others", async (bench) => {
    const nowhere: Delivery = { ...delivery(7, 1), to: shardRef(99, 1) };
    expect((await bench.store.deliver([nowhere, delivery(7, 1), nowhere])).outcomes).toEqual([
      { outcome: "gone", mark: undefined },
      { outcome: "delivered", mark: place(7, 1) },
      { outcome: "gone", mark: undefined },
    ]);
    expect(await bench.inbox(far)).toEqual(["7/1"]);
  });

  define("every pair of sender and receiver is a channel of its own", async (bench) => {
    const to = (from: number, receiver: number): Delivery => ({ ...delivery(7, 1), from, to: receiver, bytes: parcel(`from ${from}`) });
    expect(await bench.deliver(to(counter, far), to(joiner, far), to(far, far), to(source, far))).toEqual(["delivered", "delivered", "delivered", "delivered"]);
    expect(await bench.deliver(to(counter, farther))).toEqual(["delivered"]);
    expect((await bench.inbox(far)).length).toBe(4);
    expect([await bench.mark(counter, far), await bench.mark(farther, far)]).toEqual([place(7, 1), undefined]);
  });

  define("delivered parcels are consumed like those of a commit, and stand in order with them", async (bench) => {
    await (await bench.acquire(far)).commit({ parcels: [append(far, "own")] });
    await bench.deliver(delivery(7, 1, undefined, 2));
    const owner = await bench.acquire(far);
    await bench.unchanged(async () => expect(await owner.outcome({ consumed: consumed(2, 0, 3, "own") })).toBe("gap"));
    await owner.commit({ consumed: consumed(2, 0, 3, "7/1") });
    expect((await bench.store.readTails([far])).tails).toEqual([{ shard: far, tail: 2, queued: 0 }]);
  });

  define("a mark stays when what was delivered has been consumed", async (bench) => {
    await bench.deliver(delivery(7, 1));
    await (await bench.acquire(far)).commit({ consumed: consumed(1, 0, 1, "7/1") });
    await bench.unchanged(async () => expect(await bench.deliver(delivery(7, 1))).toEqual(["duplicate"]));
  });

  define("marks survive a reopen", async (bench) => {
    await bench.deliver(delivery(7, 1), delivery(7, 2));
    await bench.reopen();
    expect(await bench.mark(counter, far)).toEqual(place(7, 2));
    expect(await bench.deliver(delivery(7, 2), delivery(7, 3))).toEqual(["duplicate", "delivered"]);
  });

  define("from the outbox of one shard into the inbox of another: once, in order, over an owner's change and a resend", async (bench) => {
    const first = await bench.acquire(counter, "w1");
    await first.commit({ outbox: [1, 2].map((n) => ({ target: far, n, records: 1, bytes: parcel(`first ${n}`) })) });
    const deliverAll = async () => {
      const waiting = (await bench.recover(counter)).outbox;
      return bench.deliver(
        ...waiting.map(({ target, place: at, previous, records, bytes: body }) => ({ from: counter, to: target, place: at, previous, records, bytes: body })),
      );
    };
    expect(await deliverAll()).toEqual(["delivered", "delivered"]);
    const second = await bench.acquire(counter, "w2");
    await second.commit({ outbox: [{ target: far, n: 1, previous: place(monotonicOf(first.sequencer), 2), records: 1, bytes: parcel("second 1") }] });
    expect(await deliverAll()).toEqual(["duplicate", "duplicate", "delivered"]);
    expect(await bench.inbox(far)).toEqual(["first 1", "first 2", "second 1"]);
  });
}
