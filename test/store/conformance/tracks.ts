/** Percentile tracks of participants: kept by the authority beside the low watermarks, from when they are first registered. */
import { expect } from "vitest";
import { BEGINNING } from "../../../src/time.ts";
import { trackOf } from "../../../src/watermark/percentile.ts";
import type { Bench, Define } from "./bench.ts";
import { COUNTER, JOINER, nextGraph } from "./values.ts";

const TRACK = trackOf(COUNTER, 99.5);
const OTHER = trackOf(COUNTER, 50);
const ALL = [0, 1, 2, 3];

async function published(bench: Bench): Promise<Map<number, number>> {
  const { watermarks } = await bench.store.report("nobody", []);
  return new Map(watermarks.map(({ participant, output }) => [participant, output]));
}

async function register(bench: Bench, worker: string, shards: readonly number[], ...participants: number[]): Promise<number[]> {
  const registrations = await bench.store.register(
    worker,
    participants.map((participant) => ({ participant, shards, of: 4 })),
  );
  return registrations.map(({ generation }) => generation);
}

const report = async (bench: Bench, worker: string, participant: number, generation: number | undefined, output: number) =>
  (await bench.report(worker, { participant, generation: generation ?? -1, output, status: "live", last: 7 })).refused;

export function tracks(define: Define): void {
  define("a percentile track is there from its first registration on, with a value of its own", async (bench) => {
    expect([...(await published(bench)).keys()]).not.toContain(TRACK);
    const [low, track, other] = await register(bench, "w1", ALL, COUNTER, TRACK, OTHER);
    expect(await report(bench, "w1", COUNTER, low, 10)).toEqual([]);
    expect(await report(bench, "w1", TRACK, track, 30)).toEqual([]);
    expect(await report(bench, "w1", TRACK, track, 20)).toEqual([]);
    const values = await published(bench);
    expect([values.get(COUNTER), values.get(TRACK), values.get(OTHER), values.get(JOINER)]).toEqual([10, 30, BEGINNING, BEGINNING]);
    expect(await report(bench, "w1", OTHER, 99, 20)).toEqual([OTHER]);
    expect(await report(bench, "w1", OTHER, other, 20)).toEqual([]);
  });

  define("a track's report counts as any other: the least of all workers, none of one that has lost a shard, and none that never registered", async (bench) => {
    expect(await report(bench, "w1", TRACK, 1, 30)).toEqual([TRACK]);
    const [one] = await register(bench, "w1", [0, 1], TRACK);
    await report(bench, "w1", TRACK, one, 30);
    expect((await published(bench)).get(TRACK)).toBe(BEGINNING);
    const [two] = await register(bench, "w2", [2, 3], TRACK);
    await report(bench, "w2", TRACK, two, 50);
    expect((await published(bench)).get(TRACK)).toBe(30);
    const [three] = await register(bench, "w2", [1, 2, 3], TRACK);
    expect(await report(bench, "w1", TRACK, one, 60)).toEqual([TRACK]);
    await report(bench, "w2", TRACK, three, 50);
    expect((await published(bench)).get(TRACK)).toBe(30);
  });

  define("two workers that register a track for the first time at once both have it", async (bench) => {
    const [[one], [two]] = await Promise.all([register(bench, "w1", [0, 1], TRACK), register(bench, "w2", [2, 3], TRACK)]);
    await report(bench, "w1", TRACK, one, 30);
    await report(bench, "w2", TRACK, two, 40);
    expect((await published(bench)).get(TRACK)).toBe(30);
  });

  define("tracks outlive a restart and a change of the graph, and go with their participant", async (bench) => {
    const [track] = await register(bench, "w1", ALL, TRACK);
    await report(bench, "w1", TRACK, track, 30);
    await bench.reopen();
    expect(await bench.store.init(nextGraph(2, { added: true }), 1)).toBe("stored");
    expect((await published(bench)).get(TRACK)).toBe(30);
    expect(await report(bench, "w1", TRACK, track, 40)).toEqual([]);
    expect(await bench.store.init(nextGraph(3, { removed: [COUNTER] }), 2)).toBe("stored");
    expect([...(await published(bench)).keys()]).not.toContain(TRACK);
    expect(await report(bench, "w1", TRACK, track, 50)).toEqual([TRACK]);
    await expect(register(bench, "w1", ALL, TRACK)).rejects.toThrow("not in the stored graph");
    await bench.reopen();
    expect([...(await published(bench)).keys()]).not.toContain(TRACK);
  });
}
