/**
 * Watches for promises of user code that are rejected and that nothing waits for, over all workers of the process that ask
 * for it, and tells each of its own.
 *
 * R1  The process is listened to from the first watch to the end of the last, and never where no one has asked.
 * R2  A rejection that a call of a handler has caused is told to that call's worker alone.
 * R3  Any other goes to those that take all; where none does, it is for who else listens, and where no one does either, the
 *     process ends of it, as it would without a watch.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Clock } from "../clock.ts";
import { standAround } from "../computation/around-handlers.ts";
import { messageOf } from "../errors.ts";
import type { Worker } from "./worker.ts";

/** The call that made a promise. */
export interface Whose {
  readonly computation: string;
  /** undefined: not known. */
  readonly key: string | undefined;
}

export interface RejectionWatchOptions {
  readonly worker: Worker;
  readonly clock: Clock;
  /**
   * "own": those of handlers, each call being watched from the first on. "all": every one of the process; then calls are
   * watched, which costs something, from the first rejection on, and until then whose it is is looked for in its stack.
   */
  readonly takes: "own" | "all";
  readonly tell: (reason: unknown, whose: Whose | undefined) => void;
}

const watches = new Set<RejectionWatch>();

export class RejectionWatch {
  readonly #options: RejectionWatchOptions;
  /** By the name of its class, the computation. */
  readonly #classes: ReadonlyMap<string, string>;
  #calls: AsyncLocalStorage<Whose> | undefined;

  constructor(options: RejectionWatchOptions) {
    this.#options = options;
    this.#classes = classesOf(options.worker);
    this.#calls = options.takes === "own" ? watchCalls(options.worker) : undefined;
    options.worker.rejections.watched = true;
    if (watches.size === 0) process.on("unhandledRejection", onRejection);
    watches.add(this);
  }

  get takesAll(): boolean {
    return this.#options.takes === "all";
  }

  /** Whose `thrown` is, as far as is known here; for the time of an event that the process tells of. */
  whose(thrown: unknown): Whose | undefined {
    return this.#calls?.getStore() ?? (this.takesAll ? this.#ofStack(thrown) : undefined);
  }

  take(reason: unknown, whose: Whose | undefined): void {
    const { worker, clock, takes, tell } = this.#options;
    worker.rejections.add({ computation: whose?.computation, key: whose?.key, reason: messageOf(reason), at: clock.now() });
    tell(reason, whose);
    if (takes === "all") this.#calls ??= watchCalls(worker);
  }

  close(): void {
    if (!watches.delete(this)) return;
    this.#options.worker.rejections.watched = false;
    if (watches.size === 0) process.off("unhandledRejection", onRejection);
  }

  /** A stack that was cut by an await may not tell. */
  #ofStack(thrown: unknown): Whose | undefined {
    const stack = thrown instanceof Error ? (thrown.stack ?? "") : "";
    for (const [name, computation] of this.#classes)
      if (stack.includes(`at ${name}.`) || stack.includes(`at async ${name}.`)) return { computation, key: undefined };
    return undefined;
  }
}

/** The one listener of the process. */
function onRejection(reason: unknown): void {
  for (const watch of watches) {
    const whose = watch.whose(reason);
    if (whose !== undefined) return watch.take(reason, whose);
  }
  const all = [...watches].filter((watch) => watch.takesAll);
  for (const watch of all) watch.take(reason, undefined);
  if (all.length === 0 && process.listenerCount("unhandledRejection") === 1) throw reason;
}

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
    if (keyed !== undefined)
      standAround(keyed.instance, (_given, context, handler) => calls.run({ computation: name, key: context.key }, () => handler(context)));
  }
  return calls;
}

/** For a sentence: of which call a promise is. */
export function textOfCall(whose: Whose | undefined): string {
  if (whose === undefined) return "";
  return ` (of computation "${whose.computation}"${whose.key === undefined ? "" : `, key ${JSON.stringify(whose.key)}`})`;
}
