/** What the route takes, refuses and answers. */
import { expect, test } from "vitest";
import { cbor, ConfigError, fromHttp, MemoryStore, Pipeline, run, type Schema, stream, type StreamRecord } from "../../src/index.ts";
import { endpoint } from "../../src/inspect/index.ts";
import { HTTP_BODY_BYTES, HTTP_BODY_RECORDS } from "../../src/limits.ts";
import { ask, JSON_TYPE, NDJSON_TYPE, POLL, Posting, type Visit, visiting } from "./posting.ts";

const line = (page: string): string => `{"page":"${page}"}\n`;
const pages = (carried: readonly StreamRecord<Visit>[]): string[] => carried.map(({ value }) => value.page);

test("a JSON value is one record, answered once it is committed, with its id and its time of arrival", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried));
  const before = Date.now();
  const { status, json } = await posting.post('{"page":"a"}', JSON_TYPE);
  expect([status, json]).toEqual([
    200,
    {
      stream: "visits",
      level: "committed",
      records: 1,
      duplicates: 0,
      results: [{ id: expect.stringMatching(/^[\w-]{21}$/), duplicate: false, timestamp: expect.any(Number), timestampIso: expect.stringMatching(/Z$/) }],
    },
  ]);
  // The store's clock, as it was last told.
  expect(Math.abs(json.results[0].timestamp - before)).toBeLessThan(5_000);
  await expect.poll(() => carried.map(({ id, timestamp }) => [id, timestamp]), POLL).toEqual([[json.results[0].id, json.results[0].timestamp]]);
});

test("a JSON array is many records, and so are the lines of NDJSON; white space alone is none", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried));
  expect((await posting.post('[{"page":"a"},{"page":"b"}]', JSON_TYPE)).json).toMatchObject({ records: 2, duplicates: 0 });
  expect((await posting.post(`\ufeff${line("c")}\r\n \t\n${line("d")}{"page":"e"}`, NDJSON_TYPE)).json).toMatchObject({ records: 3, duplicates: 0 });
  expect((await posting.post("[]", JSON_TYPE)).json).toMatchObject({ records: 0, results: [] });
  expect((await posting.post("", NDJSON_TYPE)).json).toMatchObject({ records: 0, results: [] });
  await expect.poll(() => pages(carried), POLL).toEqual(["a", "b", "c", "d", "e"]);
});

test("the same key twice is one record, and the answer says so", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried));
  const keyed = { ...JSON_TYPE, "idempotency-key": "k" };
  expect((await posting.post('{"page":"a"}', keyed)).json).toMatchObject({ records: 1, duplicates: 0, results: [{ id: "k", duplicate: false }] });
  // As a structured header has it.
  const again = await posting.post('{"page":"a"}', { ...JSON_TYPE, "idempotency-key": '"k"' });
  expect([again.status, again.json]).toMatchObject([200, { records: 1, duplicates: 1, results: [{ id: "k", duplicate: true, timestamp: null }] }]);
  await posting.post('{"page":"b"}', JSON_TYPE);
  await expect.poll(() => pages(carried), POLL).toEqual(["a", "b"]);
});

test("with many records the key names each by its place, however they are sent", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried));
  const key = { "idempotency-key": "k" };
  await posting.post('[{"page":"a"},{"page":"b"}]', { ...JSON_TYPE, ...key });
  const { json } = await posting.post(line("a") + line("b") + line("c"), { ...NDJSON_TYPE, ...key });
  expect(json).toMatchObject({ records: 3, duplicates: 2 });
  expect(json.results.map(({ id, duplicate }: { id: string; duplicate: boolean }) => [id, duplicate])).toEqual([
    ["k/0", true],
    ["k/1", true],
    ["k/2", false],
  ]);
  await expect.poll(() => carried.map(({ id }) => id), POLL).toEqual(["k/0", "k/1", "k/2"]);
});

test("twice in one request, or in two at once, is one record too", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried, { options: { id: ({ page }) => page } }));
  const answers = await Promise.all(Array.from({ length: 8 }, () => posting.post('[{"page":"a"},{"page":"b"},{"page":"a"}]', JSON_TYPE)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  expect(answers.reduce((sum, { json }) => sum + json.records - json.duplicates, 0)).toBe(2);
  await expect.poll(() => pages(carried), POLL).toEqual(["a", "b"]);
});

