/**
 * All that a Redis has of the chaos pipeline and of its lines, byte by byte, but what says who is alive and who owns
 * what: leases, sequencers, announcements and reports of watermarks change while nothing is done.
 */
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import { LINES } from "./orders.ts";

/** Fields of a shard's meta that go with its owner. */
const OWNERSHIP = new Set(["seq", "mono", "own", "until"]);

/** A digest by key. */
export async function storedBytes(redis: Redis): Promise<Map<string, string>> {
  const keys = [LINES];
  let cursor = "0";
  do {
    const [next, page] = await redis.scan(cursor, "MATCH", "{millrace:chaos*", "COUNT", 1_000);
    keys.push(...page.filter((key) => !/\{millrace:chaos[^}]*\}:[rwl]$/.test(key)));
    cursor = next;
  } while (cursor !== "0");
  const bytes = new Map<string, string>();
  await Promise.all(
    keys.toSorted().map(async (key) => {
      const parts = key.endsWith(":m") ? await metaOf(redis, key) : [await redis.dumpBuffer(key)];
      const hash = createHash("sha1");
      for (const part of parts) hash.update(part ?? "none");
      bytes.set(key, hash.digest("hex"));
    }),
  );
  return bytes;
}

async function metaOf(redis: Redis, key: string): Promise<Buffer[]> {
  const fields = Object.entries(await redis.hgetallBuffer(key)).filter(([name]) => !OWNERSHIP.has(name));
  return fields.toSorted(([a], [b]) => (a < b ? -1 : 1)).flatMap(([name, value]) => [Buffer.from(`${name} ${value.length} `), value]);
}

/** Keys that differ. */
export function differing(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key));
}
