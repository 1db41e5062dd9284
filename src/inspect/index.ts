/**
 * `millrace/inspect`: what the HTTP endpoint of a running pipeline answers, as types, and a client for it; and the audit
 * of what is stored. The endpoint itself is opened by `run(pipeline, { store, http: { port } })` and by
 * `millrace run --port`.
 */
export { audit, type AuditOptions, type AuditReport } from "../audit/audit.ts";
export type { Checked, Violation } from "../audit/findings.ts";
export { EndpointError, type Endpoint, endpoint } from "./endpoint.ts";
export type {
  BackPressureView,
  ComputationHotKeys,
  DeadLettersView,
  DeadLetterView,
  DurabilityLevel,
  ErrorView,
  EventTime,
  FullInboxView,
  HolderView,
  HotKeysView,
  HotKeyView,
  Lag,
  NotTakenView,
  ParticipantKind,
  ParticipantShardsView,
  ParticipantView,
  ParticipantWatermarks,
  PipelineView,
  ReadinessView,
  ShardsView,
  ShardView,
  ShardWatermarks,
  StreamDoorView,
  StreamsView,
  StreamView,
  TakenRecordView,
  TakenView,
  TimersView,
  TimerView,
  WatermarksView,
  WorkersView,
  WorkerView,
} from "./views.ts";
