/** The stores that benchmarks run on, each new and empty: a directory or a redis-server of its own. */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryStore, type Store } from "../src/index.ts";
import { LmdbStore } from "../src/store/lmdb-store.ts";
import { RedisStore } from "../src/store/redis/redis-store.ts";
import { type RedisServer, startRedis } from "../test/support/redis-server.ts";

export type StoreName = "redis" | "lmdb" | "memory";

export interface BenchStore {
  readonly store: Store;
  readonly server: RedisServer | undefined;
  dispose(): Promise<void>;
}

/** `fsync`: how often Redis flushes its append-only file: everysec, always or no. */
export async function openStore(name: StoreName, fsync = "everysec"): Promise<BenchStore> {
  if (name === "memory") return { store: new MemoryStore(), server: undefined, dispose: () => Promise.resolve() };
  if (name === "lmdb") {
    const directory = await mkdtemp(join(tmpdir(), "millrace-bench-"));
    return { store: new LmdbStore(directory), server: undefined, dispose: () => Promise.resolve(rmSync(directory, { recursive: true })) };
  }
  const server = await startRedis({ args: ["--appendfsync", fsync] });
  return { store: new RedisStore(server.socket), server, dispose: () => server.stop() };
}
