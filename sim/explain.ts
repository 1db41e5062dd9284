/** A violation for people: the rule that was broken, how to run it again, and what led to it in at most 30 events. */
import type { Tape } from "../src/testing/simulation/tape.ts";
import { run, type Run, type RunOptions } from "./schedule.ts";

/** Events of the timeline that are shown. */
const EVENTS = 30;

/** Runs the tape again, with a timeline; `again` is the command that does. */
export async function explain(tape: Tape, again: string, options: RunOptions = {}): Promise<string> {
  const recorded = await run(tape, { ...options, recording: true });
  return `${head(again, recorded)}\n${timelineOf(recorded)}`;
}

function head(again: string, { violation, workload, plan, steps, faults, workers, hash }: Run): string {
  const { shape, variant, settings } = workload;
  const participants = plan.participants.map(({ id, name }) => `${id} is ${name}`).join(", ");
  return [
    violation?.message ?? "no violation",
    `  run it again: ${again}`,
    `  ${shape.name}: ${participants}; of shard 2.0 commit 7, which consumes 3 records and produces 1, is 2.0#7 -3 +1`,
    `  ${JSON.stringify({ ...variant, ...settings })}`,
    `  ${steps} steps, ${faults} faults, ${workers} workers, trace ${hash}`,
  ].join("\n");
}

/** What says nothing: what nothing came of, and what the store's line tells as well. */
const DULL = [/ (→|←) (acquire|release|renew|read-state|read-inbox|recover) /, / (→|←|takes \w+'s) report $/, / takes \w+'s (renew|release) /, /: none$/];

function timelineOf({ timeline }: Run): string {
  const telling = timeline.filter((line) => !DULL.some((dull) => dull.test(line)));
  // Moments at which nothing else happened.
  const lines = telling.filter((line, i) => !line.startsWith("──") || telling[i + 1]?.startsWith("──") === false);
  const left = lines.length - EVENTS;
  // An event a line: the head has the violation whole.
  const shown = lines.slice(-EVENTS).map((line) => `  ${line.split("\n", 1)[0]}`);
  return [...(left > 0 ? [`  (${left} lines before)`] : []), ...shown].join("\n");
}
