/**
 * A small pipeline with a connector in it, run by the real engine on a MemoryStore and the machine's clock, whose worker
 * dies at a given call of the connector and is followed by another on the same store.
 *
 * R1  A worker that died does nothing more: its source is closed as a dead process's connections are; its sink's writer
 *     is left as it was, and closed when the run is over.
 */
import { systemClock } from "../../clock.ts";
import type { Pipeline } from "../../computation/pipeline.ts";
import { systemRandom } from "../../random.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { reconcile } from "../../worker/reconcile.ts";
import { startWorker, type Worker } from "../../worker/worker.ts";

/** ms that a run may take, and between looks at it. */
const PATIENCE = 20_000;
const LOOK = 5;

/** Counts the calls of a connector, and kills at one of them. */
export class Crash {
  readonly #at: number;
  readonly #when: "before" | "after";
  #calls = 0;
  #kill: () => Promise<void> = async () => {};
  readonly #held: (() => Promise<void>)[] = [];

  /** `at`: the call, from 1; 0: none. */
  constructor(at: number, when: "before" | "after") {
    this.#at = at;
    this.#when = when;
  }

  get calls(): number {
    return this.#calls;
  }
  get text(): string {
    return this.#at === 0 ? "without a crash" : `with a crash ${this.#when} call ${this.#at} of the connector`;
  }

  killBy(kill: () => Promise<void>): void {
    this.#kill = kill;
  }

  /** Something that a process that dies lets go of. */
  holds(letGo: () => Promise<void>): void {
    this.#held.push(letGo);
  }

  async around<R>(call: () => Promise<R>): Promise<R> {
    this.#calls += 1;
    const dies = this.#calls === this.#at;
    if (dies && this.#when === "before") return await this.#dead();
    const result = await call();
    return dies ? await this.#dead() : result;
  }

  /** Whoever called has gone. */
  async #dead<R>(): Promise<R> {
    for (const letGo of this.#held.splice(0)) void letGo();
    void this.#kill();
    return await new Promise<R>(() => {});
  }
}

/** Runs until `done`, or until it has taken too long; then `late` says what is missing. */
export async function runWithCrash(pipeline: () => Pipeline, crash: Crash, done: () => boolean | Promise<boolean>, late: () => string): Promise<void> {
  const store = new MemoryStore();
  let worker: Worker | undefined;
  let failure: { readonly error: unknown } | undefined;
  const start = async (): Promise<void> => {
    const graph = pipeline().graph();
    const open = await store.open({ pipeline: graph.pipeline, clock: systemClock, random: systemRandom });
    const plan = await reconcile(open, graph, []);
    const settings = { leaseMs: 2_000, batchRecords: 4, cacheBytes: 1 << 20, frozen: false, log: () => {} };
    worker = startWorker({ plan, store: open, clock: systemClock, random: systemRandom, ...settings });
    worker.driver.finished.catch((error: unknown) => {
      failure = { error };
    });
  };
  let restarted: Promise<void> = Promise.resolve();
  crash.killBy(() => {
    const restart = async () => {
      await worker?.driver.halt();
      await start();
    };
    restarted = restart();
    return restarted;
  });
  /** What a dead worker had written and not committed may be taken back, and done again, by the next. */
  const isDone = async (): Promise<boolean> => {
    if (!(await done())) return false;
    await restarted;
    await worker?.driver.settled();
    return await done();
  };
  await start();
  try {
    for (const until = systemClock.now() + PATIENCE; !(await isDone()); await pause(LOOK)) {
      if (failure !== undefined) throw failure.error;
      if (systemClock.now() > until) throw new Error(`${crash.text}, after ${PATIENCE / 1_000} s: ${late()}`);
    }
  } finally {
    await worker?.driver.halt();
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void systemClock.after(ms, resolve));
}

/** Gives what the promise does, or throws what `late` says. */
export async function within<R>(ms: number, promise: Promise<R>, late: () => string): Promise<R> {
  let cancel = () => {};
  const end = new Promise<never>((_resolve, reject) => {
    cancel = systemClock.after(ms, () => reject(new Error(late())));
  });
  try {
    return await Promise.race([promise, end]);
  } finally {
    cancel();
  }
}
