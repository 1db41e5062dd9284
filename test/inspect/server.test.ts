import { once } from "node:events";
import { createServer, request, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { ConfigError } from "../../src/errors.ts";
import { EndpointError, endpoint } from "../../src/inspect/endpoint.ts";
import { run, workerOf } from "../../src/run.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { exponential } from "../../src/computation/backoff.ts";
import { Feed } from "./feed.ts";
import { GatedStore } from "./gated-store.ts";
import { counts, Counter, type During, type Inspected, inspected, items, kept, onePipeline } from "./pipelines.ts";

const POLL = { interval: 5, timeout: 10_000 };

function listing(feed: Feed, during: During = () => {}) {
  return onePipeline()
    .inject("feed", items, feed.injector())
    .compute("counter", () => new Counter(during), { attempts: 2, backoff: exponential(1, 1) })
    .sink("list", counts, kept([]));
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: any;
}

/** A request as it is on the wire: with any method and any Host. */
async function ask(
  inspection: Inspected,
  path: string,
  options: { readonly method?: string; readonly headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { hostname, port } = new URL(inspection.running.url ?? "");
  const sent = request({ hostname, port, path, agent: false, ...options });
  sent.end();
  const [response] = await once(sent, "response");
  let text = "";
  for await (const chunk of response) text += String(chunk);
  const isJson = text !== "" && String(response.headers["content-type"]).startsWith("application/json");
  return { status: response.statusCode, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
}

test("it listens on the loopback address alone", async () => {
  const inspection = await inspected(listing(new Feed()));
  expect(inspection.running.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
});

test("it answers by the names of this host only", async () => {
  const inspection = await inspected(listing(new Feed()));
  const statusOf = async (host: string) => (await ask(inspection, "/healthz", { headers: { host } })).status;
  for (const host of ["localhost", "LOCALHOST:80", "127.0.0.1:1234", "[::1]", "[::1]:99"]) expect([host, await statusOf(host)]).toEqual([host, 200]);
  for (const host of [
    "attacker.example",
    "localhost.attacker.example",
    "127.0.0.1.attacker.example:80",
    "localhost:80:80",
    "192.168.0.1",
    "[::2]",
    "@localhost",
  ]) {
    expect([host, await statusOf(host)]).toEqual([host, 403]);
  }
  expect((await ask(inspection, "/v1/watermarks", { headers: { host: "attacker.example" } })).json).toEqual({
    error: { code: "forbidden-host", message: "this endpoint answers only to localhost, 127.0.0.1, [::1]" },
  });
});

test("it lets no other page read it and nothing keep it", async () => {
  const inspection = await inspected(listing(new Feed()));
  const { headers } = await ask(inspection, "/v1/watermarks", { headers: { origin: "http://attacker.example" } });
  expect(Object.keys(headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  expect(headers["cache-control"]).toBe("no-store");
  expect(headers["x-content-type-options"]).toBe("nosniff");
});

test("every method but GET is refused", async () => {
  const inspection = await inspected(listing(new Feed()));
  for (const method of ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const { status, headers } = await ask(inspection, "/v1/watermarks", { method });
    expect([method, status, headers.allow]).toEqual([method, 405, "GET"]);
  }
});

test("an unknown route is told the routes, and errors are JSON with a code", async () => {
  const inspection = await inspected(listing(new Feed()));
  const { status, json } = await ask(inspection, "/v2");
  expect(status).toBe(404);
  expect(json.error.code).toBe("not-found");
  expect(json.error.routes).toContain("/v1/watermarks/:participant");
  expect((await ask(inspection, "/%zz")).json.error.code).toBe("bad-request");
});

test("names from a URL are names of participants and nothing else", async () => {
  const inspection = await inspected(listing(new Feed()));
  for (const name of ["__proto__", "constructor", "toString", "0", "nobody", "a%2Fb"])
    expect([name, (await ask(inspection, `/v1/watermarks/${name}`)).status]).toEqual([name, 404]);
  expect((await ask(inspection, "/v1/watermarks/nobody")).json.error.message).toContain("feed, counter, list");
});

test("the keys that most records had are shown with their shares, and never in a metric", async () => {
  const feed = new Feed();
  const inspection = await inspected(listing(feed));
  for (const key of ["a", "b", "a", "a"]) feed.push(key, 5);
  await expect.poll(async () => (await inspection.endpoint.hotKeys()).computations[0]?.records, { interval: 5, timeout: 10_000 }).toBe(4);
  const { computations } = await inspection.endpoint.hotKeys({ computation: "counter", limit: 1 });
  expect(computations).toEqual([{ computation: "counter", records: 4, keys: [{ key: "a", share: 0.75, records: 3, atLeast: 3 }] }]);
  const metrics = await (await fetch(`${inspection.running.url}/metrics`)).text();
  expect(metrics).toContain('millrace_hottest_key_ratio{participant="counter",kind="computation"} 0.75');
});

test("a parameter that cannot be meant is refused", async () => {
  const inspection = await inspected(listing(new Feed()));
  for (const path of [
    "/v1/timers?limit=0",
    "/v1/timers?limit=1001",
    "/v1/timers?limit=1e2",
    "/v1/timers?clock=sun",
    "/v1/timers?key=a",
    "/v1/hot-keys?limit=0",
    "/v1/hot-keys?participant=counter",
    "/v1/shards?participant=feed&participant=list",
  ]) {
    expect([path, (await ask(inspection, path)).status]).toEqual([path, 400]);
  }
  expect((await ask(inspection, "/v1/shards?participant=nobody")).status).toBe(404);
});

test("a port in use is a ConfigError that says what to do, and leaves nothing running", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const memory = new MemoryStore();
  const failed = run(listing(new Feed()), { store: memory, http: { port } });
  await expect(failed).rejects.toThrow(ConfigError);
  await expect(failed).rejects.toThrow(`port ${port} of 127.0.0.1 is in use: give another port, or 0`);
  for (const wrong of [-1, 65_536, 1.5, Number.NaN])
    await expect(run(listing(new Feed()), { store: memory, http: { port: wrong } })).rejects.toThrow(ConfigError);
});

test("watermarks say how far they are behind the clock and behind their inputs", async () => {
  const feed = new Feed();
  const inspection = await inspected(
    listing(feed, (record, context) => {
      context.hold(record.timestamp);
    }),
  );
  feed.push("a", 1_000);
  feed.promise(5_000);
  await expect
    .poll(async () => (await inspection.endpoint.watermarks()).participants.map(({ name, input, output, lag }) => [name, input, output, lag.inputs]), POLL)
    .toEqual([
      ["feed", 5_000, 5_000, null],
      ["counter", 5_000, 1_000, 4_000],
      ["list", 1_000, 1_000, 0],
    ]);
  const { now, participants } = await inspection.endpoint.watermarks();
  expect(participants.map(({ lag }) => lag.clock)).toEqual([now - 5_000, now - 1_000, now - 1_000]);
  expect(participants.map(({ status, outputIso }) => [status, outputIso])).toEqual([
    ["live", "1970-01-01T00:00:05.000Z"],
    ["live", "1970-01-01T00:00:01.000Z"],
    ["live", "1970-01-01T00:00:01.000Z"],
  ]);
});

test("a participant's shards are shown one by one", async () => {
  const feed = new Feed();
  const memory = new MemoryStore({ exclusive: false });
  const first = await inspected(listing(feed), memory);
  feed.push("a", 100);
  feed.promise(300);
  await expect
    .poll(async () => (await first.endpoint.watermarksOf("counter")).shards, POLL)
    .toMatchObject([
      {
        shard: 0,
        owner: workerOf(first.running).name,
        input: 300,
        output: 300,
        queued: 0,
        heldBy: { kind: "promise", participant: "feed", path: ["counter", "feed"] },
      },
    ]);
  const second = await inspected(listing(feed), memory);
  const { name } = workerOf(first.running);
  await expect
    .poll(async () => (await second.endpoint.watermarksOf("counter")).shards, POLL)
    .toMatchObject([{ shard: 0, owner: name, output: null, heldBy: { kind: "elsewhere", worker: name } }]);
});

test("the pipeline is shown as its code declares it", async () => {
  const inspection = await inspected(listing(new Feed()));
  expect(await inspection.endpoint.pipeline()).toEqual({
    pipeline: "held",
    worker: workerOf(inspection.running).name,
    store: "memory",
    version: 1,
    shards: 1,
    participants: [
      { name: "feed", kind: "injector", shards: 1, upstream: [], inputs: [], outputs: ["items"], description: "iterable", policy: "by hand" },
      {
        name: "counter",
        kind: "computation",
        shards: 1,
        upstream: ["feed"],
        inputs: [{ name: "items", stream: "items" }],
        outputs: ["counts"],
        state: [{ name: "count", codec: "cbor" }],
        timers: [{ name: "closing", clock: "watermark" }],
        onFailure: "park",
        attempts: 2,
      },
      { name: "list", kind: "sink", shards: 1, upstream: ["counter"], inputs: [{ name: "counts", stream: "counts" }], outputs: [], description: "a list" },
    ],
    streams: [
      { name: "items", codec: "cbor", producers: ["feed"], consumers: ["counter"] },
      { name: "counts", codec: "cbor", producers: ["counter"], consumers: ["list"] },
    ],
  });
});

test("shards, timers and dead letters are shown as they are stored", async () => {
  const feed = new Feed();
  const inspection = await inspected(
    listing(feed, (record, context, counter) => {
      if (record.key === "bad") throw new Error("bad record");
      context.setTimer(counter.closing.for("evening"), 9_000 + record.timestamp);
      context.setTimer(counter.closing.for("noon"), 5_000, { output: 4_000 });
    }),
  );
  feed.push("a", 1);
  feed.push("b", 2);
  feed.push("bad", 3);
  feed.promise(100);
  await expect
    .poll(async () => (await inspection.endpoint.shards({ participant: "counter" })).shards, POLL)
    .toMatchObject([
      {
        participant: "counter",
        shard: 0,
        owner: workerOf(inspection.running).name,
        queued: 0,
        state: 2,
        timers: { watermark: 4, wall: 0 },
        held: 0,
        deadLetters: 1,
        undelivered: 0,
        fileBytes: null,
        counters: { processed: 2, produced: 2, failures: 2, deadLetters: 1 },
      },
    ]);
  expect((await inspection.endpoint.shards()).shards.map(({ participant }) => participant)).toEqual(["feed", "counter", "list"]);
  const { total, timers } = await inspection.endpoint.timers({ limit: 3 });
  expect([total, timers.map(({ key, name, tag, time, holds }) => [key, name, tag, time, holds])]).toEqual([
    4,
    [
      ["a", "closing", "noon", 5_000, 4_000],
      ["b", "closing", "noon", 5_000, 4_000],
      ["a", "closing", "evening", 9_001, 9_001],
    ],
  ]);
  expect(await inspection.endpoint.timers({ computation: "counter", clock: "wall" })).toMatchObject({ total: 0, timers: [] });
  const dead = await inspection.endpoint.deadLetters();
  expect([dead.total, dead.deadLetters.map(({ participant, kind, key, time, reason, attempts }) => [participant, kind, key, time, reason, attempts])]).toEqual([
    1,
    [["counter", "record", "bad", 3, "bad record", 2]],
  ]);
});

test("metrics count what this worker did and show where it stands", async () => {
  const feed = new Feed();
  const memory = new MemoryStore();
  const first = await inspected(listing(feed), memory);
  feed.push("a", 100);
  feed.push("a", 200);
  feed.promise(300);
  await expect
    .poll(async () => (await ask(first, "/metrics")).text, POLL)
    .toContain('millrace_output_watermark_timestamp_seconds{participant="list",kind="sink"} 0.3\n');
  const { text, headers } = await ask(first, "/metrics");
  expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
  const lines = text.split("\n");
  for (const line of [
    'millrace_processed_records_total{participant="feed",kind="injector"} 2',
    'millrace_processed_records_total{participant="counter",kind="computation"} 2',
    'millrace_processed_records_total{participant="list",kind="sink"} 2',
    'millrace_produced_records_total{participant="counter",kind="computation"} 2',
    'millrace_owned_shards{participant="counter",kind="computation"} 1',
    'millrace_status{participant="feed",kind="injector",status="live"} 1',
    'millrace_cached_keys{participant="counter",kind="computation"} 1',
    "millrace_fenced_commits_total 0",
  ]) {
    expect(lines).toContain(line);
  }
  expect(text).toMatch(/^process_resident_memory_bytes \d{6,}$/m);
  expect(lines.filter((line) => line !== "" && !/^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? [\d.e+-]+)$/.test(line))).toEqual([]);
  await first.running.stop();
  const second = await inspected(listing(feed), memory);
  feed.push("a", 400);
  feed.promise(500);
  await expect.poll(async () => (await ask(second, "/metrics")).text, POLL).toContain('millrace_processed_records_total{participant="list",kind="sink"} 1\n');
  expect((await second.endpoint.shards({ participant: "list" })).shards[0]?.counters.processed).toBe(3);
});

test("it is healthy while it lives, and ready once every shard is owned and reports", async () => {
  const store = new GatedStore(new MemoryStore());
  store.shut("recover");
  store.shut("report");
  const inspection = await inspected(listing(new Feed()), store);
  expect((await ask(inspection, "/healthz")).json).toMatchObject({ status: "ok" });
  const early = await ask(inspection, "/readyz");
  expect([early.status, early.json.ready]).toEqual([503, false]);
  expect(early.json.missing).toContain('computation "counter": shard 0 without an owner');
  store.release("recover");
  store.release("report");
  await expect.poll(async () => (await ask(inspection, "/readyz")).status, POLL).toBe(200);
  expect(await inspection.endpoint.readiness()).toEqual({ ready: true, missing: [], warnings: [] });
});

test("a pipeline that has failed is healthy and not ready, and says why", async () => {
  const feed = new Feed();
  const pipeline = onePipeline()
    .inject("feed", items, feed.injector())
    .compute(
      "counter",
      () =>
        new Counter(() => {
          throw new Error("no luck");
        }),
      { attempts: 1, onFailure: "stop" },
    );
  const inspection = await inspected(pipeline);
  feed.push("a", 1);
  await expect(inspection.running.finished).rejects.toThrow("no luck");
  const { status, json } = await ask(inspection, "/readyz");
  expect(status).toBe(503);
  expect(json.missing[0]).toContain("no luck");
  expect((await ask(inspection, "/healthz")).status).toBe(200);
});

test("the client says what is wrong with an address", async () => {
  expect(() => endpoint("7077")).toThrow(EndpointError);
  expect(() => endpoint("redis://127.0.0.1")).toThrow("is not the URL of an endpoint");
  const server = createServer((_request, response) => response.end("<html>"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  await expect(endpoint(`http://127.0.0.1:${port}`).watermarks()).rejects.toThrow("does not answer as a Millrace pipeline does");
  const inspection = await inspected(listing(new Feed()));
  await expect(inspection.endpoint.watermarksOf("no body")).rejects.toThrow("the pipeline has no participant of this name");
});