test("a field of the value goes before the key as id, and as timestamp before the time of arrival", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried, { options: { id: ({ page }) => page, timestamp: ({ at }) => at ?? -1 } }));
  const at = Date.now() - 1_000;
  const { json } = await posting.post(`{"page":"a","at":${at}}`, { ...JSON_TYPE, "idempotency-key": "k" });
  expect(json.results).toMatchObject([{ id: "a", timestamp: at }]);
});

const event = (more: object = {}) => ({ specversion: "1.0", id: "7", source: "/shop", type: "visit", data: { page: "a" }, ...more });

test("CloudEvents bring value, identity and time: structured, as a batch, and with attributes as headers", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried));
  const time = new Date(Date.now() - 2_000);
  const structured = { "content-type": "application/cloudevents+json; charset=UTF-8" };
  const first = await posting.post(JSON.stringify(event({ time: time.toISOString() })), structured);
  expect(first.json.results).toMatchObject([{ id: "/shop 7", duplicate: false, timestamp: time.getTime() }]);
  const batch = [event(), event({ source: "/other", data: { page: "b" } })];
  const second = await posting.post(JSON.stringify(batch), { "content-type": "application/cloudevents-batch+json" });
  expect(second.json.results).toMatchObject([
    { id: "/shop 7", duplicate: true },
    { id: "/other 7", duplicate: false },
  ]);
  const headers = { "ce-specversion": "1.0", "ce-id": "caf%C3%A9", "ce-source": "/shop", "ce-type": "visit", "ce-subject": "x" };
  const third = await posting.post('{"page":"c"}', { ...JSON_TYPE, ...headers });
  expect(third.json.results).toMatchObject([{ id: "/shop café", duplicate: false }]);
  await expect.poll(() => pages(carried), POLL).toEqual(["a", "b", "c"]);
});

test.each([
  [event({ specversion: "0.3" }), /specversion is "0\.3"; only 1\.0/],
  [event({ id: "" }), /id is ""/],
  [event({ source: undefined }), /source is missing/],
  [event({ source: "a b" }), /white space/],
  [event({ type: 5 }), /type is number/],
  [event({ time: "yesterday" }), /time is "yesterday"/],
  [event({ time: "2026-02-30T25:00:00Z" }), /time is/],
  [event({ data: undefined }), /has no data/],
  [event({ data_base64: "AA==" }), /binary/],
  [event({ datacontenttype: "text/xml" }), /not JSON/],
  ["text", /JSON object/],
])("what is no CloudEvent that can be a record is refused (%#)", async (given, reason) => {
  const posting = await Posting.start(visiting([]));
  const { status, json } = await posting.post(JSON.stringify(given), { "content-type": "application/cloudevents+json" });
  expect([status, json.index, json.error.code]).toEqual([422, 0, "refused"]);
  expect(json.reason).toMatch(reason);
});

const positive: Schema<Visit> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof (value as Partial<Visit> | null)?.page === "string" ? { value } : { issues: [{ message: "a page is a string", path: ["page"] }] },
  },
};

test("of a body that is read whole nothing is taken where one record is refused, and every refused one is told with its reason", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried, { schema: positive, options: { timestamp: ({ at }) => at ?? 0 } }));
  const ahead = Date.now() + 7_200_000;
  const { status, json } = await posting.post(`[{"page":"a"},{"page":5},{"page":"b","at":1.5},{"page":"c","at":${ahead}}]`, JSON_TYPE);
  expect([status, json.index, json.records, json.refused.map(({ index }: { index: number }) => index)]).toEqual([422, 1, 0, [1, 2, 3]]);
  expect(json.reason).toContain("page: a page is a string");
  expect(json.refused[1].reason).toContain("not an integer");
  expect(json.refused[2].reason).toContain("maxAhead");
  expect((await posting.get("/v1/dead-letters")).json.total).toBe(0);
  expect((await posting.post(`{"page":"d","at":${Date.now()}}`, JSON_TYPE)).status).toBe(200);
  await expect.poll(() => pages(carried), POLL).toEqual(["d"]);
});

test("the first bad line ends NDJSON: those before it are taken, and the answer says how many", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried, { schema: positive }));
  const key = { ...NDJSON_TYPE, "idempotency-key": "k" };
  const bad = await posting.post(`${line("a")}\n${line("b")}nonsense\n${line("c")}`, key);
  expect([bad.status, bad.json]).toMatchObject([422, { index: 2, records: 2, duplicates: 0, unknown: 0 }]);
  expect(bad.json.reason).toContain("it is not JSON");
  const refused = await posting.post(`${line("a")}{"page":1}\n`, key);
  expect([refused.status, refused.json]).toMatchObject([422, { index: 1, records: 1, duplicates: 1 }]);
  const corrected = await posting.post(line("a") + line("b") + line("c"), key);
  expect([corrected.status, corrected.json]).toMatchObject([200, { records: 3, duplicates: 2 }]);
  await expect.poll(() => pages(carried), POLL).toEqual(["a", "b", "c"]);
});

