/**
 * What processes cost: CPU and the largest memory so far of any process of this machine, by /proc, and the share of time
 * that this one spends on collecting garbage. Linux only; elsewhere memory of others is not known.
 */
import { existsSync, readFileSync } from "node:fs";
import { PerformanceObserver } from "node:perf_hooks";

/** MiB; null: not known. */
export function peakRssMiB(pid: number | "self"): number | null {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return null;
  const [, kib] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(file, "utf8")) ?? [];
  return kib === undefined ? null : Math.round(Number(kib) / 1_024);
}

/** Counts from now on; the function gives ms spent on collecting garbage since. */
export function watchGarbage(): () => number {
  let ms = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) ms += duration;
  });
  observer.observe({ entryTypes: ["gc"] });
  return () => ms;
}
