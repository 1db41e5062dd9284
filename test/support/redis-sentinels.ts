/**
 * Three Sentinels that watch a primary and its replica: they promote the replica by themselves when the primary is gone.
 *
 * R1  After `start` each Sentinel knows the two others and the replica, so that a failover can begin at once.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Redis, type RedisOptions } from "ioredis";
import { RedisPair } from "./redis-pair.ts";
import { type RedisServer, startRedis } from "./redis-server.ts";

const NAME = "millrace-tests";
/** ms that the Sentinels may take to find each other. */
const PATIENCE = 30_000;

const configOf = (port: number): string =>
  [
    `sentinel monitor ${NAME} 127.0.0.1 ${port} 2`,
    `sentinel down-after-milliseconds ${NAME} 500`,
    `sentinel failover-timeout ${NAME} 5000`,
    `sentinel parallel-syncs ${NAME} 1`,
    "",
  ].join("\n");

export class RedisSentinels {
  readonly pair: RedisPair;
  readonly #sentinels: readonly RedisServer[];
  readonly #admins: readonly Redis[];

  private constructor(pair: RedisPair, sentinels: readonly RedisServer[]) {
    this.pair = pair;
    this.#sentinels = sentinels;
    this.#admins = sentinels.map(({ socket }) => new Redis(socket, { protocol: 2, enableReadyCheck: false, retryStrategy: () => 50 }));
    for (const admin of this.#admins) admin.on("error", () => {});
  }

  static async start(directory: string): Promise<RedisSentinels> {
    const pair = await RedisPair.start(directory);
    const sentinels = await Promise.all([1, 2, 3].map(() => startRedis({ tcp: true, sentinel: configOf(pair.primary.port) })));
    const started = new RedisSentinels(pair, sentinels);
    for (const admin of started.#admins)
      await until(async () => {
        const told = (await admin.call("SENTINEL", "MASTER", NAME)) as string[];
        const field = (name: string): string | undefined => told[told.indexOf(name) + 1];
        return field("num-slaves") === "1" && field("num-other-sentinels") === "2" && field("flags") === "master";
      }, "the Sentinels to know each other");
    return started;
  }

  /** What `RedisStore` takes. */
  get target(): RedisOptions {
    return { sentinels: this.#sentinels.map(({ port }) => ({ host: "127.0.0.1", port })), name: NAME };
  }

  /** The port of the primary, as the Sentinels have it. */
  async primaryPort(): Promise<number> {
    const [, port] = (await (this.#admins[0] as Redis).call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)) as string[];
    return Number(port);
  }

  /** Waits until they have another primary than the one that was. */
  async failedOver(former: number): Promise<void> {
    await until(async () => (await this.primaryPort()) !== former, "the Sentinels to fail over");
  }

  /** Has them exchange primary and replica while both live. */
  async exchange(): Promise<void> {
    await until(async () => (await (this.#admins[0] as Redis).call("SENTINEL", "FAILOVER", NAME)) === "OK", "the Sentinels to begin");
  }

  async stop(): Promise<void> {
    for (const admin of this.#admins) admin.disconnect();
    for (const sentinel of this.#sentinels) {
      await sentinel.kill();
      await sentinel.stop();
    }
    await this.pair.stop();
  }
}

async function until(look: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + PATIENCE; !(await look().catch(() => false)); await delay(20)) {
    if (Date.now() > end) throw new Error(`waited ${PATIENCE} ms for ${what}`);
  }
}
