/** What a redis-server was asked and holds, over a connection of its own that is open only while it is asked. */
import { Redis } from "ioredis";
import type { RedisServer } from "../test/support/redis-server.ts";

export interface RedisActivity {
  /** Calls of clients, a script counting as one. */
  readonly calls: number;
  /** All commands that were executed, those inside scripts included. */
  readonly commands: number;
  readonly memoryBytes: number;
  readonly keys: number;
  /** Of all shards together: state values, timers of both clocks and holds, ids, entries of inboxes, outboxes and held records. */
  readonly entries: Readonly<Record<"state" | "timers" | "ids" | "waiting", number>>;
}

/** Each structure has an entry of its own from the start. */
const LETTERS = { s: "state", t: "timers", w: "timers", h: "timers", x: "ids", i: "waiting", o: "waiting", a: "waiting" } as const;
const SIZES: Readonly<Record<string, string>> = { s: "hlen", o: "hlen", a: "hlen", i: "llen", t: "zcard", w: "zcard", h: "zcard", x: "zcard" };

export async function redisActivity(server: RedisServer): Promise<RedisActivity> {
  const client = new Redis({ path: server.socket });
  const info = await client.info("everything");
  const field = (name: string) => Number(new RegExp(`^${name}:([0-9.]+)`, "m").exec(info)?.[1] ?? 0);
  const calls = [...info.matchAll(/^cmdstat_(evalsha|eval|script\|load|wait):calls=(\d+)/gm)];
  const entries = { state: 0, timers: 0, ids: 0, waiting: 0 };
  const keys = await client.keys("*");
  const sized = keys.filter((key) => /:\d+:[stwhxioa]$/.test(key));
  const pipeline = client.pipeline(sized.map((key) => [SIZES[key.slice(-1)] as string, key]));
  const sizes = (await pipeline.exec()) ?? [];
  sized.forEach((key, i) => (entries[LETTERS[key.slice(-1) as keyof typeof LETTERS]] += Number(sizes[i]?.[1]) - 1));
  await client.quit();
  return {
    calls: calls.reduce((sum, [, , count]) => sum + Number(count), 0),
    commands: field("total_commands_processed"),
    memoryBytes: field("used_memory"),
    keys: keys.length,
    entries,
  };
}
