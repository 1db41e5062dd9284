/** Failures that a test has commanded: of which calls, how many are left, and what they throw. */
import type { Computation } from "../computation/computation.ts";
import { standAround } from "../computation/around-handlers.ts";
import type { Keyed } from "../worker/keyed.ts";

export interface FailOptions {
  /** Of this key alone. Default: of any. */
  readonly key?: string | undefined;
  /** Calls that fail, of records and timers; Infinity: all from now on. Default: 1. */
  readonly times?: number | undefined;
  /** What they throw. Default: an Error that says that the test has commanded it. */
  readonly error?: unknown;
}

type ClassOf = abstract new (...args: never[]) => Computation;

interface Command {
  readonly computation: ClassOf;
  readonly key: string | undefined;
  left: number;
  readonly error: unknown;
}

export class CommandedFailures {
  readonly #commands: Command[] = [];
  readonly #watched = new WeakSet<object>();

  command(computation: ClassOf, { key, times = 1, error }: FailOptions): void {
    this.#commands.push({ computation, key, left: times, error: error ?? new Error("failed, as the test has commanded") });
  }

  /** Watches these instances. Without a command it leaves them as they are. */
  watch(instances: ReadonlyMap<number, Keyed>): void {
    if (this.#commands.length === 0) return;
    for (const { instance } of instances.values()) {
      if (this.#watched.has(instance)) continue;
      this.#watched.add(instance);
      standAround(instance, (_given, context, handler) => this.#after(instance, context.key, handler(context)));
    }
  }

  /** The handler has done its work: what it did has to leave no trace. */
  #after(instance: Computation, key: string, result: unknown): unknown {
    const command = this.#commands.find((each) => each.left > 0 && instance instanceof each.computation && (each.key === undefined || each.key === key));
    if (command === undefined) return result;
    command.left--;
    const fail = (): never => {
      throw command.error;
    };
    return result instanceof Promise ? result.then(fail) : fail();
  }
}
