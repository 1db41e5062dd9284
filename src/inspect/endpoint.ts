/** A client of the HTTP endpoint of a running pipeline. */
import type { ReadinessView } from "./health-views.ts";
import { messageOf } from "../errors.ts";
import type { TimerClock } from "../store/commit.ts";
import type {
  DeadLettersView,
  ErrorView,
  HotKeysView,
  LetterView,
  LostTailsView,
  ParticipantShardsView,
  PipelineView,
  ShardsView,
  StreamsView,
  TimerOutcomeView,
  TimersView,
  TimerView,
  WatermarksView,
  WholeLetterView,
} from "./views.ts";
import type { TailView } from "./tail.ts";
import type { ExplainView } from "./explain-view.ts";
import type { KeysView, StateView } from "./state-views.ts";
import type { WorkersView } from "./workers-view.ts";

/** ms that an answer may take. */
const PATIENCE = 10_000;

/** The endpoint could not be asked, or refused. `status`: of HTTP; undefined where there was no answer at all. */
export class EndpointError extends Error {
  readonly status: number | undefined;
  constructor(message: string, status: number | undefined, options?: ErrorOptions) {
    super(message, options);
    this.name = "EndpointError";
    this.status = status;
  }
}

/** Each call asks anew; it rejects with an `EndpointError`. */
export interface Endpoint {
  watermarks(): Promise<WatermarksView>;
  /** With what holds each shard of one participant. */
  watermarksOf(participant: string): Promise<ParticipantShardsView>;
  pipeline(): Promise<PipelineView>;
  shards(query?: { readonly participant?: string }): Promise<ShardsView>;
  /** Who works on the pipeline, and what each owns. */
  workers(): Promise<WorkersView>;
  /** All cells of a key, as of one commit. 404 where nothing is stored of it. */
  state(computation: string, key: string): Promise<StateView>;
  /** Samples of what a stream carries, as the worker commits it; `rate`: records a second at most, default 20. Ends with the worker. */
  tail(stream: string, query?: { readonly rate?: number | undefined }): AsyncIterable<TailView>;
  /** The last calls of a key, of a computation with the option `explain`. */
  explain(computation: string, key: string): Promise<ExplainView>;
  /** A page of the keys that have state; `limit`: 1 to 1,000, default 100; `cursor`: `next` of the page before. */
  keys(computation: string, query?: { readonly limit?: number | undefined; readonly cursor?: string | undefined }): Promise<KeysView>;
  /** The earliest pending timers; `limit`: 1 to 1,000, default 100. */
  timers(query?: TimersRequest): Promise<TimersView>;
  /** Moves a timer, as it was listed, to another time, fires it before its time, or deletes it. 404 where it is not so any more. */
  moveTimer(timer: ListedTimer, to: number): Promise<TimerOutcomeView>;
  fireTimer(timer: ListedTimer): Promise<TimerOutcomeView>;
  deleteTimer(timer: ListedTimer): Promise<TimerOutcomeView>;
  /** The keys that most records of that worker had; `limit` of each computation: 1 to 1,000, default 10. */
  hotKeys(query?: { readonly computation?: string | undefined; readonly limit?: number | undefined }): Promise<HotKeysView>;
  /** The latest dead letters; `limit`: 1 to 1,000, default 100. */
  deadLetters(query?: { readonly participant?: string | undefined; readonly limit?: number | undefined }): Promise<DeadLettersView>;
  /** One with its value. */
  deadLetter(participant: string, letter: string): Promise<WholeLetterView>;
  retryDeadLetter(participant: string, letter: string): Promise<LetterView>;
  discardDeadLetter(participant: string, letter: string): Promise<LetterView>;
  /** What the store lost while the worker that answers was running. */
  lostTails(): Promise<LostTailsView>;
  /** The streams that take records over HTTP. */
  streams(): Promise<StreamsView>;
  readiness(): Promise<ReadinessView>;
}

export interface TimersRequest {
  readonly computation?: string | undefined;
  /** Of this key alone; needs `computation`. */
  readonly key?: string | undefined;
  readonly clock?: TimerClock | undefined;
  readonly limit?: number | undefined;
}

/** What `timers` lists says which one is meant, and for which time it was set then. */
export type ListedTimer = Pick<TimerView, "computation" | "timer" | "time">;

export interface EndpointOptions {
  /** One that the endpoint knows, with the scope that is needed. Default: none. */
  readonly token?: string | undefined;
}

