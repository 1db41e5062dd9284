/** Nothing but the scripts writes: shown by what the server itself says that it executes, and on whose behalf. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { PipelineStore } from "../../../src/store/store.ts";
import type { Bench } from "../conformance/bench.ts";
import { COUNTER, JOINER, append, bytes, consumed, counter, far, farther, joiner, nextGraph, parcel } from "../conformance/values.ts";
import { startHarness, type Harness } from "./harness.ts";
import { watchWrites } from "./writes.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.dispose());

/** Every operation of the contract at least once, and each structure written and read. */
async function useEverything(bench: Bench): Promise<void> {
  const { store } = bench;
  const owner = await bench.acquire(counter);
  await owner.commit({ parcels: [append(counter, "a"), append(counter, "b"), append(joiner, "c")] });
  await owner.commit({
    consumed: consumed(1, 0, 1, "a"),
    stateFields: ["2:a", "2:b"],
    stateValues: [bytes("1"), undefined],
    timerSets: [
      { clock: "watermark", member: "3:0:k", time: 5 },
      { clock: "wall", member: "3:0:k", time: 5 },
    ],
    timerDeletes: [{ clock: "wall", member: "3:0:x" }],
    holdSets: [{ member: "t:3:0:k", time: 4 }],
    holdDeletes: ["k:x"],
    heldPuts: [{ id: 1, bytes: bytes("h") }],
    heldDeletes: [3],
    deadPuts: [{ id: 1, bytes: bytes("d") }],
    deadDeletes: [3],
    ids: [{ id: "c", timestamp: 5 }],
    idsExpireBelow: 2,
    outbox: [{ target: far, records: 1, bytes: bytes("o"), n: 1 }],
    outboxDeletes: [{ target: far, place: { monotonic: 1, n: 1 } }],
  });
  await bench.deliver({ from: farther, to: counter, place: { monotonic: 9, n: 1 }, records: 1, bytes: parcel("p") });
  const [registration] = await store.register("w", [{ participant: COUNTER, shards: [0], of: 4 }]);
  await store.report("w", [{ participant: COUNTER, generation: registration!.generation, number: 1, output: 5, status: "live", last: 5 }]);
  await store.announce("w", 1_000);
  await store.depart("w");
  await bench.dump();
  await store.countEntries(JOINER, 4);
  const lease = { shard: counter, sequencer: owner.sequencer };
  await store.renew("w1", [lease], 1_000);
  await store.release("w1", [lease]);
  await store.init(nextGraph(2, { removed: [JOINER], added: true }), 1);
  await store.flushed();
}

test("every command that writes comes from a script, and every script that wrote is one of those that may", async () => {
  const watch = await watchWrites(harness.admin);
  await useEverything(await harness.bench());
  const { written, besides, writers } = await watch.end();
  expect(written).toBeGreaterThan(100);
  expect(besides).toEqual([]);
  const allowed = ["acquire", "announce", "commit", "deliver", "depart", "init", "probe", "register", "release", "renew", "report"];
  expect(writers).toEqual(allowed.map((name) => `${name}.lua`));
});

test("opening a pipeline leaves no key behind", async () => {
  const before = await harness.keyspace();
  const store: PipelineStore = await harness.open("only-opened");
  expect(await store.readGraph()).toBeUndefined();
  expect(await harness.keyspace()).toEqual(before);
});

test("no key expires, and none is empty: each has its sentinel", async () => {
  const bench = await harness.bench();
  const keys = await harness.admin.keys(`{millrace:${bench.pipeline}*`);
  expect(keys.length).toBe(5 + 11 * (2 + 4 + 4 + 1));
  for (const key of keys) expect(await harness.admin.ttl(key)).toBe(-1);
  const owner = await bench.acquire(counter);
  await owner.commit({
    parcels: [append(counter, "a")],
    stateFields: ["2:a"],
    stateValues: [bytes("1")],
    ids: [{ id: "c", timestamp: 5 }],
    holdSets: [{ member: "k:k", time: 1 }],
  });
  await owner.commit({ consumed: consumed(1, 0, 1, "a"), stateFields: ["2:a"], stateValues: [undefined], idsExpireBelow: 2 ** 53 - 1, holdDeletes: ["k:k"] });
  expect((await harness.admin.keys(`{millrace:${bench.pipeline}*`)).length).toBe(keys.length);
});

test("what a dropped participant had is removed, and nothing else", async () => {
  const bench = await harness.bench();
  const all = await harness.admin.keys(`{millrace:${bench.pipeline}*`);
  await bench.store.init(nextGraph(2, { removed: [JOINER] }), 1);
  const kept = await harness.admin.keys(`{millrace:${bench.pipeline}*`);
  expect(kept.sort()).toEqual(all.filter((key) => !key.includes(`}:${JOINER}:`)).sort());
});
