/** What the tests of the Redis store share: a server, a look at its keys that is not the store's, and benches on it. */
import { Redis } from "ioredis";
import { systemClock } from "../../../src/clock.ts";
import { systemRandom } from "../../../src/random.ts";
import { RedisStore, type RedisStoreOptions } from "../../../src/store/redis/redis-store.ts";
import type { PipelineStore } from "../../../src/store/store.ts";
import { startRedis, type RedisServer, type RedisServerOptions } from "../../support/redis-server.ts";
import { Bench } from "../conformance/bench.ts";
import type { StoreUnderTest } from "../conformance.ts";

export class Harness {
  readonly server: RedisServer;
  /** A client of the test's own. It reconnects when the server was restarted. */
  readonly admin: Redis;
  readonly #opened: { close(): Promise<void> }[] = [];

  constructor(server: RedisServer) {
    this.server = server;
    this.admin = new Redis(server.socket, { protocol: 2, lazyConnect: true, retryStrategy: () => 20 });
    this.admin.on("error", () => {});
  }

  async open(pipeline: string, options: RedisStoreOptions = {}): Promise<PipelineStore> {
    const store = await new RedisStore(this.server.url, options).open({ pipeline, clock: systemClock, random: systemRandom });
    this.#opened.push(store);
    return store;
  }

  /** How a bench looks at what is stored from outside. */
  looking(): Pick<StoreUnderTest, "pipelines" | "read"> {
    const store = new RedisStore(this.server.url);
    return { pipelines: () => store.pipelines(systemClock), read: (pipeline) => store.read({ pipeline, clock: systemClock }) };
  }

  /** A bench on a new pipeline with the graph of the conformance suite. */
  async bench(options: RedisStoreOptions = {}): Promise<Bench> {
    const open = (pipeline: string): Promise<PipelineStore> => this.open(pipeline, options);
    const bench = new Bench({ clock: "server", open, reopen: open, ...this.looking(), dispose: async () => {} });
    await bench.open();
    return bench;
  }

  /** Every key with its type and its content, byte for byte. Fields of hashes are sorted: a server may keep them in any order. */
  async keyspace(): Promise<ReadonlyMap<string, readonly string[]>> {
    const keys = (await this.admin.keys("*")).sort();
    const contents = await Promise.all(keys.map((key) => this.#content(key)));
    return new Map(keys.map((key, i) => [key, contents[i]!]));
  }

  async #content(key: string): Promise<string[]> {
    const type = await this.admin.type(key);
    const text = (bytes: Buffer): string => bytes.toString("latin1");
    switch (type) {
      case "string":
        return [type, text((await this.admin.getBuffer(key))!)];
      case "list":
        return [type, ...(await this.admin.lrangeBuffer(key, 0, -1)).map(text)];
      case "zset":
        return [type, ...((await this.admin.callBuffer("ZRANGE", key, "0", "-1", "WITHSCORES")) as Buffer[]).map(text)];
      case "hash": {
        const flat = ((await this.admin.callBuffer("HGETALL", key)) as Buffer[]).map(text);
        return [type, ...flat.flatMap((field, i) => (i % 2 === 0 ? [`${field.length}:${field}=${flat[i + 1]}`] : [])).sort()];
      }
      case "stream":
        return [type, JSON.stringify(await this.admin.xrange(key, "-", "+"))];
      default:
        throw new Error(`${key} is a ${type}, which Millrace does not use`);
    }
  }

  async dispose(): Promise<void> {
    for (const store of this.#opened) await store.close();
    this.admin.disconnect();
    await this.server.stop();
  }
}

export async function startHarness(options: RedisServerOptions = {}): Promise<Harness> {
  return new Harness(await startRedis(options));
}

/** Calls until it does not throw, then gives what it gave: for what becomes true a little later. */
export async function eventually<T>(attempt: () => Promise<T>, ms = 15_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
