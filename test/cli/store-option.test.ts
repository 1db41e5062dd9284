import { expect, test } from "vitest";
import { UsageError } from "../../src/cli/exit.ts";
import { storeOf } from "../../src/cli/store-option.ts";
import { ConfigError } from "../../src/errors.ts";
import { LmdbStore } from "../../src/store/lmdb-store.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { RedisStore } from "../../src/store/redis/redis-store.ts";

test("a store is named by its scheme", () => {
  expect(storeOf("memory:").store).toBeInstanceOf(MemoryStore);
  expect(storeOf("memory:").forgets).toBe(true);
  expect(storeOf("lmdb:some/where").store).toBeInstanceOf(LmdbStore);
  for (const url of ["redis://localhost", "redis://127.0.0.1:7000/3", "rediss://host", "redis:/tmp/redis.sock", "REDIS://localhost", "redis-cluster://a:1,b:2"])
    expect(storeOf(url).store).toBeInstanceOf(RedisStore);
  expect(storeOf("redis://localhost").forgets).toBe(false);
});

test("a cluster is named by some of its nodes, and any Redis with what a commit waits for", () => {
  for (const url of [
    "redis-cluster://127.0.0.1:7001",
    "rediss-cluster://user:pass@a:1,b:2,[::1]:3?domains=32&durability=replicas:2,fsynced",
    "redis://localhost/3?durability=fsynced",
    "redis:/tmp/redis.sock?db=1&durability=replicas",
    "redis://localhost?durability=primary",
  ])
    expect([url, storeOf(url)]).toMatchObject([url, { shared: true, forgets: false }]);
  for (const wrong of ["durability=replica", "durability=replicas:", "durability=", "durability=fsynced,replicas"])
    expect(() => storeOf(`redis://localhost?${wrong}`)).toThrow(UsageError);
  for (const wrong of ["redis-cluster:a:1", "redis-cluster://", "redis-cluster://a:1/2"]) expect(() => storeOf(wrong)).toThrow(UsageError);
  for (const wrong of ["redis://a?domains=3", "redis-cluster://a:1?db=1", "redis-cluster://a:1?domains=x", "redis://a?durability=replicas:99"])
    expect(() => storeOf(wrong)).toThrow(ConfigError);
});

test("what names no store is refused", () => {
  for (const wrong of ["", "memory", "memory:x", "lmdb:", "postgres://localhost", "./data", "redis"]) expect(() => storeOf(wrong)).toThrow(UsageError);
  expect(() => storeOf("redis:relative.sock")).toThrow(ConfigError);
});

test("no refusal repeats what was given, for it may hold a password", () => {
  for (const wrong of [
    "rediz://user:secret@host",
    "redis://user:secret@host:99999999",
    "redis://user:secret@host/x y",
    "user:secret@host",
    "redis:user:secret@host",
    "redis-cluster:user:secret@host",
    "redis-cluster://user:secret@a,b/c",
    "redis-cluster://user:secret@a:x",
    "redis://user:secret@host?durability=none",
  ]) {
    let text = "";
    try {
      storeOf(wrong);
    } catch (error) {
      text = String((error as Error).stack);
    }
    expect([wrong, text.includes("secret")]).toEqual([wrong, false]);
  }
});
