/** The stores that benchmarks run on, each new and empty: a directory or a redis-server of its own. */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { MemoryStore, type RedisDurability, type Store } from "../src/index.ts";
import { LmdbStore } from "../src/store/lmdb-store.ts";
import { RedisStore } from "../src/store/redis/redis-store.ts";
import { type RedisServer, startRedis } from "../test/support/redis-server.ts";

export type StoreName = "redis" | "lmdb" | "memory";

export interface BenchStore {
  readonly store: Store;
  readonly server: RedisServer | undefined;
  dispose(): Promise<void>;
}

/**
 * `fsync`: how often Redis flushes its append-only file: everysec, always or no. `replicas`: how many Redis has on this
 * machine; `durability`: what a commit waits for.
 */
export async function openStore(name: StoreName, fsync = "everysec", replicas = 0, durability: RedisDurability = "primary"): Promise<BenchStore> {
  if (name === "memory") return { store: new MemoryStore(), server: undefined, dispose: () => Promise.resolve() };
  if (name === "lmdb") {
    const directory = await mkdtemp(join(tmpdir(), "millrace-bench-"));
    return { store: new LmdbStore(directory), server: undefined, dispose: () => Promise.resolve(rmSync(directory, { recursive: true })) };
  }
  const args = ["--appendfsync", fsync, "--repl-diskless-sync-delay", "0"];
  const server = await startRedis({ tcp: replicas > 0, args });
  const followers = await Promise.all(
    Array.from({ length: replicas }, () => startRedis({ tcp: true, args: [...args, "--replicaof", "127.0.0.1", String(server.port)] })),
  );
  await followed(server, replicas);
  const dispose = async () => {
    for (const each of [...followers, server]) {
      await each.kill();
      await each.stop();
    }
  };
  return { store: new RedisStore(server.socket, { durability }), server, dispose };
}

/** Waits until so many replicas have all that the server has. */
async function followed({ socket }: RedisServer, replicas: number): Promise<void> {
  if (replicas === 0) return;
  const admin = new Redis(socket);
  await admin.set("of-the-benchmark", "1");
  while (Number(await admin.call("WAIT", String(replicas), "100")) < replicas);
  admin.disconnect();
}
