/** `run`: a pipeline in the caller's own process, on a real store and the machine's clock. */
import { hostname } from "node:os";
import { systemClock } from "./clock.ts";
import type { Graph } from "./computation/graph.ts";
import type { Pipeline } from "./computation/pipeline.ts";
import type { Stream } from "./computation/stream.ts";
import type { EffectRunner, Effects } from "./effects/effects.ts";
import { inProcess } from "./effects/in-process.ts";
import { ConfigError, InvalidUseError, invariant, messageOf } from "./errors.ts";
import { type LogFunction, logFunction, type Logger } from "./log.ts";
import { checkOptions as checkKnown, show } from "./options.ts";
import { isHandle } from "./computation/handle.ts";
import { Access, type HttpOptions } from "./http/access.ts";
import type { HttpServer } from "./http/server.ts";
import { Ingestion } from "./http/ingestion.ts";
import { type Pushed, Pushes, type PushOptions } from "./http/pushes.ts";
import { doorOf } from "./injectors/door-source.ts";
import { computationOf, headOf } from "./inspect/inspection.ts";
import { Outside } from "./inspect/outside.ts";
import { RequestError } from "./inspect/request-error.ts";
import { type StateView, stateOf } from "./inspect/state-views.ts";
import { systemRandom } from "./random.ts";
import { isReadable } from "./store/reader.ts";
import type { PipelineStore, Store } from "./store/store.ts";
import type { Place } from "./worker/place.ts";
import { reconcile } from "./worker/reconcile.ts";
import { RejectionWatch } from "./worker/rejection-watch.ts";
import { tracedPlan } from "./worker/traced-edges.ts";
import { trace, type Tracing } from "./worker/tracing.ts";
import { watchProcess } from "./watchdog.ts";
import { makeWorker, type Worker } from "./worker/worker.ts";

export interface RunOptions {
  /** Where everything is kept: `new LmdbStore(dir)`, `new RedisStore(url)`, `new MemoryStore()`. */
  readonly store: Store;
  /** Who performs the pipeline's effects, as `bullmq(...)` of `millrace/bullmq`. Default: this process, from the store. */
  readonly effects?: Effects | undefined;
  /**
   * HTTP endpoint for inspection, the records of `fromHttp` and what operators do, on the loopback interface unless `host`
   * says otherwise; that needs `tokens`. Default: none; port 0: any free one. `address`: HOST:PORT of this machine by which
   * workers on other machines pass requests on to this one; it answers to them alone. Default: only those of this machine
   * do, by the port.
   */
  readonly http?: HttpOptions | false | undefined;
  /** Names that the code no longer has and whose data is to be deleted: `participant`, or `participant/part`. Default: none. */
  readonly drop?: readonly string[] | undefined;
  /** How long a dead worker's shards stay its own, ms, 200 or more. Shorter: faster fail-over. Default: 2,000. */
  readonly leaseMs?: number | undefined;
  /** Most records of one shard in one commit, 1 to 10,000. Results do not depend on it. Default: 256. */
  readonly batchRecords?: number | undefined;
  /** Memory for state, bytes; what is not in it is read from the store when needed. Default: 128 MiB. */
  readonly cacheBytes?: number | undefined;
  /**
   * How long a handler may keep the process from doing anything else, ms, 1,000 or more; false: for ever. Then a line on standard error
   * names its computation, key and place, and the process ends, so that another worker goes on; a record that ends process
   * after process goes to dead letters. Off while a debugger is attached. Default: 30,000.
   */
  readonly stallMs?: number | false | undefined;
  /** Where log lines go: a function, or a logger such as pino's. Default: warnings and errors to standard error. */
  readonly log?: LogFunction | Logger | undefined;
  /** `openTelemetry()` of `millrace/opentelemetry`: spans of what is read, handled and written. Default: none, which costs nothing. */
  readonly tracing?: Tracing | undefined;
  /**
   * Promises that a handler made, that were rejected and that nothing waits for are counted, logged with their computation and
   * key, and told by `/healthz`; the process goes on. While the pipeline runs, the process is listened to for that, and each
   * call costs a little more. Rejections of other code are left to who listens to them, and end the process where no one does.
   * Default: false, nothing is listened to, and Node ends the process.
   */
  readonly reportRejections?: boolean | undefined;
}

export interface RunningPipeline {
  /** Address of the HTTP endpoint; undefined without one. */
  readonly url: string | undefined;
  /**
   * Resolves when all inputs have ended and all they caused is done and stored: every watermark is at the end of time.
   * Rejects when the pipeline cannot go on (`RecordFailedError`, `SinkLostDataError`, ...); the log says so too, also
   * where no one waits for this. Never settles while an input lives.
   */
  readonly finished: Promise<void>;
  /**
   * Hands a record to a stream that an injector of `fromPush` or `fromHttp` feeds, whichever worker owns that. Resolves when the
   * record is durable as `level` says; until then the caller is who knows of it. The value is taken as it is now, and is what
   * JSON carries. Waits while the pipeline has no room, 30 s at most.
   *
   * Rejects with a `RecordRefusedError` (correct it), a `RecordNotTakenError` (push it again, under the same id), an
   * `InvalidUseError` where the stream has no such injector, or a `StoreRefusedError` where the level cannot be promised.
   */
  push<T>(stream: Stream<T>, value: NoInfer<T>, options?: PushOptions): Promise<Pushed>;
  /**
   * What is stored of a key, whichever worker owns it, as of one commit: as `/v1/computations/:computation/state/:key` shows it,
   * its values as JSON. undefined: nothing is. Rejects with an `InvalidUseError` where there is no such computation, or the
   * store cannot be read from outside, and with a `StoreUnavailableError`.
   */
  state(computation: string, key: string): Promise<StateView | undefined>;
  /** Commits what was begun, gives the shards up so that another worker may go on at once, and closes everything. */
  stop(): Promise<void>;
}

