/**
 * Who performs the effects of a running pipeline: what `run(pipeline, { effects })` takes. The engine hands each record
 * over from its inbox, which is the durable outbox: the record leaves it with the commit that follows, so a crash in
 * between hands it over again, under the same idempotency key.
 */
import type { Clock } from "../clock.ts";
import type { Random } from "../random.ts";
import type { StreamRecord } from "../record.ts";
import type { EffectSettings } from "./effect.ts";

/** Made by `bullmq(...)`; without one, effects are performed in the worker's own process. */
export interface Effects {
  readonly kind: "effects";
  /** For people: "BullMQ at localhost:6379". */
  readonly description: string;
  /** Called once a worker, before it starts. Throws `ConfigError` where it cannot do what an effect asks. */
  open(context: EffectsContext): Promise<EffectRunner>;
}

export interface EffectsContext {
  readonly pipeline: string;
  /** Of the whole pipeline. */
  readonly effects: readonly EffectSettings[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: (level: "debug" | "info" | "warn" | "error", text: string, fields: object) => void;
}

/** One record's turn. */
export interface EffectTask {
  readonly settings: EffectSettings;
  readonly record: StreamRecord<unknown>;
  readonly idempotencyKey: string;
  /** Tries of the engine, this one included. */
  readonly attempt: number;
  /** Aborted when the worker gives the record up: nobody waits for the outcome any more. */
  readonly signal: AbortSignal;
}

export type EffectOutcome =
  | { readonly kind: "performed"; readonly value: unknown; readonly attempts: number }
  /** Durable elsewhere, and no longer ours; only for effects without results. */
  | { readonly kind: "handed-over" }
  /** It was tried as often as it may be. The engine makes a dead letter of it. */
  | { readonly kind: "failed"; readonly error: unknown; readonly attempts: number };

/** A record that the runner itself keeps after its last attempt, because the engine is done with it. */
export interface FailedEffect {
  readonly effect: string;
  readonly id: string;
  readonly idempotencyKey: string;
  readonly timestamp: number;
  readonly reason: string;
  readonly attempts: number;
  /** Wall time of the last attempt, ms. */
  readonly at: number;
}

export interface EffectRunner {
  /** Are the limits of `concurrency` and `rateLimit` kept by the engine? Else by the runner. */
  readonly limited: boolean;
  /** Rejects to be called again for the same record, with back-off, and at last `settings.attempts` times. */
  perform(task: EffectTask): Promise<EffectOutcome>;
  /** What it keeps as failed, latest first, at most `limit`. */
  failed?(effect: string, limit: number): Promise<readonly FailedEffect[]>;
  /** Has it performed once more. False: it keeps no such record. */
  retry?(effect: string, id: string): Promise<boolean>;
  /** Ends it; what it was told is kept for the next run. */
  close(): Promise<void>;
}
