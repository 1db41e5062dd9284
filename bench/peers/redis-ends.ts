/**
 * The two ends of the peers on Redis: a server of its own (unix socket, append-only file flushed every second), and a
 * stream `results` with one entry an update, from which progress, totals and latencies are read.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { startRedis, type RedisServer } from "../../test/support/redis-server.ts";
import { dueOf, now } from "./measuring.ts";
import type { Processes } from "./processes.ts";

/** Fields of an entry of `results`: the key, its count so far, and the value of the record that made it. */
export const RESULTS = "results";
const PAGE = 10_000;

export interface RedisEnds extends AsyncDisposable {
  readonly server: RedisServer;
  readonly client: Redis;
  /** Entries of `results` so far. */
  done(): Promise<number>;
  /** The last count of each key; throws where an update is missing or double. */
  totals(): Promise<Map<string, number>>;
  /** Waits for the result of a first record, which has been sent: then all processes are up. */
  first(): Promise<void>;
  /** Waits for so many results after the first; their latencies in the order in which they came. */
  latencies(records: number): Promise<number[]>;
}

export async function openRedisEnds(processes: Processes): Promise<RedisEnds> {
  const server = await startRedis({ tcp: true });
  processes.adopt(server.pid);
  const client = new Redis(server.socket, { maxRetriesPerRequest: null });
  return {
    server,
    client,
    done: () => client.xlen(RESULTS),
    totals: () => totals(client),
    first: async () => {
      while ((await client.xlen(RESULTS)) < 1) {
        processes.check();
        await delay(20);
      }
    },
    latencies: (records) => latencies(server, records),
    [Symbol.asyncDispose]: async () => {
      client.disconnect();
      await server.kill();
      await server.stop();
    },
  };
}

async function totals(client: Redis): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (let from = "-"; ; ) {
    const page = await client.xrange(RESULTS, from, "+", "COUNT", PAGE);
    for (const [id, fields] of page) {
      const { key, count } = resultOf(fields);
      const before = counts.get(key) ?? 0;
      if (count !== before + 1) throw new Error(`after the count ${before} of ${key} comes ${count}`);
      counts.set(key, count);
      from = `(${id}`;
    }
    if (page.length < PAGE) return counts;
  }
}

async function latencies(server: RedisServer, records: number): Promise<number[]> {
  const reader = new Redis(server.socket, { maxRetriesPerRequest: null });
  const seen: number[] = [];
  for (let last = (await reader.xrange(RESULTS, "-", "+", "COUNT", 1))[0]?.[0] ?? "0"; seen.length < records; ) {
    const reply = await reader.xread("BLOCK", 120_000, "STREAMS", RESULTS, last);
    if (reply === null) throw new Error(`no new result for 120 s, after ${seen.length} of ${records}`);
    const time = now();
    for (const [id, fields] of reply[0]![1]) {
      seen.push(time - resultOf(fields).due);
      last = id;
    }
  }
  reader.disconnect();
  return seen;
}

/** Entries are [key, k, count, n, value, v, ...], in whatever order. */
function resultOf(fields: readonly string[]): { key: string; count: number; due: number } {
  const field = (name: string): string => fields[fields.findIndex((each, n) => n % 2 === 0 && each === name) + 1] ?? "";
  return { key: field("key"), count: Number(field("count")), due: dueOf(field("value")) };
}
