/**
 * The pipeline, as users write it: a list of what takes part. Each participant is checked when it is added, so that the
 * error points at its line; the whole is checked by `graph`, which `run` calls.
 */
import { ConfigError, messageOf } from "../errors.ts";
import { SHARDS } from "../limits.ts";
import type { Backoff } from "./backoff.ts";
import { declarationsOf } from "./binding.ts";
import { EFFECT_JITTER, type EffectOptions, effectSettings, type Perform } from "../effects/effect.ts";
import { EffectComputation } from "../effects/effect-computation.ts";
import { onSchedule, type ScheduleOptions, type Tick } from "../injectors/on-schedule.ts";
import type { Schedule } from "../injectors/schedule.ts";
import { checkOptions, isClass } from "../options.ts";
import { checkInteger, checkName, checkRenamedFrom, show } from "./checks.ts";
import { type Computation, isComputation, isComputationClass } from "./computation.ts";
import type { Injector, Sink } from "./edges.ts";
import { hours } from "../time.ts";
import { explained, type ExplainOptions, explainOptionsOf } from "./explained.ts";
import { COMPUTATION_DEFAULTS, type ComputationNode, type ComputationOptions, type Graph } from "./graph.ts";
import { type Addition, buildGraph } from "./graph-builder.ts";
import { HANDLE, isHandle, kindOf } from "./handle.ts";
import { ReplyBook, type ReplyOptions } from "./reply.ts";
import { checkStream, type Stream, type StreamHandle } from "./stream.ts";
import type { Whole } from "./whole.ts";

export interface PipelineOptions {
  /** Slices of each computation's key space, 1 to 16,384; fixed for the life of the pipeline's data. Default: 64. */
  readonly shards?: number | undefined;
}

export interface ParticipantOptions {
  /** Earlier names of this participant: the data stored under them is taken over. */
  readonly renamedFrom?: string | readonly string[] | undefined;
}

export interface InjectOptions extends ParticipantOptions {
  /**
   * ms of event time, 1 or more. While this injector's watermark is further than that ahead of the slowest other live
   * injector's, it waits before its next record: what is far ahead stays in its source, not in state and inboxes. Idle and
   * finished injectors are not waited for, one that has promised nothing yet is. Default: any distance.
   */
  readonly maxSkew?: number | undefined;
}

export interface ComputeOptions extends ParticipantOptions {
  /** After the last attempt: `park` in dead letters (the default), `halt-key` (the key waits for an operator), `stop` the pipeline. */
  readonly onFailure?: ComputationOptions["onFailure"] | undefined;
  /** Tries of one record or timer, the first included; Infinity: for ever. Default: 5. */
  readonly attempts?: number | undefined;
  /** Waits between attempts. Default: `exponential(100, 30_000)`. */
  readonly backoff?: Backoff | undefined;
  /** ms that an async handler may take before its attempt counts as failed. Default: 60,000. */
  readonly timeLimit?: number | undefined;
  /**
   * Calls of each key that can be looked at afterwards (`millrace explain`), 1 to 1,000: what came in, the state before and after,
   * what was produced, timers. Kept beside the key's state, at most 64 KiB of it, in the commit of the call; each call reads
   * and writes it, so it is for finding out. A key's are gone when it has had no call for `ttl`, also where nothing else is
   * left of it. Default: none, and nothing is written.
   */
  readonly explain?: number | ExplainOptions | undefined;
}

const DEFAULT_SHARDS = 64;

/**
 * Injectors, computations and sinks, joined by the streams they name. Every `name` is durable, and no two participants
 * share one. Every method throws `ConfigError` for what cannot run.
 */
export class Pipeline {
  readonly kind = "pipeline";
  readonly name: string;
  readonly shards: number;
  readonly #additions: Addition[] = [];
  /** @internal */
  readonly [HANDLE] = true;

  constructor(name: string, options?: PipelineOptions) {
    checkName("a pipeline", name);
    checkOptions(`pipeline ${show(name)}`, options, ["shards"]);
    this.name = name;
    const shards = options?.shards ?? DEFAULT_SHARDS;
    checkInteger(`pipeline ${show(name)}`, "shards", shards, 1, SHARDS);
    this.shards = shards;
  }

