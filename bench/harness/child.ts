/**
 * A worker's process as the harness sees it.
 *
 * C1  None outlives the harness: it ends when its channel does.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Measured } from "./worker.ts";
import type { ProcessOrder, Told } from "./worker-process.ts";

const PROGRAM = fileURLToPath(new URL("./worker-process.js", import.meta.url));

export class Child {
  readonly #process: ChildProcess;
  readonly loaded: Promise<void>;
  /** Settles with what it told last; undefined: it was killed. Rejects where it ended otherwise. */
  readonly done: Promise<Told | undefined>;
  /** As it was told last: of one that was killed, about a quarter of a second before. */
  lastPulse: Measured | undefined = undefined;
  onPulse: (measured: Measured) => void = () => {};
  #killed = false;

  /** `nodeArgs`: as in `["--cpu-prof"]`. */
  constructor(nodeArgs: readonly string[] = []) {
    this.#process = fork(PROGRAM, { execArgv: [...nodeArgs] });
    let isLoaded = () => {};
    this.loaded = new Promise((resolve) => (isLoaded = resolve));
    this.done = new Promise((resolve, reject) => {
      let last: Told | undefined;
      this.#process.on("message", (told: Told) => {
        if (told.kind === "loaded") isLoaded();
        else if (told.kind === "pulse") this.onPulse((this.lastPulse = told.measured));
        else last = told;
      });
      this.#process.on("close", (code, signal) => {
        if (last !== undefined || this.#killed) resolve(last);
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
  kill(): void {
    this.#killed = true;
    this.#process.kill("SIGKILL");
  }
}
