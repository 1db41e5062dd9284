/**
 * What a participant may take from the watermarks of those that feed it. Pure.
 *
 * I1  The bound is the minimum of the inputs that are live or back-pressured; idle ones are left out while another is
 *     live, finished ones are at END.
 * I2  Where every unfinished input is idle, what they promised before is known and nothing else: the bound is the least
 *     of that, which one that another input had carried further stays above.
 * I3  Only when all inputs are finished is the bound END.
 */
import { BEGINNING, END } from "../time.ts";

export type Standing = "live" | "idle" | "back-pressured" | "finished";

export interface Upstream {
  readonly output: number;
  readonly status: Standing;
  /** The largest event time known there. */
  readonly last: number;
}

export interface Bound {
  /** The watermark may rise to here; where it is higher it stays. */
  readonly bound: number;
  readonly status: Standing;
  readonly last: number;
}

export function boundOf(inputs: readonly Upstream[]): Bound {
  let last = BEGINNING;
  let bound = END;
  let promised = END;
  let active = false;
  let idle = false;
  for (const input of inputs) {
    last = Math.max(last, input.last);
    if (input.status === "finished") continue;
    if (input.status === "idle") {
      idle = true;
      promised = Math.min(promised, input.output);
      continue;
    }
    active = true;
    bound = Math.min(bound, input.output);
  }
  if (active) return { bound, status: "live", last };
  if (idle) return { bound: promised, status: "idle", last };
  return { bound: END, status: "finished", last };
}