  /** Brings data into `stream`. */
  inject<T>(name: string, stream: Stream<T>, injector: Injector<T>, options?: InjectOptions): this {
    const where = this.#nameOf("injector", name);
    checkStream(where, stream);
    if (injector?.kind !== "injector" || typeof injector.open !== "function") {
      throw new ConfigError(`${where}: its third argument is an injector, as fromFile(...) makes one, but it is ${show(injector)}`);
    }
    checkInteger(where, "partitions of its source", injector.partitions, 1, SHARDS);
    const renamedFrom = renamedFromOf(where, name, options, ["maxSkew"]);
    const maxSkew = options?.maxSkew;
    if (maxSkew !== undefined) checkInteger(where, "maxSkew, ms,", maxSkew, 1);
    this.#additions.push({
      node: { kind: "injector", name, renamedFrom, upstream: [], stream: stream.name, source: injector, maxSkew },
      reads: [],
      writes: [stream],
    });
    return this;
  }

  /**
   * Injects one record a tick of a schedule, exactly once each: `pipeline.every("quarters", ticks, { every: minutes(15) },
   * ({ time }) => ({ time }))`. The same as `inject` with `onSchedule`.
   */
  every<T>(name: string, stream: Stream<T>, schedule: Schedule, make: (tick: Tick) => NoInfer<T>, options?: ScheduleOptions): this {
    return this.inject(
      name,
      stream,
      prefixed(this.#nameOf("injector", name), () => onSchedule<T>(schedule, make, options)),
    );
  }

  /**
   * Adds a computation: a class without arguments, or a function that makes a new instance at every call. It is called
   * once here, to read the fields, then once a worker and anew after a crash: no I/O in constructors.
   */
  compute<M>(name: string, computation: Whole<M>, options?: ComputeOptions): this {
    const where = this.#nameOf("computation", name);
    const given = makerOf(where, computation);
    const explain = options?.explain;
    const make = explain === undefined ? given : explained(given, explainOptionsOf(where, explain));
    const first = make();
    checkMethods(where, first);
    const { inputs, outputs, cells, timers, reads, writes } = prefixed(where, () => declarationsOf(first));
    if (inputs.length === 0) throw new ConfigError(`${where}: ${noInputText(first)}`);
    if (timers[0] !== undefined && typeof first.processTimer !== "function") {
      throw new ConfigError(`${where}: it declares timer ${show(timers[0].name)} but has no method processTimer(timer, context)`);
    }
    const renamedFrom = renamedFromOf(where, name, options, ["onFailure", "attempts", "backoff", "timeLimit", "explain"]);
    const node: ComputationNode = {
      kind: "computation",
      name,
      renamedFrom,
      upstream: [],
      make,
      inputs,
      outputs,
      cells,
      timers,
      options: optionsOf(where, options),
    };
    this.#additions.push({ node, reads, writes });
    return this;
  }

  /**
   * Has `perform` called for each record of `stream`: a webhook, a mail, any call that leaves the system and may fail.
   * At least once for each record, always with the same idempotency key; never for what was produced by a handler that
   * then threw. Records do not wait for one another. One that fails for the last time goes to dead letters. Performed in
   * the worker's process, or by what `run(pipeline, { effects })` says.
   */
  effect<T, R>(name: string, stream: Stream<T>, perform: Perform<NoInfer<T>, R>, options?: EffectOptions<NoInfer<T>, Awaited<R>>): this {
    const where = this.#nameOf("effect", name);
    checkStream(where, stream);
    const settings = effectSettings(where, name, stream as unknown as StreamHandle, perform, options);
    const make = () => new EffectComputation(this.name, settings);
    const { inputs, outputs, cells, timers, reads, writes } = declarationsOf(make());
    const { attempts, backoffFirst, backoffMost } = settings;
    const node: ComputationNode = {
      kind: "computation",
      name,
      renamedFrom: settings.renamedFrom,
      upstream: [],
      make,
      inputs: inputs.map((each) => ({ ...each, perRecord: true })),
      outputs,
      cells,
      timers,
      // Its runner keeps the time limit; the engine would cut off what waits elsewhere.
      options: { onFailure: "park", attempts, backoffFirst, backoffMost, timeLimit: Number.POSITIVE_INFINITY, jitter: EFFECT_JITTER },
      effect: settings,
    };
    this.#additions.push({ node, reads, writes });
    return this;
  }

  /**
   * Keeps the values of `stream` as replies, by the id of the record that each answers, for those who put records in over
   * HTTP and wait: `POST /v1/streams/:stream/records?wait=effects` gives them, and `GET /v1/replies/:id` later. Each is
   * there once, however often the request is repeated.
   */
  reply<T>(name: string, stream: Stream<T>, options: ReplyOptions<T>): this {
    const where = this.#nameOf("reply", name);
    checkStream(where, stream);
    checkOptions(where, options, ["to", "keep"]);
    if (typeof options?.to !== "function")
      throw new ConfigError(
        `${where}: to is a function that gives the id of the request, as in { to: (receipt) => receipt.requestId }, but it is ${show(options?.to)}`,
      );
    const { to, keep = hours(1) } = options;
    checkInteger(where, "keep, ms,", keep, 1);
    const handle = stream as StreamHandle;
    const make = () => new ReplyBook(handle, to, keep);
    const { inputs, outputs, cells, timers, reads, writes } = declarationsOf(make());
    const reply = { name, stream: handle };
    this.#additions.push({
      node: { kind: "computation", name, renamedFrom: [], upstream: [], make, inputs, outputs, cells, timers, options: COMPUTATION_DEFAULTS, reply },
      reads,
      writes,
    });
    return this;
  }

  /** Takes the records of `stream` out. */
  sink<T>(name: string, stream: Stream<T>, sink: Sink<T>, options?: ParticipantOptions): this {
    const where = this.#nameOf("sink", name);
    checkStream(where, stream);
    if (sink?.kind !== "sink" || typeof sink.open !== "function") {
      throw new ConfigError(`${where}: its third argument is a sink, as toFile(...) makes one, but it is ${show(sink)}`);
    }
    const renamedFrom = renamedFromOf(where, name, options);
    const input = { field: "", name: stream.name, renamedFrom: [], stream: stream.name, key: () => "" };
    this.#additions.push({ node: { kind: "sink", name, renamedFrom, upstream: [], input, target: sink }, reads: [stream], writes: [] });
    return this;
  }

  /** Checks the whole and gives its graph. Called by `run`; call it to check a pipeline without running it. */
  graph(): Graph {
    return prefixed(`pipeline ${show(this.name)}`, () => buildGraph(this.name, this.shards, this.#additions));
  }

  #nameOf(kind: "injector" | "computation" | "effect" | "reply" | "sink", name: unknown): string {
    const article = kind === "injector" || kind === "effect" ? "an" : "a";
    if (kindOf(name) === "stream") throw new ConfigError(`pipeline ${show(this.name)}: the name of ${article} ${kind} comes first, then ${show(name)}`);
    checkName(`pipeline ${show(this.name)}: ${article} ${kind}`, name);
    return `${kind} ${show(name)}`;
  }
}

