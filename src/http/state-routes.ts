/** The routes that show the state of keys. They read the store from outside, on a connection that is opened when first asked. */
import type { FastifyInstance } from "fastify";
import type { Clock } from "../clock.ts";
import { type ExplainView, explanationOf } from "../inspect/explain-view.ts";
import { computationOf, headOf, limitOf, queryOf } from "../inspect/inspection.ts";
import { Outside } from "../inspect/outside.ts";
import { RequestError } from "../inspect/request-error.ts";
import { keysOf, stateOf } from "../inspect/state-views.ts";
import type { KeysView, StateView } from "../inspect/state-views.ts";
import type { ReadableStore } from "../store/reader.ts";
import type { Worker } from "../worker/worker.ts";
import { described, parametersOf, READING, type RouteAbout } from "./described-route.ts";

const COMPUTATION = { about: "The computation." };
const KEYS: RouteAbout = {
  ...READING,
  about: "The keys of a computation that have state, page by page.",
  path: { computation: COMPUTATION },
  query: {
    limit: { about: "How many, 1 to 1,000. Default: 100.", type: "integer" },
    cursor: { about: "`next` of the page before. Default: the first page." },
  },
  answer: "KeysView",
  statuses: { 404: "There is no such computation." },
};
const STATE: RouteAbout = {
  ...READING,
  about: "All cells of a key as JSON, as of one commit.",
  path: { computation: COMPUTATION, key: { about: "The key, percent-encoded." } },
  answer: "StateView",
  statuses: { 404: "Nothing is stored of that key, or there is no such computation." },
};

const EXPLAIN: RouteAbout = {
  ...READING,
  about: "The last calls of a key: what came in, the state before and after, productions, timers. Of computations with the option `explain`.",
  path: { computation: COMPUTATION, key: { about: "The key, percent-encoded." } },
  answer: "ExplainView",
  statuses: { 404: "The computation keeps none, or there is no such computation." },
};

export interface StateRouteOptions {
  readonly worker: Worker;
  readonly clock: Clock;
  readonly readable: ReadableStore | undefined;
}

/** What it gives is closed with the server. */
export function addStateRoutes(server: FastifyInstance, { worker, clock, readable }: StateRouteOptions): { close(): Promise<void> } {
  const outside = new Outside(readable, worker.engine.options.plan.graph.pipeline, clock);
  server.get<{ Params: { computation: string } }>("/v1/computations/:computation/state", described(KEYS), async ({ params, query }): Promise<KeysView> => {
    const planned = computationOf(worker, params.computation);
    const asked = queryOf(query, parametersOf(KEYS));
    const page = await keysOf(await outside.reader(), planned, { cursor: asked.get("cursor"), limit: limitOf(asked) });
    return { ...headOf(worker, clock), computation: planned.name, ...page };
  });
  server.get<{ Params: { computation: string; key: string } }>(
    "/v1/computations/:computation/state/:key",
    described(STATE),
    async ({ params: { computation, key }, query }): Promise<StateView> => {
      const planned = computationOf(worker, computation);
      queryOf(query, []);
      const found = await stateOf(await outside.reader(), planned, key);
      if (found === undefined) throw new RequestError(404, "not-found", `nothing is stored of key ${JSON.stringify(key)} of ${planned.name}`);
      return { ...headOf(worker, clock), computation: planned.name, key, ...found };
    },
  );
  server.get<{ Params: { computation: string; key: string } }>(
    "/v1/computations/:computation/explain/:key",
    described(EXPLAIN),
    async ({ params: { computation, key }, query }): Promise<ExplainView> => {
      const planned = computationOf(worker, computation);
      queryOf(query, []);
      return { ...headOf(worker, clock), computation: planned.name, key, ...(await explanationOf(await outside.reader(), planned, key)) };
    },
  );
  return outside;
}
