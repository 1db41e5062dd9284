/**
 * The comparison: what a bare client does when it writes the same bytes with no script, no transaction and no promise.
 * Per 1,024 records: one RPUSH of one blob for each shard, one LTRIM and one HSET of its counts, all pipelined, several
 * pipelines under way.
 */
import { Redis } from "ioredis";
import { shardOf } from "../src/key.ts";
import type { RedisServer } from "../test/support/redis-server.ts";
import { keyOf, type Load } from "./counter-pipeline.ts";

const CHUNK = 1_024;
const UNDER_WAY = 4;
const RECORD_BYTES = 140;

/** Records a second. */
export async function rawRedis(server: RedisServer, { records, keys, shards }: Load): Promise<number> {
  const client = new Redis({ path: server.socket, protocol: 2 });
  const chunks: { readonly shard: number; readonly keys: string[] }[][] = [];
  for (let from = 0; from < records; from += CHUNK) {
    const byShard = new Map<number, string[]>();
    for (let n = from; n < Math.min(from + CHUNK, records); n++) {
      const key = keyOf(n, keys);
      const shard = shardOf(key, shards);
      const known = byShard.get(shard);
      if (known === undefined) byShard.set(shard, [key]);
      else known.push(key);
    }
    chunks.push([...byShard].map(([shard, names]) => ({ shard, keys: names })));
  }
  const blob = Buffer.alloc(CHUNK * RECORD_BYTES, 120);
  const began = performance.now();
  let next = 0;
  const go = async () => {
    for (let chunk = chunks[next++]; chunk !== undefined; chunk = chunks[next++]) {
      const pipeline = client.pipeline();
      for (const { shard, keys: names } of chunk) {
        pipeline.rpush(`{raw:${shard}}:inbox`, blob.subarray(0, names.length * RECORD_BYTES));
        pipeline.ltrim(`{raw:${shard}}:inbox`, 1, -1);
        pipeline.hset(`{raw:${shard}}:state`, ...names.flatMap((name) => [name, "\u0000\u0000\u0000\u0001"]));
      }
      await pipeline.exec();
    }
  };
  await Promise.all(Array.from({ length: UNDER_WAY }, go));
  const seconds = (performance.now() - began) / 1_000;
  await client.quit();
  return records / seconds;
}
