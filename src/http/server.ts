/**
 * The HTTP server of one worker: who may ask, what a refusal looks like, and which group of routes answers. What is shown
 * is `src/inspect`; what records may be posted is `ingestion.ts`; who may ask what is `access.ts`.
 *
 * H1  It answers only requests that name it as it is called: a web page elsewhere cannot reach it by a name of its own
 *     that it makes resolve to this address. There is no CORS, so no page can read an answer.
 * H2  Only the methods of the routes there are; a request that takes longer than its time is closed.
 * H3  Names in a URL are compared with those of the graph, and never index anything.
 * H4  A web page that is not of this server cannot post: what it may send unasked has a content type that is refused, and
 *     an origin that is.
 * H5  Nobody is told anything before their token was looked at, but that there is such a route and whether the worker is well.
 * H6  A client that asks more often than it may is told so before anything else of its request is looked at.
 * H7  A request of another worker's proves by its secret that it is one: it is held to neither H1's names nor an origin, and
 *     needs no token where workers ask each other. Whoever it asks for has shown theirs to that worker.
 */
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { fastify, type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Clock } from "../clock.ts";
import { ConfigError, messageOf, StoreUnavailableError } from "../errors.ts";
import { Inspection } from "../inspect/inspection.ts";
import { RequestError } from "../inspect/request-error.ts";
import type { ErrorView } from "../inspect/views.ts";
import { HTTP_CONNECTIONS } from "../limits.ts";
import type { Random } from "../random.ts";
import type { ReadableStore } from "../store/reader.ts";
import type { PipelineStore } from "../store/store.ts";
import type { Worker } from "../worker/worker.ts";
import { Access, type HttpOptions, LOOPBACK, type Needed } from "./access.ts";
import { addDeadLetterRoutes } from "./dead-letter-routes.ts";
import { aboutOf, collectRoutes, type DescribedRoute, LOOKING, Methods, type RouteAbout } from "./described-route.ts";
import { addDocumentRoute } from "./document-route.ts";
import type { Ingestion } from "./ingestion.ts";
import { addIngestionRoutes } from "./ingestion-routes.ts";
import { addInspectionRoutes } from "./inspection-routes.ts";
import { NOT_MEANT } from "./peer-call.ts";
import { openPeerDoor, type PeerDoor } from "./peer-door.ts";
import type { Peers } from "./peers.ts";
import { RateLimit, rateOf } from "./rate-limit.ts";
import { addStateRoutes } from "./state-routes.ts";
import { addTailRoutes } from "./tail-routes.ts";
import { addTimerRoutes } from "./timer-routes.ts";
import { addWatermarkRoutes } from "./watermark-routes.ts";

export interface ServeOptions extends HttpOptions {
  /** The clock the worker runs by. */
  readonly clock: Clock;
  /** Makes the secret by which other workers are known. */
  readonly random: Random;
  /** Of the same worker; whoever made it closes it. */
  readonly ingestion: Ingestion;
  /** The store from outside, for what is shown of state; undefined: it cannot be read so. */
  readonly readable?: ReadableStore | undefined;
}

export interface HttpServer {
  /** "http://127.0.0.1:7077". */
  readonly url: string;
  close(): Promise<void>;
}

/** ms that the head of a request may take to arrive, and a connection to do nothing. */
const PATIENCE = 10_000;
/** Letters of a parameter in a path: a key or a timer of the longest there are, percent-encoded. */
const PARAMETER_LETTERS = 4_096;
/** Seconds after which it may be otherwise. */
const RETRY_AFTER = "1";

/** Of refusals that are not ours. */
const CODES: ReadonlyMap<number, string> = new Map([[415, "unsupported-media-type"]]);

/** What each answer says of itself: no page may show it in a frame, run anything of it, or guess what it is, and nothing keep it. */
const HEADERS = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
} as const;