const workers = new WeakMap<RunningPipeline, Worker>();

/** The worker behind it, for what is in this package: inspection, benchmarks, tests. Not exported by `millrace`. */
export function workerOf(running: RunningPipeline): Worker {
  const worker = workers.get(running);
  invariant(worker !== undefined, "this is not what run() gave");
  return worker;
}

const STOP_LIMIT = 10_000;
/** Begins the line of the log that says why a pipeline cannot go on. */
export const STOPPED = "the pipeline has stopped: ";
/** Said where a run ended without a commit. */
export const NOTHING_LEFT =
  "every input had ended in an earlier run, so nothing was read. A file is read on only with `follow: true`; to start over, delete the data of the pipeline and what its sinks wrote";

/**
 * Starts a worker of `pipeline`. Throws `ConfigError` where the pipeline cannot run, `IncompatibleDataError` where the
 * stored data has names that the code lacks, `StoreRefusedError` or `StoreUnavailableError` where the store is at fault.
 */
export async function run(pipeline: Pipeline, options: RunOptions): Promise<RunningPipeline> {
  return await runIn(pipeline, options, undefined);
}

/** The same, where a worker may have died, and is known to be dead, whose place this one takes. Not exported by `millrace`. */
export async function runIn(pipeline: Pipeline, options: RunOptions, place: Place | undefined): Promise<RunningPipeline> {
  checkOptions(pipeline, options);
  const graph = pipeline.graph();
  checkReachable(graph, options);
  const store = await options.store.open({ pipeline: graph.pipeline, clock: systemClock, random: systemRandom });
  let runner: EffectRunner | undefined;
  try {
    await checkAppended(graph, store);
    const reconciled = await reconcile(store, graph, options.drop ?? []);
    const plan = options.tracing === undefined ? reconciled : tracedPlan(options.tracing, reconciled);
    const log = logFunction("run", options.log);
    runner = await openEffects(graph, options.effects ?? inProcess, log);
    const worker = makeWorker({
      plan,
      store,
      clock: systemClock,
      random: systemRandom,
      leaseMs: options.leaseMs ?? 2_000,
      batchRecords: options.batchRecords ?? 256,
      cacheBytes: options.cacheBytes ?? 128 << 20,
      frozen: false,
      place,
      runner,
      log,
    });
    if (options.tracing !== undefined) trace(options.tracing, plan, worker.engine.options.instances);
    // Whether or not someone looks at `finished`.
    worker.driver.finished.then(
      () => worker.engine.counted.commits === 0 && log("info", NOTHING_LEFT, { pipeline: graph.pipeline }),
      (error: unknown) => log("error", `${STOPPED}${messageOf(error)}`, { pipeline: graph.pipeline }),
    );
    return await running(worker, store, runner, options);
  } catch (error) {
    await runner?.close();
    await store.close();
    throw error;
  }
}

/** undefined: the pipeline has no effects. */
async function openEffects(graph: Graph, effects: Effects, log: LogFunction): Promise<EffectRunner | undefined> {
  const settings = graph.participants.flatMap((node) => (node.kind === "computation" && node.effect !== undefined ? [node.effect] : []));
  if (settings.length === 0) return undefined;
  return await effects.open({ pipeline: graph.pipeline, effects: settings, clock: systemClock, random: systemRandom, log });
}

async function running(worker: Worker, store: PipelineStore, runner: EffectRunner | undefined, options: RunOptions): Promise<RunningPipeline> {
  // Before the worker starts: a port that cannot be had must not be told of amid a run that has begun.
  Object.assign(worker.profile, { host: hostname(), pid: process.pid });
  const ingestion = new Ingestion({ worker, store, clock: systemClock, random: systemRandom });
  const http = await served(worker, store, options, ingestion);
  const outside = new Outside(isReadable(options.store) ? options.store : undefined, worker.engine.options.plan.graph.pipeline, systemClock);
  const watchdog = options.stallMs === false ? undefined : watchProcess(systemClock, options.stallMs ?? 30_000);
  const watch = options.reportRejections === true ? watchRejections(worker, logFunction("run", options.log)) : undefined;
  worker.driver.start();
  let stopped: Promise<void> | undefined;
  const stop = async () => {
    await worker.driver.stop(STOP_LIMIT);
    ingestion.close();
    await http?.close();
    await outside.close();
    await runner?.close();
    await store.close();
    await watchdog?.close();
    watch?.close();
  };
  const pushes = new Pushes(ingestion, systemClock, systemRandom, options.tracing);
  const pipeline: RunningPipeline = {
    url: http?.url,
    finished: worker.driver.finished,
    push: (stream, value, given) => pushes.push(stream, value, given),
    state: (computation, key) => {
      if (stopped !== undefined) return Promise.reject(new InvalidUseError("state: the worker has been stopped; read state before that"));
      return stateInStore(worker, outside, computation, key);
    },
    stop: () => (stopped ??= stop()),
  };
  workers.set(pipeline, worker);
  return pipeline;
}

