/**
 * What the machine took away meanwhile: on a shared host a virtual machine waits for its cores, and every figure of a
 * benchmark carries that. Linux only; elsewhere nothing is known.
 */
import { existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";

/** Starts to count; the function gives the part of all cores' time that the host kept since then, in percent; null: not known. */
export function watchStolen(): () => number | null {
  const before = stolenTicks();
  const from = performance.now();
  return () => {
    const after = stolenTicks();
    if (before === undefined || after === undefined) return null;
    // A tick is 10 ms.
    return Number(((1_000 * (after - before)) / ((performance.now() - from) * cpus().length)).toFixed(1));
  };
}

function stolenTicks(): number | undefined {
  if (!existsSync("/proc/stat")) return undefined;
  return Number(/^cpu +(?:\d+ +){7}(\d+)/.exec(readFileSync("/proc/stat", "utf8"))?.[1] ?? 0);
}
