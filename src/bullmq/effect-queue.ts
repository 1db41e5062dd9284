/**
 * One effect's queue in BullMQ: hands records over, and waits for what becomes of them where the effect has results.
 * Owns the waiting; what is in a job is `effect-job.ts`, who performs it `effect-worker.ts`.
 *
 * Q1  A record has one job, whose id is made of its own, for as long as BullMQ keeps that job.
 * Q2  No failure of Redis is a failure of the record: adding is tried until it succeeds or nobody wants it any more.
 * Q3  Events only make an outcome known sooner. What they do not tell is found by looking, a few seconds later.
 */
import type { Clock } from "../clock.ts";
import type { EffectSettings } from "../effects/effect.ts";
import type { EffectOutcome, EffectTask, FailedEffect } from "../effects/effects.ts";
import { InvalidUseError, messageOf, StoreUnavailableError } from "../errors.ts";
import { shardOf } from "../key.ts";
import { type BullMqModule, type BullMqQueue, type Closable, closeInTime, type HandledJob, within } from "./bullmq-module.ts";
import { type EffectJobData, jobDataOf, outcomeOf, performedOf } from "./effect-job.ts";
import { BACKOFF, type EffectEnds, FOREVER } from "./effect-worker.ts";
import { jobIdOf } from "./job-id.ts";

export type KeepJobs = boolean | number | { readonly age?: number | undefined; readonly count?: number | undefined };

export interface EffectQueueParts {
  readonly module: BullMqModule;
  readonly queueConnection: object;
  readonly eventsConnection: object;
  readonly prefix: string | undefined;
  readonly name: string;
  readonly settings: EffectSettings;
  readonly removeOnComplete: KeepJobs;
  readonly removeOnFail: KeepJobs;
  readonly clock: Clock;
  readonly trouble: (error: unknown) => void;
}

/** ms between two looks at jobs whose outcome is awaited, shortened by up to a quarter. */
const LOOK_MS = 5_000;
/** Jobs looked at each time, and at once. */
const LOOKS = 1_000;
const LOOKS_AT_ONCE = 50;
/** ms that a question of a person's may take. */
const ANSWER_MS = 5_000;
/** ms until a job is added again. */
const RETRY_FIRST = 100;
const RETRY_MOST = 5_000;

interface Wait {
  readonly settles: Set<(outcome: EffectOutcome | "gone") => void>;
  /** Before, there need be no such job. */
  added: boolean;
}

export class EffectQueue implements EffectEnds {
  readonly #parts: EffectQueueParts;
  readonly #queue: BullMqQueue;
  readonly #events: Closable | undefined;
  /** By job id, in the order in which they are looked at. */
  readonly #waiting = new Map<string, Wait>();
  #stopLooking = () => {};
  #looks = 0;
  #closed = false;

