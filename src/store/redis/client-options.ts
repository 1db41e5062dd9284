/**
 * What a user may name as the Redis to use (a URL, options of ioredis, a client of his own), made into options for a
 * connection of ours, and into a description that shows no credentials. `RedisStore` and `redis-streams` take the same.
 *
 * O1  Nothing is sent twice or kept for later by the client library: it does not resend after a reconnect and has no
 *     queue for when it is not connected. Only the caller, who has the sealed commit, may send again.
 */
import type { Redis, RedisOptions } from "ioredis";
import { ConfigError } from "../../errors.ts";
import { checkOptions, show } from "../../options.ts";

/**
 * A URL ("redis://user:password@host:6379/0", "rediss://..." for TLS, "/path/of/a.sock"), options of ioredis
 * (Sentinels, TLS and so on), or a client of ioredis, whose options are copied: it is neither used nor closed.
 */
export type RedisTarget = string | RedisOptions | Redis;

/** A Redis Cluster, by the URLs of some of its nodes: the others are found by them. */
export interface ClusterTarget {
  /** "redis://user:password@host:6379", or rediss:// for TLS; the same user for all. One that answers is enough. */
  readonly cluster: readonly string[];
  /** Atomic domains that a new pipeline's shards are put into, 2 to 1024: each is one slot. One that has data keeps its number. Default 16. */
  readonly domains?: number;
}

/** What a connection of ours is made of. */
export type ClientOptions = RedisOptions & { readonly replyMapping: "legacy" };

const OVERRIDES = {
  protocol: 2,
  replyMapping: "legacy",
  autoResendUnfulfilledCommands: false,
  enableOfflineQueue: false,
  maxRetriesPerRequest: null,
  enableReadyCheck: true,
  enableAutoPipelining: false,
  autoResubscribe: false,
  lazyConnect: true,
  stringNumbers: false,
  monitor: false,
  readOnly: false,
  keyPrefix: "",
  reconnectOnError: null,
  /** ms before a server that still loads its data is asked again at most; else a second or more, however soon it is done. */
  maxLoadingRetryTime: 100,
  /** ms before the next attempt to connect: soon at first, then twice a second. */
  retryStrategy: (attempt: number): number => Math.min(20 * 2 ** Math.min(attempt - 1, 10), 500),
} as const satisfies RedisOptions;

/** Who takes a target: how its errors begin, and what they advise. */
export interface TargetTaker {
  readonly where: string;
  /** What to write, as in "new RedisStore(...)". */
  readonly example: string;
  /** What to do where the client has a keyPrefix. */
  readonly insteadOfKeyPrefix: string;
  /** Options of the taker that someone may have put among those of ioredis. */
  readonly own: readonly string[];
}

const STORE: TargetTaker = {
  where: "RedisStore",
  example: 'new RedisStore("redis://127.0.0.1:6379/0")',
  insteadOfKeyPrefix: "give `prefix` to RedisStore instead",
  own: ["prefix", "timeoutMs", "durability", "rewriteAof"],
};

/** Throws `ConfigError` where the target cannot be what it should. Connects to nothing. */
export function clientOptions(target: RedisTarget, taker: TargetTaker = STORE): ClientOptions {
  const given = typeof target === "string" ? fromUrl(target, taker.where) : optionsOf(target, taker);
  if (given.keyPrefix !== undefined && given.keyPrefix !== "") {
    throw new ConfigError(
      `${taker.where}: keyPrefix ${JSON.stringify(given.keyPrefix)} of the Redis client would not reach the keys of Millrace; ${taker.insteadOfKeyPrefix}`,
    );
  }
  const { commandTimeout: _, ...rest } = given;
  return { ...rest, ...OVERRIDES, connectionName: given.connectionName ?? "millrace" };
}

/** Enough for many nodes; few enough that a delivery takes much along. */
export const DOMAINS = 16;

export const isCluster = (target: RedisTarget | ClusterTarget): target is ClusterTarget =>
  typeof target === "object" && target !== null && "cluster" in target && !("duplicate" in target);

