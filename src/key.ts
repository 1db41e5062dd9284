/**
 * Keys and where they live. The hash and the number of shards are part of the stored format: changing either
 * would put a key's records where its state is not.
 */

/** A participant's id in its upper bits and a shard's index in the lower 16: the unit of ownership, as one integer. */
export type ShardRef = number;

export const shardRef = (participant: number, index: number): ShardRef => participant * 65_536 + index;
export const participantOf = (shard: ShardRef): number => Math.floor(shard / 65_536);
export const indexOf = (shard: ShardRef): number => shard % 65_536;

/** The atomic domain of a shard, among `domains`: by its index alone, so that an edge that keeps its key stays in one. */
export const domainOf = (shard: ShardRef, domains: number): number => indexOf(shard) % domains;

/** The name under which the stored graph records the hash below. */
export const HASH_NAME = "fnv1a-32/utf-16/fmix";

/** Shard of `key` among `shards`: FNV-1a over its UTF-16 code units, then murmur3's finalizer. */
export function shardOf(key: string, shards: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % shards;
}
