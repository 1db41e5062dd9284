/**
 * `millrace/bullmq`: BullMQ, version 5 or 6, at the edges of a pipeline. It performs effects, and its queues feed streams
 * and are fed by them. BullMQ is loaded when one of these is first used.
 */
export type { BullMqConnection } from "./bullmq-connection.ts";
export { bullmq, type BullMqEffects, type BullMqEffectsOptions, performEffects, type PerformEffectsOptions } from "./bullmq-effects.ts";
export type { BullMqJob } from "./bullmq-module.ts";
export type { KeepJobs } from "./effect-queue.ts";
export { type BullMqInjectorOptions, type BullMqRepeat, type BullMqScheduleOptions, fromBullMq, fromBullMqSchedule } from "./from-bullmq.ts";
export { type BullMqSinkOptions, toBullMq } from "./to-bullmq.ts";
export type { BullMqWorkerOptions } from "./worker-options.ts";
