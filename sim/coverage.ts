/** How much of the engine the simulation alone reaches: lines, by V8's own counts, of the source as it is written. */
import { Session } from "node:inspector/promises";
import { relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import v8ToIstanbul from "v8-to-istanbul";
import { runSeeds } from "./run-seeds.ts";

export interface LineCoverage {
  /** Per cent of the lines of all parts. */
  readonly lines: number;
  /** Per cent, by part. */
  readonly parts: Readonly<Record<string, number>>;
  /** Lines that no schedule reached, by file, as in `src/worker/batch.ts`. */
  readonly missed: Readonly<Record<string, readonly number[]>>;
}

/** What a schedule is there to reach. */
const PARTS = ["src/worker/", "src/timers/", "src/watermark/", "src/dedup/", "src/store/memory-data", "src/store/memory-shard", "src/store/embedded-"];
/**
 * Of these parts, what is no schedule's to reach: the way to a real store, clock and outside, in whose place the simulator
 * stands; what is settled before a schedule begins; the policy that learns, which no workload has.
 */
const OUTSIDE = /worker\/(driver|giving-up|open-edges|outage|reconcile|worker)\.ts$|watermark\/(lag-histogram|learned-disorder)\.ts$/;

interface Coverage {
  readonly url: string;
  readonly functions: readonly object[];
}

export async function lineCoverage(seed: number, schedules: number): Promise<LineCoverage> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  await runSeeds(seed, schedules);
  const { result } = (await session.post("Profiler.takePreciseCoverage")) as unknown as { readonly result: readonly Coverage[] };
  await session.post("Profiler.stopPreciseCoverage");
  session.disconnect();

  const built = fileURLToPath(new URL("../", import.meta.url));
  const parts = new Map<string, { all: number; hit: number }>();
  const missed: Record<string, number[]> = {};
  for (const script of result) {
    if (!script.url.startsWith("file:")) continue;
    const path = fileURLToPath(script.url);
    const file = relative(built, path).split(sep).join("/").replace(/\.js$/, ".ts");
    const part = PARTS.find((each) => file.startsWith(each));
    if (part === undefined || OUTSIDE.test(file)) continue;
    const lines = await linesOf(path, script.functions);
    const sum = parts.get(part) ?? { all: 0, hit: 0 };
    parts.set(part, { all: sum.all + lines.size, hit: sum.hit + [...lines.values()].filter((hits) => hits > 0).length });
    const none = [...lines].filter(([, hits]) => hits === 0).map(([line]) => line);
    if (none.length > 0) missed[file] = none;
  }
  const all = [...parts.values()];
  return {
    lines: percent(sumOf(all, "hit"), sumOf(all, "all")),
    parts: Object.fromEntries([...parts].map(([part, { hit, all: of }]) => [part, percent(hit, of)])),
    missed,
  };
}

/** Hits of each line of the source that has code on it. */
async function linesOf(path: string, functions: readonly object[]): Promise<Map<number, number>> {
  const converter = v8ToIstanbul(path);
  await converter.load();
  converter.applyCoverage(functions as never);
  const lines = new Map<number, number>();
  for (const { s: hits, statementMap } of Object.values(converter.toIstanbul())) {
    for (const [id, { start }] of Object.entries(statementMap)) lines.set(start.line, Math.max(lines.get(start.line) ?? 0, hits[id] ?? 0));
  }
  return lines;
}

const sumOf = (counts: readonly { readonly all: number; readonly hit: number }[], which: "all" | "hit"): number =>
  counts.reduce((sum, each) => sum + each[which], 0);
const percent = (part: number, of: number): number => (of === 0 ? 0 : Math.round((1_000 * part) / of) / 10);
