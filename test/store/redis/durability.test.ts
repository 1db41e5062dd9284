/** What is there after the server was stopped, or killed in the middle of its work, and started again on its data. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { StoreUnavailableError } from "../../../src/errors.ts";
import { shardRef, type ShardRef } from "../../../src/key.ts";
import type { Commit } from "../../../src/store/commit.ts";
import type { Owner } from "../conformance/bench.ts";
import { COUNTER, JOINER, append, bytes, consumed, counter, joiner } from "../conformance/values.ts";
import { eventually, startHarness, type Harness } from "./harness.ts";

let harness: Harness;
beforeAll(async () => {
  // Always: what was answered is on the disk, so the tests may say what must be there.
  harness = await startHarness({ args: ["--appendfsync", "always"] });
});
afterAll(() => harness.dispose());

test("a restart finds everything as it was, and leases and sequencers go on", async () => {
  const bench = await harness.bench();
  const owner = await bench.acquire(counter);
  await owner.commit({ parcels: [append(counter, "a"), append(counter, "b")], stateFields: ["2:a"], stateValues: [bytes("1")] });
  await owner.commit({
    consumed: consumed(1, 0, 1, "a"),
    timerSets: [{ clock: "wall", member: "3:0:k", time: 2 ** 53 - 1 }],
    holdSets: [{ member: "w:3:0:k", time: 4 }],
    heldPuts: [{ id: 1, bytes: bytes("h") }],
    deadPuts: [{ id: 1, bytes: bytes("d") }],
    ids: [{ id: "c", timestamp: 5 }],
    outbox: [{ target: joiner, records: 1, bytes: bytes("o"), n: 1 }],
  });
  const before = await harness.keyspace();
  const dump = await bench.dump();
  await harness.server.restart();
  expect(await eventually(() => bench.dump())).toEqual(dump);
  expect(await harness.keyspace()).toEqual(before);
  expect(bench.store.generation).toBe(1);
  await owner.commit({ consumed: consumed(2, 0, 1, "b") });
});

test("a server killed under load: each commit was applied whole or not at all, and its resend says which", async () => {
  const bench = await harness.bench();
  const generation = bench.store.generation;
  const shards = [0, 1, 2, 3].map((index) => shardRef(COUNTER, index));
  const owners = await Promise.all(shards.map((shard) => bench.acquire(shard)));
  const target: ShardRef = shardRef(JOINER, 0);
  let answered = 0;
  let resent = 0;

  /** One owner: counts in its state, and appends each number once, through whatever happens. */
  const work = async (owner: Owner, own: number): Promise<void> => {
    for (let n = 1; n <= 150; n++) {
      const commit: Commit = owner.seal({ stateFields: ["2:n"], stateValues: [bytes(String(n))], parcels: [append(target, `${own}-${n}`)] });
      let sent = 0;
      const reply = await eventually(async () => {
        sent += 1;
        return bench.store.commit([commit]).catch((error: unknown) => {
          expect(error).toBeInstanceOf(StoreUnavailableError);
          throw error;
        });
      });
      if (sent === 1) expect(reply.outcomes).toEqual(["committed"]);
      else resent += 1;
      expect(["committed", "already"]).toContain(reply.outcomes[0]);
      owner.number += 1;
      answered += 1;
    }
  };
  const kill = async (): Promise<void> => {
    for (const after of [100, 300]) {
      await eventually(async () => expect(answered).toBeGreaterThan(after));
      await harness.server.restart("SIGKILL");
    }
  };
  await Promise.all([kill(), ...owners.map(work)]);

  expect(resent).toBeGreaterThan(0);
  expect(bench.store.generation).toBe(generation + 2);
  const parcels = await bench.inbox(target);
  expect(parcels.length).toBe(600);
  expect(new Set(parcels).size).toBe(600);
  for (const own of owners.keys()) {
    const inOrder = parcels.filter((name) => name.startsWith(`${own}-`)).map((name) => Number(name.split("-")[1]));
    expect(inOrder).toEqual(Array.from({ length: 150 }, (_, i) => i + 1));
  }
  for (const shard of shards) expect(await bench.state(shard, "2:n")).toEqual(["150"]);
});
