import { expect, test } from "vitest";
import { shardRef } from "../../../src/key.ts";
import { Keys, STRUCTURES } from "../../../src/store/redis/keys.ts";

const name = (encoded: Uint8Array): string => Buffer.from(encoded).toString().split("\r\n")[1]!;

test("keys of a shard are under the tag of its index, so that shard i of every participant is in one slot", () => {
  const keys = new Keys("millrace", "zeitgeist");
  const { meta, inbox } = keys.of(shardRef(3, 12));
  expect([name(meta), name(inbox)]).toEqual(["{millrace:zeitgeist:12}:3:m", "{millrace:zeitgeist:12}:3:i"]);
  const tags = [3, 4, 70].map((participant) => /^\{[^}]*\}/.exec(name(keys.of(shardRef(participant, 12)).state))?.[0]);
  expect(new Set(tags)).toEqual(new Set(["{millrace:zeitgeist:12}"]));
});

test("keys of a pipeline are under one tag", () => {
  const keys = new Keys("millrace", "zeitgeist");
  const all = [keys.graph, keys.appends, keys.authority, keys.workers, keys.leases];
  expect(all.map(name)).toEqual(["g", "n", "r", "w", "l"].map((letter) => `{millrace:zeitgeist}:${letter}`));
});

test("no two keys are the same: of structures, shards, participants, pipelines and prefixes", () => {
  const all: string[] = [];
  for (const prefix of ["a", "a:b", "a:1", "a:1:2"]) {
    for (const pipeline of ["b", "1", "2", "b-1"]) {
      const keys = new Keys(prefix, pipeline);
      all.push(...[keys.graph, keys.appends, keys.authority, keys.workers, keys.leases, keys.probe].map(name));
      for (const shard of [shardRef(1, 0), shardRef(1, 1), shardRef(11, 1), shardRef(0, 1), shardRef(2, 1)]) {
        for (const structure of STRUCTURES) all.push(name(keys.of(shard)[structure]));
      }
    }
  }
  // "a:1" with "2" and "a" with "1:2" would meet, but no pipeline has a colon in its name.
  expect(new Set(all).size).toBe(all.length);
});

test("a pipeline's name that could break out of its tag is refused", () => {
  for (const pipeline of ["", "a}b", "a:b", "a b", "x".repeat(65)]) expect(() => new Keys("millrace", pipeline)).toThrow(/pipeline name/);
});
