/** One worker process, from its start to its end, as its supervisor sees it. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Orders, Report } from "./conversation.ts";
import { askProgress, type Progress } from "./progress.ts";
import type { Point } from "./struck-store.ts";

export type End =
  | { readonly kind: "finished"; readonly progress: Progress; readonly handed: number }
  /** At this point of a commit, while `waiting` records waited in inboxes. */
  | { readonly kind: "killed"; readonly point: Point; readonly waiting: number; readonly handed: number }
  | { readonly kind: "stopped" };

export interface Watcher {
  /** It runs, and has taken shards over, with `waiting` records in their inboxes. */
  running(url: string, flights: number, waiting: number): void;
  progress(progress: Progress): void;
}

const POLL_MS = 500;
/**
 * MiB. The heap needs half of that; where a machine has much memory, Node would let the garbage lie. In a larger nursery
 * records die young, which spares a sixth of all the work.
 */
const HEAP = ["--max-old-space-size=256", "--max-semi-space-size=32"];

export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #watcher: Watcher;
  #running: Extract<Report, { readonly kind: "running" }> | undefined;
  /** Records in the inboxes of the shards that it took over; undefined: it has none yet. */
  #waiting: number | undefined;
  #reached: Extract<Report, { readonly kind: "reached" }> | undefined;
  #finished: Extract<End, { readonly kind: "finished" }> | undefined;
  #failure: string | undefined;
  #stopping = false;
  peakRssMiB = 0;
  /** Resolves when the process is gone and all it said was heard. Rejects if it ended by itself. */
  readonly end: Promise<End>;

  constructor(orders: Orders, watcher: Watcher) {
    this.#watcher = watcher;
    this.#child = fork(fileURLToPath(new URL("./worker.js", import.meta.url)), [JSON.stringify(orders)], { execArgv: HEAP });
    this.#child.on("message", (report: Report) => this.#hear(report));
    const exit = new Promise<string>((resolve) => {
      this.#child.once("close", (code, signal) => resolve(signal === null ? `with code ${code}` : `by ${signal}`));
    });
    const polling = setInterval(() => void this.#poll(), POLL_MS);
    this.end = exit.then((how) => {
      clearInterval(polling);
      return this.#ended(how);
    });
  }

  /** Did it find work that another had left? */
  get foundBacklog(): boolean {
    return this.#waiting !== undefined && this.#waiting > 0;
  }

  /** Lets it commit what it has begun, and end. */
  stop(): void {
    this.#stopping = true;
    if (this.#child.connected) this.#child.send("stop");
  }

  #ended(how: string): End {
    if (this.#finished !== undefined) return this.#finished;
    if (this.#reached !== undefined) return { ...this.#reached, kind: "killed" };
    if (this.#stopping && this.#failure === undefined) return { kind: "stopped" };
    throw new Error(this.#failure ?? `the worker ended ${how}`);
  }

  #hear(report: Report): void {
    const before = this.#waiting;
    switch (report.kind) {
      case "recovered":
        this.#waiting = (this.#waiting ?? 0) + report.waiting;
        if (before === undefined) this.#announce();
        break;
      case "running":
        this.#running = report;
        this.#announce();
        break;
      case "memory":
        this.peakRssMiB = Math.max(this.peakRssMiB, report.peakRssMiB);
        break;
      case "reached":
        // A commit that was over before the signal came is said to be over, by a second report, and counts as that.
        this.#reached = report;
        this.#child.kill("SIGKILL");
        break;
      case "finished":
        void this.#conclude(report.handed);
        break;
      case "failed":
        this.#failure = report.message;
        break;
    }
  }

  /** The leases of a killed worker may have to run out first. */
  #announce(): void {
    if (this.#running !== undefined && this.#waiting !== undefined) this.#watcher.running(this.#running.url, this.#running.flights, this.#waiting);
  }

  /** It is through: what it has counted is asked for a last time. */
  async #conclude(handed: number): Promise<void> {
    try {
      this.#finished = { kind: "finished", progress: await askProgress((this.#running as { readonly url: string }).url), handed };
    } catch (error) {
      this.#failure = `the worker finished, but does not answer: ${String(error)}`;
    }
    this.stop();
  }

  async #poll(): Promise<void> {
    if (this.#running === undefined || this.#finished !== undefined || this.#reached !== undefined) return;
    try {
      this.#watcher.progress(await askProgress(this.#running.url));
    } catch {
      // It was killed, or ended, before it answered; the next answer will do.
    }
  }
}
