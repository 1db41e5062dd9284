/** When something happens next in a simulation, and where everything stands when nothing does. Looks only. */
import type { Simulation } from "./simulation.ts";
import type { SimulatedWorker } from "./simulated-worker.ts";
import { name } from "./store-request.ts";

/** Of a lease, how late timers of workers ring at most: less than what a renewal and an announcement have to spare. */
export const SLACK = 0.3;
/** ms for which a timer that is set rings in time. */
const SOON = 10;

/** The next true time at which something can happen; infinite: nothing can any more. */
export function nextMoment({ workers, strays, starts, time, slack }: Simulation): number {
  let at = Number.POSITIVE_INFINITY;
  let wakes = at;
  for (const worker of workers) {
    at = Math.min(at, worker.nextAt());
    wakes = Math.min(wakes, worker.wakesAt());
  }
  for (const stray of strays) at = Math.min(at, stray.from);
  at = Math.min(at, starts.nextAt);
  // What comes by itself comes in time; a worker's timers may ring late, and then those of all ring at once. Not those that
  // were set a moment ago: if reports were always as late as the policies that go by the clock, injectors that wait for each other's
  // would wait for ever.
  return Math.min(at, wakes - time <= SOON ? wakes : Math.max(wakes, time + slack));
}

/** What holds each shard's watermark. `time`: since the beginning, ms. */
export function standingOf(workers: readonly SimulatedWorker[], time: number): string {
  const lines: string[] = [];
  for (const worker of workers) {
    for (const shard of worker.engine.shards.values()) {
      const { kind, at, key, detail } = shard.why();
      if (kind !== "end")
        lines.push(
          `${worker.name} ${shard.kind} ${name(shard.ref)} input ${shard.input} output ${shard.output} ${shard.status}: ${kind} at ${at} ${key ?? ""} ${detail ?? ""}`,
        );
    }
  }
  return `${workers.length} workers, time ${time}\n  ${lines.join("\n  ")}`;
}
