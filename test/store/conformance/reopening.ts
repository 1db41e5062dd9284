/** A restarted process finds everything as it was. */
import { expect } from "vitest";
import { monotonicOf } from "../../../src/store/commit.ts";
import type { Bench, Define, Owner } from "./bench.ts";
import { COUNTER, append, bytes, consumed, counter, far, joiner, parcel, report, source } from "./values.ts";

async function furnish(bench: Bench): Promise<Owner> {
  const sender = await bench.acquire(source);
  await sender.commit({ parcels: ["p1", "p2", "p3"].map((name) => append(counter, name, 2)), ids: [{ id: "client", timestamp: 7 }] });
  const owner = await bench.acquire(counter);
  await owner.commit({
    image: bytes("the image"),
    consumed: consumed(1, 1, 3, "p2"),
    stateFields: ["2:a", "2:b", "2:\u0000"],
    stateValues: [bytes("A"), new Uint8Array(0), bytes("x".repeat(100_000))],
    timerSets: [
      { clock: "watermark", member: "3:0:a", time: 20 },
      { clock: "watermark", member: "3:0:b", time: 10 },
      { clock: "wall", member: "4:0:a", time: 5 },
    ],
    holdSets: [
      { member: "t:3:0:a", time: 4 },
      { member: "k:z", time: 3 },
    ],
    heldPuts: [{ id: 3, bytes: bytes("held") }],
    deadPuts: [{ id: 4, bytes: bytes("dead") }],
    ids: [{ id: "y", timestamp: 1 }],
    parcels: [append(report, "out", 1)],
    outbox: [{ target: far, n: 1, records: 1, bytes: bytes("waits"), previous: { monotonic: 3, n: 2 } }],
  });
  await bench.deliver({ from: joiner, to: far, place: { monotonic: 8, n: 1 }, records: 1, bytes: parcel("delivered") });
  const [registered] = await bench.store.register("w1", [{ participant: COUNTER, shards: [0, 1, 2, 3], of: 4 }]);
  await bench.report("w1", { participant: COUNTER, generation: registered!.generation, output: 40, status: "idle", last: 50 });
  return owner;
}

export function reopening(define: Define): void {
  define("everything is there after a reopen: graph, shards, inboxes, marks, watermarks, leases, counts", async (bench) => {
    await furnish(bench);
    const before = await bench.dump();
    await bench.reopen();
    expect(await bench.dump()).toEqual(before);
  });

  define("after a reopen the former owner goes on with its sequencer and number", async (bench) => {
    const owner = await furnish(bench);
    await bench.reopen();
    expect(await owner.outcome({ consumed: consumed(2, 0, 1, "p2") })).toBe("committed");
  });

  define("after a reopen a resend is answered already", async (bench) => {
    const owner = await furnish(bench);
    const commit = owner.seal({ parcels: [append(report, "again")], stateFields: ["2:n"], stateValues: [bytes("1")] });
    await bench.store.commit([commit]);
    await bench.reopen();
    await bench.unchanged(async () => expect((await bench.store.commit([commit])).outcomes).toEqual(["already"]));
  });

  define("after a reopen a new owner fences the former one", async (bench) => {
    const owner = await furnish(bench);
    await bench.reopen();
    const successor = await bench.acquire(counter, "w2");
    expect(monotonicOf(successor.sequencer)).toBeGreaterThan(monotonicOf(owner.sequencer));
    expect([await owner.outcome(), await successor.outcome()]).toEqual(["fenced", "committed"]);
  });

  define("after a reopen appends and positions go on from where they were", async (bench) => {
    await furnish(bench);
    const { appends } = await bench.store.readTails([]);
    await bench.reopen();
    const sender = await bench.acquire(source);
    const reply = await sender.commit({ parcels: [append(counter, "p4", 1)] });
    expect(reply).toMatchObject({ tails: [{ shard: counter, tail: 4, queued: 4 }], appends: appends + 1 });
    expect(await bench.inbox(counter)).toEqual(["p2", "p3", "p4"]);
  });

  define("what was deleted stays deleted after a reopen", async (bench) => {
    const owner = await furnish(bench);
    await owner.commit({
      stateFields: ["2:a", "2:b", "2:\u0000"],
      stateValues: [undefined, undefined, undefined],
      heldDeletes: [3],
      deadDeletes: [4],
      idsExpireBelow: 100,
      timerDeletes: [
        { clock: "watermark", member: "3:0:a" },
        { clock: "watermark", member: "3:0:b" },
        { clock: "wall", member: "4:0:a" },
      ],
      holdDeletes: ["t:3:0:a", "k:z"],
      outboxDeletes: [{ target: far, place: { monotonic: monotonicOf(owner.sequencer), n: 1 } }],
      consumed: consumed(3, 0, 3, "p3"),
    });
    await bench.reopen();
    expect(await bench.recover(counter)).toMatchObject({
      number: 2,
      position: 3,
      offset: 0,
      tail: 3,
      queued: 0,
      stateCount: 0,
      idCount: 0,
      deadCount: 0,
      watermarkTimers: [],
      wallTimers: [],
      holds: [],
      held: [],
      outbox: [],
    });
    expect(await bench.store.countEntries(COUNTER, 4)).toEqual({ state: 0, timers: 0, queued: 1, held: 0, dead: 0, outbox: 0 });
  });

  define("three reopens in a row, with a commit before each", async (bench) => {
    for (let round = 1; round <= 3; round++) {
      const owner = await bench.acquire(counter);
      expect(owner.number).toBe(round - 1);
      await owner.commit({ stateFields: [`2:${round}`], stateValues: [bytes(String(round))] });
      await bench.reopen();
    }
    expect(await bench.state(counter, "2:1", "2:2", "2:3")).toEqual(["1", "2", "3"]);
  });
}
