/**
 * What user code does to the process of `millrace run` outside of any call that Millrace waits for: a promise that is
 * rejected and that no one waits for, an exception in a timer's callback, `process.exit`. None of these ends a pipeline in
 * silence, or as if it had finished.
 */
import type { Pipeline } from "../computation/pipeline.ts";
import { messageOf } from "../errors.ts";
import { BROKEN } from "./exit.ts";

export interface ProcessGuard {
  /** Promises that were rejected so far and that no one waited for. */
  readonly rejections: number;
  /** The run is over: from now on the process may end as it likes. */
  over(): void;
}

export function guardProcess(pipeline: Pipeline, say: (line: string) => void): ProcessGuard {
  const classes = classesOf(pipeline);
  const guard = { rejections: 0, over: () => {} };
  const onRejection = (reason: unknown): void => {
    guard.rejections++;
    say(`error: a promise was rejected and nothing waits for it${whose(reason, classes)}; what it was to do may not be done: ${textOf(reason)}`);
  };
  const onException = (error: unknown): void => {
    say(`error: an exception outside of any call${whose(error, classes)}; the process ends, as no one knows what it was amid: ${textOf(error)}`);
    process.exit(BROKEN);
  };
  const onExit = (code: number): void => {
    if (code !== 0) return;
    say("error: code of the pipeline has ended the process (process.exit)");
    process.exitCode = BROKEN;
  };
  process.on("unhandledRejection", onRejection);
  process.on("uncaughtException", onException);
  process.on("exit", onExit);
  guard.over = () => {
    process.off("unhandledRejection", onRejection);
    process.off("uncaughtException", onException);
    process.off("exit", onExit);
  };
  return guard;
}

/** By the name of its class, the computation. */
function classesOf(pipeline: Pipeline): ReadonlyMap<string, string> {
  const classes = new Map<string, string>();
  for (const node of pipeline.graph().participants) if (node.kind === "computation") classes.set(node.make().constructor.name, node.name);
  return classes;
}

/** Whose it is, as far as the stack tells: one that was cut by an await may not. */
function whose(thrown: unknown, classes: ReadonlyMap<string, string>): string {
  const stack = thrown instanceof Error ? (thrown.stack ?? "") : "";
  for (const [name, computation] of classes)
    if (stack.includes(`at ${name}.`) || stack.includes(`at async ${name}.`)) return ` (of computation "${computation}")`;
  return "";
}

const textOf = (thrown: unknown): string => (thrown instanceof Error ? (thrown.stack ?? thrown.message) : messageOf(thrown));
