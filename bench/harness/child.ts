/**
 * A worker's process as the harness sees it.
 *
 * C1  None outlives the harness: it ends when its channel does.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ProcessOrder, Told } from "./worker-process.ts";

const PROGRAM = fileURLToPath(new URL("./worker-process.js", import.meta.url));

export class Child {
  readonly #process: ChildProcess;
  readonly loaded: Promise<void>;
  /** Settles with what it told last, once it is gone; undefined: it was not needed. Rejects where it told nothing. */
  readonly done: Promise<Told | undefined>;
  #needed = true;

  /** `nodeArgs`: as in `["--cpu-prof"]`. */
  constructor(nodeArgs: readonly string[] = []) {
    this.#process = fork(PROGRAM, { execArgv: [...nodeArgs] });
    let isLoaded = () => {};
    this.loaded = new Promise((resolve) => (isLoaded = resolve));
    this.done = new Promise((resolve, reject) => {
      let last: Told | undefined;
      this.#process.on("message", (told: Told) => {
        if (told.kind === "loaded") isLoaded();
        else last = told;
      });
      this.#process.on("close", (code, signal) => {
        if (last !== undefined || !this.#needed) resolve(last);
        else reject(new Error(`a worker's process ended with ${signal ?? `exit code ${code}`}`));
      });
    });
    // Whoever waits for it is told all the same.
    this.done.catch(() => {});
  }

  get pid(): number {
    return this.#process.pid as number;
  }
  async order(order: ProcessOrder): Promise<void> {
    await Promise.race([this.loaded, this.done]);
    this.#process.send(order);
  }
  /** It was loaded for nothing. */
  drop(): void {
    this.#needed = false;
    this.#process.kill("SIGKILL");
  }
}
