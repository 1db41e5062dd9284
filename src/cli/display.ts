/**
 * Shows progress while a pipeline runs, on standard error, so that standard output stays the pipeline's own: a table
 * that is drawn over on a terminal, else a line from time to time.
 */
import { type RunningPipeline, workerOf } from "../run.ts";
import { type Progress, progressOf } from "./progress.ts";
import { furthestBehind, progressLine, progressTable } from "./progress-text.ts";
import { progressOfAll, tell } from "./said.ts";
import { Screen } from "./screen.ts";

/** ms between two drawings, between two lines, and over which a rate is taken. */
const DRAW = 250;
const LINE = 5_000;
const RATE = 2_000;

export interface Display {
  /** A line for people, above what is drawn. */
  say(line: string): void;
  /** Draws no more, and takes away what was drawn; gives where the run stands, with its rates over all of it. */
  end(): Progress;
}

export interface DisplayOptions {
  /** Draw a table over and over. */
  readonly live: boolean;
  /** At the beginning of every line. */
  readonly label: string;
  /** One object a line. `worker`: which of several. */
  readonly json: boolean;
  readonly worker: string | undefined;
}

export function display(running: RunningPipeline, startedAt: number, { live, label, json, worker: number }: DisplayOptions): Display {
  const worker = workerOf(running);
  const screen = new Screen(process.stderr);
  const history: Progress[] = [];
  const measure = (): Progress => {
    const now = Date.now();
    while (history.length > 1 && now - (history[1] as Progress).at >= RATE) history.shift();
    const progress = progressOf(worker, now, history[0], startedAt);
    history.push(progress);
    return progress;
  };
  const show = (): void => {
    const progress = measure();
    if (live) screen.draw((columns) => progressTable(progress, columns), heldText(progress));
    else if (json) tell({ progress: progressOfAll(progress) }, number);
    else process.stderr.write(`${label}${progressLine(worker, progress, startedAt)}\n`);
  };
  const heldText = (progress: Progress): string => {
    const heldBy = furthestBehind(worker, progress)?.heldBy ?? null;
    return heldBy === null ? "" : `held by ${heldBy.text}`;
  };
  const timer = setInterval(show, live ? DRAW : LINE);
  return {
    say: (line) => screen.above(`${label}${line}`),
    end: () => {
      clearInterval(timer);
      screen.clear();
      return progressOf(worker, Date.now(), undefined, startedAt);
    },
  };
}
