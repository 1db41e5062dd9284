/**
 * What a participant may take from the watermarks of those that feed it. Pure.
 *
 * I1  The bound is the minimum of the inputs that are live or back-pressured; idle ones are left out while another is
 *     live, finished ones are at END.
 * I2  Where every unfinished input is idle nothing is known: there is no bound, and the watermark stays.
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
  /** undefined: the watermark stays where it is. */
  readonly bound: number | undefined;
  readonly status: Standing;
  readonly last: number;
}

export function boundOf(inputs: readonly Upstream[]): Bound {
  let last = BEGINNING;
  let bound = END;
  let active = false;
  let idle = false;
  for (const input of inputs) {
    last = Math.max(last, input.last);
    if (input.status === "finished") continue;
    if (input.status === "idle") {
      idle = true;
      continue;
    }
    active = true;
    bound = Math.min(bound, input.output);
  }
  if (active) return { bound, status: "live", last };
  if (idle) return { bound: undefined, status: "idle", last };
  return { bound: END, status: "finished", last };
}