  constructor(parts: EffectQueueParts) {
    this.#parts = parts;
    const { module, name, settings, queueConnection, eventsConnection, trouble } = parts;
    const prefix = parts.prefix === undefined ? {} : { prefix: parts.prefix };
    this.#queue = new module.Queue(name, { connection: queueConnection, ...prefix });
    this.#queue.on("error", trouble);
    if (settings.results === undefined) return;
    const events = new module.QueueEvents(name, { connection: eventsConnection, ...prefix });
    events.on("error", trouble);
    events.on("completed", ({ jobId, returnvalue }: { readonly jobId: string; readonly returnvalue: unknown }) => this.completed(jobId, returnvalue));
    for (const event of ["failed", "duplicated"]) events.on(event, ({ jobId }: { readonly jobId: string }) => this.#lookSoon(jobId));
    this.#events = events;
    this.#lookLater();
  }

  async perform(task: EffectTask): Promise<EffectOutcome> {
    const id = jobIdOf(task.record.id);
    const data = jobDataOf(task);
    const given = givenUp(task);
    try {
      for (;;) {
        const outcome = this.#parts.settings.results === undefined ? undefined : this.#await(id, task.signal);
        await Promise.race([this.#add(id, data, task.signal), given.promise]);
        if (outcome === undefined) return { kind: "handed-over" };
        const wait = this.#waiting.get(id);
        if (wait !== undefined) wait.added = true;
        const settled = await Promise.race([outcome, given.promise]);
        if (settled !== "gone") return settled;
        this.#parts.trouble(new InvalidUseError(`job "${id}" was removed before its result was taken: it is added, and performed, again`));
      }
    } finally {
      given.end();
    }
  }

  async failed(limit: number): Promise<readonly FailedEffect[]> {
    if (this.#parts.settings.results !== undefined || limit < 1) return [];
    const effect = this.#parts.settings.name;
    const jobs = await this.#answered(this.#queue.getFailed(0, limit - 1));
    return jobs.flatMap((job) => {
      const { id, idempotencyKey, timestamp } = Object(job.data) as Partial<EffectJobData>;
      if (id === undefined || idempotencyKey === undefined || timestamp === undefined) return [];
      return [{ effect, id, idempotencyKey, timestamp, reason: job.failedReason ?? "", attempts: job.attemptsMade, at: job.finishedOn ?? job.timestamp }];
    });
  }

  retry(id: string): Promise<boolean> {
    return this.#answered(this.#retry(id));
  }

  async #retry(id: string): Promise<boolean> {
    const job = await this.#queue.getJob(jobIdOf(id));
    if (job === undefined || job === null || (await job.getState()) !== "failed") return false;
    await job.retry("failed", { resetAttemptsMade: true, resetAttemptsStarted: true });
    return true;
  }

  /** What a person asks for does not wait until Redis is back. */
  async #answered<T>(work: Promise<T>): Promise<T> {
    if (await within(this.#parts.clock, ANSWER_MS, work)) return work;
    return Promise.race([work, Promise.reject(new StoreUnavailableError(`the Redis of BullMQ queue ${this.#parts.name} did not answer in ${ANSWER_MS} ms`))]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopLooking();
    this.#waiting.clear();
    const { clock } = this.#parts;
    await Promise.all([closeInTime(this.#queue, clock), this.#events === undefined ? undefined : closeInTime(this.#events, clock)]);
  }

  completed(id: string, returned: unknown): void {
    if (this.#waiting.has(id)) this.#settle(id, performedOf(returned));
  }

  /** Each failed attempt is told of; only the last one ends the job. */
  failedHere(job: HandledJob): void {
    const outcome = this.#waiting.has(job.id ?? "") ? outcomeOf(job) : undefined;
    if (outcome !== undefined) this.#settle(job.id ?? "", outcome);
  }

  #settle(id: string, outcome: EffectOutcome | "gone"): void {
    const wait = this.#waiting.get(id);
    this.#waiting.delete(id);
    for (const settle of wait?.settles ?? []) settle(outcome);
  }

  #await(id: string, signal: AbortSignal): Promise<EffectOutcome | "gone"> {
    return new Promise((resolve) => {
      if (signal.aborted) return;
      const wait = this.#waiting.get(id) ?? { settles: new Set(), added: false };
      wait.settles.add(resolve);
      this.#waiting.set(id, wait);
      const leave = () => {
        wait.settles.delete(resolve);
        if (wait.settles.size === 0 && this.#waiting.get(id) === wait) this.#waiting.delete(id);
      };
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  async #add(id: string, data: EffectJobData, signal: AbortSignal): Promise<void> {
    const { settings, clock, trouble, removeOnComplete, removeOnFail } = this.#parts;
    const attempts = Math.min(settings.attempts, FOREVER);
    const options = { jobId: id, attempts, backoff: { type: BACKOFF }, removeOnComplete, removeOnFail };
    for (let wait = RETRY_FIRST; !signal.aborted && !this.#closed; wait = Math.min(2 * wait, RETRY_MOST)) {
      try {
        await this.#queue.add(settings.name, data, options);
        return;
      } catch (error) {
        trouble(error);
        await new Promise<void>((resolve) => clock.after(wait, resolve));
      }
    }
  }

  // ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #lookLater(): void {
    const wait = LOOK_MS * (1 - shardOf(`${this.#parts.name} ${this.#looks++}`, 256) / 1_024);
    this.#stopLooking = this.#parts.clock.after(wait, () => void this.#lookAround());
  }

  /** At those that have not been looked at for longest; never rejects. */
  async #lookAround(): Promise<void> {
    const ids = [...this.#waiting.keys()].slice(0, LOOKS);
    for (let i = 0; i < ids.length && !this.#closed; i += LOOKS_AT_ONCE) await Promise.all(ids.slice(i, i + LOOKS_AT_ONCE).map((id) => this.#look(id)));
    if (!this.#closed) this.#lookLater();
  }

  #lookSoon(id: string): void {
    const wait = this.#waiting.get(id);
    if (wait === undefined || this.#closed) return;
    // The event may be here before the reply to `add` is.
    wait.added = true;
    void this.#look(id);
  }

  async #look(id: string): Promise<void> {
    const wait = this.#waiting.get(id);
    if (wait === undefined || !wait.added) return;
    // To the end of the order.
    this.#waiting.delete(id);
    this.#waiting.set(id, wait);
    try {
      const job = await this.#queue.getJob(id);
      if (this.#waiting.get(id) !== wait) return;
      const outcome = job === undefined || job === null ? "gone" : outcomeOf(job);
      if (outcome !== undefined) this.#settle(id, outcome);
    } catch (error) {
      if (!this.#closed) this.#parts.trouble(error);
    }
  }
}

/** Rejects when nobody waits for the outcome any more. */
function givenUp({ settings, signal }: EffectTask): { readonly promise: Promise<never>; end(): void } {
  let stop = () => {};
  const promise = new Promise<never>((_resolve, reject) => {
    stop = () => reject(new InvalidUseError(`effect "${settings.name}" was given up: its worker stops or has lost the shard. ${messageOf(signal.reason)}`));
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  promise.catch(() => {});
  return { promise, end: () => signal.removeEventListener("abort", stop) };
}
