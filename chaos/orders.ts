/** What the harness and its workers say to each other: a line of JSON each, orders on standard input, tellings on standard output. */
import type { RedisDurability } from "../src/index.ts";
import type { ShardRef } from "../src/key.ts";
import type { Place } from "../src/worker/place.ts";
import type { Load } from "./load.ts";
import type { Throttle } from "./numbers.ts";

export interface ClusterAddress {
  /** Of its nodes. */
  readonly urls: readonly string[];
  readonly durability: RedisDurability;
}

/** Which pipeline a worker runs, and how. */
export interface Settings {
  readonly pipeline: "chaos" | "timers";
  /** "lmdb:<folder>", or the address of a Redis: its own way there, which may be a faulty one. */
  readonly store: string;
  /** A Redis Cluster that has the data; `store` has the lines then. */
  readonly cluster: ClusterAddress | undefined;
  /** A file, for LMDB; else unused: the lines go to the stream LINES of the same Redis. */
  readonly file: string;
  /** The version of the pipeline's code. */
  readonly code: number;
  readonly load: Load;
  readonly shards: number;
  readonly leaseMs: number;
  readonly batchRecords: number;
  /** ms within which the store has to answer. */
  readonly timeoutMs: number;
  readonly throttle: Throttle;
  readonly place: Place;
}

export type Order =
  | { readonly start: Settings }
  | { readonly pass: Throttle }
  /** At the next commit that is made and not acknowledged, tell so and raise this signal. */
  | { readonly strike: "SIGKILL" | "SIGSTOP" }
  | { readonly stop: true };

/** `at`: ms since the epoch. */
export type Telling =
  | { readonly loaded: true }
  | { readonly started: string }
  | { readonly begins: ShardRef; readonly at: number }
  | { readonly ends: ShardRef; readonly at: number }
  | Pulse
  /** Said before the signal: the shards that are its own, also those it does not work on yet, and what the batch that is not committed has. */
  | { readonly struck: string; readonly held: readonly ShardRef[]; readonly commits: number; readonly at: number }
  /** What became of the commits that a stop has stood before. */
  | { readonly woken: readonly string[]; readonly at: number }
  /** A commit call got no answer: its outcome is unknown. */
  | { readonly unknown: number; readonly commits: number; readonly why: string }
  /** The first one after it that did; `settled`: how many of its commits had been applied before. */
  | { readonly answered: number; readonly settled: number }
  | { readonly level: string; readonly text: string }
  | { readonly ended: "finished" | "stopped" };

export interface Pulse {
  readonly pulse: number;
  readonly commits: number;
  readonly owned: number;
  readonly fenced: number;
  /** Times that it found the store without commits it had acknowledged, and how many those were. */
  readonly lostTails: number;
  readonly lostCommits: number;
  /** Entries delivered from one atomic domain to another; those taken after others that are lost. */
  readonly delivered: number;
  readonly lostEntries: number;
  readonly heap: number;
  /** Of the shards of the injector and of the first computation that it owns, since the pipeline began. */
  readonly injected: number;
  readonly processed: number;
  readonly fired: number;
  /** Records that the last stage worked on since the last pulse: number, when. */
  readonly seen: readonly (readonly [number, number])[];
}

/** The append-only stream that the verifier reads. */
export const LINES = "chaos-lines";

/** Gives the lines of a stream of text as they become whole. */
export function lineReader<T>(take: (line: T) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") take(JSON.parse(line) as T);
  };
}
