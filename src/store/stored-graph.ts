/**
 * The graph as the store remembers it. Every durable name has a small integer id, given once; stored keys use the
 * id, so a rename moves no data. `version` rises with every change and is carried by every commit.
 */
export interface StoredGraph {
  /** Layout of all stored data; this code reads and writes `DATA_FORMAT` only. */
  readonly format: number;
  readonly version: number;
  readonly pipeline: string;
  /** Shards of each computation, fixed for the life of the data. */
  readonly shards: number;
  /** Name of the key hash. */
  readonly hash: string;
  /** Never given twice, so that what was dropped cannot come back as something else. */
  readonly nextId: number;
  readonly participants: readonly StoredParticipant[];
}

/** Whoever owns shards and commits: an injector, a computation or a sink. */
export interface StoredParticipant {
  readonly id: number;
  readonly name: string;
  readonly kind: "injector" | "computation" | "sink";
  /** Injectors: partitions; computations: the pipeline's shards; sinks: 1. */
  readonly shards: number;
  readonly inputs: readonly StoredInput[];
  /** Names of the streams it produces to. */
  readonly outputs: readonly string[];
  readonly cells: readonly StoredCell[];
  readonly timers: readonly StoredTimer[];
}

export interface StoredInput {
  readonly id: number;
  readonly name: string;
  readonly stream: string;
  readonly codec: string;
}
export interface StoredCell {
  readonly id: number;
  readonly name: string;
  readonly codec: string;
}
export interface StoredTimer {
  readonly id: number;
  readonly name: string;
  readonly clock: "watermark" | "wall";
}

export const DATA_FORMAT = 1;
