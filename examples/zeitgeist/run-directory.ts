/**
 * The directory of one run: which run it is, so that nothing else is written into it, and its summary once it is over.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nanoid } from "nanoid";
import type { WindowTotals } from "./results.ts";

/** What `--json` prints. */
export interface Summary extends Pick<WindowTotals, "windows" | "digest"> {
  /** Flights. */
  readonly records: number;
  readonly late: number;
  readonly duplicates: number;
  readonly deadLetters: number;
  readonly anomalies: number;
  readonly seconds: number;
  readonly recordsPerSecond: number;
  /** Of the largest worker process. */
  readonly peakRssMiB: number;
  /** What an audit of the store, after the run, found broken. Absent with a store in memory, which is gone by then. */
  readonly violations?: number;
  /** Where workers were killed; only with `--kill`. `withBacklog`: of all, those that left records in the inboxes. */
  readonly kills?: { readonly before: number; readonly during: number; readonly after: number; readonly withBacklog: number };
}

interface Run {
  readonly id: string;
  readonly store: string;
  readonly limit: number | null;
}

export class RunDirectory {
  readonly path: string;
  readonly #run: Run;

  /** Throws where the directory holds a run of another store or number of rows. */
  constructor(path: string, store: string, limit: number | undefined) {
    this.path = path;
    const wanted = { store, limit: limit ?? null };
    mkdirSync(path, { recursive: true });
    this.#run = read<Run>(join(path, "run.json")) ?? { id: nanoid(8), ...wanted };
    if (this.#run.store !== store || this.#run.limit !== wanted.limit) {
      throw new Error(`${path} holds a run of ${describe(this.#run)}, not of ${describe({ ...this.#run, ...wanted })}: give another --data-dir, or remove it`);
    }
    writeFileSync(join(path, "run.json"), `${JSON.stringify(this.#run)}\n`);
  }

  /** Durable name of the pipeline. A server may hold several runs, so each directory has its own. */
  get pipeline(): string {
    return `zeitgeist.${this.#run.id}`;
  }

  get summary(): Summary | undefined {
    return read<Summary>(join(this.path, "summary.json"));
  }

  finish(summary: Summary): void {
    writeFileSync(join(this.path, "summary.json"), `${JSON.stringify(summary)}\n`);
  }
}

const describe = ({ store, limit }: Run): string => `${limit === null ? "all rows" : `${limit} rows`} on ${store}`;

function read<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
