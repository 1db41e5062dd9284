/**
 * BullMQ as far as we use it, in types of our own: versions 5 and 6 both fit, and programs that use Millrace without
 * BullMQ compile. Owns loading it, and giving up its parts in a bounded time.
 */
import type { Clock } from "../clock.ts";
import { ConfigError } from "../errors.ts";

/** A job as functions of the user's see it: what the jobs of BullMQ 5 and 6 have in common. */
export interface BullMqJob<D = any> {
  readonly id?: string | undefined;
  readonly name: string;
  readonly data: D;
  /** When it was added, unless who added it said otherwise; ms since the epoch. */
  readonly timestamp: number;
  /** Attempts that have ended. */
  readonly attemptsMade: number;
  readonly opts: { readonly delay?: number | undefined; readonly priority?: number | undefined; readonly attempts?: number | undefined };
}

export interface HandledJob extends BullMqJob {
  readonly attemptsStarted?: number | undefined;
  readonly finishedOn?: number | null | undefined;
  readonly failedReason?: string | null | undefined;
  readonly returnvalue?: unknown;
  getState(): Promise<string>;
  moveToDelayed(timestamp: number, token?: string): Promise<void>;
  retry(state: string, options?: object): Promise<void>;
}

export interface Closable {
  on(event: string, listener: (...given: any[]) => void): unknown;
  close(force?: boolean): Promise<void>;
  waitUntilReady(): Promise<unknown>;
  /** Ends its connections, whatever it waits for. */
  disconnect?(): Promise<void>;
}

export interface BullMqQueue extends Closable {
  add(name: string, data: unknown, options: object): Promise<unknown>;
  addBulk(jobs: readonly { readonly name: string; readonly data: unknown; readonly opts: object }[]): Promise<unknown>;
  getJob(id: string): Promise<HandledJob | undefined | null>;
  getJobs(states: readonly string[], start: number, end: number, ascending: boolean): Promise<readonly (HandledJob | undefined)[]>;
  getRanges(states: readonly string[], start: number, end: number): Promise<readonly string[]>;
  getFailed(start: number, end: number): Promise<readonly HandledJob[]>;
  upsertJobScheduler?(id: string, repeat: object, template: object): Promise<unknown>;
}

export interface BullMqWorker extends Closable {
  pause(doNotWaitActive?: boolean): Promise<void>;
}

export interface BullMqModule {
  readonly Queue: new (name: string, options: object) => BullMqQueue;
  readonly Worker: new (name: string, handle: (job: HandledJob, token?: string) => Promise<unknown>, options: object) => BullMqWorker;
  readonly QueueEvents: new (name: string, options: object) => Closable;
  readonly UnrecoverableError: new (message?: string) => Error;
  readonly DelayedError: new (message?: string) => Error;
}

const PARTS = ["Queue", "Worker", "QueueEvents", "UnrecoverableError", "DelayedError"] as const;

/** The copy that the user gave, else the one that is installed. Throws `ConfigError`. */
export async function loadBullMq(where: string, given: object | undefined): Promise<BullMqModule> {
  const loaded = given ?? (await installed(where));
  for (const module of [loaded, (loaded as { readonly default?: unknown }).default]) {
    const parts = Object(module) as Record<string, unknown>;
    if (PARTS.every((part) => typeof parts[part] === "function")) return module as BullMqModule;
  }
  throw new ConfigError(`${where}: ${given === undefined ? "the installed bullmq" : "module"} is not BullMQ 5 or 6: it lacks one of ${PARTS.join(", ")}`);
}

async function installed(where: string): Promise<object> {
  try {
    return await import("bullmq");
  } catch (error) {
    throw new ConfigError(`${where}: the package bullmq cannot be loaded; install it (npm install bullmq, version 5 or 6) or give yours as \`module\``, {
      cause: error,
    });
  }
}

/** ms that closing may take. */
const CLOSE_MS = 2_000;

/**
 * Takes no more jobs from now on, and lets those that run end within `ms`. What still runs then, or cannot be told to a Redis
 * that does not answer, is left to BullMQ: its other workers take it over.
 */
export async function closeWorker(worker: BullMqWorker, clock: Clock, ms: number): Promise<void> {
  await ready(worker, clock);
  const ended = await within(clock, ms, worker.pause());
  // Not forced, it would wait again, and longer.
  await closeInTime(worker, clock, !ended);
}

/** Where Redis does not answer, connections are ended without it. */
export async function closeInTime(part: Closable, clock: Clock, force = false): Promise<void> {
  await ready(part, clock);
  if (await within(clock, CLOSE_MS, part.close(force))) return;
  await within(clock, CLOSE_MS, part.disconnect?.() ?? Promise.resolve());
}

/** BullMQ 5, closed while it connects, leaves promises that are rejected and that nothing waits for: that would end the user's process. */
async function ready(part: Closable, clock: Clock): Promise<void> {
  await within(clock, CLOSE_MS, part.waitUntilReady());
}

/** Has it been fulfilled in so many ms? Never rejects. */
export async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  let cancel = () => {};
  const late = new Promise<boolean>((resolve) => {
    cancel = clock.after(ms, () => resolve(false));
  });
  const done = work.then(
    () => true,
    () => false,
  );
  const fulfilled = await Promise.race([done, late]);
  cancel();
  return fulfilled;
}
