/** The injectors of BullMQ's queues: their options, checked, with their defaults. Reading is `job-reader.ts`. */
import { type Injector, injector, type InjectorOptions } from "../computation/edges.ts";
import type { Schema } from "../computation/schema.ts";
import { ConfigError, InjectorFailedError, messageOf, MillraceError } from "../errors.ts";
import { injectorSettings } from "../injectors/injector-settings.ts";
import type { SourceContext, SourceReader } from "../injectors/injector.ts";
import { show } from "../options.ts";
import type { WatermarkPolicy } from "../watermark/policy.ts";
import { byHand } from "../watermark/by-hand.ts";
import { type BullMqConnection, checkConnection, openConnection } from "./bullmq-connection.ts";
import { type BullMqJob, type BullMqQueue, loadBullMq } from "./bullmq-module.ts";
import { checkQueueName } from "./job-id.ts";
import { JobReader } from "./job-reader.ts";
import { Trouble } from "./trouble.ts";
import { type BullMqWorkerOptions, checkWorkerOptions, givenOptions } from "./worker-options.ts";

export interface BullMqInjectorOptions<T> extends Omit<InjectorOptions<T>, "id"> {
  /** The Redis of the queue. A client stays yours to close. */
  readonly connection: BullMqConnection;
  /** First part of BullMQ's keys. Default: BullMQ's own, "bull". */
  readonly prefix?: string | undefined;
  /** Only jobs of this name; one of another name fails, and is a dead letter. Default: all. */
  readonly name?: string | undefined;
  /** The value of a job. If it throws, the job fails, and is a dead letter. Default: its data. */
  value?(job: BullMqJob): T;
  /** Jobs under way at a time: read, and not yet durable here. 1 to 100,000. Default: 256. */
  readonly concurrency?: number | undefined;
  /** The default watermark stays this far behind the queue, ms: jobs that are added so much after their time are not late. Default: 2,000. */
  readonly disorder?: number | undefined;
  /** Options of BullMQ's worker. */
  readonly worker?: BullMqWorkerOptions | undefined;
  /** Your own copy of BullMQ, as in `import * as module from "bullmq"`. Default: the one that is installed. */
  readonly module?: object | undefined;
  /** Where is said what goes wrong between here and Redis. Default: nowhere; the watermark stands meanwhile. */
  readonly onTrouble?: ((text: string) => void) | undefined;
}

const OPTIONS = ["connection", "prefix", "name", "value", "concurrency", "disorder", "worker", "module", "onTrouble"];

/**
 * Brings in the jobs of a queue, each once: a job is completed only when its record is durable here, and one that BullMQ
 * gives again (same id, same timestamp) is completed without being injected again. The injector never ends.
 *
 * Event time is the time at which a job was added, plus its `delay`. The default watermark follows the queue: it is the
 * time of the oldest job that waits there, or now if none does, less `disorder`; so it goes on without any job, stands
 * while Redis does not answer, and jobs that have waited for days are not late. Throws `ConfigError`.
 */
export function fromBullMq<T>(
  queue: string,
  options: Omit<BullMqInjectorOptions<T>, "value"> & { readonly schema: Schema<T>; value?(job: BullMqJob): unknown },
): Injector<T>;
export function fromBullMq<T>(queue: string, options: BullMqInjectorOptions<T>): Injector<T>;
export function fromBullMq<T>(queue: string, options: BullMqInjectorOptions<T>): Injector<T> {
  return jobInjector<T>("fromBullMq", queue, options, undefined);
}

/** When a schedule is due: every so many ms, or by a pattern of cron ("0 3 * * *") in a time zone ("Europe/Berlin"). */
export type BullMqRepeat =
  | { readonly every: number; readonly pattern?: undefined; readonly tz?: undefined }
  | { readonly pattern: string; readonly tz?: string | undefined; readonly every?: undefined };

export interface BullMqScheduleOptions<T> extends BullMqInjectorOptions<T> {
  /** The data of the schedule's jobs: plain JSON. Default: none. */
  readonly data?: unknown;
}

/**
 * Brings in the ticks of a job scheduler of BullMQ, which is made, or changed, when the injector opens: operators see it in
 * their dashboard. The event time of a tick is when it was due. Ticks for which no worker was there are not made up for:
 * BullMQ makes one job at a time, and the next when that one is taken. The queue should have nothing else in it. The
 * scheduler stays when the pipeline goes: remove it in the dashboard, or by BullMQ's `removeJobScheduler`.
 */
