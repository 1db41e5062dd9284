/** The answers of the routes that show a pipeline, without HTTP: `src/http` routes to them. */
import type { Clock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import type { PipelineStore } from "../store/store.ts";
import type { PlannedComputation, PlannedParticipant } from "../worker/plan.ts";
import type { Worker } from "../worker/worker.ts";
import { hotKeysOf } from "./hot-keys-view.ts";
import { metricsOf } from "./metrics.ts";
import { pipelineView } from "./pipeline-view.ts";
import type { Metric } from "./prometheus.ts";
import { readinessOf } from "./readiness.ts";
import { RequestError } from "./request-error.ts";
import { deadLettersView, shardsOf, shardViews, timersView } from "./stored-views.ts";
import type {
  DeadLettersView,
  HotKeysView,
  ParticipantShardsView,
  PipelineView,
  ReadinessView,
  ShardsView,
  TimersView,
  WatermarksView,
  WorkersView,
} from "./views.ts";
import { participantShardsView, watermarksView } from "./watermarks-view.ts";
import { workersView } from "./workers-view.ts";

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
  get #head(): { readonly pipeline: string; readonly worker: string; readonly now: number } {
    return { pipeline: this.#worker.engine.options.plan.graph.pipeline, worker: this.#worker.name, now: this.#clock.now() };
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
    const query = queryOf(given, ["computation", "clock", "limit"]);
    const clock = query.get("clock");
    if (clock !== undefined && clock !== "watermark" && clock !== "wall") throw new RequestError(400, "bad-request", 'clock is "watermark" or "wall"');
    const computations = this.#asked(query.get("computation")).filter((participant): participant is PlannedComputation => participant.kind === "computation");
    return { ...this.#head, ...(await timersView(this.#store, computations, { clock, limit: limitOf(query) })) };
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
    return metricsOf(this.#worker, this.#clock.now());
  }

  readiness(): ReadinessView {
    return readinessOf(this.#worker, this.#failure);
  }

  /** The participants that a query is about: all, or the one it names. */
  #asked(name: string | undefined): readonly PlannedParticipant[] {
    return name === undefined ? this.#participants : [this.#named(name)];
  }

  #named(name: string): PlannedParticipant {
    const found = this.#participants.find((participant) => participant.name === name);
    if (found !== undefined) return found;
    throw new RequestError(
      404,
      "not-found",
      `the pipeline has no participant of this name; it has ${this.#participants.map((participant) => participant.name).join(", ")}`,
    );
  }
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

function limitOf(query: ReadonlyMap<string, string>, otherwise = LIST_DEFAULT): number {
  const text = query.get("limit") ?? String(otherwise);
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1 || limit > LIST_MOST) throw new RequestError(400, "bad-request", `limit is an integer from 1 to ${LIST_MOST}`);
  return limit;
}
