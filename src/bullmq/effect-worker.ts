/**
 * Performs the jobs of one effect: a BullMQ worker that has the limits, the waits and the attempts of the effect. Owns
 * what happens in one call; who waits for the outcome is `effect-queue.ts`.
 *
 * K1  What stops with the worker is not counted as a failure: its job stays taken, and another worker is given it.
 */
import type { Clock } from "../clock.ts";
import { waitAfter } from "../computation/backoff.ts";
import { EFFECT_JITTER, type EffectSettings } from "../effects/effect.ts";
import { performOnce } from "../effects/in-process.ts";
import { IncompatibleDataError, messageOf } from "../errors.ts";
import { type BullMqModule, type BullMqWorker, closeWorker, type HandledJob } from "./bullmq-module.ts";
import { recordOf, returnedOf } from "./effect-job.ts";

/** What BullMQ has no name for: as often as it takes. */
export const FOREVER = 1_000_000_000;
/** The name under which jobs ask for `waitAfter`. */
export const BACKOFF = "millrace";
/** ms that calls have to end when their worker is closed. */
const FINISH_MS = 4_000;

export interface EffectWorkerParts {
  readonly module: BullMqModule;
  readonly connection: object;
  readonly prefix: string | undefined;
  readonly queue: string;
  readonly settings: EffectSettings;
  /** Of the user's: BullMQ's own. */
  readonly options: object;
  readonly clock: Clock;
  readonly trouble: (error: unknown) => void;
}

/** What is told of jobs that ended here, before any event comes. */
export interface EffectEnds {
  completed(id: string, returned: unknown): void;
  /** Of each attempt that failed. */
  failedHere(job: HandledJob): void;
}

export class EffectWorker {
  readonly #settings: EffectSettings;
  readonly #module: BullMqModule;
  readonly #clock: Clock;
  readonly #worker: BullMqWorker;
  /** One a call: many listeners of one signal would be taken for a leak. */
  readonly #running = new Set<AbortController>();

  constructor({ module, connection, prefix, queue, settings, options, clock, trouble }: EffectWorkerParts, ends?: EffectEnds) {
    this.#settings = settings;
    this.#module = module;
    this.#clock = clock;
    const { concurrency, rateLimit } = settings;
    this.#worker = new module.Worker(queue, (job) => this.#perform(job), {
      // A crash is not the record's fault, however often it meets the same one.
      maxStalledCount: FOREVER,
      ...options,
      connection,
      ...(prefix === undefined ? {} : { prefix }),
      concurrency,
      ...(rateLimit === undefined ? {} : { limiter: { max: rateLimit.max, duration: rateLimit.per } }),
      settings: {
        backoffStrategy: (attempts: number, _type: unknown, _error: unknown, job?: { readonly id?: string | undefined }) =>
          waitAfter(attempts, { ...settings, jitter: EFFECT_JITTER }, job?.id ?? ""),
      },
    });
    this.#worker.on("error", trouble);
    this.#worker.on("completed", (job: HandledJob, returned: unknown) => ends?.completed(job.id ?? "", returned));
    this.#worker.on("failed", (job: HandledJob | undefined) => job !== undefined && ends?.failedHere(job));
  }

  /** Jobs that run are given a while to end; the rest is told to stop, and performed again elsewhere. */
  async close(): Promise<void> {
    await closeWorker(this.#worker, this.#clock, FINISH_MS);
    for (const abort of this.#running) abort.abort();
  }

  async #perform(job: HandledJob): Promise<unknown> {
    const settings = this.#settings;
    // Where BullMQ counts no starts (before 5.1), those that a crash cut off are not counted.
    const attempt = Math.max(job.attemptsStarted ?? 0, job.attemptsMade + 1);
    const { record, idempotencyKey } = this.#once(() => recordOf(settings, job));
    const abort = new AbortController();
    this.#running.add(abort);
    try {
      const value = await performOnce({ settings, record, idempotencyKey, attempt, signal: abort.signal }, this.#clock);
      return this.#once(() => returnedOf(settings, value, attempt));
    } finally {
      this.#running.delete(abort);
    }
  }

  /** What no further attempt can mend; a worker with newer code may be able to read what this one is not. */
  #once<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof IncompatibleDataError) throw error;
      throw new this.#module.UnrecoverableError(messageOf(error));
    }
  }
}
