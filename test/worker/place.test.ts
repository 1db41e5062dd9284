/** Workers that are started where others have died: they get exactly what those had, at once, and nobody else is touched. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../src/index.ts";
import type { ShardRef } from "../../src/key.ts";
import { assign } from "../../src/worker/assignment.ts";
import { nameIn, placeOf, standing, succeeds } from "../../src/worker/place.ts";
import { Bench } from "./probe.ts";
import type { Rig } from "./rig.ts";

const LEASE = 2_000;
const SHARDS = 12;

describe("by their names", () => {
  const places = fc.uniqueArray(fc.stringMatching(/^[\w.-]{1,12}$/), { minLength: 1, maxLength: 6 });
  const participants = [1, 64, 16, 1].map((shards, id) => ({ id, shards }));

  test("one that takes a place is assigned what its predecessor had, and all others keep theirs", () => {
    fc.assert(
      fc.property(places, fc.nat(), fc.nat({ max: 9 }), (names, which, start) => {
        const before = names.map((name) => nameIn({ name, start }, "old"));
        const dead = before[which % before.length] ?? "";
        const successor = nameIn({ ...placeOf(dead), start: start + 1 }, "new");
        const after = assign(standing([...before, successor]), participants);
        for (const [shard, worker] of assign(before, participants)) expect(after.get(shard)).toBe(worker === dead ? successor : worker);
      }),
    );
  });

  test("a name says its place and its start; one that says none is a place of its own", () => {
    expect(placeOf(nameIn({ name: "a.b-1", start: 12 }, "V1St_GX-R8"))).toEqual({ name: "a.b-1", start: 12 });
    for (const name of ["V1StGXR8_Z5jdHi6B-myT", "a@b", "@b.1", "a@b@c.1", "a@b.", "w.1"]) expect(placeOf(name)).toEqual({ name, start: 0 });
  });

  test("only a later start in the same place succeeds another", () => {
    expect([succeeds("x@a.2", "y@a.1"), succeeds("x@a.1", "y@a.2"), succeeds("x@a.1", "y@a.1"), succeeds("x@b.2", "y@a.1"), succeeds("x", "x")]).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
    expect(standing(["x@a.2", "y@a.10", "z", "v@b.0"])).toEqual(["y@a.10", "z", "v@b.0"]);
  });
});

/** Time goes on for all of them alike. */
async function pass(ms: number, ...rigs: Rig[]): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    rigs[0]?.clock.advance(10);
    for (const rig of [...rigs, ...rigs]) await rig.rest();
  }
}
const owned = (rig: Rig): ShardRef[] => [...rig.worker.engine.shards.values()].map(({ ref }) => ref).sort((a, b) => a - b);

async function threeInPlaces(): Promise<{ readonly bench: Bench; readonly rigs: [Rig, Rig, Rig] }> {
  const bench = await Bench.start(
    {
      shards: SHARDS,
      onRecord: (record, context, self) => {
        self.see(context, record.value.do);
        context.produce(self.results, `${record.key}:${record.value.do}`);
      },
    },
    { store: new MemoryStore({ exclusive: false }), leaseMs: LEASE, place: { name: "a", start: 0 } },
  );
  const second = await bench.rig.another({ place: { name: "b", start: 0 } });
  const third = await bench.rig.another({ place: { name: "c", start: 0 } });
  const rigs: [Rig, Rig, Rig] = [bench.rig, second, third];
  await pass(1_500, ...rigs);
  return { bench, rigs };
}

describe("on a store", () => {
  test("one that takes a dead worker's place owns what that had long before its lease is over; the others hand nothing over and take nothing", async () => {
    const { bench, rigs } = await threeInPlaces();
    const [first, second, third] = rigs;
    const before = rigs.map(owned);
    const moved = [first, third].map(({ worker }) => ({ ...worker.engine.ownership.moved }));
    await second.kill();
    bench.feed.pushAll(
      Array.from({ length: 60 }, (_, n) => ({ key: `k${n % 20}`, do: String(n) })),
      (_, n) => n,
    );
    const successor = await first.another({ place: { name: "b", start: 1 } });
    await pass(LEASE / 10, first, third, successor);
    expect([first, successor, third].map(owned)).toEqual(before);
    await pass(2 * LEASE, first, third, successor);
    expect([first, successor, third].map(owned)).toEqual(before);
    expect([first, third].map(({ worker }) => worker.engine.ownership.moved)).toEqual(moved);
    for (let k = 0; k < 20; k++) expect(await bench.seen(`k${k}`)).toEqual([0, 1, 2].map((turn) => String(20 * turn + k)));
    expect(bench.kept.values).toHaveLength(60);
    await third.kill();
    await successor.kill();
  });

  test("where the others have taken over already, they hand it back", async () => {
    const { rigs } = await threeInPlaces();
    const [first, second, third] = rigs;
    const before = rigs.map(owned);
    await second.kill();
    await pass(2 * LEASE, first, third);
    expect(owned(first).length + owned(third).length).toBe(SHARDS + 2);
    const successor = await first.another({ place: { name: "b", start: 1 } });
    await pass(1_000, first, third, successor);
    expect([first, successor, third].map(owned)).toEqual(before);
    await third.kill();
    await successor.kill();
  });

  test("one that lives, though its place was taken, gives up all that it has, and what it sends is fenced", async () => {
    const { bench, rigs } = await threeInPlaces();
    const [first, second, third] = rigs;
    const its = owned(second);
    const successor = await first.another({ place: { name: "b", start: 1 } });
    await pass(LEASE / 10, first, second, third, successor);
    expect(owned(successor)).toEqual(its);
    bench.feed.pushAll(
      Array.from({ length: 40 }, (_, n) => ({ key: `k${n % 20}`, do: String(n) })),
      (_, n) => n,
    );
    await pass(2 * LEASE, first, second, third, successor);
    expect([owned(second), owned(successor)]).toEqual([[], its]);
    for (let k = 0; k < 20; k++) expect(await bench.seen(`k${k}`)).toEqual([String(k), String(20 + k)]);
    expect(bench.kept.values).toHaveLength(40);
    for (const rig of [second, third, successor]) await rig.kill();
  });
});
