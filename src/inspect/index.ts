/**
 * `millrace/inspect`: what the HTTP endpoint of a running pipeline answers, as types, and a client for it; and the audit
 * of what is stored. The endpoint itself is opened by `run(pipeline, { store, http: { port } })` and by
 * `millrace run --port`.
 */
export { audit, type AuditOptions, type AuditReport } from "../audit/audit.ts";
export type { Checked, Violation } from "../audit/findings.ts";
export { EndpointError, type Endpoint, endpoint, type EndpointOptions, type ListedTimer, type TimersRequest } from "./endpoint.ts";
export type { LostConfirmed, LostShard } from "../worker/lost-tails.ts";
export type {
  ComputationHotKeys,
  DeadLettersView,
  DeadLetterView,
  DurabilityLevel,
  ErrorView,
  EventTime,
  HolderView,
  HotKeysView,
  HotKeyView,
  Lag,
  LetterView,
  LostTailsView,
  LostTailView,
  NotTakenView,
  ParticipantKind,
  ParticipantShardsView,
  ParticipantView,
  ParticipantWatermarks,
  PipelineView,
  ShardsView,
  ShardView,
  ShardWatermarks,
  StreamDoorView,
  StreamsView,
  StreamView,
  TakenRecordView,
  TakenView,
  TimerOutcomeView,
  TimersView,
  TimerView,
  WatermarksView,
  WholeLetterView,
} from "./views.ts";
export type { PercentileWatermarks, WatermarkPair } from "./watermark-pair.ts";
export type { HealthView, ReadinessView } from "./health-views.ts";
export type { TailedRecord, TailView } from "./tail.ts";
export type { ExplainView } from "./explain-view.ts";
export type { CellView, KeysView, KeyView, StateView } from "./state-views.ts";
export type { BackPressureView, FullInboxView, WorkersView, WorkerView } from "./workers-view.ts";
