/** The public API. What is not named here is internal and may change in any release. */

// What a computation is made of.
export { Computation } from "./computation/computation.ts";
export type { Context, Log, ProduceOptions, SetTimerOptions } from "./computation/context.ts";
export { type Input, type InputOptions, type NarrowedInputOptions, input } from "./computation/input.ts";
export { type Output, output } from "./computation/output.ts";
export { type OptionalValue, type StateCell, state, type Value, type View } from "./computation/state.ts";
export { type Timer, type TimerFamily, type TimerOptions, type TimerSlot, timer, timers } from "./computation/timer.ts";
export type { StreamRecord } from "./record.ts";

// Streams and codecs.
export { cbor } from "./computation/cbor-codec.ts";
export type { Codec } from "./computation/codec.ts";
export type { Wrong } from "./computation/handle.ts";
export { json } from "./computation/json-codec.ts";
export type { NameFor, Stored } from "./computation/stored.ts";
export type { Schema } from "./computation/schema.ts";
export { type Stream, stream } from "./computation/stream.ts";

// The pipeline.
export { type Backoff, exponential } from "./computation/backoff.ts";
export { type ComputeOptions, type InjectOptions, type ParticipantOptions, Pipeline, type PipelineOptions } from "./computation/pipeline.ts";
export type { ExplainOptions } from "./computation/explained.ts";
export type { ReplyOptions } from "./computation/reply.ts";
export type { Whole } from "./computation/whole.ts";

// Aggregations whose keys may be hot.
export { type MergedTotals, type PartialTotals, type TwoPhase, twoPhase, type TwoPhaseOptions, type WindowTotal } from "./computation/two-phase.ts";

// What leaves the system and may fail.
export type { EffectCall, EffectOptions, EffectResult, Perform } from "./effects/effect.ts";
export type { EffectOutcome, EffectRunner, Effects, EffectsContext, EffectTask, FailedEffect } from "./effects/effects.ts";

// What brings data in and out, and how it promises event time.
export { type Injector, type InjectorOptions, injector, type Sink, sink } from "./computation/edges.ts";
export type { CsvOptions } from "./injectors/csv-format.ts";
export { type FileOptions, fromFile } from "./injectors/from-file.ts";
export { fromHttp } from "./injectors/from-http.ts";
export { fromPush } from "./injectors/from-push.ts";
export {
  fromIterable,
  type IterableOptions,
  type Positioned,
  type PositionedIterable,
  type PositionedValue,
  type WatermarkMark,
  watermarkMark,
} from "./injectors/from-iterable.ts";
export { onSchedule, type ScheduleOptions, type Tick } from "./injectors/on-schedule.ts";
export type { Schedule } from "./injectors/schedule.ts";
export type { InjectorSource, ItemFate, Pulled, SourceContext, SourceItem, SourceReader } from "./injectors/injector.ts";
export type { SinkTarget, SinkWriter } from "./sinks/sink.ts";
export { type CallbackOptions, toCallback } from "./sinks/to-callback.ts";
export { type ConsoleOptions, toConsole } from "./sinks/to-console.ts";
export { type FileSinkOptions, toFile } from "./sinks/to-file.ts";
export { ascending } from "./watermark/ascending.ts";
export { boundedDisorder } from "./watermark/bounded-disorder.ts";
export { byHand, type ByHandPolicy } from "./watermark/by-hand.ts";
export { learnedDisorder, type LearnedDisorderOptions } from "./watermark/learned-disorder.ts";
export { trailingClock } from "./watermark/trailing-clock.ts";
export type { WatermarkEstimator, WatermarkPolicy } from "./watermark/policy.ts";
export type { PolicyOptions } from "./watermark/policy-options.ts";

// Running.
export type { AccessToken, HttpOptions, Scope } from "./http/access.ts";
export type { Pushed, PushOptions } from "./http/pushes.ts";
export type { CellView, StateView } from "./inspect/state-views.ts";
export type { ReplyView } from "./inspect/views.ts";
export { run, type RunningPipeline, type RunOptions } from "./run.ts";

// Stores.
export { LmdbStore } from "./store/lmdb-store.ts";
export { MemoryStore, type MemoryStoreOptions } from "./store/memory-store.ts";
export type { RedisDurability, ReplicatedDurability } from "./store/redis/durability.ts";
export { RedisStore, type RedisStoreOptions } from "./store/redis/redis-store.ts";
export type { Store } from "./store/store.ts";

// Time and errors.
export {
  ConfigError,
  DecodeError,
  type ErrorCode,
  IncompatibleDataError,
  NewerDataError,
  InjectorFailedError,
  InvalidUseError,
  InvariantError,
  LimitExceededError,
  MillraceError,
  RecordFailedError,
  RecordNotTakenError,
  RecordRefusedError,
  SinkLostDataError,
  SinkUnavailableError,
  StoreRefusedError,
  StoreUnavailableError,
} from "./errors.ts";
export { BEGINNING, days, END, hours, LAST_TIMER, minutes, seconds } from "./time.ts";
