/** What a worker owes of records that it had confirmed to their source, when the store has lost the commits that hold them. */
import { expect, test } from "vitest";
import { shapes, staged } from "../../sim/workload/shapes.ts";
import { byHand } from "../../src/index.ts";
import { type ShardRef, shardRef } from "../../src/key.ts";
import { LossAudit } from "../../src/testing/simulation/loss-audit.ts";
import type { StoreEffect } from "../../src/testing/simulation/store-request.ts";
import { StoreAudit } from "../../src/testing/simulation/store-audit.ts";
import { Engine } from "../../src/worker/engine.ts";
import { makeInstances } from "../../src/worker/instances.ts";
import { PLAIN } from "./plain-variant.ts";

const SHAPE = shapes[0] as (typeof shapes)[number];

/** It has confirmed a record of an injector, which the store has no more; now it hears where the shard stands, and tells of no loss. */
async function hears(sequencer: string, number: number): Promise<void> {
  const { plan, data, current } = await staged(SHAPE, PLAIN);
  current.stage = { scripts: new Map(), tries: new Map(), sources: new Map([["i", { policy: byHand(), ids: false, retention: 1_000 }]]) };
  const engine = new Engine({
    plan,
    worker: "w1",
    random: { id: () => "x" },
    instances: makeInstances(plan),
    exclusive: false,
    domains: 1,
    domainOf: () => 0,
    now: 0,
    leaseMs: 200,
    batchRecords: 8,
    cacheBytes: 0,
    frozen: false,
    reportEvery: 0,
    parkAfterDeaths: Number.POSITIVE_INFINITY,
  });
  const shard: ShardRef = shardRef(plan.participants.find(({ kind }) => kind === "injector")?.id ?? 0, 0);
  const effect = { kind: "read-heads", shards: [shard] } as const;
  const losses = new LossAudit(() => ["a record"]);
  const commit = { kind: "commit", commits: [{ shard }] } as unknown as StoreEffect;
  losses.answering("w1", engine, commit, { outcomes: ["committed"] });
  losses.confirmed("w1", shard, "1-a", ["a record"]);
  losses.looked(effect, StoreAudit.of(plan, new Map(), { effects: undefined, operators: undefined }));
  losses.accounted(
    "w1",
    engine,
    effect,
    data.summarize([shard]).map((head) => ({ ...head, sequencer, number })),
  );
}

test("a lost record that was confirmed has to be named as long as nobody else was granted its shard", async () => {
  await expect(hears("1-a", 0)).rejects.toThrow("w1 does not name a record of");
});

test("a lost record that was confirmed need not be named where another has been granted its shard, and has come as far", async () => {
  await hears("2-b", 2);
});
