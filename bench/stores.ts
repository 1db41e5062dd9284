/**
 * The stores that benchmarks run on, each new and empty: a directory or a redis-server of its own, and how another
 * process opens it too.
 */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { MemoryStore, type RedisDurability, type Store } from "../src/index.ts";
import { LmdbStore } from "../src/store/lmdb-store.ts";
import { RedisStore } from "../src/store/redis/redis-store.ts";
import { type RedisServer, startRedis } from "../test/support/redis-server.ts";
import { DelayProxy } from "./harness/delay-proxy.ts";

export type StoreName = "redis" | "lmdb" | "memory";

/** Plain data; `target`: a socket or URL. */
export type StoreAddress =
  | { readonly kind: "redis"; readonly target: string; readonly durability: RedisDurability }
  | { readonly kind: "lmdb"; readonly directory: string }
  | { readonly kind: "memory" };

export interface StoreSetting {
  readonly store: StoreName;
  /** How often Redis flushes its append-only file: everysec, always, no; "off": there is none. Default everysec. */
  readonly fsync?: string;
  /** How many replicas Redis has on this machine, default 0, and what a commit waits for. */
  readonly replicas?: number;
  readonly durability?: RedisDurability;
  /** ms of round trip that are added between worker and Redis. Default 0. */
  readonly rtt?: number;
  /** Further arguments of the redis-server. */
  readonly args?: readonly string[];
}

export interface BenchStore {
  /** For this process; past the added round trip. */
  readonly store: Store;
  /** For workers. */
  readonly address: StoreAddress;
  readonly server: RedisServer | undefined;
  /** Median round trip of a PING by the workers' way, ms; undefined where there is no server. */
  roundTrip(): Promise<number | undefined>;
  dispose(): Promise<void>;
}

export function openAddress(address: StoreAddress): Store {
  if (address.kind === "memory") return new MemoryStore();
  return address.kind === "lmdb" ? new LmdbStore(address.directory) : new RedisStore(address.target, { durability: address.durability });
}

export async function openStore(setting: StoreSetting): Promise<BenchStore> {
  const { store: name, fsync = "everysec", replicas = 0, durability = "primary", rtt = 0, args: more = [] } = setting;
  const roundTrip = () => Promise.resolve(undefined);
  if (name === "memory") {
    return { store: new MemoryStore(), address: { kind: "memory" }, server: undefined, roundTrip, dispose: () => Promise.resolve() };
  }
  if (name === "lmdb") {
    const directory = await mkdtemp(join(tmpdir(), "millrace-bench-"));
    const dispose = () => Promise.resolve(rmSync(directory, { recursive: true }));
    return { store: new LmdbStore(directory), address: { kind: "lmdb", directory }, server: undefined, roundTrip, dispose };
  }
  const aof = fsync === "off" ? ["--appendonly", "no"] : ["--appendfsync", fsync];
  const args = [...aof, "--repl-diskless-sync-delay", "0", ...more];
  const server = await startRedis({ tcp: replicas > 0, args });
  const followers = await Promise.all(
    Array.from({ length: replicas }, () => startRedis({ tcp: true, args: [...args, "--replicaof", "127.0.0.1", String(server.port)] })),
  );
  await followed(server, replicas);
  const proxy = rtt > 0 ? await DelayProxy.open(server.socket, rtt / 2) : undefined;
  const target = proxy?.url ?? server.socket;
  const dispose = async () => {
    proxy?.close();
    for (const each of [...followers, server]) {
      await each.kill();
      await each.stop();
    }
  };
  const address: StoreAddress = { kind: "redis", target, durability };
  return { store: new RedisStore(server.socket), address, server, roundTrip: () => roundTripOf(target), dispose };
}

const PINGS = 51;

async function roundTripOf(target: string): Promise<number> {
  const client = new Redis(target);
  const took: number[] = [];
  await client.ping();
  for (let i = 0; i < PINGS; i++) {
    const from = performance.now();
    await client.ping();
    took.push(performance.now() - from);
  }
  client.disconnect();
  return took.sort((a, b) => a - b)[PINGS >> 1] as number;
}

/** Waits until so many replicas have all that the server has. */
async function followed({ socket }: RedisServer, replicas: number): Promise<void> {
  if (replicas === 0) return;
  const admin = new Redis(socket);
  await admin.set("of-the-benchmark", "1");
  while (Number(await admin.call("WAIT", String(replicas), "100")) < replicas);
  admin.disconnect();
}
