/**
 * The route of `millrace tail`: samples of a stream as server-sent events. A client that reads slowly misses samples and makes
 * nothing wait; one that takes none for STUCK ms is cut off; at most HTTP_WATCHERS watch at once.
 */
import type { ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import type { Clock } from "../clock.ts";
import { queryOf } from "../inspect/inspection.ts";
import { RequestError } from "../inspect/request-error.ts";
import { Tail } from "../inspect/tail.ts";
import { HTTP_WATCHERS } from "../limits.ts";
import type { PipelineStore } from "../store/store.ts";
import type { PlannedStream } from "../worker/plan.ts";
import type { Worker } from "../worker/worker.ts";
import { described, parametersOf, READING, type RouteAbout } from "./described-route.ts";

const RATE = 20;
const MOST = 1_000;
/** ms; as of the events of watermarks. */
const QUIET = 5_000;
const STUCK = 30_000;

const TAIL: RouteAbout = {
  ...READING,
  about: "A sample of what a stream carries, as this worker commits it, as server-sent events: `sample`, each a TailView.",
  path: { stream: { about: "The stream." } },
  query: { rate: { about: `Records a second that are shown at most, 1 to ${MOST}. Default: ${RATE}.`, type: "integer" } },
  answer: "text/event-stream",
  statuses: { 404: "There is no such stream.", 503: "As many clients watch as may." },
};

export function addTailRoutes(server: FastifyInstance, { worker, store, clock }: { worker: Worker; store: PipelineStore; clock: Clock }): void {
  const tail = new Tail(store, clock);
  const watchers = new Set<ServerResponse>();
  server.get<{ Params: { stream: string } }>("/v1/streams/:stream/tail", described(TAIL), async ({ params, query }, reply): Promise<void> => {
    const stream = streamOf(worker, params.stream);
    const rate = rateOf(queryOf(query, parametersOf(TAIL)).get("rate"));
    if (watchers.size >= HTTP_WATCHERS) throw new RequestError(503, "too-many", `${HTTP_WATCHERS} clients watch streams already: try again later`);
    const sent = Object.fromEntries(Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]));
    reply.hijack();
    reply.raw.writeHead(200, { ...sent, "content-type": "text/event-stream", connection: "close" });
    watch(reply.raw, tail, stream, { rate, clock, watchers });
  });
}

function watch(
  response: ServerResponse,
  tail: Tail,
  stream: PlannedStream,
  { rate, clock, watchers }: { readonly rate: number; readonly clock: Clock; readonly watchers: Set<ServerResponse> },
): void {
  watchers.add(response);
  let written = clock.now();
  const stop = tail.watch(stream, rate, (view) => {
    const now = clock.now();
    if (response.writableNeedDrain) {
      if (now - written > STUCK) response.destroy();
      return;
    }
    if (view.seen === 0 && now - written < QUIET) return;
    response.write(view.seen === 0 ? ": nothing\n\n" : `event: sample\ndata: ${JSON.stringify(view)}\n\n`);
    written = now;
  });
  response.write(": watching\n\n");
  response.once("close", () => {
    stop();
    watchers.delete(response);
  });
  response.on("error", () => {});
}

function streamOf({ engine }: Worker, name: string): PlannedStream {
  const all = engine.options.plan.participants.flatMap((each) => (each.kind === "injector" ? [each.output] : each.kind === "computation" ? each.outputs : []));
  const found = all.find((each) => each.name === name);
  if (found !== undefined) return found;
  throw new RequestError(404, "not-found", `no stream of this name; there are ${[...new Set(all.map((each) => each.name))].join(", ")}`);
}

function rateOf(text: string | undefined): number {
  if (text === undefined) return RATE;
  const rate = Number(text);
  if (!/^\d+$/.test(text) || rate < 1 || rate > MOST) throw new RequestError(400, "bad-request", `rate is an integer from 1 to ${MOST}`);
  return rate;
}
