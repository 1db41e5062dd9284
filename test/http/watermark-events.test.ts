/** Watermarks as server-sent events: when they change, bounded, and for who may look. */
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { MemoryStore } from "../../src/index.ts";
import type { WatermarksView } from "../../src/inspect/views.ts";
import { HTTP_WATCHERS } from "../../src/limits.ts";
import { Feed } from "../inspect/feed.ts";
import { Counter, items, onePipeline } from "../inspect/pipelines.ts";
import { bearer, MASTER, POLL, Posting } from "./posting.ts";

const EVENTS = { accept: "text/event-stream" };

async function watched(feed: Feed): Promise<Posting> {
  const pipeline = onePipeline()
    .inject("feed", items, feed.injector())
    .compute("counter", () => new Counter(() => {}));
  return await Posting.ready(pipeline, new MemoryStore(), [MASTER]);
}

async function watch({ url }: Posting, headers = {}): Promise<IncomingMessage> {
  const sent = request({
    hostname: url.hostname,
    port: url.port,
    path: "/v1/watermarks",
    headers: { ...EVENTS, ...bearer(MASTER.token), ...headers },
    agent: false,
  });
  sent.on("error", () => {});
  onTestFinished(() => void sent.destroy());
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  response.on("error", () => {});
  return response;
}

test("a client is told at once, and again when a watermark has risen", async () => {
  const feed = new Feed();
  const posting = await watched(feed);
  const response = await watch(posting);
  expect([response.statusCode, response.headers]).toMatchObject([
    200,
    { "content-type": "text/event-stream", "cache-control": "no-store", "x-frame-options": "DENY" },
  ]);
  let text = "";
  response.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const seen = () => [...text.matchAll(/^event: watermarks\ndata: (.*)\n\n/gm)].map(([, json = ""]) => JSON.parse(json) as WatermarksView);
  await expect.poll(() => seen().length, POLL).toBeGreaterThan(0);
  feed.promise(7_000);
  await expect
    .poll(
      () =>
        seen()
          .at(-1)
          ?.participants.map(({ output }) => output),
      POLL,
    )
    .toEqual([7_000, 7_000]);
  const count = seen().length;
  // Nothing has changed, and that the connection lives is said by a comment.
  await expect.poll(() => text.includes("\n\n: unchanged\n\n"), POLL).toBe(true);
  expect(seen().length).toBeLessThanOrEqual(count + 1);
});

test("as many watch as may, another is turned away, and one that goes makes room", async () => {
  const posting = await watched(new Feed());
  const responses = await Promise.all(Array.from({ length: HTTP_WATCHERS }, () => watch(posting)));
  expect(responses.map(({ statusCode }) => statusCode)).toEqual(responses.map(() => 200));
  expect(await posting.ask("GET", "/v1/watermarks", EVENTS)).toMatchObject({ status: 503, json: { error: { code: "too-many" } } });
  expect((await posting.get("/v1/watermarks")).status).toBe(200);
  responses[0]?.destroy();
  await expect.poll(async () => (await watch(posting)).statusCode, POLL).toBe(200);
});

test("whoever has no token is not told, and a worker that stops ends it", async () => {
  const posting = await watched(new Feed());
  expect((await watch(posting, { authorization: "" })).statusCode).toBe(401);
  const response = await watch(posting);
  response.resume();
  const closed = new Promise((resolve) => response.once("close", resolve));
  await posting.running.stop();
  await closed;
});
