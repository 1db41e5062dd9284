/**
 * A benchmark as the command line sees it: its name, the options it takes beside those of all, with their defaults, and
 * what makes its rows. A row is one JSON object; a benchmark with variants gives several.
 */
import type { RedisDurability } from "../../src/index.ts";
import type { StoreName } from "../stores.ts";
import type { RunSetting } from "./measured-run.ts";

export interface Common {
  readonly store: StoreName;
  readonly fsync: string;
  readonly replicas: number;
  readonly durability: RedisDurability;
  /** Runs of which the medians are shown. */
  readonly runs: number;
  /** ms of round trip added between worker and Redis. */
  readonly rtt: number;
  /** Kill a worker by SIGKILL half way. */
  readonly kill: boolean;
  readonly batch: number;
  readonly inProcess: boolean;
}

export interface Benchmark {
  readonly name: string;
  /** One line. */
  readonly about: string;
  readonly numbers: Readonly<Record<string, number>>;
  readonly texts: Readonly<Record<string, readonly string[]>>;
  /** Sizes at which it only shows that it works; undefined: it is not part of `smoke`. */
  readonly tiny: Readonly<Record<string, number | string>> | undefined;
  run(given: Readonly<Record<string, unknown>> & Common): Promise<object | readonly object[]>;
}

/** `numbers`: defaults. `texts`: what may be given, the default first. */
export function benchmark<
  const N extends Readonly<Record<string, number>>,
  const T extends Readonly<Record<string, readonly string[]>> = Readonly<Record<never, never>>,
>(definition: {
  readonly name: string;
  readonly about: string;
  readonly numbers: N;
  readonly texts?: T;
  readonly tiny?: { readonly [K in keyof N | keyof T | "store"]?: number | string };
  readonly run: (given: { readonly [K in keyof N]: number } & { readonly [K in keyof T]: T[K][number] } & Common) => Promise<object | readonly object[]>;
}): Benchmark {
  const run = definition.run as Benchmark["run"];
  return { ...definition, texts: definition.texts ?? {}, tiny: definition.tiny as Benchmark["tiny"], run };
}

/** Of the options of all, what a run is made with. */
export function settingOf({ store, fsync, replicas, durability, rtt, batch, kill, inProcess }: Common): RunSetting {
  return { store, fsync, replicas, durability, rtt, batch, inProcess, killAt: kill ? 0.5 : 0 };
}

export const durabilityText = (durability: RedisDurability): string => (typeof durability === "string" ? durability : `replicas=${durability.replicas}`);
