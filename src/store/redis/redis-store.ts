/**
 * The store in Redis, as a user names it: many processes, durable as Redis is configured to be. Owns its options and
 * opening; what it does once it is open is `redis-pipeline-store.ts`.
 */
import { checkOptions, show } from "../../options.ts";
import type { Clock } from "../../clock.ts";
import { ConfigError, StoreRefusedError } from "../../errors.ts";
import type { ReadableStore, ReadOptions, StoreReader } from "../reader.ts";
import type { OpenOptions, PipelineStore, Store } from "../store.ts";
import { type ClientOptions, clientOptions, clusterOptions, type ClusterTarget, DOMAINS, isCluster, type RedisTarget } from "./client-options.ts";
import { Calls } from "./calls.ts";
import { connectCluster } from "./cluster.ts";
import { connect } from "./connection.ts";
import { type RedisDurability, type Wanted, wantedOf } from "./durability.ts";
import { Keys } from "./keys.ts";
import type { Servers } from "./line.ts";
import { RedisPipelineStore } from "./redis-pipeline-store.ts";
import { RedisReader } from "./redis-reader.ts";
import { asNumber } from "./reply.ts";

export interface RedisStoreOptions {
  /** First part of every key: pipelines of the same name under two prefixes are strangers. Default "millrace". */
  readonly prefix?: string;
  /** How long the server may take to answer a call, ms. Default 5000. */
  readonly timeoutMs?: number;
  /** When a commit counts as done. Default "primary": a failover to a replica may lose the last ones. */
  readonly durability?: RedisDurability;
  /**
   * Asks a server that was started on its append-only file to write that anew (BGREWRITEAOF), once: in Redis 7.0, at least, a
   * script that was cut off by a kill may otherwise take effect in part, or take what came after it away, at the next start.
   * The server forks for it. Default true.
   */
  readonly rewriteAof?: boolean;
}

/**
 * Redis 7.0 or later, or Valkey 7.2 or later, with `maxmemory-policy noeviction`. Data is as safe as that server makes
 * it: turn the append-only file on.
 */
export class RedisStore implements Store, ReadableStore {
  readonly kind = "store";
  readonly #client: ClientOptions | undefined;
  readonly #cluster: ReturnType<typeof clusterOptions> | undefined;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #wanted: Wanted | undefined;
  readonly #rewrites: boolean;

  /**
   * `target`: a URL ("redis://user:password@host:6379/0", "rediss://...", "/path/of/a.sock"), options of ioredis, or a
   * client of ioredis, whose options are copied; the client itself is neither used nor closed. A Redis Cluster is
   * `{ cluster: [url, ...] }`. Connects to nothing; throws `ConfigError`.
   */
  constructor(target: RedisTarget | ClusterTarget, options: RedisStoreOptions = {}) {
    checkOptions("RedisStore", options, ["prefix", "timeoutMs", "durability", "rewriteAof"]);
    const { prefix = "millrace", timeoutMs = 5_000, durability = "primary", rewriteAof = true } = options;
    this.#cluster = isCluster(target) ? clusterOptions(target) : undefined;
    this.#client = isCluster(target) ? undefined : clientOptions(target);
    this.#prefix = prefix;
    this.#timeoutMs = timeoutMs;
    if (!(timeoutMs >= 1 && timeoutMs <= 600_000)) throw new ConfigError(`RedisStore: timeoutMs ${timeoutMs} must be from 1 to 600000`);
    if (typeof rewriteAof !== "boolean") throw new ConfigError(`RedisStore: rewriteAof is true or false, but it is ${show(rewriteAof)}`);
    this.#rewrites = rewriteAof;
    this.#wanted = wantedOf(durability, timeoutMs);
    new Keys(prefix, "check");
  }

  /** Each pipeline has a connection of its own. Throws `StoreUnavailableError` or `StoreRefusedError`. */
  async open({ pipeline, clock, random }: OpenOptions): Promise<PipelineStore> {
    const { servers, keys } = await this.#connect(pipeline, clock, false);
    return new RedisPipelineStore(servers, keys, random, this.#cluster !== undefined, this.#wanted);
  }

  async #connect(pipeline: string, clock: Clock, reading: boolean): Promise<{ readonly servers: Servers; readonly keys: Keys }> {
    const own = new Keys(this.#prefix, pipeline);
    const options = { keys: own, clock, timeoutMs: this.#timeoutMs, reading, wanted: reading ? undefined : this.#wanted, rewrites: this.#rewrites && !reading };
    if (this.#client !== undefined) return { servers: await connect({ ...options, client: this.#client }), keys: own };
    const { seeds, domains: given } = this.#cluster as ReturnType<typeof clusterOptions>;
    const servers = await connectCluster({ ...options, seeds });
    try {
      const calls = new Calls(servers.line(own.slot));
      const stored = await calls.command("HGET", calls.begin(own.graph).text("domains"));
      const domains = stored === null ? (given ?? DOMAINS) : asNumber(stored);
      if (given !== undefined && given !== domains)
        throw new StoreRefusedError(
          `${servers.description}: pipeline "${pipeline}" is in ${domains} atomic domains, which never change: leave \`domains\` out, or give ${domains}`,
        );
      return { servers, keys: new Keys(this.#prefix, pipeline, domains) };
    } catch (error) {
      await servers.close();
      throw error;
    }
  }

  /** Names of the pipelines that have data under the prefix, in order. Looks at every key of the server's database. */
  async pipelines(clock: Clock): Promise<readonly string[]> {
    const reader = await this.#reader("any", clock);
    try {
      return await reader.pipelines();
    } finally {
      await reader.close();
    }
  }

  /** A look from outside, for an audit: writes nothing. Throws `StoreUnavailableError` or `StoreRefusedError`. */
  async read({ pipeline, clock, whole }: ReadOptions): Promise<StoreReader> {
    const reader = await this.#reader(pipeline, clock, whole);
    if ((await reader.readGraph()) !== undefined) return reader;
    await reader.close();
    throw new StoreRefusedError(`${reader.description} has no pipeline "${pipeline}" under the prefix "${this.#prefix}"; give the name it runs by`);
  }

  async #reader(pipeline: string, clock: Clock, whole?: boolean): Promise<RedisReader> {
    const { servers, keys } = await this.#connect(pipeline, clock, true);
    return new RedisReader(servers, keys, whole);
  }
}
