/** The answers of the routes that show a pipeline, without HTTP: `src/http` routes to them. */
import type { HealthView, ReadinessView } from "./health-views.ts";
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import type { PipelineStore } from "../store/store.ts";
import type { PlannedComputation, PlannedParticipant } from "../worker/plan.ts";
import type { Worker } from "../worker/worker.ts";
import { hotKeysOf } from "./hot-keys-view.ts";
import { metricsOf } from "./metrics.ts";
import { pipelineView } from "./pipeline-view.ts";
import type { Metric } from "./prometheus.ts";
import { healthOf, readinessOf } from "./readiness.ts";
import { RequestError } from "./request-error.ts";
import { isoOf } from "./times.ts";
import { deadLettersView, shardsOf, shardViews, timersView } from "./stored-views.ts";
import type { DeadLettersView, HotKeysView, LostTailsView, ParticipantShardsView, PipelineView, ShardsView, TimersView, WatermarksView } from "./views.ts";
import { participantShardsView, watermarksView } from "./watermarks-view.ts";
import { type WorkersView, workersView } from "./workers-view.ts";

const LIST_DEFAULT = 100;
const HOT_KEYS = 10;
const LIST_MOST = 1_000;

export class Inspection {
  readonly #worker: Worker;
  readonly #store: PipelineStore;
  readonly #clock: Clock;
  #failure: string | undefined;

  constructor(worker: Worker, store: PipelineStore, clock: Clock) {
    this.#worker = worker;
    this.#store = store;
    this.#clock = clock;
    worker.driver.finished.catch((error: unknown) => {
      this.#failure = messageOf(error);
    });
  }

  get #participants(): readonly PlannedParticipant[] {
    return this.#worker.engine.options.plan.participants;
  }
  get #head(): Head {
    return headOf(this.#worker, this.#clock);
  }

  watermarks(): WatermarksView {
    return watermarksView(this.#worker, this.#clock.now());
  }

  async shardWatermarks(name: string): Promise<ParticipantShardsView> {
    const participant = this.#named(name);
    return participantShardsView(this.#worker, participant, await this.#store.summarize(shardsOf(participant)), this.#clock.now());
  }

  pipeline(): PipelineView {
    return pipelineView(this.#worker, this.#store.description);
  }

  async shards(given: unknown): Promise<ShardsView> {
    const query = queryOf(given, ["participant"]);
    return { ...this.#head, shards: await shardViews(this.#store, this.#asked(query.get("participant"))) };
  }

  async workers(): Promise<WorkersView> {
    return { ...this.#head, ...(await workersView(this.#worker, this.#store)) };
  }

  async timers(given: unknown): Promise<TimersView> {
    const query = queryOf(given, ["computation", "key", "clock", "limit"]);
    const clock = query.get("clock");
    if (clock !== undefined && clock !== "watermark" && clock !== "wall") throw new RequestError(400, "bad-request", 'clock is "watermark" or "wall"');
    const key = query.get("key");
    if (key !== undefined && query.get("computation") === undefined) throw new RequestError(400, "bad-request", "key is one of a computation: name that too");
    const computations = this.#asked(query.get("computation")).filter((participant): participant is PlannedComputation => participant.kind === "computation");
    return { ...this.#head, ...(await timersView(this.#store, computations, { key, clock, limit: limitOf(query) })) };
  }

  async deadLetters(given: unknown): Promise<DeadLettersView> {
    const query = queryOf(given, ["participant", "limit"]);
    return { ...this.#head, ...(await deadLettersView(this.#store, this.#asked(query.get("participant")), limitOf(query), this.#worker.runner)) };
  }

  hotKeys(given: unknown): HotKeysView {
    const query = queryOf(given, ["computation", "limit"]);
    const limit = limitOf(query, HOT_KEYS);
    const computations = this.#asked(query.get("computation")).filter((participant): participant is PlannedComputation => participant.kind === "computation");
    return { ...this.#head, computations: computations.map((computation) => hotKeysOf(this.#worker.engine, computation, limit)) };
  }

  metrics(): readonly Metric[] {
    return metricsOf(this.#worker, this.#clock.now(), this.readiness().ready);
  }

  lostTails(): LostTailsView {
    const { counted, found } = this.#worker.engine.lostTails;
    const { tails, commits, confirmed } = counted;
    const records = [...counted.records.values()].reduce((sum, each) => sum + each, 0);
    return { ...this.#head, counted: { tails, commits, records, confirmed }, tails: found.map((tail) => ({ ...tail, atIso: isoOf(tail.at) })) };
  }

  readiness(): ReadinessView {
    return readinessOf(this.#worker, this.#failure, this.#clock.now());
  }

  health(): HealthView {
    return healthOf(this.#worker);
  }

  /** The participants that a query is about: all, or the one it names. */
  #asked(name: string | undefined): readonly PlannedParticipant[] {
    return name === undefined ? this.#participants : [this.#named(name)];
  }

  #named(name: string): PlannedParticipant {
    return participantOf(this.#worker, name);
  }
}

interface Head {
  readonly pipeline: string;
  readonly worker: string;
  readonly now: number;
}

/** What most answers begin with. */
export function headOf({ name, engine }: Worker, clock: Clock): Head {
  return { pipeline: engine.options.plan.graph.pipeline, worker: name, now: clock.now() };
}

/** RequestError for a name that no participant has. */
export function participantOf({ engine }: Worker, name: string): PlannedParticipant {
  const { participants } = engine.options.plan;
  const found = participants.find((participant) => participant.name === name);
  if (found !== undefined) return found;
  throw new RequestError(404, "not-found", `the pipeline has no participant of this name; it has ${participants.map((each) => each.name).join(", ")}`);
}

/** RequestError for what is no computation. */
export function computationOf(worker: Worker, name: string): PlannedComputation {
  const found = participantOf(worker, name);
  if (found.kind === "computation") return found;
  throw new RequestError(404, "not-found", `${name} is ${found.kind === "injector" ? "an injector" : "a sink"}: only computations have state and timers`);
}

/** The parameters of a query by name, each given once. RequestError for others than those that are known. */
export function queryOf(given: unknown, known: readonly string[]): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  for (const [name, value] of Object.entries(Object(given) as object)) {
    if (!known.includes(name)) throw new RequestError(400, "bad-request", `this route has no parameter ${JSON.stringify(name)}; it has ${known.join(", ")}`);
    if (typeof value !== "string") throw new RequestError(400, "bad-request", `${name} is given more than once`);
    query.set(name, value);
  }
  return query;
}

export function limitOf(query: ReadonlyMap<string, string>, otherwise = LIST_DEFAULT): number {
  const text = query.get("limit") ?? String(otherwise);
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1 || limit > LIST_MOST) throw new RequestError(400, "bad-request", `limit is an integer from 1 to ${LIST_MOST}`);
  return limit;
}
