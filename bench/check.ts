/**
 * The guard: throughput against the bare client of the same run, compared with what is recorded in `bench/recorded.json`.
 * It fails where the ratio has fallen by more than 15%. The record changes only with a line in the CHANGELOG, by
 * `bench -- check --record 1`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { benchmark } from "./harness/benchmark.ts";
import { inTurn, round } from "./harness/medians.ts";
import { throughputRow } from "./throughput.ts";

/** By name: of one hop and of three. */
type Recorded = Readonly<Record<string, { readonly rawRatio: number; readonly rawCpuRatio: number }>>;

const ALLOWED = 0.15;
const HOPS = [1, 3];
// The same file whether this runs built, in `.build/bench`, or not.
const FILE = join(fileURLToPath(new URL(".", import.meta.url)).replace(/\.build[\\/]bench[\\/]?$/, "bench"), "recorded.json");

export const check = benchmark({
  name: "check",
  about: "fails where the ratio to the bare client is more than 15% below the recorded one",
  numbers: { records: 300_000, keys: 100_000, shards: 64, record: 0 },
  run: async (given) => {
    const load = loadavg()[0] as number;
    const rows = await inTurn(given.runs, HOPS, (hops) => throughputRow({ ...given, hops, ids: "none" }));
    const found = Object.fromEntries(
      rows.map((row) => [`hops ${String(row["hops"])}`, { rawRatio: row["rawRatio"] as number, rawCpuRatio: row["rawCpuRatio"] as number }]),
    );
    if (given.record > 0) writeFileSync(FILE, `${JSON.stringify(found, undefined, 2)}\n`);
    const recorded = JSON.parse(readFileSync(FILE, "utf8")) as Recorded;
    const result = Object.entries(found).map(([name, now]) => judged(name, now, recorded[name]));
    if (result.some(({ ok }) => !ok)) process.exitCode = 1;
    return result.map((each, i) => ({ ...each, loadAverage: round(load, 1), spread: rows[i]?.["spread"] ?? null }));
  },
});

/**
 * The rate is judged, and the CPU: on a machine that others use too the rate says little, so it fails only where both have
 * fallen. What really became dearer shows in both.
 */
export function judged(name: string, now: Recorded[string], before: Recorded[string] | undefined) {
  if (before === undefined) throw new RangeError(`bench/recorded.json knows nothing of "${name}": record it by bench -- check --record 1`);
  const change = (of: "rawRatio" | "rawCpuRatio"): number => round(now[of] / before[of] - 1, 3);
  const changes = { rate: change("rawRatio"), cpu: change("rawCpuRatio") };
  const ok = changes.rate >= -ALLOWED || changes.cpu >= -ALLOWED;
  return { bench: "check", of: name, ok, ...now, recordedRatio: before.rawRatio, recordedCpuRatio: before.rawCpuRatio, ...changes };
}
