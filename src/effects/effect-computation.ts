/**
 * An effect in the graph: a system computation whose every record is a key of its own, so that none waits for another.
 * Its inbox is the outbox; the engine's own retries, held records and dead letters do the rest.
 *
 * C1  A record is consumed only after its runner has performed it, has it durably, or has failed for the last time.
 * C2  What stands aside between two attempts holds the watermark of `results`, so no result is late by itself.
 */
import { Computation } from "../computation/computation.ts";
import type { Context } from "../computation/context.ts";
import { type Input, input } from "../computation/input.ts";
import { type Output, output } from "../computation/output.ts";
import type { Stream } from "../computation/stream.ts";
import { invariant, messageOf } from "../errors.ts";
import type { StreamRecord } from "../record.ts";
import type { EffectResult, EffectSettings } from "./effect.ts";
import type { EffectOutcome, EffectRunner } from "./effects.ts";

/** What the engine's contexts have for system computations alone. */
export interface SystemContext extends Context {
  /** Of this record, 1 at first. */
  readonly attempt: number;
  /** The record goes to dead letters, after so many attempts, with whatever else the call does. */
  park(error: unknown, attempts: number): void;
}

export class EffectComputation extends Computation {
  readonly requests: Input<any>;
  readonly results: Output<EffectResult<unknown, unknown>> | undefined;
  readonly #pipeline: string;
  readonly #settings: EffectSettings;
  /** Set when a worker starts. */
  runner: EffectRunner | undefined = undefined;

  constructor(pipeline: string, settings: EffectSettings) {
    super();
    this.#pipeline = pipeline;
    this.#settings = settings;
    // The key is the record's own (`InputNode.perRecord`): this is never called.
    this.requests = input(settings.stream as Stream<any>, { key: () => settings.name });
    if (settings.results !== undefined) this.results = output(settings.results as Stream<any>);
  }

  /** Not an async function: what the runner returns decides when it goes on, which in a simulation is no promise. */
  processRecord(record: StreamRecord<unknown>, context: SystemContext): Promise<void> {
    const { runner } = this;
    const { name, attempts } = this.#settings;
    invariant(runner !== undefined, `effect "${name}" has no runner`);
    const idempotencyKey = `${this.#pipeline}/${name}/${record.id}`;
    const { attempt, signal } = context;
    return runner.perform({ settings: this.#settings, record: asProduced(record), idempotencyKey, attempt, signal }).then(
      (outcome) => this.#settle(outcome, idempotencyKey, record, context),
      (error: unknown) => {
        if (attempt < attempts || signal.aborted) throw error;
        this.#settle({ kind: "failed", error, attempts: attempt }, idempotencyKey, record, context);
      },
    );
  }

  #settle(outcome: EffectOutcome, idempotencyKey: string, record: StreamRecord<unknown>, context: SystemContext): void {
    if (outcome.kind === "handed-over") return;
    if (outcome.kind === "failed") context.park(outcome.error, outcome.attempts);
    if (this.results === undefined) return;
    const result = { idempotencyKey, attempts: outcome.attempts, input: record.value };
    if (outcome.kind === "failed") context.produce(this.results, { ok: false, ...result, error: messageOf(outcome.error) });
    else context.produce(this.results, { ok: true, ...result, value: outcome.value });
  }
}

/** As a sink's record: with the key under which it was produced. */
function asProduced(record: StreamRecord<unknown>): StreamRecord<unknown> {
  const { id, key, value, timestamp, late } = record;
  const sender = key === id ? "" : key.slice(0, key.lastIndexOf("#"));
  return { id, key: sender, value, timestamp, late, is: (): this is never => false } as StreamRecord<unknown>;
}
