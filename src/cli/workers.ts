/**
 * `millrace run --workers N`: N processes, each of which runs the pipeline as one worker. This one runs nothing: it
 * starts them, starts one that dies anew in the same place, passes signals on, and ends when all of them have ended. The workers share the
 * work out among themselves; this process could be killed, and started again elsewhere, without any of them noticing.
 */
import { type ChildProcess, fork } from "node:child_process";
import { systemRandom } from "../random.ts";
import type { Place } from "../worker/place.ts";
import { MISTAKEN } from "./exit.ts";

/** ms before a worker that died is started again: at first, at most; and how long one has to live for that to start over. */
const PAUSE_FIRST = 250;
const PAUSE_MOST = 10_000;
const LIVED = 30_000;

/** What a worker finds in its environment: its number, from 1 on. */
export const WORKER_NUMBER = "MILLRACE_WORKER_NUMBER";
/** And whose place it takes: PLACE.START, with how many were started there before. */
const WORKER_PLACE = "MILLRACE_WORKER_PLACE";
const PLACE_LETTERS = 8;

/** Given once: what this process starts in its turn does not stand in its place. */
export function placeGiven(): Place | undefined {
  const [, name, start] = /^(.+)\.(\d+)$/.exec(process.env[WORKER_PLACE] ?? "") ?? [];
  delete process.env[WORKER_PLACE];
  return name === undefined ? undefined : { name, start: Number(start) };
}

export interface WorkersOptions {
  readonly count: number;
  /** Arguments of the worker of this index, from 0 on. */
  readonly argumentsOf: (index: number) => readonly string[];
  /** Beside this process's own. */
  readonly environment: Readonly<Record<string, string>>;
  readonly say: (line: string) => void;
}

/** Gives the exit code: that of the first worker that failed, or 0. */
export async function runWorkers(options: WorkersOptions): Promise<number> {
  return await new Workers(options).ended;
}

class Workers {
  readonly ended: Promise<number>;
  readonly #options: WorkersOptions;
  readonly #running = new Set<ChildProcess>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** No other command has places of such names. */
  readonly #places = systemRandom.id().slice(0, PLACE_LETTERS);
  /** By index: how many were started. */
  readonly #started: number[] = [];
  #code = 0;
  #stopping = false;
  #end: (code: number) => void = () => {};

  constructor(options: WorkersOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => this.#stop(signal));
    for (let index = 0; index < options.count; index++) this.#start(index, PAUSE_FIRST);
  }

  #start(index: number, pause: number): void {
    const start = this.#started[index] ?? 0;
    this.#started[index] = start + 1;
    // A process group of its own: what a terminal sends to the whole group would reach a worker twice, and end it at once.
    const child = fork(process.argv[1] as string, this.#options.argumentsOf(index), {
      env: {
        ...process.env,
        ...this.#options.environment,
        [WORKER_NUMBER]: String(index + 1),
        [WORKER_PLACE]: `${this.#places}-${index + 1}.${start}`,
      },
      detached: true,
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.#running.add(child);
    const startedAt = Date.now();
    child.once("error", (error) => this.#options.say(`worker ${index + 1}: ${error.message}`));
    child.once("exit", (code, signal) => {
      this.#running.delete(child);
      this.#exited(index, code, signal, Date.now() - startedAt >= LIVED ? PAUSE_FIRST : pause);
      if (this.#running.size === 0 && this.#timers.size === 0) this.#end(this.#code);
    });
  }

  #exited(index: number, code: number | null, signal: NodeJS.Signals | null, pause: number): void {
    if (code === 0) return;
    if (this.#stopping) {
      this.#code ||= code ?? 1;
      return;
    }
    if (code !== null && code <= MISTAKEN) {
      // It has said why. The others would fail alike, or go on without what it was to do.
      this.#code = code;
      this.#stop("SIGTERM");
      return;
    }
    this.#options.say(`worker ${index + 1} died (${signal ?? `exit code ${code}`}) and is started again in ${pause} ms`);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#start(index, Math.min(2 * pause, PAUSE_MOST));
    }, pause);
    this.#timers.add(timer);
  }

  #stop(signal: NodeJS.Signals): void {
    this.#stopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const child of this.#running) child.kill(signal);
    if (this.#running.size === 0) this.#end(this.#code);
  }
}