test.each([
  ["", /empty/],
  ["{", /not JSON/],
  [new Uint8Array([0x22, 0xff, 0x22]), /not UTF-8/],
  [`${"[".repeat(200_000)}1${"]".repeat(200_000)}`, /encode/],
])("a body that holds no value that can be stored is refused with its place (%#)", async (body, reason) => {
  const posting = await Posting.start(visiting([]));
  const { status, json } = await posting.post(body, JSON_TYPE);
  expect([status, json.index]).toEqual([422, 0]);
  expect(json.reason).toMatch(reason);
});

test("an id that cannot be stored is refused, by the value as by the header", async () => {
  const posting = await Posting.start(visiting([], { options: { id: ({ page }) => page } }));
  for (const page of ["", "\\ud800", "a".repeat(257)]) {
    const { status, json } = await posting.post(`{"page":"${page}"}`, JSON_TYPE);
    expect([page.length, status, json.index]).toEqual([page.length, 422, 0]);
  }
  const other = await Posting.start(visiting([]));
  expect((await other.post("{}", { ...JSON_TYPE, "idempotency-key": "a".repeat(257) })).status).toBe(422);
  for (const key of ["", '""', "caf\u00e9"]) expect([key, (await other.post("{}", { ...JSON_TYPE, "idempotency-key": key })).status]).toEqual([key, 400]);
});

test("a record older than ids are remembered is refused by the pipeline: 422, in dead letters, and the others are taken", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried, { options: { timestamp: ({ at }) => at ?? 0, idRetention: 60_000 } }));
  const now = Date.now();
  await expect.poll(async () => (await posting.get("/v1/watermarks/arrivals")).json.output, POLL).toBeGreaterThan(now - 10_000);
  const { status, json } = await posting.post(`[{"page":"a","at":${now}},{"page":"b","at":${now - 120_000}}]`, JSON_TYPE);
  expect([status, json]).toMatchObject([422, { index: 1, records: 1, unknown: 0, refused: [{ index: 1 }] }]);
  expect(json.reason).toContain("its id may have been forgotten");
  expect((await posting.get("/v1/dead-letters")).json.total).toBe(1);
  await expect.poll(() => pages(carried), POLL).toEqual(["a"]);
});

test("bounds: one byte and one record more than may be are 413", async () => {
  const posting = await Posting.start(visiting([]));
  const text = (bytes: number): string => `"${"x".repeat(bytes - 2)}"`;
  // The value's own bound is met before the body's: the codec adds some bytes.
  const exact = await posting.post(text(HTTP_BODY_BYTES - 5), JSON_TYPE);
  expect(exact.status).toBe(200);
  expect((await posting.post(text(HTTP_BODY_BYTES), JSON_TYPE)).status).toBe(422);
  expect((await posting.post(text(HTTP_BODY_BYTES + 1), JSON_TYPE)).json.error.code).toBe("too-large");
  async function* chunked() {
    yield text(HTTP_BODY_BYTES + 1);
  }
  expect((await posting.post(chunked(), JSON_TYPE)).status).toBe(413);
  const longLine = await posting.post(`${line("a")}${text(HTTP_BODY_BYTES + 1)}\n${line("b")}`, NDJSON_TYPE);
  expect([longLine.status, longLine.json]).toMatchObject([413, { index: 1, records: 1 }]);
  const many = (count: number) => `[${Array.from({ length: count }, () => "1").join()}]`;
  const most = await posting.post(many(HTTP_BODY_RECORDS), JSON_TYPE);
  expect([most.status, most.json.records, most.json.results]).toEqual([200, HTTP_BODY_RECORDS, undefined]);
  expect((await posting.post(many(HTTP_BODY_RECORDS + 1), JSON_TYPE)).status).toBe(413);
});

