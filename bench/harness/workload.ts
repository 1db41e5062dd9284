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
  /** ms since the epoch: when the first process of the run began to pull; later ones go on with its schedule. */
  #beganAt: number | undefined;
  readonly #pulled: () => void;
  /** Records pulled in this process. */
  pulled = 0;

  constructor(beganAt: number | undefined, pulled: () => void) {
    this.#beganAt = beganAt;
    this.#pulled = pulled;
  }

  histogram(name: string): Histogram {
    let histogram = this.histograms.get(name);
    if (histogram === undefined) this.histograms.set(name, (histogram = new Histogram()));
    return histogram;
  }

  /** The first pull: from here on time, CPU and garbage are counted. When the run began, ms since the epoch. */
  begin(): number {
    if (this.#beganAt === undefined) this.#beganAt = now();
    this.#pulled();
    return this.#beganAt;
  }
  get beganAt(): number | undefined {
    return this.#beganAt;
  }
}

/** ms since the epoch, as exact as the machine's clock: the same for all processes. */
export const now = (): number => performance.timeOrigin + performance.now();
