/** What many schedules have come to. Plain data: threads send theirs to one another. */
import type { Run } from "./schedule.ts";

export interface Failing {
  readonly seed: number;
  readonly rule: string;
  readonly message: string;
  /** What the run read of its tape. */
  readonly cells: Uint32Array;
}

export interface Totals {
  /** Of each schedule. */
  readonly steps: number[];
  readonly faults: number[];
  readonly workers: number[];
  readonly strategies: Map<string, number>;
  readonly seen: Map<string, number>;
  readonly violations: Failing[];
}

export function noTotals(): Totals {
  return { steps: [], faults: [], workers: [], strategies: new Map(), seen: new Map(), violations: [] };
}

export function addRun(totals: Totals, seed: number, cells: () => Uint32Array, { steps, faults, workers, strategy, seen, found, violation }: Run): void {
  totals.steps.push(steps);
  totals.faults.push(faults);
  totals.workers.push(workers);
  count(totals.strategies, strategy, 1);
  for (const [what, times] of seen) count(totals.seen, what, times);
  for (const counted of found?.counted.values() ?? []) for (const [what, times] of Object.entries(counted)) count(totals.seen, what, times as number);
  if (violation !== undefined) totals.violations.push({ seed, rule: violation.rule, message: violation.message, cells: cells() });
}

export function addTotals(totals: Totals, more: Totals): void {
  totals.steps.push(...more.steps);
  totals.faults.push(...more.faults);
  totals.workers.push(...more.workers);
  for (const [what, times] of more.strategies) count(totals.strategies, what, times);
  for (const [what, times] of more.seen) count(totals.seen, what, times);
  totals.violations.push(...more.violations);
}

/** The middle one; of an even number the larger of the two. 0: there is none. */
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;
}

function count(map: Map<string, number>, what: string, times: number): void {
  if (times > 0) map.set(what, (map.get(what) ?? 0) + times);
}
