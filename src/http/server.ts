/**
 * The HTTP server of one worker: who may ask, what a refusal looks like, and which group of routes answers. What is shown
 * is `src/inspect`; what records may be posted is `ingestion.ts`.
 *
 * H1  It listens on 127.0.0.1 alone, and answers only requests that name this host: a web page elsewhere cannot reach
 *     it by a name of its own that it makes resolve to this address. There is no CORS, so no page can read an answer.
 * H2  Only GET, POST where records are taken, and what is said of dead letters; a request that takes longer than its time is closed.
 * H3  Names in a URL are compared with those of the graph, and never index anything.
 * H4  A web page that is not of this server cannot post: what it may send unasked has a content type that is refused, and
 *     an origin that is.
 * H5  A request of another worker's proves by its secret that it is one, and is held to neither H1's names nor an origin.
 */
import type { IncomingMessage } from "node:http";
import { fastify, type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Clock } from "../clock.ts";
import { ConfigError, messageOf, StoreUnavailableError } from "../errors.ts";
import { Inspection } from "../inspect/inspection.ts";
import { RequestError } from "../inspect/request-error.ts";
import type { ErrorView } from "../inspect/views.ts";
import { HTTP_CONNECTIONS } from "../limits.ts";
import type { Random } from "../random.ts";
import type { PipelineStore } from "../store/store.ts";
import type { Worker } from "../worker/worker.ts";
import { addDeadLetterRoutes, DEAD_LETTER_ROUTES, letterMethod } from "./dead-letter-routes.ts";
import { Forwarder } from "./forwarder.ts";
import { Ingestion } from "./ingestion.ts";
import { addIngestionRoutes, INGESTION_ROUTES, takesRecords } from "./ingestion-routes.ts";
import { addInspectionRoutes, INSPECTION_ROUTES } from "./inspection-routes.ts";
import { NOT_MEANT } from "./peer-call.ts";
import { openPeerDoor, type PeerDoor } from "./peer-door.ts";
import type { Peers } from "./peers.ts";

export interface ServeOptions {
  /** Port on 127.0.0.1; 0: any free one. */
  readonly port: number;
  /** HOST:PORT where the workers of other machines reach this one; undefined: those of this machine alone do. */
  readonly address?: string | undefined;
  /** The clock the worker runs by. */
  readonly clock: Clock;
  /** Ids of records to which nobody gave one. */
  readonly random: Random;
}

export interface HttpServer {
  /** "http://127.0.0.1:7077". */
  readonly url: string;
  close(): Promise<void>;
}

const HOST = "127.0.0.1";
const OWN_NAMES = new Set(["localhost", "127.0.0.1", "[::1]"]);
/** ms that the head of a request may take to arrive, and a connection to do nothing. */
const PATIENCE = 10_000;
/** Seconds after which it may be otherwise. */
const RETRY_AFTER = "1";

/** Of refusals that are not ours. */
const CODES: ReadonlyMap<number, string> = new Map([[415, "unsupported-media-type"]]);

