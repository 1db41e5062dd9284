/**
 * What user code does to the process of `millrace run` outside of any call that Millrace waits for: a promise that is
 * rejected and that no one waits for, an exception in a timer's callback, `process.exit`. None of these ends a pipeline in
 * silence, or as if it had finished.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { systemClock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { standAround } from "../worker/around-handlers.ts";
import type { Worker } from "../worker/worker.ts";
import { BROKEN } from "./exit.ts";

export interface ProcessGuard {
  /** The run is over: from now on the process may end as it likes. */
  over(): void;
}

/** A call of a handler. */
interface Whose {
  readonly computation: string;
  /** undefined: not known. */
  readonly key: string | undefined;
}

/** Its worker is told of each promise that was rejected and that no one waited for. */
export function guardProcess(worker: Worker, say: (line: string) => void): ProcessGuard {
  const classes = classesOf(worker);
  const guard = { over: () => {} };
  // Watching every call costs something: it is begun where one has let a promise go.
  let calls: AsyncLocalStorage<Whose> | undefined;
  const onRejection = (reason: unknown): void => {
    const whose = calls?.getStore() ?? ofStack(reason, classes);
    worker.rejections.add({ computation: whose?.computation, key: whose?.key, reason: messageOf(reason), at: systemClock.now() });
    say(`error: a promise was rejected and nothing waits for it${textOfCall(whose)}; what it was to do may not be done: ${textOf(reason)}`);
    calls ??= watchCalls(worker);
  };
  const onException = (error: unknown): void => {
    say(
      `error: an exception outside of any call${textOfCall(calls?.getStore() ?? ofStack(error, classes))}; the process ends, as no one knows what it was amid: ${textOf(error)}`,
    );
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
function classesOf({ engine }: Worker): ReadonlyMap<string, string> {
  const classes = new Map<string, string>();
  for (const { id, name } of engine.options.plan.participants) {
    const keyed = engine.options.instances.get(id);
    if (keyed !== undefined) classes.set(keyed.instance.constructor.name, name);
  }
  return classes;
}

/** From now on, whatever a call has begun knows whose it is. */
function watchCalls({ engine }: Worker): AsyncLocalStorage<Whose> {
  const calls = new AsyncLocalStorage<Whose>();
  for (const { id, name } of engine.options.plan.participants) {
    const keyed = engine.options.instances.get(id);
    if (keyed !== undefined) standAround(keyed.instance, (_given, { key }, handler) => calls.run({ computation: name, key }, handler));
  }
  return calls;
}

/** Whose it is, as far as the stack tells: one that was cut by an await may not. */
function ofStack(thrown: unknown, classes: ReadonlyMap<string, string>): Whose | undefined {
  const stack = thrown instanceof Error ? (thrown.stack ?? "") : "";
  for (const [name, computation] of classes) if (stack.includes(`at ${name}.`) || stack.includes(`at async ${name}.`)) return { computation, key: undefined };
  return undefined;
}

function textOfCall(whose: Whose | undefined): string {
  if (whose === undefined) return "";
  return ` (of computation "${whose.computation}"${whose.key === undefined ? "" : `, key ${JSON.stringify(whose.key)}`})`;
}

const textOf = (thrown: unknown): string => (thrown instanceof Error ? (thrown.stack ?? thrown.message) : messageOf(thrown));
