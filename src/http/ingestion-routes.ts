/** The routes by which records come in. */
import type { FastifyInstance, FastifyReply } from "fastify";
import { queryOf } from "../inspect/inspection.ts";
import type { RepliesView, StreamsView } from "../inspect/views.ts";
import type { Ingestion } from "./ingestion.ts";
import type { PeerAnswer } from "./peer-call.ts";

export const INGESTION_ROUTES = ["/v1/streams", "POST /v1/streams/:stream/records", "/v1/replies/:id"];

/** Is it a route to which records are posted, whether or not there is such a stream? */
export function takesRecords(url: string): boolean {
  return /^\/v1\/streams\/[^/?]+\/records(\?|$)/.test(url);
}

/** The answer of another worker, as it gave it. */
export function passOn(reply: FastifyReply, { status, retryAfter, body }: PeerAnswer): FastifyReply {
  if (retryAfter !== undefined) void reply.header("retry-after", retryAfter);
  return reply.code(status).type("application/json; charset=utf-8").send(body);
}

export function addIngestionRoutes(server: FastifyInstance, ingestion: Ingestion): void {
  server.get("/v1/streams", async (): Promise<StreamsView> => ingestion.view());
  server.get<{ Params: { id: string } }>("/v1/replies/:id", async ({ params }): Promise<RepliesView> => ingestion.repliesTo(params.id));
  // Routes of their own kind: their bodies are not read before their handler does.
  void server.register(async (records) => {
    records.removeAllContentTypeParsers();
    records.addContentTypeParser(/^/, (_request, _body, done) => done(null));
    records.post<{ Params: { stream: string } }>("/v1/streams/:stream/records", async ({ params, query, raw }, reply) => {
      const { level, wait, timeout } = Object.fromEntries(queryOf(query, ["level", "wait", "timeout"]));
      const taken = await ingestion.take(raw, params.stream, { level, wait, timeout });
      if ("passedOn" in taken) return passOn(reply, taken.passedOn);
      return reply.code(taken.complete === false ? 202 : 200).send(taken);
    });
  });
}
