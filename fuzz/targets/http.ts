/**
 * The HTTP endpoint of a running pipeline, over raw sockets: an input is what one connection sends, in one piece or in
 * several, and then no more. Whatever it is, the server answers what it can, closes, and is there for the next one.
 */
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import {
  cbor,
  Computation,
  type Context,
  fromHttp,
  fromIterable,
  input,
  MemoryStore,
  output,
  Pipeline,
  run,
  state,
  stream,
  type StreamRecord,
  toCallback,
} from "../../src/index.ts";
import type { Target } from "../target.ts";

const words = stream<string>("words");
const counts = stream<number>("counts");
const posted = stream<unknown>("posted", { codec: cbor<unknown>() });

class Counter extends Computation {
  readonly words = input(words, { key: (word) => word });
  readonly counts = output(counts);
  readonly count = state("count", { initial: 0 });

  override processRecord(_: StreamRecord<string>, context: Context): void {
    const count = context.state(this.count);
    count.set(count.get() + 1);
    context.produce(this.counts, count.get());
  }
}

/** One that waits for more words than will ever come. */
async function* waiting(position = 0): AsyncGenerator<{ readonly value: string; readonly timestamp: number; readonly position: number }> {
  for (let at = position; at < 100; at++) yield { value: `word ${at % 10}`, timestamp: at, position: at + 1 };
  for (;;) await delay(60_000, undefined, { ref: false });
}

class Keeper extends Computation {
  readonly posted = input(posted, { key: () => "all" });
  readonly count = state("count", { initial: 0 });

  override processRecord(_: StreamRecord<unknown>, context: Context): void {
    const count = context.state(this.count);
    count.set(count.get() + 1);
  }
}

const PATHS = [
  "/v1/watermarks",
  "/v1/watermarks/counter",
  "/v1/pipeline",
  "/v1/shards?participant=counter",
  "/v1/timers?computation=counter&clock=wall&limit=3",
  "/v1/dead-letters?limit=1000",
  "/metrics",
  "/healthz",
  "/readyz",
  "/v1/streams",
];
const POSTS = "/v1/streams/posted/records";
/** Content types, with a body of each. */
const BODIES: readonly (readonly [headers: string, body: string])[] = [
  ["content-type: application/json\r\n", '{"a":[1,"b",null]}'],
  ["content-type: application/json\r\nidempotency-key: k\r\n", "[1,2,3]"],
  ['content-type: application/x-ndjson\r\nidempotency-key: "k"\r\n', '1\n"two"\n\n{"three":3}'],
  ["content-type: application/cloudevents+json\r\n", '{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2026-03-01T12:00:00Z","data":{"a":1}}'],
  ["content-type: application/cloudevents-batch+json\r\n", '[{"specversion":"1.0","id":"1","source":"/s","type":"t","data":1}]'],
  ["content-type: application/json\r\nce-specversion: 1.0\r\nce-id: %C3%A9\r\nce-source: /s\r\nce-type: t\r\n", "5"],
];
const HEADERS = [
  "accept: */*\r\n",
  "content-type: application/json\r\ncontent-length: 2\r\n",
  "content-length: 99999999999999999999\r\n",
  "transfer-encoding: chunked\r\n",
  "expect: 100-continue\r\n",
  "connection: upgrade\r\nupgrade: websocket\r\n",
  "connection: close\r\n",
];
const WORDS = [
  ...HEADERS,
  ...PATHS,
  "\r\n",
  "\n",
  "\r\n\r\n",
  "%00",
  "%2e%2e%2f",
  "%zz",
  "?",
  "&limit=",
  "&limit=1&limit=2",
  "&__proto__[x]=1",
  "constructor",
  "#",
  "//",
  "/".repeat(2_000),
  "a".repeat(9_000),
  "host: localhost\r\n",
  "host: attacker.example\r\n",
  "HEAD ",
  "OPTIONS * ",
  "POST ",
  "CONNECT localhost:1 ",
  " HTTP/1.0\r\n",
  " HTTP/9.9\r\n",
  "5\r\nabcde\r\n0\r\n\r\n",
  "{}",
  ...BODIES.flat(),
  POSTS,
  "?level=fsynced",
  "content-encoding: gzip\r\n",
  "origin: http://attacker.example\r\n",
  '"time":"0000-00-00T99:99:99Z"',
  '"\\ud800"',
  "[".repeat(1_000),
  "1e999",
  "\u0000",
  "é",
];

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const requestOf = (path: string, headers = ""): string => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n`;
const postOf = (headers: string, body: string): string =>
  `POST ${POSTS} HTTP/1.1\r\nhost: localhost\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const chunkedOf = (headers: string, body: string): string =>
  `POST ${POSTS} HTTP/1.1\r\nhost: localhost\r\n${headers}transfer-encoding: chunked\r\n\r\n${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n\r\n`;
/** Ms after which the server counts as hanging: it shares its process and the machine with those who ask it. */
const PATIENCE = 9_000;

export async function httpTarget(): Promise<Target> {
  const pipeline = new Pipeline("fuzzed", { shards: 2 })
    .inject(
      "words",
      words,
      fromIterable((position: number | undefined) => waiting(position)),
    )
    .inject("posts", posted, fromHttp())
    .compute("keeper", Keeper)
    .compute("counter", Counter)
    .sink(
      "nowhere",
      counts,
      toCallback(() => {}),
    );
  const running = await run(pipeline, { store: new MemoryStore(), http: { port: 0 }, log: () => {} });
  const port = Number(new URL(running.url ?? "").port);
  return {
    name: "http",
    corpus: [
      ...PATHS.map((path) => requestOf(path)),
      requestOf("/healthz", HEADERS.slice(0, 1).join("")),
      PATHS.map((path) => requestOf(path)).join(""),
      ...BODIES.flatMap(([headers, body]) => [postOf(headers, body), chunkedOf(headers, body)]),
      BODIES.map(([headers, body]) => postOf(headers, body)).join(""),
    ].map(encode),
    words: WORDS,
    patience: PATIENCE,
    atOnce: 16,
    read: (input) => talk(port, input),
    close: () => running.stop(),
  };
}

/** Sends it, waits for the end, and looks at each answer. */
async function talk(port: number, input: Uint8Array): Promise<void> {
  const answer = await exchange(port, input);
  // A body cannot begin a line like this: it is JSON on one line, or metrics.
  for (const [, status = ""] of answer.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)) {
    if (status >= "500" && status !== "503" && status !== "505") throw new Error(`answered ${status}: ${answer.slice(-200)}`);
  }
}

function exchange(port: number, input: Uint8Array): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect({ port, host: "127.0.0.1", noDelay: true }, () => {
      // By the input's own length, so that it is the same each time.
      const cut = input.length % 3 === 0 ? input.length >> 1 : 0;
      if (cut > 0) socket.write(input.subarray(0, cut));
      socket.end(input.subarray(cut));
    });
    socket.setEncoding("latin1").setTimeout(PATIENCE, () => socket.destroy(new Error("no answer and no end")));
    socket.on("data", (text: string) => (answer += text));
    // The server may be gone before all was sent.
    socket.on("error", (error: NodeJS.ErrnoException) => (error.code === "ECONNRESET" || error.code === "EPIPE" ? resolve(answer) : reject(error)));
    socket.on("close", () => resolve(answer));
  });
}
