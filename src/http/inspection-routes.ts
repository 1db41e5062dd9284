/** The routes that show a pipeline and change nothing. */
import type { FastifyInstance } from "fastify";
import type { Inspection } from "../inspect/inspection.ts";
import { type Metric, PROMETHEUS_TYPE, prometheusText } from "../inspect/prometheus.ts";
import type {
  DeadLettersView,
  HotKeysView,
  ParticipantShardsView,
  PipelineView,
  ShardsView,
  TimersView,
  WatermarksView,
  WorkersView,
} from "../inspect/views.ts";

export const INSPECTION_ROUTES = [
  "/v1/watermarks",
  "/v1/watermarks/:participant",
  "/v1/pipeline",
  "/v1/shards",
  "/v1/workers",
  "/v1/timers",
  "/v1/hot-keys",
  "/v1/dead-letters",
  "/metrics",
  "/healthz",
  "/readyz",
];

/** `others`: metrics besides those of the pipeline. */
export function addInspectionRoutes(server: FastifyInstance, inspection: Inspection, others: () => readonly Metric[]): void {
  server.get("/v1/watermarks", async (): Promise<WatermarksView> => inspection.watermarks());
  server.get<{ Params: { participant: string } }>(
    "/v1/watermarks/:participant",
    async ({ params }): Promise<ParticipantShardsView> => inspection.shardWatermarks(params.participant),
  );
  server.get("/v1/pipeline", async (): Promise<PipelineView> => inspection.pipeline());
  server.get("/v1/shards", async ({ query }): Promise<ShardsView> => inspection.shards(query));
  server.get("/v1/workers", async (): Promise<WorkersView> => inspection.workers());
  server.get("/v1/timers", async ({ query }): Promise<TimersView> => inspection.timers(query));
  server.get("/v1/hot-keys", async ({ query }): Promise<HotKeysView> => inspection.hotKeys(query));
  server.get("/v1/dead-letters", async ({ query }): Promise<DeadLettersView> => inspection.deadLetters(query));
  server.get("/metrics", async (_request, reply) => reply.type(PROMETHEUS_TYPE).send(prometheusText([...inspection.metrics(), ...others()])));
  server.get("/healthz", async () => ({ status: "ok" }));
  server.get("/readyz", async (_request, reply) => {
    const readiness = inspection.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
}
