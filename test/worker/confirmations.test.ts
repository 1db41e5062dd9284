/** Sources that confirm outside what was committed here: what they are told, and when. */
import { describe, expect, test } from "vitest";
import { byHand, InjectorFailedError } from "../../src/index.ts";
import type { ItemFate } from "../../src/injectors/injector.ts";
import { Feed } from "./feed.ts";
import { Bench, type Step } from "./probe.ts";

const told = (fates: readonly ItemFate[]) => fates.map((fate) => (fate.kind === "injected" ? fate.id : fate.kind));

describe("a source that confirms", () => {
  test("is told of each of its items after the commit that holds it, in order, and of no mark", async () => {
    const feed = new Feed<Step>({ id: ({ do: id }) => id, watermark: byHand(), confirms: true });
    const bench = await Bench.start({ onRecord: () => {}, feed });
    let release = () => {};
    bench.rig.line.onCommit = async (commits, apply) => {
      if (commits.some(({ ids }) => ids.length > 0)) await new Promise<void>((resolve) => (release = resolve));
      return await apply(commits);
    };
    feed.pushAll(
      [
        { key: "a", do: "1" },
        { key: "b", do: "2" },
        { key: "a", do: "1" },
      ] as Step[],
      () => 5,
    );
    feed.promise(6).item({ value: "?", failure: "not a value" });
    await bench.rig.turns();
    expect(feed.told).toEqual([]);
    release();
    bench.rig.line.onCommit = (commits, apply) => apply(commits);
    await bench.rig.rest();
    expect(told(feed.told)).toEqual(["1", "2", "duplicate", "refused"]);
    expect(feed.told[3]).toEqual({ kind: "refused", reason: "not a value" });
  });

  test("that was opened again is told nothing of what its earlier reader gave", async () => {
    const feed = new Feed<Step>({ id: ({ do: id }) => id, watermark: byHand(), confirms: true });
    const bench = await Bench.start({ onRecord: () => {}, feed });
    let release = () => {};
    bench.rig.line.onCommit = async (commits, apply) => {
      if (commits.some(({ ids }) => ids.length > 0)) await new Promise<void>((resolve) => (release = resolve));
      return await apply(commits);
    };
    feed.push({ key: "a", do: "1" }, 5);
    await bench.rig.turns();
    feed.push({ key: "a", do: "2" }, 5);
    await bench.rig.turns();
    feed.fail(new InjectorFailedError("broken"));
    await bench.rig.turns();
    bench.rig.clock.advance(100);
    await bench.rig.turns();
    feed.push({ key: "a", do: "3" }, 5);
    await bench.rig.turns();
    release();
    bench.rig.line.onCommit = (commits, apply) => apply(commits);
    await bench.rig.rest();
    expect(feed.opened).toBe(2);
    expect(told(feed.told)).toEqual(["3"]);
  });

  test("may give items ids of their own", async () => {
    const feed = new Feed<Step>({ id: "item", watermark: byHand(), confirms: true });
    const bench = await Bench.start({ onRecord: () => {}, feed });
    for (const id of ["x", "y", "x", undefined]) feed.item({ value: { key: "k", do: "it" }, timestamp: 3, id });
    await bench.rig.rest();
    expect(told(feed.told)).toEqual(["x", "y", "duplicate", "refused"]);
    expect(bench.rig.counters("feed").duplicates).toBe(1);
  });
});
