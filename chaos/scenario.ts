/** What a chaos scenario is given and what it prints. Owns neither faults nor checks. */

export type StoreName = "redis" | "lmdb";

/** What the command line says; a scenario has its own defaults for what is left out. */
export interface ScenarioOptions {
  readonly store: StoreName;
  /** How long faults go on, minutes. */
  readonly minutes?: number | undefined;
  /** How many faults, where a scenario counts them. */
  readonly cycles?: number | undefined;
  /** Records, where a scenario is about their number. */
  readonly records?: number | undefined;
  /** Records a second, where a scenario is about their pace. */
  readonly rate?: number | undefined;
  readonly leaseMs?: number | undefined;
  /** How often Redis flushes its append-only file; default: as the scenario says. */
  readonly fsync?: "always" | "everysec" | undefined;
  /** What a commit waits for, on a cluster: "replicas" is one replica. */
  readonly durability?: "primary" | "replicas" | undefined;
  /** One that is started for one that was killed is a stranger to the others, as on another machine. */
  readonly newcomers?: boolean | undefined;
  /** Seed of what is drawn at random: victims, moments, kinds of fault. Default 1. */
  readonly seed?: number | undefined;
}

/** What is printed. `null` where it does not apply. */
export interface ChaosResult {
  readonly chaos: string;
  readonly store: StoreName | "redis-cluster";
  readonly records: number;
  /** Results that the oracle has and the verifier did not find. */
  readonly lost: number;
  /** Results found more often than once. */
  readonly doubled: number;
  /** Records of a key that came in another order than their sender gave them in. */
  readonly outOfOrder: number;
  /** What the audit found, and results with wrong values, late records, windows closed early. */
  readonly violations: number;
  /** Faults that hit: the victim held shards and had a batch that was not committed. */
  readonly faults: number;
  /** From a fault to work on what it struck, 99th percentile, ms. */
  readonly recoveryP99Ms: number | null;
  /** 99th percentile of the latency of records that no fault touched, to that before the first fault. */
  readonly bystanderP99Ratio: number | null;
  readonly seconds: number;
  /** What else the scenario shows. */
  readonly details: Readonly<Record<string, unknown>>;
}

export type Scenario = (options: ScenarioOptions) => Promise<ChaosResult>;
