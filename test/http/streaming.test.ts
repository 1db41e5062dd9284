/** Bodies that take their time, pipelines that do, and clients that go away. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { type Clock, systemClock } from "../../src/clock.ts";
import { Ingestion } from "../../src/http/ingestion.ts";
import { serve } from "../../src/http/server.ts";
import { ascending, MemoryStore, type StreamRecord } from "../../src/index.ts";
import { HTTP_WAITING_RECORDS } from "../../src/limits.ts";
import { systemRandom } from "../../src/random.ts";
import { workerOf } from "../../src/run.ts";
import { GatedStore } from "../inspect/gated-store.ts";
import { Gate } from "./gate.ts";
import { type Answer, ask, JSON_TYPE, NDJSON_TYPE, POLL, Posting, type Visit, visiting } from "./posting.ts";

/** Lines that are handed in beyond the bound at most. */
const GROUP = 512;
const key = { ...NDJSON_TYPE, "idempotency-key": "k" };

/** Lines of the pages `a0` to `a(count - 1)`, padded; told how many were asked for. */
function lines(count: number, asked = { count: 0 }, padding = 0): AsyncIterable<string> {
  const end = `"${" ".repeat(padding)}}\n`;
  return (async function* () {
    for (let first = 0; first < count; first += 100) {
      asked.count = Math.min(count, first + 100);
      yield Array.from({ length: asked.count - first }, (_, i) => `{"page":"a${first + i}${end}`).join("");
    }
  })();
}

/** A second server of the same worker, for which time passes so many times as fast. */
async function hurried(posting: Posting, times: number): Promise<URL> {
  const fast: Clock = { ...systemClock, now: () => systemClock.now() * times, after: (delay, wake) => systemClock.after(delay / times, wake) };
  const store = await new MemoryStore().open({ pipeline: "other", clock: systemClock, random: systemRandom });
  const ingestion = new Ingestion({ worker: workerOf(posting.running), store, clock: fast, random: systemRandom });
  const server = await serve(workerOf(posting.running), store, { port: 0, clock: fast, random: systemRandom, ingestion });
  onTestFinished(async () => {
    ingestion.close();
    await server.close();
  });
  return new URL(server.url);
}

/** A request over a socket of its own, whose body is sent piece by piece. */
async function begun({ hostname, port }: URL, headers: string): Promise<{ readonly socket: Socket; readonly answered: () => Promise<string> }> {
  const socket = connect(Number(port), hostname).setEncoding("utf8");
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  let text = "";
  socket.on("data", (chunk: string) => (text += chunk));
  socket.on("error", () => {});
  socket.write(`POST /v1/streams/visits/records HTTP/1.1\r\nhost: localhost\r\n${headers}transfer-encoding: chunked\r\n\r\n`);
  const answer = async () => {
    await expect.poll(() => text, POLL).toMatch(/\}$|\}\r\n/);
    return text;
  };
  return { socket, answered: answer };
}

const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

test("50,000 lines through a slow pipeline: a bounded number waits, the client is held back, and each is taken once", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const gate = new Gate();
  const posting = await Posting.start(visiting(carried, { writing: () => gate.pass() }));
  gate.shut();
  // More than sockets keep on the way.
  const asked = { count: 0 };
  let answer: Answer | undefined;
  const posted = posting.post(lines(50_000, asked, 600), key).then((given) => (answer = given));
  await expect.poll(() => posting.waiting(), POLL).toBeGreaterThanOrEqual(HTTP_WAITING_RECORDS);
  let before = -1;
  while (before !== asked.count) {
    before = asked.count;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  expect(await posting.waiting()).toBeLessThan(HTTP_WAITING_RECORDS + GROUP);
  expect(asked.count).toBeLessThan(50_000);
  expect(answer).toBeUndefined();
  gate.open();
  await posted;
  expect([answer?.status, answer?.json]).toEqual([200, { stream: "visits", level: "committed", records: 50_000, duplicates: 0 }]);
  await expect.poll(() => carried.length, POLL).toBe(50_000);
  expect(new Set(carried.map(({ id }) => id)).size).toBe(50_000);
  expect(await posting.waiting()).toBe(0);
});

test("a pipeline that is full answers 503 with Retry-After and takes nothing, and takes again once it is not", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const gate = new Gate();
  const posting = await Posting.start(visiting(carried, { writing: () => gate.pass() }));
  gate.shut();
  const filling = posting.post(lines(30_000), key);
  await expect.poll(() => posting.waiting(), POLL).toBeGreaterThanOrEqual(HTTP_WAITING_RECORDS);
  const refused = await posting.post('{"page":"b"}', JSON_TYPE);
  expect([refused.status, refused.headers["retry-after"], refused.json.error.code]).toEqual([503, "1", "back-pressure"]);
  gate.open();
  expect((await filling).json).toMatchObject({ records: 30_000 });
  await expect.poll(async () => (await posting.post('{"page":"c"}', JSON_TYPE)).status, POLL).toBe(200);
  await expect.poll(() => carried.some(({ value }) => value.page === "c"), POLL).toBe(true);
  expect(carried.some(({ value }) => value.page === "b")).toBe(false);
});