/** Is it a pipeline, of this or another copy of the library? */
export function isPipeline(value: unknown): value is Pipeline {
  return isHandle(value, "pipeline");
}

function renamedFromOf(where: string, name: string, options: ParticipantOptions | undefined, others: readonly string[] = []): readonly string[] {
  checkOptions(where, options, [...others, "renamedFrom"]);
  return checkRenamedFrom(where, name, options?.renamedFrom);
}

function optionsOf(where: string, options: ComputeOptions = {}): ComputationOptions {
  const { onFailure = COMPUTATION_DEFAULTS.onFailure, attempts = COMPUTATION_DEFAULTS.attempts, timeLimit = COMPUTATION_DEFAULTS.timeLimit, backoff } = options;
  if (onFailure !== "park" && onFailure !== "halt-key" && onFailure !== "stop") {
    throw new ConfigError(`${where}: onFailure is "park", "halt-key" or "stop", but it is ${show(onFailure)}`);
  }
  if (attempts !== Number.POSITIVE_INFINITY) checkInteger(where, "attempts", attempts, 1);
  checkInteger(where, "timeLimit, ms,", timeLimit, 1);
  if (backoff === undefined) return { ...COMPUTATION_DEFAULTS, onFailure, attempts, timeLimit };
  if (backoff?.kind !== "backoff") throw new ConfigError(`${where}: backoff is made by exponential(first, most), but it is ${show(backoff)}`);
  checkInteger(where, "first wait of backoff, ms,", backoff.first, 1);
  checkInteger(where, "longest wait of backoff, ms,", backoff.most, backoff.first);
  return { ...COMPUTATION_DEFAULTS, onFailure, attempts, timeLimit, backoffFirst: backoff.first, backoffMost: backoff.most };
}

