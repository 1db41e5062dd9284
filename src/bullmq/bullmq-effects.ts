/**
 * Effects performed by BullMQ: what `run(pipeline, { effects: bullmq(...) })` takes. Owns the options and which parts are
 * opened: a queue an effect, and a worker an effect where effects are performed here.
 */
import { systemClock } from "../clock.ts";
import type { Pipeline } from "../computation/pipeline.ts";
import { isHandle } from "../computation/handle.ts";
import type { EffectSettings } from "../effects/effect.ts";
import type { EffectOutcome, EffectRunner, Effects, EffectsContext, EffectTask, FailedEffect } from "../effects/effects.ts";
import { ConfigError, invariant } from "../errors.ts";
import { checkOptions, show } from "../options.ts";
import { systemRandom } from "../random.ts";
import { type BullMqConnection, checkConnection, describeConnection, openConnection, type OpenConnection } from "./bullmq-connection.ts";
import { type BullMqModule, loadBullMq } from "./bullmq-module.ts";
import { EffectQueue, type KeepJobs } from "./effect-queue.ts";
import { EffectWorker } from "./effect-worker.ts";
import { checkQueueName } from "./job-id.ts";
import { Trouble } from "./trouble.ts";
import { type BullMqWorkerOptions, checkWorkerOptions, givenOptions } from "./worker-options.ts";

export interface BullMqEffectsOptions {
  /** The Redis that BullMQ uses; it need not be the store's. A client stays yours to close. */
  readonly connection: BullMqConnection;
  /** First part of BullMQ's keys. Default: BullMQ's own, "bull". */
  readonly prefix?: string | undefined;
  /** The name of an effect's queue. Default: `<pipeline>.<effect>`. */
  readonly queue?: ((effect: string) => string) | undefined;
  /** Does this process perform effects too? Otherwise `performEffects` does it elsewhere. Default: true. */
  readonly perform?: boolean | undefined;
  /** Options of BullMQ's workers, besides those that an effect says itself (concurrency, rate limit, back-off). */
  readonly worker?: BullMqWorkerOptions | undefined;
  /**
   * How long BullMQ keeps jobs that were performed, in its own words (`age` in seconds). While a job is kept, its record
   * is never performed anew; afterwards one that a crash hands over again is, under the same key. Default: a day; seven
   * days for effects with results.
   */
  readonly removeOnComplete?: KeepJobs | undefined;
  /** How long it keeps those that failed for the last time: they are the dead letters. Default: for ever. */
  readonly removeOnFail?: KeepJobs | undefined;
  /** Your own copy of BullMQ, as in `import * as module from "bullmq"`. Default: the one that is installed. */
  readonly module?: object | undefined;
}

export interface BullMqEffects extends Effects {
  /** Starts the workers alone. `performEffects` calls it. */
  work(context: EffectsContext): Promise<{ close(): Promise<void> }>;
}

const OPTIONS = ["connection", "prefix", "queue", "perform", "worker", "removeOnComplete", "removeOnFail", "module"];
const DAY = 86_400;

/**
 * Has the effects of a pipeline performed by BullMQ, at least once for each committed production, always with the same
 * idempotency key. The job of a record has an id made of the record's, so that handing it over again changes nothing.
 * Throws `ConfigError`.
 */
export function bullmq(options: BullMqEffectsOptions): BullMqEffects {
  const where = "bullmq";
  if (typeof options !== "object" || options === null) throw new ConfigError(`${where}: give options, as in bullmq({ connection: "redis://127.0.0.1:6379" })`);
  checkOptions(where, options, OPTIONS);
  checkConnection(where, options.connection);
  checkWorkerOptions(where, options.worker);
  const { queue, perform, prefix, module } = options;
  if (queue !== undefined && typeof queue !== "function") throw new ConfigError(`${where}: queue is a function of the effect's name, but it is ${show(queue)}`);
  if (perform !== undefined && typeof perform !== "boolean") throw new ConfigError(`${where}: perform is true or false, but it is ${show(perform)}`);
  if (prefix !== undefined && (typeof prefix !== "string" || prefix === "")) throw new ConfigError(`${where}: prefix is a text, but it is ${show(prefix)}`);
  if (module !== undefined && (typeof module !== "object" || module === null))
    throw new ConfigError(`${where}: module is what import * as module from "bullmq" gives, but it is ${show(module)}`);
  return {
    kind: "effects",
    description: `BullMQ at ${describeConnection(where, options.connection)}`,
    open: (context) => openRunner(options, context),
    work: (context) => openWorkers(options, context),
  };
}

export interface PerformEffectsOptions {
  /** Where log lines go. Default: nowhere. */
  readonly log?: EffectsContext["log"] | undefined;
}

/**
 * Performs the effects of a pipeline that another process runs with `bullmq({ perform: false })`: only BullMQ's workers
 * are started. Any number of processes may do so. `close` waits for calls that have begun, a few seconds at most; what
 * it cuts off is performed again. Throws `ConfigError`.
 */