test("lines that find no room for too long are 503 with how many were taken; sent again, each is taken once", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const gate = new Gate();
  const posting = await Posting.start(visiting(carried, { writing: () => gate.pass() }));
  const url = await hurried(posting, 20);
  gate.shut();
  const { status, headers, json } = await ask(url, "POST", "/v1/streams/visits/records", lines(30_000), key);
  expect([status, headers["retry-after"], json.error.code]).toEqual([503, "1", "back-pressure"]);
  expect(json.records + json.unknown).toBeLessThan(30_000);
  expect(json.unknown).toBeLessThan(HTTP_WAITING_RECORDS + GROUP);
  gate.open();
  await expect.poll(() => posting.waiting(), POLL).toBe(0);
  const again = await posting.post(lines(30_000), key);
  expect([again.status, again.json.records]).toEqual([200, 30_000]);
  expect(again.json.duplicates).toBeGreaterThanOrEqual(json.records);
  await expect.poll(() => carried.length, POLL).toBe(30_000);
});

test("an upload goes on for longer than a request may stand still, as long as lines come", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried));
  const url = await hurried(posting, 20);
  const { socket, answered } = await begun(url, "content-type: application/x-ndjson\r\n");
  // In all three times as long as one line may take; 1,500 ms are 30 s here.
  for (let i = 0; i < 15; i++) {
    socket.write(chunk(`{"page":"a${i}"}\n`));
    await expect.poll(() => carried.length, POLL).toBe(i + 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  socket.write("0\r\n\r\n");
  expect(await answered()).toContain('"records":15');
});

test("an upload that stands still, or sends bytes but no line, is ended with 408; what came before is taken", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried));
  const url = await hurried(posting, 20);
  const { socket, answered } = await begun(url, "content-type: application/x-ndjson\r\n");
  socket.write(chunk('{"page":"a"}\n'));
  const trickle = setInterval(() => socket.write(chunk(" ")), 50);
  onTestFinished(() => clearInterval(trickle));
  const text = await answered();
  expect(text).toMatch(/^HTTP\/1\.1 408 /);
  expect(text).toContain('"records":1,"duplicates":0,"unknown":0');
  clearInterval(trickle);
  await once(socket, "close");
  const whole = await begun(url, "content-type: application/json\r\n");
  whole.socket.write(chunk("{"));
  expect(await whole.answered()).toMatch(/^HTTP\/1\.1 408 /);
  await expect.poll(() => carried.length, POLL).toBe(1);
});

test("a client that goes away leaves what it has sent, and nothing else", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const posting = await Posting.start(visiting(carried));
  for (let i = 0; i < 20; i++) {
    const { socket } = await begun(posting.url, "content-type: application/x-ndjson\r\n");
    socket.write(chunk(`{"page":"a${i}"}\n{"page":"cut`));
    await expect.poll(() => carried.length, POLL).toBe(i + 1);
    socket.destroy();
  }
  expect(await posting.waiting()).toBe(0);
  expect((await posting.post('{"page":"b"}', JSON_TYPE)).status).toBe(200);
});

test("what is refused early is told, though the client is still sending", async () => {
  const posting = await Posting.start(visiting([]));
  const asked = { count: 0 };
  const { status, json } = await posting.post(
    (async function* () {
      yield "nonsense\n";
      yield* lines(200_000, asked);
    })(),
    NDJSON_TYPE,
  );
  expect([status, json.index, json.records]).toEqual([422, 0, 0]);
  expect((await posting.post(lines(200_000), { "content-type": "text/plain" })).status).toBe(415);
});

test("when the worker stops, requests that wait are told that nobody knows, or that nothing was taken; sent again elsewhere they are one record", async () => {
  const gate = new Gate();
  const memory = new MemoryStore();
  const posting = await Posting.start(visiting([], { writing: () => gate.pass() }), memory);
  gate.shut();
  const filling = posting.post(lines(30_000), key);
  await expect.poll(() => posting.waiting(), POLL).toBeGreaterThanOrEqual(HTTP_WAITING_RECORDS);
  const stopping = posting.running.stop();
  const { status, json } = await filling;
  expect([status, ["unknown", "not-open"].includes(json.error.code)]).toEqual([503, true]);
  gate.open();
  await stopping;
  const carried: StreamRecord<Visit>[] = [];
  const next = await Posting.start(visiting(carried), memory);
  const again = await next.post(lines(30_000), key);
  expect([again.status, again.json.records]).toEqual([200, 30_000]);
  expect(again.json.duplicates).toBeGreaterThanOrEqual(json.records);
});

test("a worker that stops answers for what it was committing, and takes nothing more", async () => {
  const carried: StreamRecord<Visit>[] = [];
  const store = new GatedStore(new MemoryStore());
  // Its watermark makes no commits of its own.
  const posting = await Posting.start(visiting(carried, { options: { watermark: ascending() } }), store);
  store.shut("commit");
  const before = store.counted.get("commit") ?? 0;
  const posted = posting.post('{"page":"a"}', { ...JSON_TYPE, "idempotency-key": "k" });
  await expect.poll(() => posting.waiting(), POLL).toBe(1);
  await expect.poll(() => store.counted.get("commit"), POLL).toBeGreaterThan(before);
  const stopping = posting.running.stop();
  const refused = await posting.post("{}", JSON_TYPE);
  expect([refused.status, refused.json.error.code]).toEqual([503, "not-open"]);
  expect(refused.json.error.message).toContain("the worker is stopping");
  store.release("commit");
  expect((await posted).json).toMatchObject({ records: 1, results: [{ id: "k", duplicate: false }] });
  await stopping;
});
