/**
 * The HTTP endpoint of one worker, for people and monitoring: it shows, and changes nothing.
 *
 * H1  It listens on 127.0.0.1 alone, and answers only requests that name this host: a web page elsewhere cannot reach
 *     it by a name of its own that it makes resolve to this address. There is no CORS, so no page can read an answer.
 * H2  Only GET; a request that takes longer than its time is closed.
 * H3  Names in a URL are compared with those of the graph, and never index anything.
 */
import { fastify, type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Clock } from "../clock.ts";
import { ConfigError, messageOf, StoreUnavailableError } from "../errors.ts";
import type { PipelineStore } from "../store/store.ts";
import type { PlannedComputation, PlannedParticipant } from "../worker/plan.ts";
import type { Worker } from "../worker/worker.ts";
import { metricsOf } from "./metrics.ts";
import { pipelineView } from "./pipeline-view.ts";
import { PROMETHEUS_TYPE, prometheusText } from "./prometheus.ts";
import { readinessOf } from "./readiness.ts";
import { RequestError } from "./request-error.ts";
import { deadLettersView, shardsOf, shardViews, timersView } from "./stored-views.ts";
import type { DeadLettersView, ErrorView, ParticipantShardsView, PipelineView, ReadinessView, ShardsView, TimersView, WatermarksView } from "./views.ts";
import { participantShardsView, watermarksView } from "./watermarks-view.ts";

export interface ServeOptions {
  /** Port on 127.0.0.1; 0: any free one. */
  readonly port: number;
  /** The clock the worker runs by. */
  readonly clock: Clock;
}

export interface InspectionServer {
  /** "http://127.0.0.1:7077". */
  readonly url: string;
  close(): Promise<void>;
}

const ROUTES = [
  "/v1/watermarks",
  "/v1/watermarks/:participant",
  "/v1/pipeline",
  "/v1/shards",
  "/v1/timers",
  "/v1/dead-letters",
  "/metrics",
  "/healthz",
  "/readyz",
];
const HOST = "127.0.0.1";
const OWN_NAMES = new Set(["localhost", "127.0.0.1", "[::1]"]);
/** ms that a request may take to arrive, and a connection to do nothing. */
const PATIENCE = 10_000;
const LIST_DEFAULT = 100;
const LIST_MOST = 1_000;

/** Starts to listen. Throws `ConfigError` where the port cannot be had. */
export async function serve(worker: Worker, store: PipelineStore, { port, clock }: ServeOptions): Promise<InspectionServer> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new ConfigError(`http: port is an integer from 0 (any free one) to 65535, but it is ${String(port)}`);
  const server = fastify({
    logger: false,
    bodyLimit: 1_024,
    requestTimeout: PATIENCE,
    connectionTimeout: PATIENCE,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    frameworkErrors: (error, _request, reply) => void answerError(error, reply),
  });
  harden(server);
  addRoutes(server, new Inspection(worker, store, clock));
  try {
    const url = await server.listen({ host: HOST, port });
    return { url, close: () => server.close() };
  } catch (error) {
    await server.close();
    throw listenError(error, port);
  }
}

function listenError(error: unknown, port: number): unknown {
  const { code } = error as { readonly code?: unknown };
  if (code === "EADDRINUSE") return new ConfigError(`http: port ${port} of ${HOST} is in use: give another port, or 0 for any free one`, { cause: error });
  if (code === "EACCES") return new ConfigError(`http: port ${port} may not be used by this user: give one above 1023`, { cause: error });
  return error;
}

