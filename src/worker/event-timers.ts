/** Which queue the pending event timers of a shard are in: one that knows percentiles only where the computation has such timers. */
import { parseTimerMember } from "../store/address.ts";
import { PercentileTimers } from "../timers/percentile-timers.ts";
import { TimerQueue } from "../timers/timer-queue.ts";
import type { PlannedComputation } from "./plan.ts";

/** `watermarks`: the percentile watermarks in force. */
export function eventTimersOf({ timers }: PlannedComputation, keyOf: (member: string) => string, watermarks: ReadonlyMap<number, number>): TimerQueue {
  const percentiles = new Map<number, number>();
  for (const { id, node } of timers) if (node.percentile !== undefined) percentiles.set(id, node.percentile);
  if (percentiles.size === 0) return new TimerQueue("watermark", keyOf);
  return new PercentileTimers(keyOf, (member) => percentiles.get(parseTimerMember(member).timer), new Set(percentiles.values()), watermarks);
}
