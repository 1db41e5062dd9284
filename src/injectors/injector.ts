/**
 * What brings data in, as the engine sees it. An injector is a participant of the pipeline like any computation: it
 * has shards (one per partition of its source), leases and commits; one commit holds its productions, its checkpoint
 * and its watermark. A source only reads, from a position it is given, and never confirms anything outside.
 */
import type { Clock } from "../clock.ts";
import type { Schema } from "../computation/schema.ts";
import type { TraceContext } from "../computation/trace-context.ts";
import type { WatermarkPolicy } from "../watermark/policy.ts";

/** What `Pipeline.inject` takes, without its types. Made by `fromFile`, `fromIterable`, ... */
export interface InjectorSource {
  readonly kind: "injector";
  /** For people: "file queries.ndjson". */
  readonly description: string;
  /** Partitions of the source, each with its own position: 1 for a file or an iterable. Fixed for the life of the data. */
  readonly partitions: number;
  /** Its values are asked of it before there are records; where `validatesItself`, before they are items. Default: none. */
  readonly schema?: Schema<any> | undefined;
  readonly validatesItself?: boolean | undefined;
  /** Event time of a value. Without it, an item's own `timestamp`, else the time of its arrival. */
  readonly timestamp: ((value: any) => number) | undefined;
  /** Identity of a value, for sources that may deliver one twice; "item": each item has its own. Sources with positions need none. */
  readonly id: ((value: any) => string) | "item" | undefined;
  /** An id is known until the injector's watermark has passed its record's timestamp by this, ms; later it is refused. */
  readonly idRetention: number;
  /** False: ids are those of the records and nothing more; none is looked up or stored. Default: true. */
  readonly deduplicate?: boolean | undefined;
  readonly watermark: WatermarkPolicy;
  /** A timestamp further ahead of the clock than this, ms, becomes a dead letter; Infinity: never. */
  readonly maxAhead: number;
  /** It goes by the clock alone: a `PipelineTester`, whose clock the test moves, opens it as it is. */
  readonly clocked?: boolean | undefined;
  /** Its readers want to be told what became of their items (`SourceReader.confirm`). Default: they do not. */
  readonly confirms?: boolean | undefined;
  /** Starts to read after `position` (of the last committed item), or at the beginning. */
  open(context: SourceContext, position: unknown): Promise<SourceReader>;
}

export interface SourceContext {
  readonly partition: number;
  /** Aborted when the worker stops or loses the shard; a pending `pull` then gives what it has. */
  readonly signal: AbortSignal;
  /** What a reader waits by where its source gives no sign of its own. */
  readonly clock: Clock;
  /** Puts a line into the log: for a reader that waits for its source by itself, and so does not fail. */
  readonly warn: (text: string) => void;
}

export interface SourceReader {
  /**
   * Waits until there is at least one item, or the end, or the signal. Never called again before it settled. Rejects
   * with a `ConfigError` where opening again cannot help, else with an `InjectorFailedError`.
   */
  pull(max: number): Promise<Pulled>;
  /**
   * Told after the commit that holds them: what became of the oldest items that it was not told of yet, one fate an item
   * (marks have none), in the order in which they were pulled. A reader that is closed before that learns nothing of the
   * rest: they may be committed, or not. Only where the source `confirms`.
   */
  confirm?(fates: readonly ItemFate[]): void;
  close(): Promise<void>;
}

export interface Pulled {
  readonly items: readonly SourceItem[];
  /** The source is bounded and has ended: nothing will ever follow. */
  readonly done: boolean;
}

/** `id`: of the record, as its consumers see it. `refused`: a dead letter. */
export type ItemFate =
  | { readonly kind: "injected"; readonly id: string; readonly timestamp: number }
  | { readonly kind: "duplicate" }
  | { readonly kind: "refused"; readonly reason: string };

export interface SourceItem {
  readonly value: unknown;
  /** Where to go on after this item: plain data, at most a few hundred bytes as CBOR. */
  readonly position: unknown;
  readonly timestamp?: number | undefined;
  readonly id?: string | undefined;
  /** A promise of the source: no later item has a timestamp below this (read by the `byHand` policy alone). */
  readonly watermark?: number | undefined;
  /** Not a value but why there is none (a line that does not parse); `value` is then the raw text. A dead letter. */
  readonly failure?: string | undefined;
  /** The span that it came from, as its sender says: with `tracing`, its trace goes on. */
  readonly parent?: TraceContext | undefined;
  /** What the record carries as the span that it comes from. Set by `tracing` alone. */
  readonly trace?: TraceContext | undefined;
  /** A mark without a record: only `position` and `watermark` count. */
  readonly mark?: boolean | undefined;
}
