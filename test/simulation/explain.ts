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

function head(seed: number, { violation, workload, steps, faults, workers, hash }: Run): string {
  const { shape, variant, settings } = workload;
  return [
    `seed ${seed}: ${violation?.message ?? "no violation"}`,
    `  run it again: SEED=${seed} npx vitest run test/simulation/simulation.test.ts`,
    `  ${shape.name}, ${JSON.stringify(variant)}, ${JSON.stringify(settings)}`,
    `  ${steps} steps, ${faults} faults, ${workers} workers, trace ${hash}`,
  ].join("\n");
}

/** Without what says nothing: lines of which nothing came, and moments at which nothing else happened. */
function timelineOf({ timeline }: Run): string {
  const telling = timeline.filter((line) => !/ (→|←|takes \w+'s) (report |renew .*|release .*)$/.test(line));
  const lines = telling.filter((line, i) => !line.startsWith("──") || telling[i + 1]?.startsWith("──") === false);
  const left = lines.length - LINES;
  return [...(left > 0 ? [`  (${left} lines before)`] : []), ...lines.slice(-LINES).map((line) => `  ${line}`)].join("\n");
}