/** How instances are made; each is checked, for a factory may give something else the next time. */
function makerOf(where: string, given: unknown): () => Computation {
  const make = constructing(where, given);
  const made = new WeakSet<Computation>();
  return () => {
    const instance = constructed(where, make);
    if (!isComputation(instance)) throw new ConfigError(`${where}: its factory gives ${notComputationText(instance)}`);
    if (made.has(instance)) throw new ConfigError(`${where}: its factory gives the same instance again; make a new one at every call: () => new X(...)`);
    made.add(instance);
    return instance;
  };
}

function constructing(where: string, given: unknown): () => unknown {
  if (isComputation(given)) {
    const name = given.constructor.name || "X";
    throw new ConfigError(`${where}: give the class, or () => new ${name}(...), not an instance: each worker makes its own`);
  }
  if (typeof given !== "function") throw new ConfigError(`${where}: give a class that extends Computation, or () => new X(...), not ${show(given)}`);
  if (isComputationClass(given)) {
    if (given.length > 0) throw new ConfigError(`${where}: the constructor of ${given.name} takes arguments: give () => new ${given.name}(...)`);
    return () => new given();
  }
  if (isClass(given)) throw new ConfigError(`${where}: ${show(given)} does not extend Computation`);
  if (given.length > 0) throw new ConfigError(`${where}: its factory takes arguments, but is called without any: give () => new X(...)`);
  return given as () => unknown;
}

function notComputationText(instance: unknown): string {
  if (instance instanceof Promise) return "a promise: make it without waiting, and do I/O elsewhere";
  if (isComputationClass(instance)) return `class ${instance.name} itself: give the class, or () => new ${instance.name}(...)`;
  return `${show(instance)}, which is no Computation: return new X(...) of a class that extends it`;
}

function checkMethods(where: string, instance: Computation): void {
  for (const method of ["processRecord", "processTimer"] as const) {
    const value: unknown = instance[method];
    if (value === undefined && method === "processTimer") continue;
    if (typeof value === "function") continue;
    throw new ConfigError(
      `${where}: ${value === undefined ? `it has no method ${method}(${method === "processRecord" ? "record" : "timer"}, context)` : `${method} is ${show(value)}, not a method`}`,
    );
  }
}

function noInputText(instance: Computation): string {
  const field = Object.entries(instance).find(([, value]) => kindOf(value) === "stream");
  if (field !== undefined)
    return `field ${field[0]} holds ${show(field[1])} itself: declare how it is read, as in ${field[0]} = input(${field[0]}, { key: (value) => ... })`;
  return "it has no input that can be seen: add a public field, as in readonly orders = input(orders, { key: (order) => order.id }); fields named with # are hidden";
}

/** Runs `step`; a mistake that it finds is told with its place. */
function prefixed<R>(where: string, step: () => R): R {
  try {
    return step();
  } catch (error) {
    if (!isConfigError(error)) throw error;
    throw new ConfigError(`${where}: ${messageOf(error)}`, { cause: error });
  }
}

/** Makes an instance; a mistake in a field is told with its place, and anything else that is thrown as a failed constructor. */
function constructed(where: string, make: () => unknown): unknown {
  try {
    return make();
  } catch (error) {
    const text = isConfigError(error) ? messageOf(error) : `it cannot be made: ${messageOf(error)}. Constructors only set fields, and do no I/O`;
    throw new ConfigError(`${where}: ${text}`, { cause: error });
  }
}

function isConfigError(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === "config";
}
