/**
 * What a route says of itself where it is declared: who may ask it, its parameters, and what it is for. The server's rules
 * and the document at `/docs` are made of this, so that neither can differ from the routes there are. A route that says
 * nothing is closed: it needs a token to look, and `operate` for anything else.
 */
import type { FastifyContextConfig, FastifyInstance } from "fastify";
import type { Needed } from "./access.ts";

export interface Parameter {
  readonly about: string;
  readonly type?: "string" | "integer";
  readonly required?: boolean;
  readonly choices?: readonly string[];
}

export interface RouteAbout extends Needed {
  readonly about: string;
  /** Workers ask it of each other: their secret is as good as a token, for whoever they ask for has shown theirs to them. */
  readonly amongWorkers?: boolean;
  /** Parameters of the path and of the query by their names. */
  readonly path?: Readonly<Record<string, Parameter>>;
  readonly query?: Readonly<Record<string, Parameter>>;
  /** The type of `millrace/inspect` that the answer has, or its media type. */
  readonly answer: string;
  /** Media types of the body; absent: a body is refused. */
  readonly bodies?: readonly string[];
  /** Statuses besides 200, 401 and 403, with what they mean. */
  readonly statuses?: Readonly<Record<number, string>>;
}

declare module "fastify" {
  interface FastifyContextConfig {
    readonly about?: RouteAbout;
  }
}

export interface DescribedRoute {
  readonly method: string;
  /** With its parameters as `:name`. */
  readonly path: string;
  readonly about: RouteAbout;
}

export const OPEN: Needed = { scopes: "open", secret: false };
/** Shows what runs, and no state. */
export const LOOKING: Needed = { scopes: ["read"], secret: false };
/** Shows state. */
export const READING: Needed = { scopes: ["read"], secret: true };
export const INGESTING: Needed = { scopes: ["ingest"], secret: false };
export const OPERATING: Needed = { scopes: ["operate"], secret: true };

const CLOSED_LOOK: RouteAbout = { ...READING, about: "", answer: "application/json" };
const CLOSED: RouteAbout = { ...OPERATING, about: "", answer: "application/json" };

export function aboutOf(method: string, config: FastifyContextConfig | undefined): RouteAbout {
  return config?.about ?? (method === "GET" ? CLOSED_LOOK : CLOSED);
}

/** The second argument of a route's declaration. */
export function described(about: RouteAbout): { readonly config: { readonly about: RouteAbout } } {
  return { config: { about } };
}

/** Names of the parameters that the query of a route may have. */
export const parametersOf = ({ query = {} }: RouteAbout): string[] => Object.keys(query);

/** All routes that are declared on the server after this. */
export function collectRoutes(server: FastifyInstance): readonly DescribedRoute[] {
  const routes: DescribedRoute[] = [];
  server.addHook("onRoute", ({ method, url, config }) => {
    for (const each of [method].flat()) routes.push({ method: each, path: url, about: aboutOf(each, config) });
  });
  return routes;
}

/** The methods that the routes at a URL have; none: there is no such route. */
export class Methods {
  readonly #routes: readonly { readonly pattern: RegExp; readonly route: DescribedRoute }[];

  constructor(routes: readonly DescribedRoute[]) {
    this.#routes = routes.map((route) => ({ pattern: new RegExp(`^${route.path.replaceAll(".", String.raw`\.`).replace(/:\w+/g, "[^/]+")}$`), route }));
  }

  at(url: string): string[] {
    const path = url.split("?", 1)[0] as string;
    return this.#routes.filter(({ pattern }) => pattern.test(path)).map(({ route }) => route.method);
  }
}
