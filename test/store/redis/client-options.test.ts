import { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { ConfigError } from "../../../src/errors.ts";
import { clientOptions, describeTarget, type RedisTarget } from "../../../src/store/redis/client-options.ts";
import { RedisStore } from "../../../src/store/redis/redis-store.ts";

const described = (target: RedisTarget): string => describeTarget(clientOptions(target));

describe("a URL", () => {
  test.each([
    ["redis://localhost", { host: "localhost", port: 6379, db: 0 }],
    ["redis://10.0.0.1:7000/3", { host: "10.0.0.1", port: 7000, db: 3 }],
    ["redis://h?db=2", { host: "h", port: 6379, db: 2 }],
    ["redis://user:p%40ss@h:1/0", { host: "h", port: 1, db: 0, username: "user", password: "p@ss" }],
    ["redis://:secret@h", { host: "h", password: "secret" }],
    ["rediss://h:1", { host: "h", port: 1, tls: {} }],
    ["redis://[::1]:7000", { host: "::1", port: 7000 }],
    ["/tmp/redis.sock", { path: "/tmp/redis.sock", db: 0 }],
    ["/tmp/redis.sock?db=4", { path: "/tmp/redis.sock", db: 4 }],
  ])("%s is understood", (url, options) => {
    expect(clientOptions(url)).toMatchObject(options);
  });

  test.each(["localhost:6379", "http://localhost", "", "redis://h/one", "redis://h?db=x", "redis://h?family=6", "redis://user:%zz@h"])(
    "%j is refused with a sentence",
    (url) => {
      expect(() => clientOptions(url)).toThrow(ConfigError);
    },
  );

  test("what is refused does not repeat the password", () => {
    for (const url of ["redis://user:secret@h/one", "http://user:secret@h", "redis://user:secret%zz@h", "redis://user:secret@h:port"]) {
      expect(() => clientOptions(url)).toThrow(expect.not.objectContaining({ message: expect.stringContaining("secret") }));
    }
  });
});

describe("options and clients of ioredis", () => {
  test("options are kept, except those that safety depends on", () => {
    const options = clientOptions({
      host: "h",
      sentinels: [{ host: "s" }],
      name: "main",
      enableOfflineQueue: true,
      autoResendUnfulfilledCommands: true,
      maxRetriesPerRequest: 9,
      protocol: 3,
      commandTimeout: 5,
    });
    expect(options).toMatchObject({
      host: "h",
      sentinels: [{ host: "s" }],
      name: "main",
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: null,
      protocol: 2,
    });
    expect(options.commandTimeout).toBeUndefined();
  });

  test("a client's options are copied, the client is left alone", () => {
    const client = new Redis({ host: "h", port: 7000, password: "secret", lazyConnect: true, enableOfflineQueue: true });
    expect(clientOptions(client)).toMatchObject({ host: "h", port: 7000, password: "secret", enableOfflineQueue: false });
    expect([client.options.enableOfflineQueue, client.status]).toEqual([true, "wait"]);
  });

  test("a keyPrefix is refused: it would not reach our keys", () => {
    expect(() => clientOptions({ keyPrefix: "app:" })).toThrow(/keyPrefix "app:".*give `prefix`/);
  });

  test("a cluster client is refused", () => {
    const cluster = new Redis.Cluster([{ host: "h", port: 1 }], { lazyConnect: true });
    expect(() => clientOptions(cluster as unknown as Redis)).toThrow(/Redis Cluster client/);
    cluster.disconnect();
  });
});

describe("descriptions", () => {
  test.each<[RedisTarget, string]>([
    ["redis://user:secret@h:1/2", "redis://h:1/2"],
    ["rediss://h", "rediss://h:6379/0"],
    ["redis://[::1]:5", "redis://[::1]:5/0"],
    ["/tmp/a.sock?db=1", "redis:///tmp/a.sock?db=1"],
    [{ sentinels: [{ host: "s" }], name: "main", password: "secret" }, "redis-sentinel://main/0"],
    [{}, "redis://127.0.0.1:6379/0"],
  ])("%j has none of the credentials", (target, description) => {
    expect(described(target)).toBe(description);
  });
});

describe("options of the store", () => {
  test.each(["", "a b", "a{b", "a}b", "x".repeat(65)])("prefix %j is refused", (prefix) => {
    expect(() => new RedisStore("redis://h", { prefix })).toThrow(ConfigError);
  });
  test.each([0, -1, Number.NaN, 600_001])("timeoutMs %d is refused", (timeoutMs) => {
    expect(() => new RedisStore("redis://h", { timeoutMs })).toThrow(ConfigError);
  });
  test("a misspelt one is refused, those of ioredis are not looked at", () => {
    expect(() => new RedisStore("redis://h", { prefx: "a" } as object)).toThrow(
      new ConfigError('RedisStore: there is no option "prefx"; there are prefix, timeoutMs, durability, rewriteAof'),
    );
    expect(() => new RedisStore({ host: "h", whatever: 1 } as object)).not.toThrow();
  });
  test("one that was given to the client is refused with its place", () => {
    expect(() => new RedisStore({ host: "h", prefix: "a" } as object)).toThrow(/prefix .*second argument: new RedisStore\(target, \{ prefix \}\)/);
  });
  test.each([undefined, null, 6379])("the target %s is refused with what to give", (target) => {
    expect(() => new RedisStore(target as never)).toThrow(ConfigError);
    expect(() => new RedisStore(target as never)).toThrow(/give the URL of a Redis, as in new RedisStore\("redis:\/\/127\.0\.0\.1:6379\/0"\)/);
  });
});
