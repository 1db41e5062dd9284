/** A pipeline that takes records over HTTP, its clients, and what it has carried. */
import { once } from "node:events";
import { type IncomingHttpHeaders, request } from "node:http";
import { expect, onTestFinished } from "vitest";
import { type InjectorOptions } from "../../src/computation/edges.ts";
import {
  type AccessToken,
  type Schema,
  sink,
  stream,
  fromHttp,
  MemoryStore,
  Pipeline,
  run,
  type RunningPipeline,
  type Store,
  type StreamRecord,
} from "../../src/index.ts";

export interface Visit {
  readonly page: string;
  readonly at?: number;
}

export const JSON_TYPE = { "content-type": "application/json" };
export const NDJSON_TYPE = { "content-type": "application/x-ndjson" };
export const POLL = { interval: 5, timeout: 15_000 };

/** A pipeline whose one sink keeps what the stream carries; each write waits for `writing`. */
export function visiting(
  carried: StreamRecord<Visit>[],
  { options, schema, writing = async () => {} }: { options?: InjectorOptions<Visit>; schema?: Schema<Visit>; writing?: () => Promise<void> } = {},
): Pipeline {
  const visits = stream<Visit>("visits", { schema });
  const kept = sink<Visit>({
    kind: "sink",
    description: "a list",
    attempts: 1,
    open: async () => ({
      write: async (records) => {
        await writing();
        carried.push(...(records as StreamRecord<Visit>[]));
        return carried.length;
      },
      close: async () => {},
    }),
  });
  return new Pipeline("visiting", { shards: 1 }).inject("arrivals", visits, fromHttp<Visit>(options)).sink("kept", visits, kept);
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly json: any;
}

export class Posting {
  readonly running: RunningPipeline;
  readonly #headers: Record<string, string>;

  private constructor(running: RunningPipeline, headers: Record<string, string>) {
    this.running = running;
    this.#headers = headers;
  }

  /** Runs it until the end of the test; the stream takes records by then. */
  static async start(pipeline: Pipeline, store: Store = new MemoryStore(), tokens: readonly AccessToken[] = []): Promise<Posting> {
    const posting = await Posting.ready(pipeline, store, tokens);
    await posting.opened();
    return posting;
  }

  /** The same of one that takes no records over HTTP. Requests carry the first of the tokens. */
  static async ready(pipeline: Pipeline, store: Store, tokens: readonly AccessToken[]): Promise<Posting> {
    const running = await run(pipeline, { store, http: { port: 0, tokens }, log: () => {} });
    onTestFinished(async () => running.stop());
    return new Posting(running, bearer(tokens[0]?.token));
  }

  async opened(): Promise<void> {
    await expect.poll(async () => (await this.get("/v1/streams")).json.streams.map(({ open }: { open: boolean }) => open), POLL).toEqual([true]);
  }

  get url(): URL {
    return new URL(this.running.url ?? "");
  }

  get(path: string): Promise<Answer> {
    return this.ask("GET", path);
  }

  /** `query`: as in "?level=fsynced". */
  post(body: string | Uint8Array | AsyncIterable<string | Uint8Array>, headers: Record<string, string>, query = "", stream = "visits"): Promise<Answer> {
    return ask(this.url, "POST", `/v1/streams/${stream}/records${query}`, body, { ...this.#headers, ...headers });
  }

  /** With the first of its tokens. */
  ask(method: string, path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return ask(this.url, method, path, undefined, { ...this.#headers, ...headers });
  }

  async waiting(): Promise<number> {
    return (await this.get("/v1/streams")).json.streams[0].waiting as number;
  }
}

export const bearer = (token: string | undefined): Record<string, string> => (token === undefined ? {} : { authorization: `Bearer ${token}` });

/** One that is good for everything. */
export const MASTER: AccessToken = { token: "0f1e2d3c4b5a69788796a5b4c3d2e1f0", scopes: ["operate", "ingest"] };

/** A request as it is on the wire; its body is sent at the pace at which it is taken. */
export async function ask(
  { hostname, port }: { readonly hostname: string; readonly port: string },
  method: string,
  path: string,
  body: string | Uint8Array | AsyncIterable<string | Uint8Array> | undefined,
  headers: Record<string, string>,
): Promise<Answer> {
  const sent = request({ hostname, port, path, method, headers, agent: false });
  const responded = once(sent, "response");
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) sent.end(body);
  else void pour(body, sent, responded);
  const [response] = await responded;
  let text = "";
  for await (const chunk of response) text += String(chunk);
  sent.destroy();
  return { status: response.statusCode, headers: response.headers, json: text === "" ? undefined : JSON.parse(text) };
}

async function pour(body: AsyncIterable<string | Uint8Array>, sent: ReturnType<typeof request>, responded: Promise<unknown>): Promise<void> {
  let answered = false;
  const stop = () => void (answered = true);
  responded.then(stop, stop);
  sent.on("error", stop);
  for await (const piece of body) {
    if (answered) return;
    // Whichever comes first: an answer in the midst of it leaves the rest unread.
    if (!sent.write(piece)) await Promise.race([new Promise((resolve) => sent.once("drain", resolve)), responded]);
  }
  if (!answered) sent.end();
}
