/** The routes that show a pipeline and change nothing, besides its watermarks and its state. */
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Inspection } from "../inspect/inspection.ts";
import { type Metric, PROMETHEUS_TYPE, prometheusText } from "../inspect/prometheus.ts";
import type { HealthView, ReadinessView } from "../inspect/health-views.ts";
import type { DeadLettersView, HotKeysView, LostTailsView, PipelineView, ShardsView, TimersView } from "../inspect/views.ts";
import type { WorkersView } from "../inspect/workers-view.ts";
import { described, LOOKING, OPEN, type RouteAbout } from "./described-route.ts";

const LIMIT = { about: "How many, 1 to 1,000. Default: 100.", type: "integer" } as const;

const PIPELINE: RouteAbout = { ...LOOKING, about: "The graph: participants, streams, state, timers.", answer: "PipelineView" };
const SHARDS: RouteAbout = {
  ...LOOKING,
  about: "What is stored of each shard.",
  query: { participant: { about: "Of this one alone." } },
  answer: "ShardsView",
};
const WORKERS: RouteAbout = { ...LOOKING, about: "Who works on the pipeline, what each owns, and what waits for what.", answer: "WorkersView" };
const TIMERS: RouteAbout = {
  ...LOOKING,
  about: "The earliest pending timers.",
  query: {
    computation: { about: "Of this one alone." },
    key: { about: "Of this key alone; needs computation." },
    clock: { about: "Of this clock alone.", choices: ["watermark", "wall"] },
    limit: LIMIT,
  },
  answer: "TimersView",
};
const DEAD_LETTERS: RouteAbout = {
  ...LOOKING,
  about: "The latest dead letters, with their reasons.",
  query: { participant: { about: "Of this one alone." }, limit: LIMIT },
  answer: "DeadLettersView",
};
const HOT_KEYS: RouteAbout = {
  ...LOOKING,
  about: "Of each computation, the keys that most of the latest records of this worker had.",
  query: {
    computation: { about: "Of this one alone." },
    limit: { about: "How many of each, 1 to 1,000. Default: 10.", type: "integer" },
  },
  answer: "HotKeysView",
};
const LOST_TAILS: RouteAbout = { ...LOOKING, about: "What the store had acknowledged to this worker and lost.", answer: "LostTailsView" };
const METRICS: RouteAbout = { ...LOOKING, about: "Metrics of this worker, for Prometheus.", answer: "text/plain" };
const HEALTH: RouteAbout = { ...OPEN, about: "Answers while the process lives.", answer: "HealthView" };
const READINESS: RouteAbout = {
  ...OPEN,
  about: "Is every shard owned, and does this worker report its own? What is missing is told to those who may look.",
  answer: "ReadinessView",
  statuses: { 503: "Not ready." },
};

export interface InspectionRouteOptions {
  /** Metrics besides those of the pipeline. */
  readonly metrics: () => readonly Metric[];
  readonly mayRead: (request: FastifyRequest) => boolean;
}

export function addInspectionRoutes(server: FastifyInstance, inspection: Inspection, { metrics, mayRead }: InspectionRouteOptions): void {
  server.get("/v1/pipeline", described(PIPELINE), async (): Promise<PipelineView> => inspection.pipeline());
  server.get("/v1/shards", described(SHARDS), async ({ query }): Promise<ShardsView> => inspection.shards(query));
  server.get("/v1/workers", described(WORKERS), async (): Promise<WorkersView> => inspection.workers());
  server.get("/v1/timers", described(TIMERS), async ({ query }): Promise<TimersView> => inspection.timers(query));
  server.get("/v1/hot-keys", described(HOT_KEYS), async ({ query }): Promise<HotKeysView> => inspection.hotKeys(query));
  server.get("/v1/dead-letters", described(DEAD_LETTERS), async ({ query }): Promise<DeadLettersView> => inspection.deadLetters(query));
  server.get("/v1/lost-tails", described(LOST_TAILS), async (): Promise<LostTailsView> => inspection.lostTails());
  server.get("/metrics", described(METRICS), async (_request, reply) =>
    reply.type(PROMETHEUS_TYPE).send(prometheusText([...inspection.metrics(), ...metrics()])),
  );
  server.get("/healthz", described(HEALTH), async (): Promise<HealthView> => inspection.health());
  server.get("/readyz", described(READINESS), async (request, reply) => {
    const readiness: ReadinessView = inspection.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(mayRead(request) ? readiness : { ...readiness, missing: [], warnings: [] });
  });
}