export async function performEffects(pipeline: Pipeline, effects: BullMqEffects, options: PerformEffectsOptions = {}): Promise<{ close(): Promise<void> }> {
  if (!isHandle(pipeline, "pipeline")) throw new ConfigError("performEffects(pipeline, bullmq({ connection })): the first argument is a Pipeline");
  if (typeof effects?.work !== "function")
    throw new ConfigError("performEffects(pipeline, bullmq({ connection })): the second argument is made by bullmq(...)");
  checkOptions("performEffects", options, ["log"]);
  const { pipeline: name, participants } = pipeline.graph();
  const settings = participants.flatMap((node) => (node.kind === "computation" && node.effect !== undefined ? [node.effect] : []));
  return effects.work({ pipeline: name, effects: settings, clock: systemClock, random: systemRandom, log: options.log ?? (() => {}) });
}

interface Opening {
  readonly options: BullMqEffectsOptions;
  readonly context: EffectsContext;
  readonly module: BullMqModule;
  readonly connection: OpenConnection;
  readonly trouble: (error: unknown) => void;
  /** By effect. */
  readonly names: ReadonlyMap<string, string>;
}

async function prepare(options: BullMqEffectsOptions, context: EffectsContext): Promise<Opening> {
  const where = `bullmq for pipeline "${context.pipeline}"`;
  const names = new Map(context.effects.map(({ name }) => [name, options.queue?.(name) ?? `${context.pipeline}.${name}`]));
  for (const name of names.values()) checkQueueName(where, name);
  if (new Set(names.values()).size < names.size) throw new ConfigError(`${where}: two effects have one queue; each needs its own`);
  if (options.removeOnComplete === true || options.removeOnComplete === 0) {
    const asks = context.effects.find(({ results }) => results !== undefined);
    if (asks !== undefined)
      throw new ConfigError(`${where}: effect "${asks.name}" has results, so removeOnComplete must keep its jobs for a while, as in { age: ${7 * DAY} }`);
  }
  const module = await loadBullMq(where, options.module);
  const trouble = new Trouble(context.clock, (text) => context.log("warn", `${where}: ${text}`, { pipeline: context.pipeline }));
  return { options, context, module, connection: openConnection(where, options.connection), trouble: trouble.tell, names };
}

function workerOf({ options, context, module, connection, trouble, names }: Opening, settings: EffectSettings, ends?: EffectQueue): EffectWorker {
  const queue = names.get(settings.name);
  invariant(queue !== undefined, `effect "${settings.name}" has no queue`);
  const { prefix } = options;
  return new EffectWorker(
    { module, connection: connection.worker, prefix, queue, settings, options: givenOptions(options.worker), clock: context.clock, trouble },
    ends,
  );
}

function queueOf({ options, context, module, connection, trouble, names }: Opening, settings: EffectSettings): EffectQueue {
  const name = names.get(settings.name);
  invariant(name !== undefined, `effect "${settings.name}" has no queue`);
  return new EffectQueue({
    module,
    queueConnection: connection.queue,
    eventsConnection: connection.worker,
    prefix: options.prefix,
    name,
    settings,
    removeOnComplete: options.removeOnComplete ?? { age: settings.results === undefined ? DAY : 7 * DAY },
    removeOnFail: options.removeOnFail ?? false,
    clock: context.clock,
    trouble,
  });
}

async function openRunner(options: BullMqEffectsOptions, context: EffectsContext): Promise<EffectRunner> {
  const opening = await prepare(options, context);
  const queues = new Map(context.effects.map((settings) => [settings.name, queueOf(opening, settings)]));
  const workers = options.perform === false ? [] : context.effects.map((settings) => workerOf(opening, settings, queues.get(settings.name)));
  return new BullMqRunner(queues, workers, opening.connection);
}

async function openWorkers(options: BullMqEffectsOptions, context: EffectsContext): Promise<{ close(): Promise<void> }> {
  const opening = await prepare(options, context);
  const workers = context.effects.map((settings) => workerOf(opening, settings));
  return {
    close: async () => {
      opening.connection.end();
      await Promise.all(workers.map((worker) => worker.close()));
      opening.connection.close();
    },
  };
}

class BullMqRunner implements EffectRunner {
  /** BullMQ keeps the limits. */
  readonly limited = false;
  readonly #queues: ReadonlyMap<string, EffectQueue>;
  readonly #workers: readonly EffectWorker[];
  readonly #connection: OpenConnection;

  constructor(queues: ReadonlyMap<string, EffectQueue>, workers: readonly EffectWorker[], connection: OpenConnection) {
    this.#queues = queues;
    this.#workers = workers;
    this.#connection = connection;
  }

  perform(task: EffectTask): Promise<EffectOutcome> {
    return this.#queueOf(task.settings.name).perform(task);
  }

  failed(effect: string, limit: number): Promise<readonly FailedEffect[]> {
    return this.#queueOf(effect).failed(limit);
  }

  retry(effect: string, id: string): Promise<boolean> {
    return this.#queueOf(effect).retry(id);
  }

  async close(): Promise<void> {
    this.#connection.end();
    await Promise.all(this.#workers.map((worker) => worker.close()));
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
    this.#connection.close();
  }

  #queueOf(effect: string): EffectQueue {
    const queue = this.#queues.get(effect);
    if (queue === undefined) throw new ConfigError(`there is no effect ${show(effect)}; there are ${[...this.#queues.keys()].join(", ")}`);
    return queue;
  }
}
