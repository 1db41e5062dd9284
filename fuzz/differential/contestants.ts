/** LMDB in a directory and Redis on a server of their own, for as many lanes as are asked for. */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { LmdbStore } from "../../src/store/lmdb-store.ts";
import { RedisStore } from "../../src/store/redis/redis-store.ts";
import { startRedis } from "../../test/support/redis-server.ts";
import type { Contestant } from "./arena.ts";
import { askTheTimeKey, TIME_KEY, timeFields } from "./redis-time.ts";

export interface Contestants {
  readonly lanes: readonly (readonly Contestant[])[];
  dispose(): Promise<void>;
}

/** Each lane has a database of the Redis server, and so a time, of its own. */
export async function startContestants(lanes: number): Promise<Contestants> {
  askTheTimeKey();
  const server = await startRedis({ args: ["--appendonly", "no"] });
  const directory = await mkdtemp(join(tmpdir(), "millrace-differential-"));
  const admins = Array.from({ length: lanes }, (_, db) => new Redis({ path: server.socket, db, protocol: 2 }));
  const lmdb = new LmdbStore(directory);
  return {
    lanes: admins.map((admin, db) => [
      { name: "lmdb", store: lmdb },
      { name: "redis", store: new RedisStore(`${server.socket}?db=${db}`), setTime: async (ms) => void (await admin.hset(TIME_KEY, timeFields(ms))) },
    ]),
    dispose: async () => {
      for (const admin of admins) admin.disconnect();
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
