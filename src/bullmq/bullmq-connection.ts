/**
 * The Redis that BullMQ is to use, as users name it, made into what BullMQ takes. Owns no connection but the copy of a
 * client that BullMQ's workers need where the user's own gives commands up.
 *
 * B1  A client of the user's is used as it is and never closed. Descriptions hold no credentials.
 */
import { ConfigError } from "../errors.ts";
import { show } from "../options.ts";

/**
 * A URL ("redis://user:password@host:6379/0", "rediss://...", "/path/of/a.sock"), options of ioredis, or a client that
 * BullMQ takes: of ioredis, a Cluster of it, or with BullMQ 6 of node-redis. A client stays the user's to close.
 */
export type BullMqConnection = string | object;

export interface OpenConnection {
  /** For queues: commands of theirs may be given up, if the user's client does so. */
  readonly queue: object;
  /** For workers and events: what they are told to wait for is waited for. */
  readonly worker: object;
  /** What is about to be closed does not connect again: where Redis is down, nothing waits for it any more. */
  end(): void;
  /** Closes what was opened here, and nothing of the user's. */
  close(): void;
}

interface Client {
  readonly options?: { readonly maxRetriesPerRequest?: unknown };
  readonly isCluster?: boolean;
  readonly defineCommand?: unknown;
  duplicate(options?: object): Client;
  on(event: string, listener: () => void): unknown;
  disconnect(): void;
}

/** ms until the next attempt to connect; null: none. */
type RetryStrategy = (attempt: number) => number | null | undefined;

const soonThenOften = (attempt: number): number => Math.min(20 * 2 ** Math.min(attempt - 1, 10), 500);

/** Throws `ConfigError` where the target cannot be what it should. Connects to nothing. */
export function checkConnection(where: string, target: unknown): void {
  if (typeof target === "string") fromUrl(where, target);
  else if (typeof target !== "object" || target === null)
    throw new ConfigError(`${where}: connection is a URL as "redis://127.0.0.1:6379", options of ioredis or a client, but it is ${show(target)}`);
}

/** `more`: options of ioredis that go before the user's, where no client was given. */
export function openConnection(where: string, target: BullMqConnection, more: object = {}): OpenConnection {
  if (isClient(target)) {
    const duplicates = typeof target.defineCommand === "function" && target.isCluster !== true && target.options?.maxRetriesPerRequest !== null;
    if (!duplicates) return { queue: target, worker: target, end: () => {}, close: () => {} };
    const own = target.duplicate({ maxRetriesPerRequest: null });
    own.on("error", () => {});
    return { queue: target, worker: own, end: () => {}, close: () => own.disconnect() };
  }
  const given: { readonly retryStrategy?: RetryStrategy } = typeof target === "string" ? fromUrl(where, target) : target;
  const retry = given.retryStrategy ?? soonThenOften;
  let ending = false;
  const retryStrategy: RetryStrategy = (attempt) => (ending ? null : retry(attempt));
  const options = { ...given, retryStrategy, maxRetriesPerRequest: null };
  const end = () => {
    ending = true;
  };
  return { queue: { ...options, ...more }, worker: options, end, close: end };
}

/** "redis://127.0.0.1:6379", or what of it is known. */
export function describeConnection(where: string, target: BullMqConnection): string {
  const given = isClient(target) ? (target.options ?? {}) : typeof target === "string" ? fromUrl(where, target) : target;
  const { host, port, path } = given as { readonly host?: unknown; readonly port?: unknown; readonly path?: unknown };
  if (typeof path === "string") return path;
  if (typeof host !== "string" && typeof port !== "number") return "Redis";
  return `redis://${typeof host === "string" ? host : "127.0.0.1"}:${typeof port === "number" ? port : 6379}`;
}

function isClient(target: BullMqConnection): target is Client {
  return typeof target === "object" && typeof (target as Partial<Client>).duplicate === "function";
}

function fromUrl(where: string, text: string): object {
  if (text.startsWith("/")) return { path: text };
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new ConfigError(`${where}: the URL of the connection cannot be read; it looks like "redis://host:6379/0", "rediss://..." or "/path/of/redis.sock"`);
  }
  if (url.protocol !== "redis:" && url.protocol !== "rediss:")
    throw new ConfigError(`${where}: ${url.protocol}// is no URL of a Redis; it starts with redis://, rediss:// (TLS) or "/" (a unix socket)`);
  const database = url.searchParams.get("db") ?? url.pathname.slice(1);
  if (!/^\d{0,9}$/.test(database)) throw new ConfigError(`${where}: ${show(database)} in the URL is not the number of a Redis database`);
  return {
    host: url.hostname.replace(/^\[|\]$/g, "") || "127.0.0.1",
    port: url.port === "" ? 6379 : Number(url.port),
    db: Number(database),
    ...(url.username === "" ? {} : { username: decoded(where, url.username) }),
    ...(url.password === "" ? {} : { password: decoded(where, url.password) }),
    ...(url.protocol === "rediss:" ? { tls: {} } : {}),
  };
}

/** An error does not repeat it: it may be the password. */
function decoded(where: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ConfigError(`${where}: the user or password in the URL has a "%" that encodes nothing; write "%25" for "%"`);
  }
}
