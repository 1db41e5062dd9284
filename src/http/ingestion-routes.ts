/** The routes by which records come in. */
import type { FastifyInstance } from "fastify";
import { queryOf } from "../inspect/inspection.ts";
import type { RepliesView, StreamsView } from "../inspect/views.ts";
import { described, INGESTING, parametersOf, type RouteAbout } from "./described-route.ts";
import type { Ingestion } from "./ingestion.ts";
import { passOn } from "./pass-on.ts";

const STREAMS: RouteAbout = {
  scopes: ["read", "ingest"],
  secret: false,
  amongWorkers: true,
  about: "The streams that take records, whether what is posted here is taken now, and which worker takes it.",
  answer: "StreamsView",
};

const REPLIES: RouteAbout = {
  scopes: ["read", "ingest"],
  secret: false,
  about: "The replies to a record.",
  path: { id: { about: "The id of the record." } },
  answer: "RepliesView",
};

const RECORDS: RouteAbout = {
  ...INGESTING,
  amongWorkers: true,
  about: "Takes records. Answers when all of them are committed.",
  path: { stream: { about: "The stream that they go to." } },
  query: {
    level: { about: "What is waited for.", choices: ["committed", "fsynced"] },
    wait: { about: "Wait for all that comes of them downstream too.", choices: ["effects"] },
    timeout: { about: "ms to wait for that, 0 to 60,000.", type: "integer" },
  },
  bodies: ["application/json", "application/x-ndjson", "application/cloudevents+json", "application/cloudevents-batch+json"],
  answer: "TakenView",
  statuses: {
    202: "Taken; what comes of them is not complete, or cannot be told.",
    404: "No such stream takes records.",
    408: "The body did not come in time.",
    409: "They cannot be made that durable.",
    413: "Too large.",
    415: "Of a type that is not taken.",
    422: "A record is refused.",
    503: "Not now: send again.",
  },
};

export function addIngestionRoutes(server: FastifyInstance, ingestion: Ingestion): void {
  server.get("/v1/streams", described(STREAMS), async (): Promise<StreamsView> => ingestion.view());
  server.get<{ Params: { id: string } }>("/v1/replies/:id", described(REPLIES), async ({ params }): Promise<RepliesView> => ingestion.repliesTo(params.id));
  // Routes of their own kind: their bodies are not read before their handler does.
  void server.register(async (records) => {
    records.removeAllContentTypeParsers();
    records.addContentTypeParser(/^/, (_request, _body, done) => done(null));
    records.post<{ Params: { stream: string } }>("/v1/streams/:stream/records", described(RECORDS), async ({ params, query, raw }, reply) => {
      const { level, wait, timeout } = Object.fromEntries(queryOf(query, parametersOf(RECORDS)));
      const taken = await ingestion.take(raw, params.stream, { level, wait, timeout });
      if ("passedOn" in taken) return passOn(reply, taken.passedOn);
      return reply.code(taken.complete === false ? 202 : 200).send(taken);
    });
  });
}