test("a value nested so deep that it cannot be stored is refused with its reason, and what comes after it is taken", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried));
  const nested = (depth: number): string => `{"page":"deep","more":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  for (const depth of [10_000, 200_000]) {
    const { status, json } = await posting.post(nested(depth), JSON_TYPE);
    expect({ answered: [200, 400, 422].includes(status), json }).toMatchObject({ answered: true });
    if (depth === 200_000) expect([400, 422]).toContain(status);
  }
  expect((await posting.post(line("after"), NDJSON_TYPE)).status).toBe(200);
  await expect.poll(() => pages(carried), POLL).toContain("after");
});

test("what is not JSON by its type is 415 with the types that are: no page can post it unasked", async () => {
  const posting = await Posting.start(visiting([]));
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "///", "application/json; charset=latin1"]) {
    const { status, json } = await posting.post("{}", type === "" ? {} : { "content-type": type });
    expect([type, status, json.error.code]).toEqual([type, 415, "unsupported-media-type"]);
  }
  expect((await posting.post("{}", { ...JSON_TYPE, "content-encoding": "gzip" })).json.error.message).toContain("send it as it is");
  expect((await posting.post("{}", { ...NDJSON_TYPE, "ce-id": "1" })).status).toBe(415);
});

test("a page of another origin may not post, its own may", async () => {
  const posting = await Posting.start(visiting([]));
  for (const origin of ["http://attacker.example", "null", `http://localhost:1`]) {
    const { status, json } = await posting.post("{}", { ...JSON_TYPE, origin });
    expect([origin, status, json.error.code]).toEqual([origin, 403, "forbidden-origin"]);
  }
  const own = await posting.post("{}", { ...JSON_TYPE, origin: posting.url.origin });
  expect(own.status).toBe(200);
  expect(Object.keys(own.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
});

test("only POST, only streams that take records, only parameters that are known", async () => {
  const posting = await Posting.start(visiting([]));
  const got = await posting.get("/v1/streams/visits/records");
  expect([got.status, got.headers.allow]).toEqual([405, "POST"]);
  for (const name of ["nobody", "__proto__", "constructor", "%2e%2e"]) {
    const { status, json } = await posting.post("{}", JSON_TYPE, "", name);
    expect([name, status]).toEqual([name, 404]);
    expect(json.error.message).toContain("these do: visits");
  }
  for (const query of ["?level=sure", "?levle=committed", "?level=committed&level=fsynced"])
    expect([query, (await posting.post("{}", JSON_TYPE, query)).status]).toEqual([query, 400]);
});

test("a body where none is read ends the connection after the answer, so that it cannot be sent for ever", async () => {
  const posting = await Posting.start(visiting([]));
  const kept = { connection: "keep-alive" };
  expect((await ask(posting.url, "GET", "/healthz", undefined, kept)).headers.connection).toBe("keep-alive");
  const { status, headers } = await ask(posting.url, "GET", "/healthz", "{}", { ...kept, "content-length": "2" });
  expect([status, headers.connection]).toEqual([200, "close"]);
});

test("the streams that take records are listed, and records are counted by what became of them", async () => {
  const posting = await Posting.start(visiting([]));
  expect(await endpoint(posting.url.href).streams()).toMatchObject({
    pipeline: "visiting",
    streams: [{ stream: "visits", injector: "arrivals", open: true, reason: null, waiting: 0 }],
  });
  await posting.post("[1,2]", { ...JSON_TYPE, "idempotency-key": "k" });
  await posting.post("[1,2,3]", { ...JSON_TYPE, "idempotency-key": "k" });
  await posting.post("{", JSON_TYPE);
  const response = await fetch(new URL("/metrics", posting.url));
  const samples = (await response.text()).split("\n").filter((text) => text.startsWith("millrace_http_records_total"));
  expect(samples).toEqual([
    'millrace_http_records_total{stream="visits",outcome="accepted"} 3',
    'millrace_http_records_total{stream="visits",outcome="duplicate"} 2',
    'millrace_http_records_total{stream="visits",outcome="refused"} 1',
  ]);
});

test("without an endpoint, or with two injectors of one stream, the pipeline does not start", async () => {
  await expect(run(visiting([]), { store: new MemoryStore() })).rejects.toThrow(ConfigError);
  await expect(run(visiting([]), { store: new MemoryStore(), http: false })).rejects.toThrow("give a port, as in http: { port: 7077 }");
  const numbers = stream<number>("numbers", { codec: cbor<number>() });
  const doubled = new Pipeline("doubled").inject("a", numbers, fromHttp()).inject("b", numbers, fromHttp());
  const started = run(doubled, { store: new MemoryStore(), http: { port: 0 } });
  await expect(started).rejects.toThrow('stream "numbers" has two injectors of fromHttp');
});
