/**
 * A Redis server that is told what time it is. Millrace takes its time from the server, which no client can set; so in
 * this process the scripts ask a key instead of `TIME`. Nothing else of them is changed.
 */
import { createHash } from "node:crypto";
import { SCRIPTS } from "../../src/store/redis/scripts.ts";

/** Outside of the prefix of every pipeline. In each database of the server there is one. */
export const TIME_KEY = "differential:time";

/** Before the first script is used. */
export function askTheTimeKey(): void {
  for (const script of SCRIPTS) {
    const source = script.source.replaceAll("redis.call('TIME')", `redis.call('HMGET', '${TIME_KEY}', 'seconds', 'microseconds')`);
    const sha = createHash("sha1").update(source).digest("hex");
    Object.defineProperties(script, { source: { value: source }, sha: { value: sha } });
  }
}

/** What `TIME` would answer, as the fields of the key. */
export const timeFields = (ms: number): Record<string, number> => ({ seconds: Math.floor(ms / 1_000), microseconds: (ms % 1_000) * 1_000 });