function harden(server: FastifyInstance): void {
  server.addHook("onRequest", async (request, reply) => {
    void reply.headers({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
    if (!OWN_NAMES.has(hostnameOf(request.headers.host)))
      throw new RequestError(403, "forbidden-host", `this endpoint answers only to ${[...OWN_NAMES].join(", ")}`);
    if (request.method !== "GET") {
      void reply.header("allow", "GET");
      throw new RequestError(405, "method-not-allowed", `${request.method} is not allowed: this endpoint shows, and changes nothing`);
    }
  });
  server.setNotFoundHandler(() => {
    throw new RequestError(404, "not-found", "there is no such route", ROUTES);
  });
  server.setErrorHandler((error: FastifyError, _request, reply) => answerError(error, reply));
}

/** The name of a Host header, without its port. */
function hostnameOf(header: string | undefined): string {
  return /^(\[[\da-f:.]+\]|[^:]+)(:\d+)?$/i.exec(header ?? "")?.[1]?.toLowerCase() ?? "";
}

async function answerError(error: unknown, reply: FastifyReply): Promise<FastifyReply> {
  const status = error instanceof StoreUnavailableError ? 503 : ((error as { readonly statusCode?: number }).statusCode ?? 500);
  const code = error instanceof RequestError || error instanceof StoreUnavailableError ? error.code : status < 500 ? "bad-request" : "internal";
  const routes = error instanceof RequestError ? error.routes : undefined;
  const view: ErrorView = { error: { code, message: messageOf(error), ...(routes === undefined ? {} : { routes }) } };
  return reply.code(status).send(view);
}

function addRoutes(server: FastifyInstance, inspection: Inspection): void {
  server.get("/v1/watermarks", async (): Promise<WatermarksView> => inspection.watermarks());
  server.get<{ Params: { participant: string } }>(
    "/v1/watermarks/:participant",
    async ({ params }): Promise<ParticipantShardsView> => inspection.shardWatermarks(params.participant),
  );
  server.get("/v1/pipeline", async (): Promise<PipelineView> => inspection.pipeline());
  server.get("/v1/shards", async (request): Promise<ShardsView> => inspection.shards(request));
  server.get("/v1/timers", async (request): Promise<TimersView> => inspection.timers(request));
  server.get("/v1/dead-letters", async (request): Promise<DeadLettersView> => inspection.deadLetters(request));
  server.get("/metrics", async (_request, reply) => reply.type(PROMETHEUS_TYPE).send(inspection.metrics()));
  server.get("/healthz", async () => ({ status: "ok" }));
  server.get("/readyz", async (_request, reply) => {
    const readiness = inspection.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
}

/** The answers of the routes. */
class Inspection {
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

  async shards(request: FastifyRequest): Promise<ShardsView> {
    const query = queryOf(request, ["participant"]);
    return { ...this.#head, shards: await shardViews(this.#store, this.#asked(query.get("participant"))) };
  }

  async timers(request: FastifyRequest): Promise<TimersView> {
    const query = queryOf(request, ["computation", "clock", "limit"]);
    const clock = query.get("clock");
    if (clock !== undefined && clock !== "watermark" && clock !== "wall") throw new RequestError(400, "bad-request", 'clock is "watermark" or "wall"');
    const computations = this.#asked(query.get("computation")).filter((participant): participant is PlannedComputation => participant.kind === "computation");
    return { ...this.#head, ...(await timersView(this.#store, computations, { clock, limit: limitOf(query) })) };
  }

  async deadLetters(request: FastifyRequest): Promise<DeadLettersView> {
    const query = queryOf(request, ["participant", "limit"]);
    return { ...this.#head, ...(await deadLettersView(this.#store, this.#asked(query.get("participant")), limitOf(query))) };
  }

  metrics(): string {
    return prometheusText(metricsOf(this.#worker, this.#clock.now()));
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

function queryOf(request: FastifyRequest, known: readonly string[]): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  for (const [name, value] of Object.entries(request.query as object)) {
    if (!known.includes(name)) throw new RequestError(400, "bad-request", `this route has no parameter ${JSON.stringify(name)}; it has ${known.join(", ")}`);
    if (typeof value !== "string") throw new RequestError(400, "bad-request", `${name} is given more than once`);
    query.set(name, value);
  }
  return query;
}

function limitOf(query: ReadonlyMap<string, string>): number {
  const text = query.get("limit") ?? String(LIST_DEFAULT);
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1 || limit > LIST_MOST) throw new RequestError(400, "bad-request", `limit is an integer from 1 to ${LIST_MOST}`);
  return limit;
}
