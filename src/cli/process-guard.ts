/**
 * What user code does to the process of `millrace run` outside of any call that Millrace waits for: a promise that is
 * rejected and that no one waits for, an exception in a timer's callback, `process.exit`. None of these ends a pipeline in
 * silence, or as if it had finished.
 */
import { systemClock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { RejectionWatch, textOfCall } from "../worker/rejection-watch.ts";
import type { Worker } from "../worker/worker.ts";
import { BROKEN } from "./exit.ts";

export interface ProcessGuard {
  /** The run is over: from now on the process may end as it likes. */
  over(): void;
}

/** Its worker is told of each promise that was rejected and that no one waited for. */
export function guardProcess(worker: Worker, say: (line: string) => void): ProcessGuard {
  const watch = new RejectionWatch({
    worker,
    clock: systemClock,
    takes: "all",
    tell: (reason, whose) =>
      say(`error: a promise was rejected and nothing waits for it${textOfCall(whose)}; what it was to do may not be done: ${textOf(reason)}`),
  });
  const onException = (error: unknown): void => {
    say(`error: an exception outside of any call${textOfCall(watch.whose(error))}; the process ends, as no one knows what it was amid: ${textOf(error)}`);
    process.exit(BROKEN);
  };
  const onExit = (code: number): void => {
    if (code !== 0) return;
    say("error: code of the pipeline has ended the process (process.exit)");
    process.exitCode = BROKEN;
  };
  process.on("uncaughtException", onException);
  process.on("exit", onExit);
  return {
    over: () => {
      watch.close();
      process.off("uncaughtException", onException);
      process.off("exit", onExit);
    },
  };
}

const textOf = (thrown: unknown): string => (thrown instanceof Error ? (thrown.stack ?? thrown.message) : messageOf(thrown));
