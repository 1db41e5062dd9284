/** What a lease costs the server, and workers of before leases were of workers: those renew each shard by itself, and know of nothing else. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { indexOf, participantOf, type ShardRef } from "../../../src/key.ts";
import type { Lease } from "../../../src/store/store.ts";
import type { Bench } from "../conformance/bench.ts";
import { counter, far, joiner, LEASE, report, source } from "../conformance/values.ts";
import { type Harness, startHarness } from "./harness.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.dispose());

async function own(bench: Bench, worker: string, ...shards: ShardRef[]): Promise<Lease[]> {
  const outcomes = await bench.store.acquire({ worker, shards, leaseMs: LEASE });
  return outcomes.map((outcome, i) => ({ shard: shards[i]!, sequencer: outcome.kind === "acquired" ? outcome.sequencer : "" }));
}

/** Commands that the server executed meanwhile, those inside scripts included; without the two looks at it. */
async function commandsOf(act: () => Promise<unknown>): Promise<Record<string, number>> {
  const counts = async () =>
    new Map([...(await harness.admin.info("commandstats")).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(([, name = "", calls]) => [name, Number(calls)]));
  const before = await counts();
  await act();
  const made = [...(await counts())].map(([name, calls]) => [name, calls - (before.get(name) ?? 0)] as const);
  return Object.fromEntries(made.filter(([name, calls]) => calls > 0 && name !== "info"));
}

/** As a worker of an older version stores that it owns a shard until then. */
async function ownAsBefore(bench: Bench, shard: ShardRef, worker: string, until: number): Promise<void> {
  const meta = `{millrace:${bench.pipeline}:${indexOf(shard)}}:${participantOf(shard)}:m`;
  await harness.admin.hset(meta, "seq", "9000000000000.old", "mono", "9000000000000", "own", worker, "until", until);
}

test("renewing costs three commands, however many shards a worker has", async () => {
  const bench = await harness.bench();
  const leases = await own(bench, "w1", counter, far, joiner, report, source);
  await bench.store.renew("w1", leases, LEASE);
  await bench.advance(1);
  expect(await commandsOf(() => bench.store.renew("w1", leases, LEASE, false))).toEqual({ evalsha: 1, time: 1, zadd: 1 });
});

test("a shard of an older worker is held as long as that one has renewed it, though another's lease was on it", async () => {
  const bench = await harness.bench();
  const [lease] = await own(bench, "new", counter);
  const { now } = await bench.store.renew("new", [lease!], LEASE);
  await ownAsBefore(bench, counter, "old", now + LEASE);
  const ask = async () => (await bench.store.acquire({ worker: "other", shards: [counter], leaseMs: LEASE }))[0];
  expect(await ask()).toEqual({ kind: "held-by", worker: "old", until: now + LEASE });
  await ownAsBefore(bench, counter, "old", now - 1);
  expect(await ask()).toMatchObject({ kind: "acquired", abandoned: true });
});

test("what an older worker has taken is found by the renewal that confirms", async () => {
  const bench = await harness.bench();
  const leases = await own(bench, "new", counter, joiner);
  const { now } = await bench.store.renew("new", leases, LEASE);
  await ownAsBefore(bench, counter, "old", now + LEASE);
  expect((await bench.store.renew("new", leases, LEASE)).lost).toEqual([counter]);
});
