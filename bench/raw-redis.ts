/**
 * The comparison: what a bare client does when it writes the same bytes with no script, no transaction and no promise.
 * Per chunk of records: one RPUSH of one blob for each shard, one LTRIM and one HSET of its counts, all pipelined, several
 * pipelines under way.
 */
import { Redis } from "ioredis";
import { shardOf } from "../src/key.ts";
import { keyRing } from "./counter-pipeline.ts";
import { round } from "./harness/medians.ts";

export interface RawLoad {
  readonly records: number;
  readonly keys: number;
  readonly shards: number;
  /** Pipelines under way. */
  readonly depth: number;
  /** Records in one pipeline. */
  readonly chunk: number;
}

export interface RawFigures {
  readonly recordsPerSecond: number;
  readonly nodeMicrosPerRecord: number;
  readonly depth: number;
  readonly chunk: number;
  /** In one pipeline, in the mean. */
  readonly callsPerPipeline: number;
  readonly bytesPerRecord: number;
}

export const RAW_DEPTH = 4;
export const RAW_CHUNK = 1_024;
const RECORD_BYTES = 140;
const COUNT = "\u0000\u0000\u0000\u0001";

/** `target`: a socket or URL. */
export async function rawRedis(target: string, { records, keys, shards, depth, chunk }: RawLoad): Promise<RawFigures> {
  const client = new Redis(target, { protocol: 2 });
  const ring = keyRing(keys);
  const chunks: { readonly shard: number; readonly keys: string[] }[][] = [];
  for (let from = 0; from < records; from += chunk) {
    const byShard = new Map<number, string[]>();
    for (let n = from; n < Math.min(from + chunk, records); n++) {
      const key = ring[n % ring.length] as string;
      const shard = shardOf(key, shards);
      const known = byShard.get(shard);
      if (known === undefined) byShard.set(shard, [key]);
      else known.push(key);
    }
    chunks.push([...byShard].map(([shard, names]) => ({ shard, keys: names })));
  }
  const blob = Buffer.alloc(chunk * RECORD_BYTES, 120);
  await client.ping();
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  let next = 0;
  let calls = 0;
  const go = async () => {
    for (let each = chunks[next++]; each !== undefined; each = chunks[next++]) {
      const pipeline = client.pipeline();
      for (const { shard, keys: names } of each) {
        pipeline.rpush(`{raw:${shard}}:inbox`, blob.subarray(0, names.length * RECORD_BYTES));
        pipeline.ltrim(`{raw:${shard}}:inbox`, 1, -1);
        pipeline.hset(`{raw:${shard}}:state`, ...names.flatMap((name) => [name, COUNT]));
        calls += 3;
      }
      await pipeline.exec();
    }
  };
  await Promise.all(Array.from({ length: depth }, go));
  const seconds = (performance.now() - began) / 1_000;
  const used = process.cpuUsage(cpu);
  await client.quit();
  return {
    recordsPerSecond: Math.round(records / seconds),
    nodeMicrosPerRecord: round((used.user + used.system) / records),
    depth,
    chunk,
    callsPerPipeline: round(calls / chunks.length, 1),
    bytesPerRecord: RECORD_BYTES + 16 + COUNT.length,
  };
}
