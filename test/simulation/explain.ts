/** A failing run for people: its seed, the rule that was broken, how to run it again, and the end of its timeline. */
import type { Tape } from "../../src/testing/simulation/tape.ts";
import { run, type Run, type RunOptions } from "./run.ts";

/** Lines of the timeline that are shown. */
const LINES = 60;

/** Runs the tape again, with a timeline. */
export async function explain(seed: number, tape: Tape, options: RunOptions = {}): Promise<string> {
  const again = await run(tape, { ...options, recording: true });
  return `${head(seed, again)}\n${timelineOf(again)}`;
}

function head(seed: number, { violation, workload, plan, steps, faults, workers, hash }: Run): string {
  const { shape, variant, settings } = workload;
  const participants = plan.participants.map(({ id, name }) => `${id} is ${name}`).join(", ");
  return [
    `seed ${seed}: ${violation?.message ?? "no violation"}`,
    `  run it again: SEED=${seed} npx vitest run test/simulation/simulation.test.ts`,
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
  const left = lines.length - LINES;
  return [...(left > 0 ? [`  (${left} lines before)`] : []), ...lines.slice(-LINES).map((line) => `  ${line}`)].join("\n");
}
