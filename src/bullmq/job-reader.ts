/**
 * The reader of a BullMQ queue: a worker of BullMQ's whose every job becomes an item, and ends when the engine says what
 * became of it.
 *
 * J1  A job is completed only after the commit that holds its record, or that of the same job before, is durable.
 * J2  A job that this reader cannot tell the fate of any more goes back to the queue, or is left for BullMQ to find that
 *     its worker has gone. It is given again, with the same id: one record.
 * J3  A promise of event time comes after all jobs that were read before it was made.
 */
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import type { ItemFate, Pulled, SourceContext, SourceItem, SourceReader } from "../injectors/injector.ts";
import { WakeUp } from "../injectors/wake-up.ts";
import type { OpenConnection } from "./bullmq-connection.ts";
import { type BullMqModule, type BullMqQueue, type BullMqWorker, closeInTime, closeWorker, type HandledJob } from "./bullmq-module.ts";
import { oldestUnread, timeOf } from "./queue-watermark.ts";

export interface JobReaderParts {
  readonly module: BullMqModule;
  readonly connection: OpenConnection;
  readonly queue: string;
  readonly prefix: string | undefined;
  readonly concurrency: number;
  readonly worker: object;
  /** Jobs of other names are refused; undefined: none is. */
  readonly name: string | undefined;
  readonly valueOf: (job: HandledJob) => unknown;
  /** The watermark follows the queue, this far behind, ms; undefined: another policy has it. */
  readonly disorder: number | undefined;
  /** What is done once the queue can be reached, and again until it succeeds. */
  readonly prepare: ((queue: BullMqQueue) => Promise<unknown>) | undefined;
  readonly trouble: (error: unknown) => void;
}

interface UnderWay {
  readonly job: HandledJob;
  readonly token: string | undefined;
  readonly complete: () => void;
  readonly fail: (error: Error) => void;
}

/** ms between two looks at the queue, and until what failed is tried again. */
const LOOK_LEAST = 50;
const LOOK_MOST = 1_000;
const RETRY_MS = 1_000;
/** ms that giving jobs back may take. */
const GIVE_BACK_MS = 2_000;

export class JobReader implements SourceReader {
  readonly #parts: JobReaderParts;
  readonly #signal: AbortSignal;
  readonly #clock: Clock;
  readonly #queue: BullMqQueue;
  readonly #worker: BullMqWorker;
  readonly #wakeUp = new WakeUp();
  /** Read from BullMQ, not pulled yet; pulled, and their fate not told yet. */
  #ahead: UnderWay[] = [];
  readonly #untold: UnderWay[] = [];
  #told = 0;
  readonly #mine = new Set<string>();
  #promised = Number.NEGATIVE_INFINITY;
  #promise: number | undefined = undefined;
  #stopLooking = () => {};
  #closed = false;

