/**
 * What a benchmark runs: a pipeline made of settings, and what it must leave behind, made by plain code of the same
 * settings. Settings are plain data, for they travel to other processes.
 */
import type { Pipeline } from "../../src/index.ts";
import { Histogram } from "./histogram.ts";
import type { Results } from "./results.ts";

export interface Workload<Settings = unknown> {
  readonly name: string;
  /** Called once in each process that runs it. Its first injector calls `probe.begin` at its first pull. */
  pipeline(settings: Settings, probe: Probe): Pipeline;
  /** Adds every entry of state that the run leaves. */
  expect(settings: Settings, results: Results): void;
  /** Records put in, and how often a record was processed, by injectors and all other participants. */
  work(settings: Settings): { readonly records: number; readonly processings: number };
}

/** What a pipeline tells the harness while it runs. */
export class Probe {
  readonly histograms = new Map<string, Histogram>();
  readonly notes: Record<string, number> = {};
  /** Called when the run is over, or the process is told to stop. */
  readonly closing: (() => Promise<void> | void)[] = [];
  /** Called with the engine running, before records are pulled. */
  readonly watching: ((published: (participant: string) => number) => void)[] = [];
  /** Records from this one on are not given yet. */
  limit = Number.POSITIVE_INFINITY;
  /** ms since the epoch: when the first process of the run began to pull; later ones go on with its schedule. */
  #beganAt: number | undefined;
  readonly #first: () => void;
  #pulled = 0;
  #reached: { readonly limit: number; readonly call: () => void } | undefined;

  /** `first`: called at each pull. */
  constructor(beganAt: number | undefined, first: () => void) {
    this.#beganAt = beganAt;
    this.#first = first;
  }

  /** Records pulled in this process. */
  get pulled(): number {
    return this.#pulled;
  }
  set pulled(pulled: number) {
    this.#pulled = pulled;
    if (this.#reached === undefined || pulled < this.#reached.limit) return;
    const { call } = this.#reached;
    this.#reached = undefined;
    call();
  }
  /** Calls once when so many records have been pulled. */
  at(limit: number, call: () => void): void {
    this.#reached = { limit, call };
  }

  histogram(name: string): Histogram {
    let histogram = this.histograms.get(name);
    if (histogram === undefined) this.histograms.set(name, (histogram = new Histogram()));
    return histogram;
  }

  /** The first pull: from here on time, CPU and garbage are counted. When the run began, ms since the epoch. */
  begin(): number {
    if (this.#beganAt === undefined) this.#beganAt = now();
    this.#first();
    return this.#beganAt;
  }
  get beganAt(): number | undefined {
    return this.#beganAt;
  }
}

/** ms since the epoch, as exact as the machine's clock: the same for all processes. */
export const now = (): number => performance.timeOrigin + performance.now();
