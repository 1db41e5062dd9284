/** Servers that Millrace cannot use, as real servers: each is refused at `open` with a sentence that says what to do. */
import { Redis } from "ioredis";
import { expect, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { StoreRefusedError, StoreUnavailableError } from "../../../src/errors.ts";
import { systemRandom } from "../../../src/random.ts";
import { RedisStore } from "../../../src/store/redis/redis-store.ts";
import type { PipelineStore } from "../../../src/store/store.ts";
import { startRedis, type RedisServer } from "../../support/redis-server.ts";
import { GRAPH } from "../conformance/values.ts";

type Target = ConstructorParameters<typeof RedisStore>[0];

const open = (target: Target, pipeline = "p"): Promise<PipelineStore> => new RedisStore(target).open({ pipeline, clock: systemClock, random: systemRandom });

async function refusal(target: Target): Promise<string> {
  const error: unknown = await open(target).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(StoreRefusedError);
  return (error as Error).message;
}

async function on(args: readonly string[], check: (server: RedisServer) => Promise<void>): Promise<void> {
  const server = await startRedis({ args });
  try {
    await check(server);
  } finally {
    await server.stop();
  }
}

test("a server that may evict keys", async () => {
  await on(["--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"], async (server) => {
    expect(await refusal(server.url)).toBe(
      `redis://${server.socket}?db=0: maxmemory-policy is allkeys-lru, so Redis would drop committed data when its memory is full; ` +
        "set it to noeviction (redis.conf: maxmemory-policy noeviction)",
    );
  });
});

test("a node of a cluster", async () => {
  await on(["--cluster-enabled", "yes"], async (server) => {
    expect(await refusal(server.url)).toMatch(/is a node of a Redis Cluster; name the cluster, as in new RedisStore\(\{ cluster: \[url, \.\.\.\] \}\)/);
  });
});

test("a replica", async () => {
  await on(["--replicaof", "127.0.0.1", "1"], async (server) => {
    expect(await refusal(server.url)).toMatch(/is a replica and takes no writes; give the address of its primary/);
  });
});

test("a server without an append-only file is taken, and says so", async () => {
  await on(["--appendonly", "no"], async (server) => {
    const store = await open(server.url);
    expect(store.description).toMatch(/no append-only file: a crash of Redis loses what it has not saved; set appendonly yes/);
    await store.close();
  });
});

test("users without the rights that are needed, each told which; a user with exactly those can work", async () => {
  await on([], async (server) => {
    const admin = new Redis(server.socket);
    admin.on("error", () => {});
    const as = (username: string): Target => ({ path: server.socket, username, password: "p" });
    const rights = "~{millrace:* +@read +@write -@dangerous +info +time +select +evalsha +script|load +wait +bgrewriteaof";
    const missing: Record<string, string> = {
      scripts: rights.replace("+script|load", ""),
      evalsha: rights.replace("+evalsha", ""),
      info: rights.replace("+info", ""),
      writing: rights.replace("+@write", ""),
      lists: `${rights} -ltrim`,
      time: rights.replace("+time", ""),
      keys: rights.replace("~{millrace:*", "~other:*"),
    };
    for (const [user, rules] of Object.entries(missing)) {
      await admin.call("ACL", "SETUSER", user, "on", ">p", ...rules.split(" ").filter((rule) => rule !== ""));
      expect(`${user}: ${await refusal(as(user))}`).toContain(`ACL SETUSER: ${rights}`);
    }
    await admin.call("ACL", "SETUSER", "enough", "on", ">p", ...rights.split(" "));
    const store = await open(as("enough"));
    await store.init(GRAPH, undefined);
    const [outcome] = await store.acquire({ worker: "w", shards: [131_072], leaseMs: 1_000 });
    expect(outcome?.kind).toBe("acquired");
    await store.close();
    admin.disconnect();
  });
});

test("a server that is full can be opened: what drains it must be able to start", async () => {
  await on(["--maxmemory", "1mb"], async (server) => {
    const store = await open(server.url);
    await expect(store.init(GRAPH, undefined)).rejects.toThrow(StoreUnavailableError);
    await store.close();
  });
});
