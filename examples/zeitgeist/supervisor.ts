/**
 * Runs workers, one after the other, until one of them has finished; kills them on the way if asked to. What it shows
 * meanwhile it asks of the worker's HTTP endpoint; what it believes at the end comes from the files (`results.ts`).
 */
import { timeText } from "./calendar.ts";
import type { Orders } from "./conversation.ts";
import type { Progress } from "./progress.ts";
import type { Point } from "./struck-store.ts";
import { grouped, type Terminal } from "./terminal.ts";
import { type End, WorkerProcess } from "./worker-process.ts";

export interface SuperviseOptions extends Pick<Orders, "name" | "store" | "directory" | "limit" | "port"> {
  /** How often a worker is to be killed. From three on, at least once at each point of a commit. */
  readonly kills: number;
}

export interface Outcome {
  readonly progress: Progress;
  readonly kills: Readonly<Record<Point, number>>;
  /** Kills after which the next worker found records waiting in the inboxes. */
  readonly killsWithBacklog: number;
  /** Flights that were read in, by all workers together; 0: the run had finished before. */
  readonly handed: number;
  readonly seconds: number;
  /** Of the largest worker. */
  readonly peakRssMiB: number;
}

const POINTS: readonly Point[] = ["before", "during", "after"];
const PLACES: Readonly<Record<Point, string>> = {
  before: "just before a commit",
  during: "during a commit",
  after: "just after a commit, of which it never knew",
};

export class Supervisor {
  readonly #options: SuperviseOptions;
  readonly #terminal: Terminal;
  readonly #kills: Record<Point, number> = { before: 0, during: 0, after: 0 };
  readonly #began = performance.now();
  #killsWithBacklog = 0;
  #handed = 0;
  #flights = 0;
  #port: number;
  #worker: WorkerProcess | undefined;
  #stopped = false;

  constructor(options: SuperviseOptions, terminal: Terminal) {
    this.#options = options;
    this.#terminal = terminal;
    this.#port = options.port;
  }

  /** Resolves when a worker has finished the run; undefined: `stop` came first. Rejects with what a worker failed by. */
  async run(): Promise<Outcome | undefined> {
    let peakRssMiB = 0;
    for (;;) {
      if (this.#stopped) return undefined;
      const again = this.#worker !== undefined;
      this.#worker = this.#start(again);
      const end = await this.#worker.end;
      if (again && this.#worker.foundBacklog) this.#killsWithBacklog++;
      peakRssMiB = Math.max(peakRssMiB, this.#worker.peakRssMiB);
      if (end.kind === "stopped") return undefined;
      this.#handed += end.handed;
      if (end.kind === "killed") this.#mourn(end);
      else
        return {
          progress: end.progress,
          kills: this.#kills,
          killsWithBacklog: this.#killsWithBacklog,
          handed: this.#handed,
          seconds: this.#seconds,
          peakRssMiB,
        };
    }
  }

  /** Lets the worker commit what it has begun, and end. */
  stop(): void {
    this.#stopped = true;
    this.#worker?.stop();
  }

  get #seconds(): number {
    return (performance.now() - this.#began) / 1_000;
  }

  #start(again: boolean): WorkerProcess {
    const { name, store, directory, limit } = this.#options;
    return new WorkerProcess(
      { name, store, directory, limit, port: this.#port, strike: this.#nextStrike() },
      {
        running: (url, flights, waiting) => {
          this.#flights = flights;
          if (this.#port === 0) this.#terminal.line(`  look in  ${url} (while it runs)\n`);
          this.#port = Number(new URL(url).port);
          if (again) this.#terminal.line(`         another goes on, with ${grouped(waiting)} records that it found in the inboxes`);
        },
        progress: (progress) => this.#terminal.passing(this.#line(progress)),
      },
    );
  }

  /** Kills come where there were fewest, until there were enough of them, at equal distances in what is left of the input. */
  #nextStrike(): Orders["strike"] {
    const { kills } = this.#options;
    const done = POINTS.reduce((sum, point) => sum + this.#kills[point], 0);
    const missing = POINTS.filter((point) => this.#kills[point] === 0).length;
    const left = Math.max(kills - done, kills >= POINTS.length ? missing : 0);
    if (left === 0) return undefined;
    const point = POINTS.reduce((fewest, each) => (this.#kills[each] < this.#kills[fewest] ? each : fewest));
    return { point, handed: this.#handed, parts: left + 1 };
  }

  #mourn({ point, waiting }: Extract<End, { readonly kind: "killed" }>): void {
    this.#kills[point]++;
    this.#terminal.line(`  SIGKILL  to the worker ${PLACES[point]}, with ${grouped(waiting)} records in the inboxes`);
  }

  #line({ flights, watermark, waiting, windows, anomalies }: Progress): string {
    const part = `${Math.floor((100 * flights) / Math.max(1, this.#flights))}%`.padStart(6);
    const time = watermark === undefined || watermark < 0 ? "" : `  watermark ${timeText(watermark)}`;
    return `${part}   ${grouped(flights)} flights  ${grouped(flights / this.#seconds)}/s${time}  ${grouped(waiting)} waiting  ${grouped(windows)} windows  ${grouped(anomalies)} anomalies`;
  }
}
