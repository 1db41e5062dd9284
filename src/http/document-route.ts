/** `/docs`: the routes of this endpoint as an OpenAPI document, made of what they say of themselves. */
import type { FastifyInstance } from "fastify";
import { type DescribedRoute, described, LOOKING, type Parameter, type RouteAbout } from "./described-route.ts";

/** The version of the routes. */
const VERSION = "1";

export function addDocumentRoute(server: FastifyInstance, routes: readonly DescribedRoute[]): void {
  const about: RouteAbout = { ...LOOKING, about: "This document: the routes, as OpenAPI 3.1.", answer: "application/json" };
  server.get("/docs", described(about), async () => openApiOf(routes));
}

interface OpenApi {
  readonly openapi: "3.1.0";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly components: object;
  readonly paths: Readonly<Record<string, Readonly<Record<string, object>>>>;
}

function openApiOf(routes: readonly DescribedRoute[]): OpenApi {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, path, about } of routes) {
    const template = path.replace(/:(\w+)/g, "{$1}");
    (paths[template] ??= {})[method.toLowerCase()] = operationOf(method, path, about);
  }
  return {
    openapi: "3.1.0",
    info: { title: "Millrace", version: VERSION, description: "One worker of a pipeline. Types named here are those of millrace/inspect." },
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: {
        ErrorView: {
          type: "object",
          required: ["error"],
          properties: { error: { type: "object", required: ["code", "message"], properties: { code: { type: "string" }, message: { type: "string" } } } },
        },
      },
    },
    paths,
  };
}

const WRONG = { "application/json": { schema: { $ref: "#/components/schemas/ErrorView" } } };

function operationOf(
  method: string,
  path: string,
  { about, scopes, secret, path: inPath = {}, query = {}, answer, bodies, statuses = {} }: RouteAbout,
): object {
  const isType = !answer.includes("/");
  const schema = isType ? { type: "object", title: answer } : {};
  const scopesText = scopes === "open" ? "Open to everyone." : `Needs a token of scope ${scopes.join(" or ")}${secret ? "" : ", where any are configured"}.`;
  const refusals = scopes === "open" ? {} : { 401: "No token that is known.", 403: "The token is not good for this." };
  return {
    operationId: `${method.toLowerCase()}${path.replace(/\W+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
    summary: about,
    description: scopesText,
    security: scopes === "open" ? [] : [{ token: scopes }],
    parameters: [
      ...Object.entries(inPath).map(([name, parameter]) => parameterOf(name, "path", parameter)),
      ...Object.entries(query).map(([name, parameter]) => parameterOf(name, "query", parameter)),
    ],
    ...(bodies === undefined ? {} : { requestBody: { required: true, content: Object.fromEntries(bodies.map((type) => [type, {}])) } }),
    responses: {
      200: { description: isType ? answer : "OK", content: { [isType ? "application/json" : answer]: { schema } } },
      ...Object.fromEntries(Object.entries({ ...refusals, ...statuses }).map(([status, text]) => [status, { description: text, content: WRONG }])),
    },
  };
}

function parameterOf(name: string, place: "path" | "query", { about, type = "string", required = place === "path", choices }: Parameter): object {
  return { name, in: place, required, description: about, schema: { type, ...(choices === undefined ? {} : { enum: choices }) } };
}