export function fromBullMqSchedule<T>(queue: string, scheduler: string, repeat: BullMqRepeat, options: BullMqScheduleOptions<T>): Injector<T> {
  const where = `fromBullMqSchedule (${String(queue)})`;
  if (typeof scheduler !== "string" || scheduler === "") throw new ConfigError(`${where}: give the id of the job scheduler, but it is ${show(scheduler)}`);
  const { every, pattern, tz } = Object(repeat) as { readonly every?: unknown; readonly pattern?: unknown; readonly tz?: unknown };
  const isEvery = typeof every === "number" && Number.isSafeInteger(every) && every >= 1 && pattern === undefined;
  const isPattern = typeof pattern === "string" && every === undefined && (tz === undefined || typeof tz === "string");
  if (!isEvery && !isPattern) throw new ConfigError(`${where}: repeat is { every: ms } or { pattern: "0 3 * * *", tz }, but it is ${show(repeat)}`);
  const { data, ...rest } = options ?? {};
  const timing = isEvery ? { every } : { pattern, ...(tz === undefined ? {} : { tz }) };
  const template = { name: options?.name ?? scheduler, ...(data === undefined ? {} : { data }), opts: { removeOnComplete: { count: 100 } } };
  return jobInjector<T>("fromBullMqSchedule", queue, rest as BullMqInjectorOptions<T>, async (opened) => {
    if (opened.upsertJobScheduler === undefined) throw new ConfigError(`${where}: this BullMQ has no job schedulers; use 5.16 or later`);
    await opened.upsertJobScheduler(scheduler, timing, template);
  });
}

function jobInjector<T>(
  what: string,
  queue: string,
  options: BullMqInjectorOptions<T>,
  prepare: ((queue: BullMqQueue) => Promise<unknown>) | undefined,
): Injector<T> {
  const where = `${what} (${String(queue)})`;
  checkQueueName(where, queue);
  const settings = injectorSettings<T>(where, options, { own: OPTIONS, watermark: followsQueue });
  checkOptions(where, options);
  const { connection, prefix, name, value = ({ data }: BullMqJob) => data as T, concurrency = 256, disorder = 2_000 } = options;
  return injector<T>({
    kind: "injector",
    description: `BullMQ queue ${queue}`,
    partitions: 1,
    ...settings,
    id: "item",
    confirms: true,
    open: async (context: SourceContext): Promise<SourceReader> => {
      const module = await loadBullMq(where, options.module);
      const trouble = new Trouble(context.clock, (text) => options.onTrouble?.(`${where}: ${text}`));
      try {
        return new JobReader(
          {
            module,
            connection: openConnection(where, connection),
            queue,
            prefix,
            concurrency,
            worker: givenOptions(options.worker),
            name,
            valueOf: value as (job: BullMqJob) => unknown,
            disorder: settings.watermark === followsQueue ? disorder : undefined,
            prepare,
            trouble: trouble.tell,
          },
          context,
        );
      } catch (error) {
        if (error instanceof MillraceError) throw error;
        throw new InjectorFailedError(`${where} could not be opened: ${messageOf(error)}`, { cause: error });
      }
    },
  });
}

/** By promises of the reader alone. */
const followsQueue: WatermarkPolicy = Object.freeze({
  kind: "watermark-policy",
  description: "the oldest job that waits in the queue",
  idleAfter: undefined,
  start: byHand().start,
});

function checkOptions<T>(where: string, options: BullMqInjectorOptions<T>): void {
  const given = Object(options) as BullMqInjectorOptions<T>;
  checkConnection(where, given.connection);
  checkWorkerOptions(where, given.worker);
  const { prefix, name, value, concurrency, disorder, module, onTrouble } = given;
  if (prefix !== undefined && (typeof prefix !== "string" || prefix === "")) throw new ConfigError(`${where}: prefix is a text, but it is ${show(prefix)}`);
  if (name !== undefined && typeof name !== "string") throw new ConfigError(`${where}: name is a text, but it is ${show(name)}`);
  for (const [option, it] of Object.entries({ value, onTrouble }))
    if (it !== undefined && typeof it !== "function") throw new ConfigError(`${where}: ${option} is a function, but it is ${show(it)}`);
  if (concurrency !== undefined && !(Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= 100_000))
    throw new ConfigError(`${where}: concurrency is an integer from 1 to 100,000, but it is ${show(concurrency)}`);
  if (disorder !== undefined && !(Number.isSafeInteger(disorder) && disorder >= 0))
    throw new ConfigError(`${where}: disorder is integer ms, 0 or more, but it is ${show(disorder)}`);
  if (module !== undefined && (typeof module !== "object" || module === null))
    throw new ConfigError(`${where}: module is what import * as module from "bullmq" gives, but it is ${show(module)}`);
}
