/** What a redis-server was asked and holds, over connections of their own that are open only while it is asked. */
import { Redis } from "ioredis";
import type { RedisServer } from "../test/support/redis-server.ts";

/** What a server has executed so far, by `INFO commandstats`; without what only looks at it (`INFO`, a client's greeting). */
export interface RedisCommands {
  /** Of clients, a script counting as one. */
  readonly calls: number;
  /** By name, those inside scripts included. */
  readonly byName: ReadonlyMap<string, number>;
}

export interface RedisActivity {
  readonly memoryBytes: number;
  readonly keys: number;
  /** Of all shards together: state values, timers of both clocks and holds, ids, entries of inboxes, outboxes and held records. */
  readonly entries: Readonly<Record<"state" | "timers" | "ids" | "waiting", number>>;
}

/** Each structure has an entry of its own from the start. */
const LETTERS = { s: "state", t: "timers", w: "timers", h: "timers", x: "ids", i: "waiting", o: "waiting", a: "waiting" } as const;
const SIZES: Readonly<Record<string, string>> = { s: "hlen", o: "hlen", a: "hlen", i: "llen", t: "zcard", w: "zcard", h: "zcard", x: "zcard" };

/** Commands that `redisCommands` and `redisCpuSeconds` are made of. */
const LOOKING: ReadonlySet<string> = new Set(["info", "hello", "quit", "client|setinfo"]);

export async function redisCommands(server: RedisServer): Promise<RedisCommands> {
  const client = new Redis({ path: server.socket });
  const info = await client.info("commandstats");
  await client.quit();
  const byName = new Map([...info.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name = "", calls]) => [name, Number(calls)]));
  for (const name of LOOKING) byName.delete(name);
  const of = (name: string): number => byName.get(name) ?? 0;
  return { calls: ["evalsha", "eval", "script|load", "wait"].reduce((sum, name) => sum + of(name), 0), byName };
}

export async function redisActivity(server: RedisServer): Promise<RedisActivity> {
  const client = new Redis({ path: server.socket });
  const info = await client.info("everything");
  const field = (name: string) => Number(new RegExp(`^${name}:([0-9.]+)`, "m").exec(info)?.[1] ?? 0);
  const entries = { state: 0, timers: 0, ids: 0, waiting: 0 };
  const keys = await client.keys("*");
  const sized = keys.filter((key) => /:\d+:[stwhxioa]$/.test(key));
  const pipeline = client.pipeline(sized.map((key) => [SIZES[key.slice(-1)] as string, key]));
  const sizes = (await pipeline.exec()) ?? [];
  sized.forEach((key, i) => (entries[LETTERS[key.slice(-1) as keyof typeof LETTERS]] += Number(sizes[i]?.[1]) - 1));
  await client.quit();
  return {
    memoryBytes: field("used_memory"),
    keys: keys.length,
    entries,
  };
}
