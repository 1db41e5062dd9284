/** All workloads, by the names by which processes are told of them. */
import { counters } from "./counter-pipeline.ts";
import type { Workload } from "./harness/workload.ts";
import { nexmarkQueries } from "./nexmark/nexmark.ts";
import { timerLoad, wallTimers } from "./timer-pipelines.ts";
import { ysbEvents } from "./ysb.ts";
import { timed } from "./timed-pipeline.ts";

const WORKLOADS = [counters, timed, timerLoad, wallTimers, nexmarkQueries, ysbEvents] as readonly Workload<never>[];

export function workloadOf(name: string): Workload<unknown> {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found === undefined) throw new RangeError(`there is no workload ${name}`);
  return found as Workload<unknown>;
}