/** Throws `ConfigError`. */
export function clusterOptions(target: ClusterTarget): { readonly seeds: readonly ClientOptions[]; readonly domains: number | undefined } {
  checkOptions("RedisStore", target, ["cluster", "domains"]);
  const { cluster, domains = DOMAINS } = target;
  if (!Array.isArray(cluster) || cluster.length === 0)
    throw new ConfigError(`RedisStore: cluster must be a list of URLs of nodes, as in { cluster: ["redis://127.0.0.1:7001"] }; it is ${show(cluster)}`);
  if (!Number.isInteger(domains) || domains < 2 || domains > 1_024)
    throw new ConfigError(`RedisStore: domains ${show(domains)} must be an integer from 2 to 1024`);
  const seeds = cluster.map((url: unknown) => {
    if (typeof url !== "string" || !/^rediss?:\/\//.test(url))
      throw new ConfigError("RedisStore: a node of a cluster is named by a URL, redis:// or rediss://");
    const options = clientOptions(url);
    if (options.db !== undefined && options.db !== 0) throw new ConfigError("RedisStore: a Redis Cluster has no databases but 0; leave it out of the URL");
    return options;
  });
  return { seeds, domains: target.domains };
}

/** "redis://127.0.0.1:6379/0", "redis:///tmp/redis.sock?db=1", "redis-sentinel://mymaster/0": without user or password. */
export function describeTarget(options: RedisOptions): string {
  const db = options.db ?? 0;
  if (options.path !== undefined && options.path !== null && options.path !== "") return `redis://${options.path}?db=${db}`;
  if (options.sentinels !== undefined && options.sentinels !== null) return `redis-sentinel://${options.name ?? ""}/${db}`;
  const scheme = options.tls === undefined || options.tls === null ? "redis" : "rediss";
  const host = options.host ?? "127.0.0.1";
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${options.port ?? 6379}/${db}`;
}

function optionsOf(target: RedisOptions | Redis, { where, example, own }: TargetTaker): RedisOptions {
  if (typeof target !== "object" || target === null)
    throw new ConfigError(`${where}: give the URL of a Redis, as in ${example}, or options of ioredis; it is ${show(target)}`);
  // None of these is an option of ioredis, which would pass over them in silence.
  for (const ours of own)
    if (ours in target && !("duplicate" in target))
      throw new ConfigError(`${where}: ${ours} is an option of the store, so it goes into the second argument: new RedisStore(target, { ${ours} })`);
  if (!("duplicate" in target) || typeof target.duplicate !== "function") return target as RedisOptions;
  if ("isCluster" in target && target.isCluster) {
    throw new ConfigError(
      `${where}: a Redis Cluster client was given; RedisStore takes the URLs of its nodes, as in { cluster: [url, ...] }, and others a single node`,
    );
  }
  return (target as Redis).options;
}

function fromUrl(text: string, where: string): RedisOptions {
  if (text.startsWith("/")) {
    const [path = "", query = ""] = text.split("?", 2);
    return { path, db: databaseOf("", new URLSearchParams(query), where) };
  }
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new ConfigError(
      `${where}: the URL cannot be read; it looks like "redis://host:6379/0", "rediss://user:password@host:6379/0" or "/path/of/redis.sock"`,
    );
  }
  if (url.protocol !== "redis:" && url.protocol !== "rediss:") {
    throw new ConfigError(`${where}: ${url.protocol}// is not a Redis URL; it starts with redis://, rediss:// (TLS) or "/" (a unix socket)`);
  }
  const db = databaseOf(url.pathname.slice(1), url.searchParams, where);
  const options: RedisOptions = { host: url.hostname.replace(/^\[|\]$/g, "") || "127.0.0.1", port: url.port === "" ? 6379 : Number(url.port), db };
  if (url.username !== "") options.username = decoded(url.username, "user name", where);
  if (url.password !== "") options.password = decoded(url.password, "password", where);
  if (url.protocol === "rediss:") options.tls = {};
  return options;
}

/** What is percent-encoded in a URL. An error does not repeat it: it may be the password. */
function decoded(text: string, what: string, where: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ConfigError(`${where}: the ${what} in the URL has a "%" that encodes nothing; write "%25" for "%"`);
  }
}

/** From "/1" or "?db=1"; 0 if neither is there. */
function databaseOf(path: string, query: URLSearchParams, where: string): number {
  for (const name of query.keys()) {
    if (name !== "db") throw new ConfigError(`${where}: ${JSON.stringify(name)} cannot be given in the URL; give options of ioredis instead of a URL`);
  }
  const text = query.get("db") ?? path;
  if (!/^\d{0,9}$/.test(text)) throw new ConfigError(`${where}: ${JSON.stringify(text)} is not the number of a Redis database`);
  return Number(text);
}
