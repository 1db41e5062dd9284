import { describe, expect, test } from "vitest";
import { describeServer, readServerFacts } from "../../../src/store/redis/server-check.ts";

const INFO = {
  redis_version: "7.0.15",
  redis_mode: "standalone",
  run_id: "aaa",
  role: "master",
  master_replid: "bbb",
  maxmemory_policy: "noeviction",
  aof_enabled: "1",
  cluster_enabled: "0",
};

function facts(change: Record<string, string | undefined>) {
  const fields = Object.entries({ ...INFO, ...change }).filter(([, value]) => value !== undefined);
  return readServerFacts(`# Server\r\n${fields.map(([name, value]) => `${name}:${value}`).join("\r\n")}\r\n\r\n# Keyspace\r\ndb0:keys=1,expires=0\r\n`);
}

describe("versions", () => {
  test.each(["7.0.0", "7.0.15", "7.2.4", "7.10.1", "8.2.1", "10.0.0"])("Redis %s is taken", (redis_version) => {
    expect(facts({ redis_version }).refusal).toBeUndefined();
  });
  test.each(["2.8.0", "5.0.14", "6.2.14", "6.99.99"])("Redis %s is refused with what to do", (redis_version) => {
    expect(facts({ redis_version }).refusal).toBe(
      `the server is Redis ${redis_version}; Millrace needs Redis 7.0 or later or Valkey 7.2 or later: upgrade the server`,
    );
  });
  test("an unknown version is refused", () => {
    expect(facts({ redis_version: undefined }).refusal).toMatch(/needs Redis 7\.0 or later/);
  });
  test.each(["7.2.5", "8.0.1", "9.0.0"])("Valkey %s is taken by its own version", (valkey_version) => {
    const found = facts({ redis_version: "7.2.4", valkey_version });
    expect([found.refusal, found.name]).toEqual([undefined, `Valkey ${valkey_version}`]);
  });
  test("a Valkey before 7.2 is refused whatever Redis it claims to be", () => {
    expect(facts({ redis_version: "9.9.9", valkey_version: "7.1.0" }).refusal).toMatch(/the server is Valkey 7\.1\.0/);
  });
  test.each(["kvrocks", "garnet", "dragonfly"])("%s is refused: its scripts are not known to be atomic", (server) => {
    expect(facts({ [`${server}_version`]: "1.0" }).refusal).toMatch(new RegExp(`the server is ${server}`));
  });
});

describe("configuration", () => {
  test.each(["allkeys-lru", "volatile-lru", "allkeys-lfu", "volatile-ttl", "allkeys-random"])(
    "maxmemory-policy %s is refused with what to set",
    (maxmemory_policy) => {
      expect(facts({ maxmemory_policy }).refusal).toMatch(new RegExp(`maxmemory-policy is ${maxmemory_policy}.*set it to noeviction`));
    },
  );
  test("a policy that INFO does not tell is refused", () => {
    expect(facts({ maxmemory_policy: undefined }).refusal).toMatch(/INFO does not tell maxmemory_policy/);
  });
  test("a node of a cluster is refused, however it says so", () => {
    expect(facts({ redis_mode: "cluster" }).refusal).toMatch(/Redis Cluster/);
    expect(facts({ redis_mode: undefined, cluster_enabled: "1" }).refusal).toMatch(/Redis Cluster/);
  });
  test("a replica is refused", () => {
    expect(facts({ role: "slave" }).refusal).toMatch(/is a replica.*address of its primary/);
  });
  test("a server without an append-only file is taken, and the description says what that means", () => {
    const found = facts({ aof_enabled: "0" });
    expect(found.refusal).toBeUndefined();
    expect(describeServer(found)).toMatch(/^Redis 7\.0\.15, no append-only file: .*appendonly yes$/);
    expect(describeServer(facts({}))).toBe("Redis 7.0.15, append-only file");
  });
});

describe("identity", () => {
  test("it is the run id and the replication id: either may change alone", () => {
    const { identity } = facts({});
    expect(facts({}).identity).toBe(identity);
    expect(facts({ run_id: "ccc" }).identity).not.toBe(identity);
    expect(facts({ master_replid: "ccc" }).identity).not.toBe(identity);
  });
});
