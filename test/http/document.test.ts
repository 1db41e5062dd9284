/** `/docs` is what the routes are, docs/http.md has the same ones, and a route takes the parameters that it is said to take. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Access } from "../../src/http/access.ts";
import { MemoryStore } from "../../src/index.ts";
import { MASTER, Posting, visiting } from "./posting.ts";

interface Operation {
  readonly summary: string;
  readonly operationId: string;
  readonly security: readonly object[];
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly responses: Readonly<Record<string, object>>;
}
type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;

const start = (): Promise<Posting> => Posting.start(visiting([]), new MemoryStore(), [MASTER]);
const operationsOf = (paths: Paths) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
  );

test("the document has every route, with its parameters, and the reference has the same", async () => {
  const { json } = await (await start()).get("/docs");
  expect([json.openapi, json.info.title]).toEqual(["3.1.0", "Millrace"]);
  const operations = operationsOf(json.paths);
  const written = operations.map(({ method, path, parameters }) => {
    const query = parameters.filter((each) => each.in === "query").map(({ name }) => `${name}=`);
    const route = path.replace(/\{(\w+)\}/g, ":$1") + (query.length === 0 ? "" : `?${query.join("&")}`);
    return method === "GET" ? route : `${method} ${route}`;
  });
  const reference = readFileSync(new URL("../../docs/http.md", import.meta.url), "utf8");
  const table = [...reference.matchAll(/^\| `((?:(?:POST|DELETE) )?\/[^`]*)` \|/gm)].map(([, route]) => route);
  expect(new Set(table)).toEqual(new Set(written));
  expect(table).toHaveLength(written.length);
  for (const { path, parameters, summary, responses, security } of operations) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect([path, parameters.filter((each) => each.in === "path").map(({ name }) => name)]).toEqual([path, inPath]);
    expect([path, summary]).toEqual([path, expect.stringMatching(/^[A-Z].*\.$/)]);
    expect(Object.keys(responses)).toContain("200");
    expect([path, security.length]).toEqual([path, path === "/healthz" || path === "/readyz" ? 0 : 1]);
  }
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
});

test("a route takes the parameters of the document and no other", async () => {
  const posting = await start();
  const { json } = await posting.get("/docs");
  for (const { path, method, parameters } of operationsOf(json.paths)) {
    const query = parameters.filter((each) => each.in === "query").map(({ name }) => name);
    if (query.length === 0) continue;
    // Of one that there is, as far as the route asks that first.
    const asked = path
      .replace("{computation}", "kept")
      .replace("{stream}", "visits")
      .replace(/\{\w+\}/g, "x");
    const answer = await posting.ask(method, `${asked}?no-such=1`, path.startsWith("/v1/streams/") ? { "content-type": "application/json" } : {});
    if (answer.status === 404) continue;
    expect([path, answer.status, answer.json.error.message]).toEqual([path, 400, `this route has no parameter "no-such"; it has ${query.join(", ")}`]);
  }
});

test("the scopes of the reference are those that there are", () => {
  const reference = readFileSync(new URL("../../docs/http.md", import.meta.url), "utf8");
  const scopes = [...reference.matchAll(/^\| `(read|ingest|operate|\w+)` \| (?:all|posting|what `read`)/gm)].map(([, scope]) => scope);
  expect(scopes).toEqual(["read", "ingest", "operate"]);
  for (const scope of scopes) expect(() => new Access("http", { port: 0, tokens: [{ token: MASTER.token, scopes: [scope as "read"] }] })).not.toThrow();
});
