/**
 * A graph with the store's ids: what the engine works from. Plain data, made once at start by `reconcile.ts`.
 */
import type { Codec } from "../computation/codec.ts";
import type { CellNode, ComputationNode, Graph, InjectorNode, InputNode, SinkNode, TimerNode } from "../computation/graph.ts";
import type { Schema } from "../computation/schema.ts";
import { IncompatibleDataError } from "../errors.ts";
import type { StoredGraph, StoredRetired } from "../store/stored-graph.ts";
import type { StoreStream } from "../sinks/sink.ts";
import type { Track } from "../watermark/percentile.ts";

export interface Plan {
  readonly graph: Graph;
  readonly version: number;
  readonly stored: StoredGraph;
  /** Upstream before downstream. */
  readonly participants: readonly PlannedParticipant[];
}

export type PlannedParticipant = PlannedInjector | PlannedComputation | PlannedSink;

interface PlannedBase {
  readonly id: number;
  readonly name: string;
  readonly shards: number;
  /** Ids of the participants that feed it. */
  readonly upstream: readonly number[];
  /** Its watermarks: the low one first, then one for each percentile that its timers, or those downstream of it, fire by. */
  readonly tracks: readonly Track[];
}

export interface PlannedInjector extends PlannedBase {
  readonly kind: "injector";
  readonly node: InjectorNode;
  readonly output: PlannedStream;
}

export interface PlannedComputation extends PlannedBase {
  readonly kind: "computation";
  readonly node: ComputationNode;
  readonly inputs: readonly PlannedInput[];
  readonly outputs: readonly PlannedStream[];
  readonly cells: readonly { readonly id: number; readonly node: CellNode }[];
  readonly timers: readonly { readonly id: number; readonly node: TimerNode }[];
  /** What it had, and its shards may still have; undefined: nothing. */
  readonly retired: StoredRetired | undefined;
}

export interface PlannedSink extends PlannedBase {
  readonly kind: "sink";
  readonly node: SinkNode;
  readonly input: PlannedInput;
}

export interface PlannedInput {
  readonly id: number;
  readonly node: InputNode;
  readonly codec: Codec<unknown>;
}

export interface PlannedStream {
  readonly name: string;
  readonly codec: Codec<unknown>;
  readonly schema: Schema<unknown> | undefined;
  readonly consumers: readonly Consumer[];
  /** Sinks whose records are entries of a stream in the store, appended by whoever produces them. */
  readonly appended: readonly AppendedSink[];
}

export interface AppendedSink extends Consumer {
  readonly to: StoreStream;
}

/** One input of one participant, as its senders see it. */
export interface Consumer {
  readonly participant: number;
  readonly name: string;
  readonly shards: number;
  readonly input: number;
  /** undefined: a sink, which takes the sender's key. "record": each record is a key of its own. */
  readonly key: ((value: unknown) => string) | "record" | undefined;
  /** Which records are for it; undefined: all. */
  readonly where: ((value: unknown) => boolean) | undefined;
}

/** Another graph is stored than the one this worker was planned for: it leaves its shards to workers of that one. */
export class GraphChangedError extends IncompatibleDataError {
  constructor({ graph, version }: Plan) {
    super(
      `another process has changed the graph of pipeline "${graph.pipeline}", of which this one runs version ${version}, and its shards go to workers that run the new one; start this one anew with the same code as theirs`,
    );
  }
}
