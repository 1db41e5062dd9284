/**
 * `millrace run --watch`: runs the code as it is now, and, whenever it changes, the new code on the same state. This process
 * runs nothing: each state of the code has a process of its own (`watched-run.ts`), and one more waits, started and empty.
 *
 * W1  The old process gives up only when the new one has loaded its code; so what does not load costs nothing.
 * W2  The new one starts only when the old one has committed what it had begun and closed its store; so nothing is lost or
 *     doubled, and no store meets two.
 * W3  The old one stays until the new one runs. Where the new one is refused (by stored data that it does not fit), the old
 *     one goes on.
 */
import { type ChildProcess, fork } from "node:child_process";
import { statSync } from "node:fs";
import { DONE, UsageError } from "./exit.ts";
import { ProjectFiles } from "./project-files.ts";
import { type FromWatched, type ToWatched, WATCHED, type WatchedState } from "./watched-run.ts";

/** ms between two looks at the files. */
const LOOK = 40;

export interface WatchOptions {
  readonly file: string;
  /** Of a process that runs the pipeline. */
  readonly commandLine: readonly string[];
  /** Beside this process's own: what others must not read among the arguments. */
  readonly environment: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
}

/** Gives the exit code; runs until a signal. */
export async function watchPipeline(options: WatchOptions): Promise<number> {
  if (statSync(options.file, { throwIfNoEntry: false })?.isFile() !== true) throw new UsageError(`there is no file ${options.file}`);
  return await new Watch(options).run();
}

class Watch {
  readonly #options: WatchOptions;
  readonly #files: ProjectFiles;
  readonly #runners = new Set<Runner>();
  #current: Runner | undefined = undefined;
  #spare: Runner;
  #stopping = false;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#files = new ProjectFiles(options.file);
    this.#spare = this.#start();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => this.#stop(signal));
  }

  async run(): Promise<number> {
    await this.#replace("as it is now");
    this.#options.say(`watching ${this.#files.count === 1 ? "1 file" : `${this.#files.count} files`}: new code takes over as soon as it is there`);
    while (!this.#stopping) {
      await new Promise((resolve) => setTimeout(resolve, LOOK));
      const changed = this.#files.changed();
      if (changed.length > 0 && !this.#stopping) await this.#replace(`changed: ${changed.join(", ")}`);
    }
    await Promise.all([...this.#runners].map(({ exited }) => exited));
    return DONE;
  }

  /** Puts the code as it is now in the place of what runs. */
  async #replace(why: string): Promise<void> {
    const seenAt = Date.now();
    const old = this.#current;
    const next = this.#spare;
    if ((await next.until("ready")) === "ready") next.tell("load");
    if ((await next.until("loaded")) !== "loaded") return this.#refused(next, why);
    const yieldedAt = Date.now();
    if (old?.state === "running") {
      old.tell("yield");
      await old.until("yielded");
    }
    next.tell("go");
    if ((await next.until("running")) !== "running") {
      if (old?.state === "yielded") {
        old.tell("go");
        await old.until("running");
      }
      return this.#refused(next, why);
    }
    this.#current = next;
    if (old !== undefined)
      this.#options.say(
        `${why}: the new code runs, ${Date.now() - seenAt} ms after the change was seen, ${Date.now() - yieldedAt} ms after the old one was told`,
      );
    old?.leave();
    if (!this.#stopping) this.#spare = this.#start();
  }

  #refused(next: Runner, why: string): void {
    if (this.#stopping) return;
    this.#options.say(`${why}\nerror: ${next.text ?? `the process of the new code has ended (${next.ending})`}`);
    this.#options.say(this.#current?.state === "running" ? "the code before goes on" : "nothing runs; the next change is tried");
    next.leave();
    this.#spare = this.#start();
  }

  #start(): Runner {
    const runner = new Runner(this.#options, () => {
      if (runner === this.#current && !this.#stopping) this.#ended(runner);
    });
    this.#runners.add(runner);
    void runner.exited.then(() => this.#runners.delete(runner));
    return runner;
  }

  /** What runs has ended by itself. */
  #ended({ state, text, ending }: Runner): void {
    if (state === "finished") this.#options.say("every input has ended; the next change runs");
    else if (state === "failed") this.#options.say(`error: ${text ?? ""}\nthe next change runs`);
    else if (state === "exited") this.#options.say(`the process of the pipeline has ended (${ending}); the next change runs`);
  }

  #stop(signal: NodeJS.Signals): void {
    this.#stopping = true;
    for (const runner of this.#runners) {
      if (runner.state === "running") runner.kill(signal);
      else runner.leave();
    }
  }
}

const OVER: readonly (WatchedState | "exited")[] = ["refused", "finished", "failed", "exited"];

/** A process that runs one state of the code. */
class Runner {
  readonly exited: Promise<void>;
  readonly #process: ChildProcess;
  readonly #onOver: () => void;
  readonly #waiters = new Set<() => void>();
  state: WatchedState | "exited" | "starting" = "starting";
  text: string | undefined = undefined;
  /** How the process ended. */
  ending = "";

  constructor({ commandLine, environment }: WatchOptions, onOver: () => void) {
    this.#onOver = onOver;
    // A process group of its own: what a terminal sends to the whole group would reach it twice, and end it at once.
    this.#process = fork(process.argv[1] as string, commandLine, {
      env: { ...process.env, ...environment, [WATCHED]: "1" },
      detached: true,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#process.on("message", ({ state, text }: FromWatched) => this.#became(state, text));
    // A word to one that has just ended.
    this.#process.on("error", (error) => (this.text ??= error.message));
    this.exited = new Promise((resolve) => {
      this.#process.once("exit", (code, signal) => {
        this.ending = signal ?? `exit code ${code}`;
        if (this.state !== "failed" && this.state !== "refused") this.#became("exited", undefined);
        resolve();
      });
    });
  }

  #became(state: WatchedState | "exited", text: string | undefined): void {
    const was = this.state;
    this.state = state;
    this.text = text ?? this.text;
    for (const waiter of [...this.#waiters]) waiter();
    if (was === "running" && OVER.includes(state)) this.#onOver();
  }

  /** Waits for a state, or for one after which it cannot come; gives which it is. */
  until(state: WatchedState): Promise<WatchedState | "exited" | "starting"> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.state !== state && !OVER.includes(this.state as WatchedState)) return;
        this.#waiters.delete(look);
        resolve(this.state);
      };
      this.#waiters.add(look);
      look();
    });
  }

  tell(word: ToWatched): void {
    if (this.#process.connected) this.#process.send(word, () => {});
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** It ends by itself: at once if it runs nothing, else once what it has begun is committed. */
  leave(): void {
    if (this.#process.connected) this.#process.disconnect();
  }
}
