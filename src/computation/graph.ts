/**
 * The graph of a pipeline as its code declares it: what `Pipeline` builds and checks, and all that the engine, the
 * store's graph and the HTTP views read of it. Plain data and the user's functions; no ids (those are the store's).
 */
import type { EffectSettings } from "../effects/effect.ts";
import type { InjectorSource } from "../injectors/injector.ts";
import type { SinkTarget } from "../sinks/sink.ts";
import type { TimerClock } from "../store/commit.ts";
import type { Codec } from "./codec.ts";
import type { Computation } from "./computation.ts";
import type { ReplySettings } from "./reply.ts";
import type { Schema } from "./schema.ts";

export interface Graph {
  readonly pipeline: string;
  /** Shards of each computation. */
  readonly shards: number;
  readonly streams: ReadonlyMap<string, StreamNode>;
  /** Upstream before downstream; within a rank in the order in which they were added. */
  readonly participants: readonly ParticipantNode[];
}

export interface StreamNode {
  readonly name: string;
  readonly codec: Codec<unknown>;
  readonly schema: Schema<unknown> | undefined;
  /** Names of the injectors and computations that produce to it. */
  readonly producers: readonly string[];
  /** Every input that reads it, in the order of `participants`. */
  readonly consumers: readonly ConsumerNode[];
}

/** One input of one participant. A sink has one input, keyed by nothing: all its records go to its one shard. */
export interface ConsumerNode {
  readonly participant: string;
  readonly input: InputNode;
}

export type ParticipantNode = InjectorNode | ComputationNode | SinkNode;

interface NodeBase {
  readonly name: string;
  /** Earlier durable names of this one: data stored under them is taken over. */
  readonly renamedFrom: readonly string[];
  /** Participants that produce to any of its inputs; none for an injector. */
  readonly upstream: readonly string[];
}

export interface InjectorNode extends NodeBase {
  readonly kind: "injector";
  readonly stream: string;
  readonly source: InjectorSource;
  /** ms of event time that its watermark may be ahead of the slowest other live injector's; undefined: any distance. */
  readonly maxSkew?: number | undefined;
}

export interface ComputationNode extends NodeBase {
  readonly kind: "computation";
  /** Makes a new instance: once a worker, and anew after a crash. */
  readonly make: () => Computation;
  readonly inputs: readonly InputNode[];
  readonly outputs: readonly OutputNode[];
  readonly cells: readonly CellNode[];
  readonly timers: readonly TimerNode[];
  readonly options: ComputationOptions;
  /** It is an effect: a system computation whose instances are given a runner. */
  readonly effect?: EffectSettings | undefined;
  /** It keeps replies: a `ReplyBook`, whose one cell is read from outside. */
  readonly reply?: ReplySettings | undefined;
}

export interface SinkNode extends NodeBase {
  readonly kind: "sink";
  readonly input: InputNode;
  readonly target: SinkTarget;
}

/** `field`: the name of the class field that holds the handle, by which a new instance's handles are found. */
export interface InputNode {
  readonly field: string;
  readonly name: string;
  readonly renamedFrom: readonly string[];
  readonly stream: string;
  readonly key: (value: unknown) => string;
  /** Which records are for it; undefined: all. */
  readonly where?: ((value: unknown) => boolean) | undefined;
  /** Each record is a key of its own, and `key` is not asked. */
  readonly perRecord?: boolean | undefined;
}
export interface OutputNode {
  readonly field: string;
  readonly stream: string;
}
export interface CellNode {
  readonly field: string;
  readonly name: string;
  readonly renamedFrom: readonly string[];
  readonly codec: Codec<unknown>;
  readonly initial: unknown;
  /** ms since the last write, by processing time; undefined: for ever. */
  readonly ttl: number | undefined;
}
export interface TimerNode {
  readonly field: string;
  readonly name: string;
  readonly renamedFrom: readonly string[];
  readonly clock: TimerClock;
  /** Of the watermark that it fires by; undefined: of the low one, or of none. */
  readonly percentile: number | undefined;
  /** Has it a tag (`timers(name)`), or is it one a key (`timer(name)`)? */
  readonly tagged: boolean;
}

/** What a computation may be told; every default is here. */
export interface ComputationOptions {
  /** After the last attempt: `park` in dead letters, `halt-key` (the key waits for an operator), `stop` the pipeline. */
  readonly onFailure: "park" | "halt-key" | "stop";
  /** Tries of one record or timer, the first included. */
  readonly attempts: number;
  /** Wait before the second attempt and its bound, ms; it doubles. */
  readonly backoffFirst: number;
  readonly backoffMost: number;
  /** ms that an async handler may take before its attempt counts as failed. */
  readonly timeLimit: number;
  /** Part of each wait that may be left out at random: 0 to 1. */
  readonly jitter: number;
}

export const COMPUTATION_DEFAULTS: ComputationOptions = {
  onFailure: "park",
  attempts: 5,
  backoffFirst: 100,
  backoffMost: 30_000,
  timeLimit: 60_000,
  jitter: 0,
};
