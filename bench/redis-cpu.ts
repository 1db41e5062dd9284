/** CPU that a redis-server has used so far, its main thread and the rest together, in seconds. */
import { Redis } from "ioredis";
import type { RedisServer } from "../test/support/redis-server.ts";

export async function redisCpuSeconds(server: RedisServer | undefined): Promise<number> {
  if (server === undefined) return 0;
  const client = new Redis({ path: server.socket });
  const info = await client.info("cpu");
  await client.quit();
  const field = (name: string) => Number(new RegExp(`^${name}:([0-9.]+)`, "m").exec(info)?.[1] ?? 0);
  return field("used_cpu_sys") + field("used_cpu_user");
}
