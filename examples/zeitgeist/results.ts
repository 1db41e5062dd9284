/**
 * What a finished run has left in its files, recounted from their lines alone: no counter of the engine is trusted
 * here. A later line of the same window replaces an earlier one.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { BUCKET } from "./calendar.ts";
import type { Anomaly, WindowCount } from "./streams.ts";

export interface WindowTotals {
  /** Windows that have flights. */
  readonly windows: number;
  /** Lines that replaced an earlier one. */
  readonly corrections: number;
  readonly flights: number;
  readonly airports: number;
  /** SHA-256 of the lines "<airport> <start> <count>\n" of all windows in order: independent of how they came about. */
  readonly digest: string;
}

/** Counts by airport and number of the bucket, from the epoch. */
export type Counts = Map<string, Map<number, number>>;

export async function readWindows(path: string): Promise<{ readonly counts: Counts; readonly totals: WindowTotals }> {
  const counts: Counts = new Map();
  let lines = 0;
  for await (const some of linesOf(path)) {
    for (const line of some) {
      const { airport, start, count } = JSON.parse(line) as WindowCount;
      let buckets = counts.get(airport);
      if (buckets === undefined) counts.set(airport, (buckets = new Map()));
      buckets.set(start / BUCKET, count);
    }
    lines += some.length;
  }
  return { counts, totals: totalsOf(counts, lines) };
}

/** `lines`: how many there were, replaced ones included. */
export function totalsOf(counts: Counts, lines: number): WindowTotals {
  const hash = createHash("sha256");
  let windows = 0;
  let flights = 0;
  for (const airport of [...counts.keys()].toSorted()) {
    const buckets = counts.get(airport) as Map<number, number>;
    let text = "";
    for (const bucket of Float64Array.from(buckets.keys()).sort()) {
      const count = buckets.get(bucket) as number;
      text += `${airport} ${bucket * BUCKET} ${count}\n`;
      flights += count;
    }
    windows += buckets.size;
    hash.update(text, "latin1");
  }
  return { windows, corrections: lines - windows, flights, airports: counts.size, digest: hash.digest("hex") };
}

/** The last line of each anomalous window. */
export async function readAnomalies(path: string): Promise<Anomaly[]> {
  const last = new Map<string, Anomaly>();
  for await (const lines of linesOf(path)) {
    for (const line of lines) {
      const anomaly = JSON.parse(line) as Anomaly;
      last.set(`${anomaly.kind} ${anomaly.airport} ${anomaly.start}`, anomaly);
    }
  }
  return [...last.values()];
}

/** The lines of a file that ends with one. The file must exist. */
async function* linesOf(path: string): AsyncGenerator<string[]> {
  let rest = "";
  for await (const chunk of createReadStream(path, { encoding: "utf8", highWaterMark: 1 << 20 })) {
    const lines = (rest + (chunk as string)).split("\n");
    rest = lines.pop() as string;
    yield lines;
  }
}

/** Neighbouring windows of one airport that are anomalous in the same way. */
export interface Episode {
  readonly kind: Anomaly["kind"];
  readonly airport: string;
  readonly start: number;
  end: number;
  count: number;
  expected: number;
  /** Sum of the scores: how much stranger than usual, over its whole length. */
  score: number;
}

/** The anomalies joined to episodes, strongest first. */
export function episodesOf(anomalies: readonly Anomaly[]): Episode[] {
  const episodes: Episode[] = [];
  const sorted = anomalies.toSorted((a, b) => compare(a.kind, b.kind) || compare(a.airport, b.airport) || a.start - b.start);
  for (const { kind, airport, start, count, expected, score } of sorted) {
    const last = episodes.at(-1);
    if (last !== undefined && last.kind === kind && last.airport === airport && last.end === start) {
      last.end += BUCKET;
      last.count += count;
      last.expected += expected;
      last.score += score;
    } else {
      episodes.push({ kind, airport, start, end: start + BUCKET, count, expected, score });
    }
  }
  return episodes.sort((a, b) => b.score - a.score || a.start - b.start);
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
