/** Who may ask what: the defaults of a server that may be reached by others, each with what happens without it. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { Access, type AccessToken, tokensIn } from "../../src/http/access.ts";
import { INGESTING, LOOKING, OPEN, OPERATING, READING } from "../../src/http/described-route.ts";
import { ConfigError, MemoryStore, run } from "../../src/index.ts";
import { ask, bearer, JSON_TYPE, MASTER, Posting, visiting } from "./posting.ts";

const READER: AccessToken = { token: "reader-reader-reader-reader", scopes: ["read"] };
const SENDER: AccessToken = { token: "sender-sender-sender-sender", scopes: ["ingest"] };
const OPERATOR: AccessToken = { token: "operator-operator-operator", scopes: ["operate"] };
const TOKENS = [MASTER, READER, SENDER, OPERATOR];

const header = ({ token }: AccessToken): string => `Bearer ${token}`;

describe("tokens", () => {
  const access = new Access("http", { port: 0, tokens: TOKENS });

  test("are good for their scopes, and operating includes looking", () => {
    const judged = [READER, SENDER, OPERATOR].map((token) =>
      [OPEN, LOOKING, READING, INGESTING, OPERATING].map((needed) => access.judge(needed, header(token)) === "allowed"),
    );
    expect(judged).toEqual([
      [true, true, true, false, false],
      [true, false, false, true, false],
      [true, true, true, false, true],
    ]);
  });

  test("are known whole or not at all", () => {
    const { token } = READER;
    const wrong = [
      undefined,
      "",
      "Bearer",
      token,
      `Basic ${token}`,
      `Bearer ${token}x`,
      `Bearer ${token.slice(1)}`,
      `Bearer x ${token}`,
      `Bearer ${token.toUpperCase()}`,
    ];
    for (const authorization of wrong) expect([authorization, access.judge(LOOKING, authorization)]).toEqual([authorization, "unknown"]);
    expect(access.judge(LOOKING, `bearer ${token}`)).toBe("allowed");
  });

  test("of which none is configured: what only looks is open, state and what operators do is not", () => {
    const none = new Access("http", { port: 0 });
    expect([OPEN, LOOKING, INGESTING, READING, OPERATING].map((needed) => none.judge(needed, header(READER)))).toEqual([
      "allowed",
      "allowed",
      "allowed",
      "none-configured",
      "none-configured",
    ]);
  });

  test("are compared as digests, all of them, by what takes the same time for every one", () => {
    // A clock would tell it on a quiet machine only.
    const source = readFileSync(new URL("../../src/http/access.ts", import.meta.url), "utf8");
    const comparing = /#scopesOf\(token[\s\S]*?\n  }/.exec(source)?.[0] ?? "";
    expect(comparing).toContain("for (const known of this.#tokens) if (timingSafeEqual(known.digest, digest)) found = known.scopes;");
    expect(comparing).not.toMatch(/break|===/);
  });

  test("too short, of unknown scopes or not a token are refused, and never repeated", () => {
    const wrong: unknown[] = [
      { token: "short", scopes: ["read"] },
      { token: READER.token, scopes: [] },
      { token: READER.token, scopes: ["all"] },
      null,
      "x",
      { token: 7 },
    ];
    for (const token of wrong) expect(() => new Access("http", { port: 0, tokens: [token as AccessToken] })).toThrow(ConfigError);
    expect(() => new Access("http", { port: 0, tokens: [{ token: "secret-and-short", scopes: ["read"] }] })).toThrow(/^(?!.*secret-and-short)/);
    expect(() => new Access("http", { port: 0, tokens: [{ token: "a".repeat(21), scopes: ["read"] }] })).toThrow("22 to 512");
    expect(new Access("http", { port: 0, tokens: [{ token: "a".repeat(22), scopes: ["read"] }] }).host).toBe("127.0.0.1");
  });

  test("are read from text, with comments", () => {
    expect(tokensIn("MILLRACE_TOKENS", `# who may\nread:${READER.token}  operate+ingest:${OPERATOR.token} # both\n`)).toEqual([
      READER,
      { token: OPERATOR.token, scopes: ["operate", "ingest"] },
    ]);
    expect(() => tokensIn("MILLRACE_TOKENS", READER.token)).toThrow("MILLRACE_TOKENS: entry 1 (SCOPE:TOKEN");
    expect(tokensIn("MILLRACE_TOKENS", "")).toEqual([]);
  });
});

describe("an address that others can reach", () => {
  test.each(["0.0.0.0", "::", "192.0.2.1", "example.com"])("%s needs tokens, and is refused before anything has begun", async (host) => {
    const failed = run(visiting([]), { store: new MemoryStore(), http: { port: 0, host } });
    await expect(failed).rejects.toThrow(ConfigError);
    await expect(failed).rejects.toThrow(`${host} can be reached from other machines, so whoever asks needs a token`);
  });

  test.each(["127.0.0.1", "127.0.0.2", "localhost", "::1"])("%s is none", (host) => {
    expect(new Access("http", { port: 0, host }).host).toBe(host);
  });

  test("with tokens is asked by its address, and by no name that it was not given", () => {
    const access = new Access("http", { port: 0, host: "0.0.0.0", tokens: TOKENS, names: ["Millrace.example.com"] });
    const names = ["192.0.2.7", "[2001:db8::1]", "localhost", "millrace.example.com"];
    expect(names.map((name) => access.answersTo(name))).toEqual([true, true, true, true]);
    expect(["attacker.example", "192.0.2.7.attacker.example", "", "2130706433x"].map((name) => access.answersTo(name))).toEqual([false, false, false, false]);
    expect(new Access("http", { port: 0 }).answersTo("192.0.2.7")).toBe(false);
  });

  test("with tokens listens there, and tells this machine's own address", async () => {
    const running = await run(visiting([]), { store: new MemoryStore(), http: { port: 0, host: "0.0.0.0", tokens: TOKENS }, log: () => {} });
    onTestFinished(async () => running.stop());
    const url = new URL(running.url ?? "");
    expect(url.hostname).toBe("127.0.0.1");
    expect((await ask(url, "GET", "/v1/watermarks", undefined, {})).status).toBe(401);
    expect((await ask(url, "GET", "/v1/watermarks", undefined, bearer(READER.token))).status).toBe(200);
    expect((await ask(url, "GET", "/healthz", undefined, {})).json).toMatchObject({ status: "ok" });
    const { status, json } = await ask(url, "GET", "/readyz", undefined, {});
    expect([200, 503]).toContain(status);
    expect(json.missing).toEqual([]);
  });

  test.each([
    [{ port: 0, host: "no such host" }, "host is an address"],
    [{ port: 0, names: ["a:80"] }, "names are names of hosts"],
    [{ port: 0, token: "x" }, 'there is no option "token"'],
    [{ port: 70_000 }, "port is an integer"],
  ])("%o is refused", async (http, message) => {
    await expect(run(visiting([]), { store: new MemoryStore(), http: http as { port: number } })).rejects.toThrow(message);
  });
});

describe("with tokens", () => {
  const start = () => Posting.start(visiting([]), new MemoryStore(), TOKENS);
  const statusOf = async ({ url }: Posting, method: string, path: string, token?: AccessToken, headers = {}) =>
    (await ask(url, method, path, undefined, { ...bearer(token?.token), ...headers })).status;

  test("every route but the health of the worker needs one", async () => {
    const posting = await start();
    const { paths } = (await posting.get("/docs")).json as { paths: Record<string, Record<string, unknown>> };
    for (const [template, methods] of Object.entries(paths)) {
      for (const method of Object.keys(methods)) {
        const path = template.replace(/\{\w+\}/g, "x");
        const open = path === "/healthz" || path === "/readyz";
        expect([method, path, await statusOf(posting, method.toUpperCase(), path)]).toEqual([method, path, open ? expect.any(Number) : 401]);
        if (open) expect(await statusOf(posting, method.toUpperCase(), path)).not.toBe(401);
      }
    }
    expect(await statusOf(posting, "GET", "/no-such-route")).toBe(401);
    expect(await statusOf(posting, "GET", "/no-such-route", SENDER)).toBe(404);
  });

  test("one that is not good for a route is 403, and says which scope is", async () => {
    const posting = await start();
    const { status, json } = await ask(posting.url, "POST", "/v1/dead-letters/kept/0.0/retry", undefined, bearer(READER.token));
    expect([status, json.error.code, json.error.message]).toEqual([403, "forbidden", "the token is not good for this: it needs the scope operate"]);
    expect((await ask(posting.url, "POST", "/v1/streams/visits/records", '{"page":"/"}', { ...JSON_TYPE, ...bearer(READER.token) })).status).toBe(403);
    expect((await ask(posting.url, "POST", "/v1/streams/visits/records", '{"page":"/"}', { ...JSON_TYPE, ...bearer(SENDER.token) })).status).toBe(200);
  });

  test("a refusal says how to ask, and never what was given", async () => {
    const posting = await start();
    const { headers, json } = await ask(posting.url, "GET", "/v1/watermarks", undefined, bearer("this-is-not-one-of-the-tokens"));
    expect(headers["www-authenticate"]).toBe('Bearer realm="millrace"');
    expect(JSON.stringify(json)).not.toContain("this-is-not");
  });

  test("a foreign name or origin is refused, whatever the token", async () => {
    const posting = await start();
    expect(await statusOf(posting, "GET", "/v1/watermarks", READER, { host: "attacker.example" })).toBe(403);
    expect(await statusOf(posting, "POST", "/v1/dead-letters/kept/0.0/retry", OPERATOR, { origin: "http://attacker.example" })).toBe(403);
  });
});

test("what shows state or operates is refused where no tokens are, however the URL is written", async () => {
  const posting = await Posting.start(visiting([]));
  const paths: [string, string][] = [
    ["GET", "/v1/computations/kept/state"],
    ["GET", "/v1/computations/kept/%73tate"],
    ["GET", "/v1/computations/kept/state#/"],
    ["GET", "/v1/computations/kept/state/a%2Fb"],
    ["POST", "/v1/dead-letters/kept/0.0/retry"],
    ["POST", "/v1/dead-letters/kept/0.0/%72etry"],
    ["DELETE", "/v1/dead-letters/kept/0.0"],
    ["POST", "/v1/timers/kept/x/fire?time=1"],
    ["DELETE", "/v1/timers/kept/x?time=1"],
  ];
  for (const [method, path] of paths) {
    const { status, json } = await posting.ask(method, path);
    expect([path, status, json.error.code]).toEqual([path, 403, "no-tokens"]);
  }
  expect((await posting.ask("GET", "/v1/computations/kept/state")).json.error.message).toContain('MILLRACE_TOKENS="operate:TOKEN"');
});

test("every answer forbids frames, guessing and keeping, and lets no page read it", async () => {
  const posting = await Posting.start(visiting([]));
  for (const path of ["/healthz", "/v1/watermarks", "/docs", "/no-such-route"]) {
    const { headers } = await ask(posting.url, "GET", path, undefined, { origin: "http://attacker.example" });
    expect([path, headers]).toMatchObject([
      path,
      {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      },
    ]);
    expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  }
});

test("a head of more than 16 KiB is refused", async () => {
  const posting = await Posting.start(visiting([]));
  expect((await ask(posting.url, "GET", "/healthz", undefined, { "x-much": "x".repeat(15_000) })).status).toBe(200);
  const socket = connect(Number(posting.url.port), "127.0.0.1");
  socket.write(`GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-much: ${"x".repeat(17_000)}\r\n\r\n`);
  const [answer] = await once(socket, "data");
  expect(String(answer)).toContain("431");
  socket.destroy();
});