async function stateInStore(worker: Worker, outside: Outside, computation: string, key: string): Promise<StateView | undefined> {
  if (typeof key !== "string") throw new InvalidUseError(`state of ${show(computation)}: the key is a string, but it is ${show(key)}`);
  try {
    const planned = computationOf(worker, computation);
    const found = await stateOf(await outside.reader(), planned, key);
    return found && { ...headOf(worker, systemClock), computation: planned.name, key, ...found };
  } catch (error) {
    throw error instanceof RequestError ? new InvalidUseError(`state of ${show(computation)}: ${error.message}`, { cause: error }) : error;
  }
}

function watchRejections(worker: Worker, log: LogFunction): RejectionWatch {
  const { pipeline } = worker.engine.options.plan.graph;
  return new RejectionWatch({
    worker,
    clock: systemClock,
    takes: "own",
    tell: (reason, whose) =>
      log("error", `a promise was rejected and nothing waits for it; what it was to do may not be done: ${messageOf(reason)}`, {
        pipeline,
        ...whose,
        ...(reason instanceof Error && { stack: reason.stack }),
      }),
  });
}

/** Fastify is loaded only by those who ask for it. */
async function served(worker: Worker, store: PipelineStore, { http, store: of }: RunOptions, ingestion: Ingestion): Promise<HttpServer | undefined> {
  if (!http) return undefined;
  const { serve } = await import("./http/server.ts");
  return serve(worker, store, { ...http, ingestion, clock: systemClock, random: systemRandom, readable: isReadable(of) ? of : undefined });
}

function checkOptions(pipeline: Pipeline, options: RunOptions): void {
  if (!isHandle(pipeline, "pipeline")) throw new ConfigError("run(pipeline, { store }): the first argument is a Pipeline");
  const where = `run of pipeline "${pipeline.name}"`;
  checkKnown(where, options, ["store", "effects", "http", "drop", "leaseMs", "batchRecords", "cacheBytes", "stallMs", "log", "tracing", "reportRejections"]);
  if ((options as RunOptions | undefined)?.store?.kind !== "store") throw new ConfigError(`${where}: give a store, as in { store: new LmdbStore("./data") }`);
  const { effects, http, drop, log, tracing } = options;
  if (effects !== undefined && effects?.kind !== "effects")
    throw new ConfigError(`${where}: effects are made by bullmq({ connection }) of "millrace/bullmq", but they are ${show(effects)}`);
  if (http) new Access(`${where}: http`, http);
  if (drop !== undefined && !(Array.isArray(drop) && drop.every((name) => typeof name === "string")))
    throw new ConfigError(`${where}: drop is an array of names, as in ["counter/total"], but it is ${show(drop)}`);
  logFunction(where, log);
  if (tracing !== undefined && tracing?.kind !== "tracing")
    throw new ConfigError(`${where}: tracing is made by openTelemetry() of "millrace/opentelemetry", but it is ${show(tracing)}`);
  if (options.reportRejections !== undefined && typeof options.reportRejections !== "boolean")
    throw new ConfigError(`${where}: reportRejections is true or false, but it is ${show(options.reportRejections)}`);
  checkRange("leaseMs", options.leaseMs, 200, 3_600_000);
  checkRange("batchRecords", options.batchRecords, 1, 10_000);
  if (options.stallMs !== false) checkRange("stallMs", options.stallMs, 1_000, 3_600_000);
  checkRange("cacheBytes", options.cacheBytes, 0, Number.MAX_SAFE_INTEGER);
}

/** What comes by HTTP comes through the endpoint of this very worker. */
function checkReachable({ pipeline, participants }: Graph, { http }: RunOptions): void {
  const taking = participants.find((node) => node.kind === "injector" && doorOf(node.source)?.posted === true);
  if (taking === undefined || http) return;
  throw new ConfigError(
    `run of pipeline "${pipeline}": injector "${taking.name}" takes records over HTTP, and there is no endpoint: give a port, as in http: { port: 7077 }, or use fromPush where the program alone hands records in`,
  );
}

/** Sinks in the store, if there are any: better refused now than at their first record. */
async function checkAppended({ participants }: Graph, store: PipelineStore): Promise<void> {
  const keys = participants.flatMap((node) => (node.kind === "sink" && node.target.appends !== undefined ? [node.target.appends.key] : []));
  if (keys.length > 0) await store.checkStreams(keys);
}

function checkRange(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  throw new ConfigError(`run: ${name} is an integer from ${least} to ${most}, but it is ${String(value)}`);
}