/** Tells other workers how it is reached, and starts to listen. Throws `ConfigError` where it may not listen so, the port cannot be had, or the pipeline cannot take records. */
export async function serve(worker: Worker, store: PipelineStore, { clock, random, readable, ingestion, ...options }: ServeOptions): Promise<HttpServer> {
  const access = new Access("http", options);
  const secret = random.id();
  const { forwarder } = ingestion;
  const server = fastify({
    logger: false,
    bodyLimit: 1_024,
    connectionTimeout: PATIENCE,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: PARAMETER_LETTERS },
    frameworkErrors: (error, _request, reply) => void answerError(error, reply),
  });
  // A body may take as long as records keep coming, so its time is kept by who reads it.
  Object.assign(server.server, { headersTimeout: PATIENCE, requestTimeout: 0, maxConnections: HTTP_CONNECTIONS });
  const routes = collectRoutes(server);
  const rateLimit = rateOf(options.requestsPerSecond, access.beyondLoopback);
  harden(server, { access, peers: forwarder.peers, routes, rateLimit, clock });
  const inspection = new Inspection(worker, store, clock);
  const mayRead = ({ headers }: FastifyRequest): boolean => access.judge(LOOKING, headers.authorization) === "allowed";
  addInspectionRoutes(server, inspection, { metrics: () => [...ingestion.metrics(), ...forwarder.metrics()], mayRead });
  addWatermarkRoutes(server, inspection, clock);
  addIngestionRoutes(server, ingestion);
  addDeadLetterRoutes(server, { worker, store, clock, forwarder });
  const lookedAt = addStateRoutes(server, { worker, clock, readable });
  addTailRoutes(server, { worker, store, clock });
  addTimerRoutes(server, { worker, store, clock, forwarder });
  addDocumentRoute(server, routes);
  let door: PeerDoor | undefined;
  const close = async (): Promise<void> => {
    await door?.close();
    await server.close();
    await lookedAt.close();
  };
  try {
    await server.listen({ host: access.host, port: options.port }).catch((error: unknown) => {
      throw listenError(error, access.host, options.port);
    });
    const url = urlOf(server.server.address() as AddressInfo | null);
    const isWorker = (request: IncomingMessage) => forwarder.peers.isForwarded(request.headers) === true;
    if (options.address !== undefined)
      door = await openPeerDoor({ address: options.address, isWorker, answer: (request, response) => server.routing(request, response), patience: PATIENCE });
    worker.profile.reach = { address: door?.url ?? url, secret };
    return { url, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where this machine can ask it: an address that stands for all is none. */
function urlOf(listening: AddressInfo | null): string {
  const { address, family, port } = listening ?? { address: LOOPBACK, family: "IPv4", port: 0 };
  if (address === "0.0.0.0" || address === "::") return `http://${LOOPBACK}:${port}`;
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

function listenError(error: unknown, host: string, port: number): unknown {
  const { code } = error as { readonly code?: unknown };
  if (code === "EADDRINUSE") return new ConfigError(`http: port ${port} of ${host} is in use: give another port, or 0 for any free one`, { cause: error });
  if (code === "EACCES") return new ConfigError(`http: port ${port} may not be used by this user: give one above 1023`, { cause: error });
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    return new ConfigError(`http: this machine has no address ${host}: give one of its own, or 0.0.0.0 for all of them`, { cause: error });
  return error;
}

interface Hardening {
  readonly access: Access;
  readonly peers: Peers;
  readonly routes: readonly DescribedRoute[];
  /** undefined: as many requests as they like. */
  readonly rateLimit: number | undefined;
  readonly clock: Clock;
}

function harden(server: FastifyInstance, { access, peers, routes, rateLimit, clock }: Hardening): void {
  let methods: Methods | undefined;
  const limit = rateLimit === undefined ? undefined : new RateLimit(rateLimit);
  server.addHook("onRequest", async (request, reply) => {
    void reply.headers(HEADERS);
    const forwarded = peers.isForwarded(request.headers);
    if (!forwarded && limit !== undefined) checkRate(limit.wait(request.socket.remoteAddress ?? "", clock.now()), rateLimit, request, reply);
    if (forwarded === false) throw new RequestError(403, NOT_MEANT, "the request is meant for another worker than this one");
    if (!forwarded && !access.answersTo(hostnameOf(request.headers.host)))
      throw new RequestError(403, "forbidden-host", `this endpoint answers only to ${access.names.join(", ")}`);
    if (request.is404) {
      methods ??= new Methods(routes);
      checkMethod(methods.at(request.url), request, reply);
    }
    // As the router has understood the URL: whoever reads it anew may understand it otherwise.
    const about: Closed = request.is404 ? NOWHERE : aboutOf(request.method, request.routeOptions.config);
    if (!(forwarded && about.amongWorkers)) checkToken(access, about, request, reply);
    if (request.method !== "GET" && !forwarded) checkOrigin(request);
    if (about.bodies === undefined && hasBody(request)) void reply.header("connection", "close");
  });
  server.setNotFoundHandler(() => {
    const paths = routes.map(({ method, path }) => (method === "GET" ? path : `${method} ${path}`));
    throw new RequestError(404, "not-found", "there is no such route", { routes: paths });
  });
  server.setErrorHandler((error: FastifyError, _request, reply) => answerError(error, reply));
}

/** `wait`: ms until the next one may be made. */
function checkRate(wait: number, rate: number | undefined, request: FastifyRequest, reply: FastifyReply): void {
  if (wait === 0) return;
  void reply.header("retry-after", String(Math.ceil(wait / 1_000)));
  if (hasBody(request)) void reply.header("connection", "close");
  throw new RequestError(429, "too-many-requests", `this address makes more requests than ${rate} a second: wait, or send more records in one request`);
}

type Closed = Pick<RouteAbout, "scopes" | "secret" | "bodies" | "amongWorkers">;

/** Where there is no such route, whoever may ask anything is told which there are. */
const NOWHERE: Closed = { scopes: ["read", "ingest", "operate"], secret: false };

function checkMethod(there: readonly string[], { method }: FastifyRequest, reply: FastifyReply): void {
  if (there.length === 0 && method === "GET") return;
  const allowed = there.length === 0 ? "GET" : there.join(", ");
  void reply.header("allow", allowed);
  throw new RequestError(405, "method-not-allowed", `${method} is not allowed here, only ${allowed}`);
}

function checkToken(access: Access, needed: Needed, { headers }: FastifyRequest, reply: FastifyReply): void {
  switch (access.judge(needed, headers.authorization)) {
    case "allowed":
      return;
    case "unknown":
      void reply.header("www-authenticate", 'Bearer realm="millrace"');
      throw new RequestError(401, "unauthorized", "this needs a token that the endpoint knows: give the header Authorization: Bearer TOKEN");
    case "forbidden":
      throw new RequestError(403, "forbidden", `the token is not good for this: it needs the scope ${scopesText(needed.scopes)}`);
    case "none-configured":
      throw new RequestError(
        403,
        "no-tokens",
        `this needs a token of the scope ${scopesText(needed.scopes)}, and the endpoint was started without any: start it with MILLRACE_TOKENS="operate:TOKEN" (run(): http.tokens)`,
      );
  }
}

const scopesText = (scopes: readonly string[] | "open"): string => [scopes].flat().join(" or ");

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
