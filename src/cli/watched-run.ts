/**
 * The process of `millrace run --watch` that runs one state of the code: it loads the file, runs the pipeline when it is told,
 * gives it up when it is told, and can take it up again. What is to happen when is decided by `watch.ts`, which started it.
 *
 *   ready --load--> loaded --go--> running --yield--> yielded --go--> running ...
 *
 * C1  It says `yielded` only when the store is closed: whoever comes next finds everything committed, and nobody there.
 * C2  It keeps the code that it has loaded, so the old code can go on though its files are gone.
 */
import { Pipeline } from "../computation/pipeline.ts";
import { stream } from "../computation/stream.ts";
import { fromIterable } from "../injectors/from-iterable.ts";
import { run } from "../run.ts";
import { toCallback } from "../sinks/to-callback.ts";
import { MemoryStore } from "../store/memory-store.ts";
import { DONE, endingOf, FAILED, MISTAKEN } from "./exit.ts";
import { loadPipeline } from "./load-pipeline.ts";
import { runOnce, type RunCommandOptions, type Signal, Signals } from "./one-run.ts";
import { storeOf } from "./store-option.ts";

/** In the environment of such a process. */
export const WATCHED = "MILLRACE_WATCHED";

export type ToWatched = "load" | "go" | "yield";
/** `refused`: it cannot be loaded or started; `failed`: it has run. */
export type WatchedState = "ready" | "loaded" | "running" | "yielded" | "finished" | "refused" | "failed";
export interface FromWatched {
  readonly state: WatchedState;
  /** Why not. */
  readonly text?: string;
}

export const isWatched = (): boolean => process.env[WATCHED] !== undefined && process.send !== undefined;

/** Gives the exit code. */
export async function runWatched(file: string, options: RunCommandOptions): Promise<number> {
  // What the user's code starts is not watched.
  delete process.env[WATCHED];
  const signals = new Signals();
  const told = new Told();
  await warmUp(options);
  tell({ state: "ready" });
  if ((await Promise.race([told.next("load"), signals.first])) !== "load") return DONE;
  let pipeline: Pipeline;
  try {
    pipeline = await loadPipeline(file);
    pipeline.graph();
  } catch (error) {
    tell({ state: "refused", text: endingOf(error).text });
    return MISTAKEN;
  }
  tell({ state: "loaded" });
  while ((await Promise.race([told.next("go"), signals.first])) === "go") {
    let runs = false;
    try {
      const onRunning = () => {
        runs = true;
        tell({ state: "running" });
      };
      const ended: Promise<Signal | "yield"> = Promise.race([told.next("yield"), signals.first]);
      const how = await runOnce({ pipeline, options, ended, onRunning });
      if (how === "stopped") return DONE;
      tell({ state: how });
    } catch (error) {
      tell({ state: runs ? "failed" : "refused", text: endingOf(error).text });
      return FAILED;
    }
  }
  return DONE;
}

/** The first run of a process loads and compiles what later ones find: done now, it needs not be done while nobody runs the pipeline. */
async function warmUp({ store, http }: RunCommandOptions): Promise<void> {
  const nothing = stream("nothing");
  const pipeline = new Pipeline("warming-up", { shards: 1 })
    .inject(
      "in",
      nothing,
      fromIterable(() => []),
    )
    .sink(
      "out",
      nothing,
      toCallback(() => {}),
    );
  const running = await run(pipeline, { store: new MemoryStore(), http: http && { port: 0 }, stallMs: false, log: () => {} });
  await Promise.all([running.finished, storeOf(store).load()]);
  await running.stop();
}

function tell(message: FromWatched): void {
  if (process.connected) process.send?.(message);
}

/** What it was told and has not done. */
class Told {
  readonly #waiting: ToWatched[] = [];
  #wake: (() => void) | undefined = undefined;

  constructor() {
    process.on("message", (word: ToWatched) => {
      this.#waiting.push(word);
      this.#wake?.();
    });
  }

  /** Waits for this word; those before it are of what is over. */
  async next<Word extends ToWatched>(word: Word): Promise<Word> {
    for (;;) {
      for (let said = this.#waiting.shift(); said !== undefined; said = this.#waiting.shift()) if (said === word) return word;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
