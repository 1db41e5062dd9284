/**
 * How far an injector may run ahead of the others. Watermarks are compared, never timestamps of records: a policy trails
 * its records, and one that had to wait for its own watermark would wait for ever (R15). Pure.
 *
 * S1  The injector that is furthest behind never waits: it is not ahead of anyone.
 * S2  Nobody waits for one that is idle or finished; whoever has promised nothing yet is furthest behind.
 */
import type { Standing } from "./upstream.ts";

export interface Runner {
  readonly participant: number;
  readonly output: number;
  readonly status: Standing;
}

/** Of the others, the one that is furthest behind; undefined: there is no one to wait for. */
export function slowestOf(others: Iterable<Runner>): Runner | undefined {
  let slowest: Runner | undefined;
  for (const other of others) {
    if (other.status === "idle" || other.status === "finished") continue;
    if (slowest === undefined || other.output < slowest.output) slowest = other;
  }
  return slowest;
}
