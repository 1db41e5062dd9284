/** A client of the HTTP endpoint of a running pipeline. */
import { messageOf } from "../errors.ts";
import type { TimerClock } from "../store/commit.ts";
import type {
  DeadLettersView,
  ErrorView,
  HotKeysView,
  ParticipantShardsView,
  PipelineView,
  ReadinessView,
  ShardsView,
  StreamsView,
  TimersView,
  WatermarksView,
  WorkersView,
} from "./views.ts";

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
  /** The earliest pending timers; `limit`: 1 to 1,000, default 100. */
  timers(query?: { readonly computation?: string; readonly clock?: TimerClock; readonly limit?: number }): Promise<TimersView>;
  /** The keys that most records of that worker had; `limit` of each computation: 1 to 1,000, default 10. */
  hotKeys(query?: { readonly computation?: string; readonly limit?: number }): Promise<HotKeysView>;
  /** The latest dead letters; `limit`: 1 to 1,000, default 100. */
  deadLetters(query?: { readonly participant?: string; readonly limit?: number }): Promise<DeadLettersView>;
  /** The streams that take records over HTTP. */
  streams(): Promise<StreamsView>;
  readiness(): Promise<ReadinessView>;
}

/** The endpoint at `url`, as in "http://127.0.0.1:7077". Throws `EndpointError` for what is no http URL. */
export function endpoint(url: string): Endpoint {
  const base = baseOf(url);
  return {
    watermarks: () => ask(base, "/v1/watermarks"),
    watermarksOf: (participant) => ask(base, `/v1/watermarks/${encodeURIComponent(participant)}`),
    pipeline: () => ask(base, "/v1/pipeline"),
    shards: (query) => ask(base, "/v1/shards", query),
    workers: () => ask(base, "/v1/workers"),
    timers: (query) => ask(base, "/v1/timers", query),
    hotKeys: (query) => ask(base, "/v1/hot-keys", query),
    deadLetters: (query) => ask(base, "/v1/dead-letters", query),
    streams: () => ask(base, "/v1/streams"),
    readiness: () => ask(base, "/readyz", undefined, [503]),
  };
}

function baseOf(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base?.protocol !== "http:" && base?.protocol !== "https:")
    throw new EndpointError(`${JSON.stringify(url)} is not the URL of an endpoint: give one like http://127.0.0.1:7077`, undefined);
  return base;
}

async function ask<View>(base: URL, path: string, query: object = {}, alsoAnswers: readonly number[] = []): Promise<View> {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, String(value));
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE), redirect: "error" });
    answer = await response.json();
  } catch (error) {
    throw new EndpointError(`${base.origin} does not answer as a Millrace pipeline does (${reasonOf(error)}): is it running, with this port?`, undefined, {
      cause: error,
    });
  }
  if (response.ok || alsoAnswers.includes(response.status)) return answer as View;
  const refusal = (answer as Partial<ErrorView> | null)?.error?.message;
  throw new EndpointError(`${base.origin} refused ${path}: ${refusal ?? `status ${response.status}`}`, response.status);
}

/** `fetch` wraps why there was no connection. */
function reasonOf(error: unknown): string {
  const { cause } = error as { readonly cause?: unknown };
  if (!(cause instanceof Error)) return messageOf(error);
  const { code } = cause as { readonly code?: unknown };
  return typeof code === "string" ? code : cause.message;
}
