/**
 * What a peer is to the harness: a system that counts records by key from a durable source into a durable sink, under
 * one of several settings. It does not say how one is measured: that is `measuring.ts`, the same for all.
 */

export interface Workload {
  /** Records of a throughput run; a slow peer takes a part of them (`Peer.part`). */
  readonly records: number;
  /** Different keys, drawn evenly. */
  readonly keys: number;
  /** Of a latency run: records a second, seconds that count, and seconds before them that do not. */
  readonly rate: number;
  readonly seconds: number;
  readonly warmUp: number;
}

export const QUERIES = ["q5", "q7", "q8"] as const;
export type QueryName = (typeof QUERIES)[number];

/** A query of Nexmark over a file of events (`query-load.ts`). */
export interface QueryLoad {
  readonly query: QueryName;
  readonly events: number;
  /** One event a line, in JSON; the last one closes all windows of the others. */
  readonly file: string;
  /** How many rows are the answer, and the `Digest` of their texts. */
  readonly rows: number;
  readonly digest: string;
}

/** One point of a sweep; `label` is what is printed. */
export interface Setting {
  readonly label: string;
  readonly [name: string]: string | number;
}

export interface ThroughputResult {
  readonly records: number;
  readonly recordsPerSecond: number;
  /** CPU of all processes of the peer between the first fifth and the end, and the same for each record. */
  readonly cpuSeconds: number;
  readonly cpuMicrosPerRecord: number;
  /** Peaks of all processes of the peer, added up. */
  readonly rssMiB: number;
}

export interface LatencyResult {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Records whose latency counts. */
  readonly timed: number;
}

export interface Peer {
  readonly name: string;
  /** What holds for each record if any process dies at any moment, and when data is flushed. */
  readonly guarantee: string;
  readonly settings: readonly Setting[];
  /** Which part of the workload's records it is given, so that a run takes seconds and not minutes. */
  readonly part: number;
  /** Fetches what is missing. */
  prepare(): Promise<void>;
  /** Throws where a total is wrong. */
  throughput(setting: Setting, load: Workload): Promise<ThroughputResult>;
  latency(setting: Setting, load: Workload): Promise<LatencyResult>;
  /** undefined: it does not know event time. */
  readonly queries?: PeerQueries;
}

export interface PeerQueries {
  readonly settings: readonly Setting[];
  /** The durable source has the events when it begins. Throws where a row is wrong, missing or double. Records of the result are events. */
  throughput(setting: Setting, load: QueryLoad): Promise<ThroughputResult>;
}

/** The key of the n-th record: 16 bytes; consecutive records have unrelated ones. */
export const keyOf = (n: number, keys: number): string => `key-${String(((n * 2_654_435_761) >>> 0) % keys).padStart(12, "0")}`;
