/** A violation for people: the rule that was broken, how to run it again, and what led to it in at most 30 events. */
import type { Tape } from "../src/testing/simulation/tape.ts";
import { shortTimeline } from "../src/testing/simulation/timeline.ts";
import { run, type Run, type RunOptions } from "./schedule.ts";

/** Runs the tape again, with a timeline; `again` is the command that does. */
export async function explain(tape: Tape, again: string, options: RunOptions = {}): Promise<string> {
  return textOf(await run(tape, { ...options, recording: true }), again);
}

/** Of a run that kept its timeline. */
export function textOf(recorded: Run, again: string): string {
  return `${head(again, recorded)}\n${shortTimeline(recorded.timeline, recorded.plan)
    .map((line) => `  ${line}`)
    .join("\n")}`;
}

function head(again: string, { violation, workload, steps, faults, workers, hash }: Run): string {
  const { shape, variant, settings } = workload;
  return [
    violation?.message ?? "no violation",
    `  run it again: ${again}`,
    `  ${shape.name}; commit 7 of shard 0 of A, which consumes 3 records and produces 1, is A[0]#7 -3 +1`,
    `  ${JSON.stringify({ ...variant, ...settings })}`,
    `  ${steps} steps, ${faults} faults, ${workers} workers, trace ${hash}`,
  ].join("\n");
}