/** The endpoint at `url`, as in "http://127.0.0.1:7077". Throws `EndpointError` for what is no http URL. */
export function endpoint(url: string, { token }: EndpointOptions = {}): Endpoint {
  const asked = new Asked(baseOf(url), token);
  const letter = (participant: string, name: string) => `/v1/dead-letters/${encodeURIComponent(participant)}/${encodeURIComponent(name)}`;
  const timer = ({ computation, timer: name }: ListedTimer) => `/v1/timers/${encodeURIComponent(computation)}/${encodeURIComponent(name)}`;
  const stateOf = (computation: string) => `/v1/computations/${encodeURIComponent(computation)}/state`;
  return {
    watermarks: () => asked.get("/v1/watermarks"),
    watermarksOf: (participant) => asked.get(`/v1/watermarks/${encodeURIComponent(participant)}`),
    pipeline: () => asked.get("/v1/pipeline"),
    shards: (query) => asked.get("/v1/shards", query),
    workers: () => asked.get("/v1/workers"),
    tail: (stream, query) => asked.events(`/v1/streams/${encodeURIComponent(stream)}/tail`, query),
    explain: (computation, key) => asked.get(`/v1/computations/${encodeURIComponent(computation)}/explain/${encodeURIComponent(key)}`),
    state: (computation, key) => asked.get(`${stateOf(computation)}/${encodeURIComponent(key)}`),
    keys: (computation, query) => asked.get(stateOf(computation), query),
    timers: (query) => asked.get("/v1/timers", query),
    moveTimer: (listed, to) => asked.ask("POST", `${timer(listed)}/move`, { time: listed.time, to }),
    fireTimer: (listed) => asked.ask("POST", `${timer(listed)}/fire`, { time: listed.time }),
    deleteTimer: (listed) => asked.ask("DELETE", timer(listed), { time: listed.time }),
    hotKeys: (query) => asked.get("/v1/hot-keys", query),
    deadLetters: (query) => asked.get("/v1/dead-letters", query),
    deadLetter: (participant, name) => asked.get(letter(participant, name)),
    retryDeadLetter: (participant, name) => asked.ask("POST", `${letter(participant, name)}/retry`),
    discardDeadLetter: (participant, name) => asked.ask("DELETE", letter(participant, name)),
    lostTails: () => asked.get("/v1/lost-tails"),
    streams: () => asked.get("/v1/streams"),
    readiness: () => asked.ask("GET", "/readyz", undefined, [503]),
  };
}

function baseOf(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base?.protocol !== "http:" && base?.protocol !== "https:")
    throw new EndpointError(`${JSON.stringify(url)} is not the URL of an endpoint: give one like http://127.0.0.1:7077`, undefined);
  return base;
}

class Asked {
  readonly #base: URL;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(base: URL, token: string | undefined) {
    this.#base = base;
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  get<View>(path: string, query?: object): Promise<View> {
    return this.ask("GET", path, query);
  }

  /** The data of the server-sent events of a route, until the server or whoever asks ends it. */
  async *events<View>(path: string, query: object = {}): AsyncGenerator<View> {
    const { origin } = this.#base;
    const url = new URL(path, this.#base);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
    const ended = new AbortController();
    try {
      const response = await fetch(url, { headers: this.#headers, signal: ended.signal, redirect: "error" });
      if (!response.ok) {
        const refusal = ((await response.json()) as Partial<ErrorView> | null)?.error?.message;
        throw new EndpointError(`${origin} refused ${path}: ${refusal ?? `status ${response.status}`}`, response.status);
      }
      const decoder = new TextDecoder();
      let text = "";
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk as Uint8Array, { stream: true });
        const events = text.split("\n\n");
        text = events.pop() ?? "";
        for (const event of events) {
          const data = /^data: (.*)$/m.exec(event)?.[1];
          if (data !== undefined) yield JSON.parse(data) as View;
        }
      }
    } catch (error) {
      if (error instanceof EndpointError) throw error;
      throw new EndpointError(`${origin} does not answer as a Millrace pipeline does (${reasonOf(error)}): is it running, with this port?`, undefined, {
        cause: error,
      });
    } finally {
      ended.abort();
    }
  }

  async ask<View>(method: string, path: string, query: object = {}, alsoAnswers: readonly number[] = []): Promise<View> {
    const { origin } = this.#base;
    const url = new URL(path, this.#base);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
    let response: Response;
    let answer: unknown;
    try {
      response = await fetch(url, { method, headers: this.#headers, signal: AbortSignal.timeout(PATIENCE), redirect: "error" });
      answer = await response.json();
    } catch (error) {
      throw new EndpointError(`${origin} does not answer as a Millrace pipeline does (${reasonOf(error)}): is it running, with this port?`, undefined, {
        cause: error,
      });
    }
    if (response.ok || alsoAnswers.includes(response.status)) return answer as View;
    const refusal = (answer as Partial<ErrorView> | null)?.error?.message;
    throw new EndpointError(`${origin} refused ${path}: ${refusal ?? `status ${response.status}`}`, response.status);
  }
}

/** `fetch` wraps why there was no connection. */
function reasonOf(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown };
  if (!(cause instanceof Error)) return messageOf(error);
  const { code } = cause as { readonly code?: unknown };
  return typeof code === "string" ? code : cause.message;
}
