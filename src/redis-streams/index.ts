/** `millrace/redis-streams`: Redis Streams as an injector and as a sink. */
export { entryTime, type EntryTimeOptions, type EntryTimePolicy } from "./entry-time.ts";
export { fromRedisStream, type RedisStreamOptions } from "./from-redis-stream.ts";
export type { StreamEntry } from "./packed-entries.ts";
export { type RedisStreamSinkOptions, toRedisStream } from "./to-redis-stream.ts";
