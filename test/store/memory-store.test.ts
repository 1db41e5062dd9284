/** MemoryStore: the conformance suite, with large and with small atomic domains, and what only it has. */
import { describe, expect, test } from "vitest";
import { InvariantError, StoreUnavailableError } from "../../src/errors.ts";
import { shardRef } from "../../src/key.ts";
import { MemoryData } from "../../src/store/memory-data.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { MemoryTimes } from "../../src/store/memory-times.ts";
import { compareBytes } from "../../src/text.ts";
import { GRAPH, NOTHING, TestClock, append, counter, far, farther, joiner } from "./conformance/values.ts";
import { storeConformance, type StoreUnderTest } from "./conformance.ts";

function underTest(store: MemoryStore): StoreUnderTest {
  return {
    clock: "ours",
    open: (pipeline, clock, random) => store.open({ pipeline, clock, random }),
    reopen: (pipeline, clock, random) => store.open({ pipeline, clock, random }),
    pipelines: () => store.pipelines(),
    read: (pipeline) => store.read({ pipeline, clock: new TestClock() }),
    dispose: async () => {},
  };
}

storeConformance("memory", async () => underTest(new MemoryStore()));
storeConformance("memory with small domains", async () => underTest(new MemoryStore({ domains: 4 })));

const open = { pipeline: "p", clock: new TestClock(), random: { id: () => "r" } };

describe("MemoryStore", () => {
  test("a commit that appends to another atomic domain is an InvariantError and writes nothing", () => {
    const data = new MemoryData(4);
    data.init(GRAPH, undefined);
    const [outcome] = data.acquire({ worker: "w", shards: [counter], leaseMs: 1 }, 5, open.random);
    const commit = {
      ...NOTHING,
      shard: counter,
      sequencer: outcome?.kind === "acquired" ? outcome.sequencer : "",
      number: 1,
      id: "x",
      parcels: [append(joiner, "near"), append(far, "far")],
    };
    expect(() => data.commit([commit], 6)).toThrow(InvariantError);
    expect(data.recover([counter], { timers: 1, holds: 1 })[0]!.number).toBe(0);
    expect(data.commit([{ ...commit, parcels: [append(joiner, "near")] }], 6).outcomes).toEqual(["committed"]);
  });

  test("shards are in one domain, or by their index in one of several", () => {
    expect(
      [new MemoryData(), new MemoryData(2), new MemoryData(4)].map((data) => [counter, far, joiner, farther].map((shard) => data.domainOf(shard))),
    ).toEqual([
      [0, 0, 0, 0],
      [0, 1, 0, 0],
      [0, 1, 0, 2],
    ]);
  });

  test.each([0, 1.5, 1_025, Number.NaN])("%s domains are refused", (domains) => {
    expect(() => new MemoryStore({ domains })).toThrow(/^MemoryStore: domains .* must be an integer from 1 to 1024$/);
  });

  test("a call that names shards of two domains is an InvariantError and writes nothing", () => {
    const data = new MemoryData(4);
    data.init(GRAPH, undefined);
    const delivery = { from: farther, place: { monotonic: 1, n: 1 }, records: 1, bytes: new Uint8Array(30) };
    expect(() => data.readTails([counter, far])).toThrow(InvariantError);
    expect(() =>
      data.deliver([
        { ...delivery, to: counter },
        { ...delivery, to: far },
      ]),
    ).toThrow(InvariantError);
    expect(data.readTails([counter]).tails).toEqual([{ shard: counter, tail: 0, queued: 0 }]);
  });

  test("each domain counts what appends to its inboxes", () => {
    const data = new MemoryData(4);
    data.init(GRAPH, undefined);
    const { appends } = data.deliver([{ from: farther, to: far, place: { monotonic: 1, n: 1 }, records: 1, bytes: new Uint8Array(30) }]);
    expect([appends, data.readTails([far]).appends, data.readTails([counter]).appends, data.report("w", [], 1).appends]).toEqual([1, 1, 0, [0, 1, 0, 0]]);
  });

  test("a copy is what a store goes back to that loses its tail: later changes are not in it", () => {
    const data = new MemoryData();
    data.init(GRAPH, undefined);
    const copy = data.copy();
    data.acquire({ worker: "w", shards: [counter], leaseMs: 1 }, 5, open.random);
    data.deliver([{ from: counter, to: far, place: { monotonic: 1, n: 1 }, records: 1, bytes: new Uint8Array(30) }]);
    data.register("w", [{ participant: 2, shards: [0], of: 4 }]);
    expect(copy.summarize([counter, far]).map(({ owner, tail }) => [owner, tail])).toEqual([
      [undefined, 0],
      [undefined, 0],
    ]);
    expect(copy.report("w", [{ participant: 2, generation: 1, number: 1, output: 1, status: "live", last: 1 }], 9).refused).toEqual([2]);
    expect(copy.readTails([]).appends).toBe(0);
  });

  test("a shard that is not in the graph cannot be read or acquired", async () => {
    const store = await new MemoryStore().open(open);
    await store.init(GRAPH, undefined);
    await expect(store.readState(shardRef(9, 9), ["x"])).rejects.toThrow(InvariantError);
    await expect(store.acquire({ worker: "w", shards: [shardRef(9, 9)], leaseMs: 1 })).rejects.toThrow("shard 9 of participant 9 is not in the stored graph");
  });

  test("a participant's number of shards never changes", async () => {
    const store = await new MemoryStore().open(open);
    await store.init(GRAPH, undefined);
    const participants = GRAPH.participants.map((each) => ({ ...each, shards: each.shards + 1 }));
    await expect(store.init({ ...GRAPH, version: 2, participants }, 1)).rejects.toThrow(InvariantError);
    expect(await store.readGraph()).toEqual(GRAPH);
  });

  test("a closed store refuses; opened again, it has everything", async () => {
    const memory = new MemoryStore({ exclusive: false });
    const store = await memory.open(open);
    await store.init(GRAPH, undefined);
    await store.close();
    await expect(store.readGraph()).rejects.toThrow(StoreUnavailableError);
    const again = await memory.open(open);
    expect([await again.readGraph(), again.exclusive, store.description]).toEqual([GRAPH, false, "memory"]);
  });
});

describe("MemoryTimes", () => {
  test("the order of members is that of their UTF-8 bytes", () => {
    const members = ["", "a", "ab", "b", "\u0000", "é", "\uD7FF", "\uE000", "\uFF5E", "\uFFFF", "\u{10000}", "\u{1F600}", "\u{1F600}a", "\u{10FFFF}"];
    for (const x of members) for (const y of members) expect(Math.sign(compareBytes(x, y))).toBe(Buffer.compare(Buffer.from(x), Buffer.from(y)));
  });

  test("after any sets and deletes the head is the sorted list", () => {
    const times = new MemoryTimes();
    const plain = new Map<string, number>();
    for (let i = 0; i < 5_000; i++) {
      const member = `m${(i * 7_919) % 1_500}`;
      const time = (i * 104_729) % 97;
      if (i % 3 === 2) {
        times.delete(member);
        plain.delete(member);
      } else {
        times.set(member, time);
        plain.set(member, time);
      }
    }
    times.deleteBelow(10);
    const sorted = [...plain]
      .filter(([, time]) => time >= 10)
      .map(([member, time]) => ({ member, time }))
      .sort((x, y) => x.time - y.time || compareBytes(x.member, y.member));
    expect(times.head(10_000)).toEqual(sorted);
    expect([times.size, times.head(3)]).toEqual([sorted.length, sorted.slice(0, 3)]);
  });
});