  constructor(parts: JobReaderParts, { signal, clock }: SourceContext) {
    this.#parts = parts;
    this.#signal = signal;
    this.#clock = clock;
    const { module, connection, queue, concurrency, trouble, worker } = parts;
    const prefix = parts.prefix === undefined ? {} : { prefix: parts.prefix };
    this.#queue = new module.Queue(queue, { connection: connection.worker, ...prefix });
    this.#queue.on("error", trouble);
    this.#worker = new module.Worker(queue, (job, token) => this.#read(job, token), {
      // That our process died says nothing of the job.
      maxStalledCount: 1_000_000_000,
      ...worker,
      connection: connection.worker,
      ...prefix,
      concurrency,
    });
    this.#worker.on("error", trouble);
    signal.addEventListener("abort", this.#wakeUp.wake);
    if (parts.disorder !== undefined) this.#lookLater(0);
    if (parts.prepare !== undefined) void this.#prepare(parts.prepare);
  }

  async pull(max: number): Promise<Pulled> {
    while (this.#ahead.length === 0 && this.#promise === undefined && !this.#signal.aborted) await this.#wakeUp.wait();
    if (this.#signal.aborted) return { items: [], done: false };
    const taken = this.#ahead.splice(0, max);
    this.#untold.push(...taken);
    const items = taken.map(({ job }) => this.#itemOf(job));
    if (this.#ahead.length === 0 && this.#promise !== undefined) {
      items.push({ value: undefined, position: 0, watermark: this.#promise, mark: true });
      this.#promise = undefined;
    }
    return { items, done: false };
  }

  confirm(fates: readonly ItemFate[]): void {
    for (const fate of fates) {
      const known = this.#untold[this.#told++];
      if (known === undefined) continue;
      if (fate.kind === "refused") known.fail(new this.#parts.module.UnrecoverableError(fate.reason));
      else known.complete();
    }
    if (this.#told < 1_024 && this.#told < this.#untold.length) return;
    this.#untold.splice(0, this.#told);
    this.#told = 0;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopLooking();
    this.#parts.connection.end();
    this.#signal.removeEventListener("abort", this.#wakeUp.wake);
    const unknown = [...this.#untold.splice(0).slice(this.#told), ...this.#ahead.splice(0)];
    // Those that are on their way here are given back as they come.
    const closed = closeWorker(this.#worker, this.#clock, GIVE_BACK_MS);
    for (const each of unknown) void this.#giveBack(each);
    await closed;
    await closeInTime(this.#queue, this.#clock);
    this.#parts.connection.close();
  }

  /** What BullMQ calls for each job. Settles when the job's fate is known (J1, J2). */
  #read(job: HandledJob, token: string | undefined): Promise<unknown> {
    return new Promise<unknown>((resolve, reject) => {
      const id = job.id ?? "";
      const end =
        <T>(settle: (value: T) => void) =>
        (value: T) => {
          this.#mine.delete(id);
          settle(value);
        };
      const underWay = { job, token, complete: () => end(resolve)(undefined), fail: end(reject) };
      if (this.#closed) {
        void this.#giveBack(underWay);
        return;
      }
      this.#mine.add(id);
      this.#ahead.push(underWay);
      this.#wakeUp.wake();
    });
  }

  /** To the jobs that are due, without an attempt being counted. If that fails, it is never answered: BullMQ finds out. */
  async #giveBack({ job, token, fail }: UnderWay): Promise<void> {
    try {
      await job.moveToDelayed(this.#clock.now(), token);
      fail(new this.#parts.module.DelayedError());
    } catch (error) {
      this.#parts.trouble(error);
    }
  }

  #itemOf(job: HandledJob): SourceItem {
    const { queue, name, valueOf } = this.#parts;
    const item = { position: 0, timestamp: timeOf(job, this.#clock.now()), id: `${queue}/${job.id}/${job.timestamp}` };
    if (name !== undefined && job.name !== name)
      return { ...item, value: textOf(job.data), failure: `job ${job.id} is named "${job.name}", but this injector takes "${name}" alone` };
    try {
      return { ...item, value: valueOf(job) };
    } catch (error) {
      return { ...item, value: textOf(job.data), failure: `value of job ${job.id} failed: ${messageOf(error)}` };
    }
  }

  // ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #lookLater(wait: number): void {
    this.#stopLooking = this.#clock.after(wait, () => void this.#look(this.#parts.disorder ?? 0));
  }

  async #look(disorder: number): Promise<void> {
    try {
      const promise = (await oldestUnread(this.#queue, this.#mine, () => this.#clock.now())) - disorder;
      if (promise > this.#promised) {
        this.#promised = promise;
        this.#promise = promise;
        this.#wakeUp.wake();
      }
    } catch (error) {
      if (!this.#closed) this.#parts.trouble(error);
    }
    if (!this.#closed) this.#lookLater(Math.min(Math.max(Math.floor(disorder / 2), LOOK_LEAST), LOOK_MOST));
  }

  async #prepare(prepare: (queue: BullMqQueue) => Promise<unknown>): Promise<void> {
    while (!this.#closed) {
      try {
        await prepare(this.#queue);
        return;
      } catch (error) {
        this.#parts.trouble(error);
        await new Promise<void>((resolve) => this.#clock.after(RETRY_MS, resolve));
      }
    }
  }
}

function textOf(data: unknown): string {
  return typeof data === "string" ? data : JSON.stringify(data);
}
