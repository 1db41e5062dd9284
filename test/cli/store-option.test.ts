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
  for (const url of ["redis://localhost", "redis://127.0.0.1:7000/3", "rediss://host", "redis:/tmp/redis.sock", "REDIS://localhost"])
    expect(storeOf(url).store).toBeInstanceOf(RedisStore);
  expect(storeOf("redis://localhost").forgets).toBe(false);
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