/** Tells other workers how it is reached, and starts to listen. Throws `ConfigError` where the port cannot be had, or the pipeline cannot take records. */
export async function serve(worker: Worker, store: PipelineStore, { port, address, clock, random }: ServeOptions): Promise<HttpServer> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new ConfigError(`http: port is an integer from 0 (any free one) to 65535, but it is ${String(port)}`);
  const secret = random.id();
  const forwarder = new Forwarder({ worker, store, clock });
  const ingestion = new Ingestion({ worker, store, clock, random, forwarder });
  const server = fastify({
    logger: false,
    bodyLimit: 1_024,
    connectionTimeout: PATIENCE,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    frameworkErrors: (error, _request, reply) => void answerError(error, reply),
  });
  // A body may take as long as records keep coming, so its time is kept by who reads it.
  Object.assign(server.server, { headersTimeout: PATIENCE, requestTimeout: 0, maxConnections: HTTP_CONNECTIONS });
  harden(server, forwarder.peers);
  addInspectionRoutes(server, new Inspection(worker, store, clock), () => [...ingestion.metrics(), ...forwarder.metrics()]);
  addIngestionRoutes(server, ingestion);
  addDeadLetterRoutes(server, { worker, store, clock, forwarder });
  let door: PeerDoor | undefined;
  const close = async () => {
    forwarder.close();
    await door?.close();
    await server.close();
  };
  try {
    const url = await server.listen({ host: HOST, port }).catch((error: unknown) => {
      throw listenError(error, port);
    });
    const isWorker = (request: IncomingMessage) => forwarder.peers.isForwarded(request.headers) === true;
    if (address !== undefined)
      door = await openPeerDoor({ address, isWorker, answer: (request, response) => server.routing(request, response), patience: PATIENCE });
    worker.profile.reach = { address: door?.url ?? url, secret };
    return { url, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function listenError(error: unknown, port: number): unknown {
  const { code } = error as { readonly code?: unknown };
  if (code === "EADDRINUSE") return new ConfigError(`http: port ${port} of ${HOST} is in use: give another port, or 0 for any free one`, { cause: error });
  if (code === "EACCES") return new ConfigError(`http: port ${port} may not be used by this user: give one above 1023`, { cause: error });
  return error;
}

function harden(server: FastifyInstance, peers: Peers): void {
  server.addHook("onRequest", async (request, reply) => {
    void reply.headers({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
    const forwarded = peers.isForwarded(request.headers);
    if (forwarded === false) throw new RequestError(403, NOT_MEANT, "the request is meant for another worker than this one");
    if (!forwarded && !OWN_NAMES.has(hostnameOf(request.headers.host)))
      throw new RequestError(403, "forbidden-host", `this endpoint answers only to ${[...OWN_NAMES].join(", ")}`);
    const allowed = takesRecords(request.url) ? "POST" : (letterMethod(request.url) ?? "GET");
    if (request.method !== allowed) {
      void reply.header("allow", allowed);
      throw new RequestError(405, "method-not-allowed", `${request.method} is not allowed here, only ${allowed}`);
    }
    if (allowed !== "GET" && !forwarded) checkOrigin(request);
    if (!takesRecords(request.url) && hasBody(request)) void reply.header("connection", "close");
  });
  server.setNotFoundHandler(() => {
    throw new RequestError(404, "not-found", "there is no such route", { routes: [...INSPECTION_ROUTES, ...INGESTION_ROUTES, ...DEAD_LETTER_ROUTES] });
  });
  server.setErrorHandler((error: FastifyError, _request, reply) => answerError(error, reply));
}

/** The name of a Host header, without its port. */
function hostnameOf(header: string | undefined): string {
  return /^(\[[\da-f:.]+\]|[^:]+)(:\d+)?$/i.exec(header ?? "")?.[1]?.toLowerCase() ?? "";
}

/** Programs send no origin; browsers name the page's own with each post. */
function checkOrigin({ headers }: FastifyRequest): void {
  if (headers.origin !== undefined && headers.origin.toLowerCase() !== `http://${headers.host ?? ""}`.toLowerCase())
    throw new RequestError(403, "forbidden-origin", "pages of another origin may not post here");
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}

async function answerError(error: unknown, reply: FastifyReply): Promise<FastifyReply> {
  const asked = error instanceof RequestError ? error : undefined;
  const status = error instanceof StoreUnavailableError ? 503 : ((error as { readonly statusCode?: number }).statusCode ?? 500);
  const code = asked?.code ?? (error instanceof StoreUnavailableError ? error.code : (CODES.get(status) ?? (status < 500 ? "bad-request" : "internal")));
  const view: ErrorView = { error: { code, message: messageOf(error), ...(asked?.routes === undefined ? {} : { routes: asked.routes }) }, ...asked?.details };
  if (status === 503) void reply.header("retry-after", RETRY_AFTER);
  return reply.code(status).send(view);
}
