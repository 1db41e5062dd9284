/**
 * How every peer is measured. Throughput: the first fifth of the records warms up; from when their results are visible
 * until those of the last record are, the wall time and the CPU of all processes of the peer count. Latency: open loop,
 * from when a record was due until its result is visible to another process.
 */
import { setTimeout as delay } from "node:timers/promises";
import { keyOf } from "./peer.ts";
import { Metronome } from "../metronome.ts";
import type { LatencyResult, QueryLoad, ThroughputResult, Workload } from "./peer.ts";
import type { Processes } from "./processes.ts";

const WARMING = 0.2;
const POLL_MS = 50;
/** A peer that shows no new result for so long has failed, ms. */
const STALLED_MS = 300_000;
/** Ticks a second of the open loop: a record waits for the next one. */
const TICKS = 1_000;

/** Bytes of a record beside its key of 16. */
const VALUE_BYTES = 84;
/** A value of 84 bytes that begins with the time at which it is due. */
export const valueOf = (due: number): string => due.toFixed(3).padEnd(VALUE_BYTES, "x");
export const dueOf = (value: string): number => Number.parseFloat(value);
/** ms since 1970 with a fraction, the same for all processes of this machine. */
export const now = (): number => performance.timeOrigin + performance.now();

/** `done` tells how many records have visible results. */
export async function throughputOf(processes: Processes, records: number, done: () => Promise<number>): Promise<ThroughputResult> {
  let changed = performance.now();
  let last = 0;
  const reach = async (wanted: number) => {
    for (;;) {
      processes.check();
      const count = await done();
      if (count >= wanted) return { count, at: performance.now(), ...processes.usage() };
      if (count > last) changed = performance.now();
      else if (performance.now() - changed > STALLED_MS) throw new Error(`no new result for ${STALLED_MS / 1_000} s, after ${count} of ${records}`);
      last = count;
      await delay(POLL_MS);
    }
  };
  const begin = await reach(records * WARMING);
  const end = await reach(records);
  const counted = end.count - begin.count;
  if (counted === 0) throw new Error(`all of ${records} records were done within ${POLL_MS} ms, too soon to measure: give it more (--records)`);
  const seconds = (end.at - begin.at) / 1_000;
  const cpuSeconds = end.cpuSeconds - begin.cpuSeconds;
  return {
    records,
    recordsPerSecond: Math.round(counted / seconds),
    cpuSeconds: round(cpuSeconds, 2),
    cpuMicrosPerRecord: round((cpuSeconds * 1e6) / counted, 1),
    rssMiB: end.rssMiB,
  };
}

/** The same of a query, whose rows come as its windows close: so many of the rows are so many of the events. */
export function queryThroughputOf(processes: Processes, load: QueryLoad, rows: () => Promise<number>): Promise<ThroughputResult> {
  return throughputOf(processes, load.events, async () => Math.floor(((await rows()) / load.rows) * load.events));
}

/** Throws unless these are the rows. */
export function checkRows(digest: string, load: QueryLoad): void {
  if (digest !== load.digest) throw new Error(`the rows of ${load.query} come to ${digest}, not ${load.digest}`);
}

/** Calls `send` with the records that are due, until all have been; a tick that comes late gives all since the last one. */
export async function openLoop({ rate, seconds, warmUp, keys }: Workload, send: (records: { key: string; due: number }[]) => void): Promise<void> {
  const metronome = new Metronome(TICKS);
  const began = now();
  const all = rate * (warmUp + seconds);
  for (let n = 0; n < all; ) {
    const due = [];
    for (const time = now(); n < all && began + (n * 1_000) / rate <= time; n++) due.push({ key: keyOf(n, keys), due: began + (n * 1_000) / rate });
    if (due.length > 0) send(due);
    await metronome.tick();
  }
  await metronome.stop();
}

/** Latencies in the order of their records, of which the first ones warmed up. */
export function latencyOf(all: readonly number[], { rate, seconds }: Workload): LatencyResult {
  const sorted = all.slice(-rate * seconds).toSorted((a, b) => a - b);
  const at = (quantile: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? 0, 2);
  return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1), timed: sorted.length };
}

/** How often each key is among the first `records`. */
export function expectedCounts(records: number, keys: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let n = 0; n < records; n++) {
    const key = keyOf(n, keys);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** Throws unless each key's last result is how often it was sent. */
export function checkCounts(results: ReadonlyMap<string, number>, records: number, keys: number): void {
  const expected = expectedCounts(records, keys);
  const wrong = [...expected].filter(([key, count]) => results.get(key) !== count);
  if (wrong.length > 0 || results.size !== expected.size) {
    const [key, count] = wrong[0] ?? ["?", 0];
    throw new Error(`${wrong.length} of ${expected.size} keys have a wrong total (${results.size} have one): ${key} has ${results.get(key)}, not ${count}`);
  }
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));
