/** What a simulation is given, and what it gives back. Only the types. */
import type { MemoryData } from "../../store/memory-data.ts";
import type { RecoverLimits } from "../../store/store.ts";
import type { Engine } from "../../worker/engine.ts";
import type { EngineOptions } from "../../worker/engine-options.ts";
import type { Keyed } from "../../worker/keyed.ts";
import type { Plan } from "../../worker/plan.ts";
import type { Faults } from "./faults.ts";
import type { Growth } from "./growth-audit.ts";
import type { OperatorSettings } from "./operators.ts";
import type { Trap } from "./place.ts";
import type { SimulatedSource } from "./simulated-edges.ts";
import type { SimulatedRunner } from "./simulated-effects.ts";
import type { StrategyName } from "./strategy.ts";
import type { Tape } from "./tape.ts";
import type { Violation } from "./violation.ts";

export interface Settings {
  /** One worker at a time, in one process with its store; otherwise several, over a network. */
  readonly exclusive: boolean;
  readonly leaseMs: number;
  readonly batchRecords: number;
  readonly cacheBytes: number;
  readonly frozen: boolean;
  readonly reportEvery: number;
  readonly recover: RecoverLimits;
  /** ms that a request or an answer may take, without any fault; 0: none. */
  readonly latency: number;
  /**
   * Is time saved that shows little: do timers of workers ring late, and then all at once, and does a worker, once nothing goes
   * wrong any more, do in one go what it can?
   */
  readonly hasty: boolean;
  /** In a hasty run: do timers of workers ring in time as long as something may go wrong? */
  readonly punctual?: boolean;
  /** "cold": something may go wrong from the first step on. "warm": not before its one worker has all shards and is at work. Default: either, by the tape. */
  readonly begins?: "cold" | "warm" | undefined;
}

export interface SimulationOptions {
  readonly plan: Plan;
  /** A store in which the plan's graph is stored. */
  readonly data: MemoryData;
  /** By name of the injector: its partitions. */
  readonly sources: ReadonlyMap<string, readonly SimulatedSource[]>;
  readonly tape: Tape;
  readonly settings: Settings;
  readonly faults: Faults;
  /** True time at the beginning, ms since the epoch. Default: 1,000,000. */
  readonly startAt?: number | undefined;
  /** What handlers see as processing time, ms since the epoch; the default is the store's clock. */
  readonly processingTime?: (() => number) | undefined;
  /** Calls of handlers so far, for the place where they have run. Default: they are not counted. */
  readonly calls?: (() => number) | undefined;
  /** What is to happen at certain places. Default: nothing. */
  readonly trap?: Trap | undefined;
  /** Keep a timeline. */
  readonly recording: boolean;
  /** The instances of a worker that starts; the default makes new ones, as a process does. */
  readonly instances?: ((runner: SimulatedRunner) => ReadonlyMap<number, Keyed>) | undefined;
  /** Of a thousand calls of an effect, how many fail. Default: others perform them, who are not watched. */
  readonly failingEffects?: number | undefined;
  /** Who asks something of the workers meanwhile. Default: nobody. */
  readonly operators?: OperatorSettings | undefined;
  /** The graph grows meanwhile: whoever starts from then on runs the grown one. Default: it stays. */
  readonly growth?: (Growth & { readonly instances: (runner: SimulatedRunner) => ReadonlyMap<number, Keyed> }) | undefined;
  /** Makes the engine of a worker that starts: a test of the simulation gives one that is wrong. */
  readonly engine?: ((options: EngineOptions) => Engine) | undefined;
}

export interface Outcome {
  readonly violation: Violation | undefined;
  readonly hash: string;
  readonly steps: number;
  readonly faults: number;
  readonly workers: number;
  readonly strategy: StrategyName;
  readonly seen: ReadonlyMap<string, number>;
  readonly timeline: readonly string[];
}
