/** For every refusal of every script that writes: each key in Redis is, byte for byte, what it was before. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InvariantError, StoreUnavailableError } from "../../../src/errors.ts";
import { shardRef } from "../../../src/key.ts";
import type { DeliverOutcome } from "../../../src/store/store.ts";
import { STRUCTURES } from "../../../src/store/redis/keys.ts";
import type { Script } from "../../../src/store/redis/script.ts";
import { BEGIN_CHANGE, COMMIT, INIT, INIT_DOMAIN, REGISTER, SCRIPTS } from "../../../src/store/redis/scripts.ts";
import type { Bench } from "../conformance/bench.ts";
import { COUNTER, JOINER, append, bytes, consumed, counter, far, joiner, nextGraph, parcel, source } from "../conformance/values.ts";
import { startHarness, type Harness } from "./harness.ts";

let harness: Harness;
let bench: Bench;
beforeAll(async () => {
  harness = await startHarness();
  bench = await harness.bench();
});
afterAll(() => harness.dispose());

/** Outcomes that mean that something was written; every other outcome of a script that writes is a refusal. */
const WRITTEN = new Set(["stored", "acquired", "renewed", "released", "committed", "delivered", "after-loss", "registered", "raised"]);
const refusals = SCRIPTS.filter(({ flags }) => flags !== "no-writes").flatMap(({ file, outcomes }) =>
  Object.values(outcomes)
    .filter((outcome) => !WRITTEN.has(outcome))
    .map((outcome) => `${file} ${outcome}`),
);
const tried = new Set<string>();

/** Runs `act`, which is refused, and compares all of Redis. */
async function refused(refusal: string, act: () => Promise<unknown>): Promise<void> {
  tried.add(refusal);
  const before = await harness.keyspace();
  expect(before.size).toBeGreaterThan(100);
  await act();
  expect(await harness.keyspace()).toEqual(before);
}

/** A commit with every kind of write, on a shard with something in every structure. */
async function everything(shard: number) {
  const owner = await bench.acquire(shard);
  await owner.commit({
    parcels: [append(shard, "first"), append(shard, "second")],
    stateFields: ["2:a"],
    stateValues: [bytes("1")],
    heldPuts: [{ id: 1, bytes: bytes("h") }],
  });
  const parts = {
    stateFields: ["2:a", "2:b"],
    stateValues: [undefined, bytes("2")],
    timerSets: [
      { clock: "watermark", member: "3:0:k", time: 5 },
      { clock: "wall", member: "3:0:k", time: 5 },
    ],
    holdSets: [{ member: "k:k", time: 5 }],
    heldDeletes: [1],
    deadPuts: [{ id: 1, bytes: bytes("d") }],
    ids: [{ id: "c", timestamp: 5 }],
    idsExpireBelow: 2,
    parcels: [append(joiner, "out"), append(shard, "again")],
    outbox: [{ target: far, records: 1, bytes: bytes("o"), n: 1 }],
    entries: [{ stream: "theirs", maxLength: undefined, texts: ["field", "value"], bytes: 10 }],
  } as const;
  return { owner, parts };
}

describe("commit", () => {
  test.each(Object.values(COMMIT.outcomes).filter((outcome) => outcome !== "committed" && outcome !== "unchained"))("%s", async (outcome) => {
    const { owner, parts } = await everything(counter);
    const commit = owner.seal({ ...parts, consumed: consumed((await bench.recover(counter)).position + 1, 0, 1, "first") });
    if (outcome === "already") expect((await bench.store.commit([commit])).outcomes).toEqual(["committed"]);
    const change = { already: {}, fenced: { sequencer: "1.other" }, gap: { number: commit.number + 1 }, "stale-graph": { graphVersion: 9 } }[outcome as "gap"];
    await refused(`commit.lua ${outcome}`, async () => {
      const reply = await bench.store.commit([{ ...commit, ...change }]);
      expect([reply.outcomes, reply.tails]).toEqual([[outcome], []]);
    });
    // So that the next case finds its parcels first.
    const { tail } = await bench.recover(counter);
    const { number } = await bench.recover(counter);
    owner.number = number;
    const last = (await bench.inbox(counter, tail - 1))[0]!;
    await owner.commit({ consumed: consumed(tail, 0, 0, last) });
  });

  test("a gap of consumption: another parcel, behind, beyond", async () => {
    const { owner, parts } = await everything(far);
    await owner.commit({ consumed: consumed(1, 0, 1, "first") });
    for (const wrong of [consumed(2, 0, 1, "other"), consumed(0, 0, 0, ""), consumed(9, 0, 9, "second"), consumed(2, 1, 1, "second"), consumed(2, 1, 1, "")]) {
      await refused("commit.lua gap", async () => {
        expect((await bench.store.commit([owner.seal({ ...parts, consumed: wrong })])).outcomes).toEqual(["gap"]);
      });
    }
  });

  test("several refused commits in one list", async () => {
    const { owner, parts } = await everything(shardRef(COUNTER, 2));
    const [other, third] = [await bench.acquire(shardRef(COUNTER, 3)), await bench.acquire(shardRef(JOINER, 3))];
    await refused("commit.lua gap", async () => {
      const list = [owner.seal({ ...parts, number: 7 }), other.seal({ ...parts, sequencer: "1.x" }), third.seal({ ...parts, graphVersion: 3 })];
      expect((await bench.store.commit(list)).outcomes).toEqual(["gap", "fenced", "stale-graph"]);
    });
  });

  test("unchained: one whose chain has another that is refused", async () => {
    const { owner, parts } = await everything(shardRef(COUNTER, 2));
    const other = await bench.acquire(shardRef(COUNTER, 3));
    await refused("commit.lua unchained", async () => {
      const list = [owner.seal({ ...parts, chain: 4 }), other.seal({ ...parts, chain: 4, sequencer: "1.x" })];
      expect((await bench.store.commit(list)).outcomes).toEqual(["unchained", "fenced"]);
    });
  });

  test("a key of an entry that is no stream: an error before the first write, although others of the list are good", async () => {
    await harness.admin.set("text", "not a stream");
    const { owner, parts } = await everything(shardRef(COUNTER, 2));
    const good = await bench.acquire(shardRef(COUNTER, 3));
    const entry = (stream: string) => ({ stream, maxLength: undefined, texts: ["n", "1"], bytes: 2 });
    await refused("commit.lua NOSTREAM", async () => {
      const list = [good.seal({ entries: [entry("others")] }), owner.seal({ ...parts, entries: [entry("theirs"), entry("text")] })];
      await expect(bench.store.commit(list)).rejects.toThrow(/"text" holds something that is not a stream/);
    });
  });

  test("a target that is not in the graph: an error before the first write, although others of the list are good", async () => {
    const good = await bench.acquire(source);
    const bad = await bench.acquire(joiner);
    await refused("commit.lua UNKNOWNSHARD", async () => {
      const list = [good.seal({ parcels: [append(counter, "good")] }), bad.seal({ parcels: [append(shardRef(77, 0), "lost")] })];
      await expect(bench.store.commit(list)).rejects.toThrow(InvariantError);
    });
  });
});

test("init under another version", async () => {
  await refused("init.lua changed-meanwhile", async () => {
    for (const expected of [undefined, 0, 2]) expect(await bench.store.init(nextGraph(3, { added: true }), expected)).toBe("changed-meanwhile");
  });
});

/** The script alone, as when another process came between reading and writing. */
function overtaken(script: Script, keys: readonly string[], args: readonly (string | number | Buffer)[]): Promise<unknown> {
  return harness.admin.evalsha(script.sha, keys.length, ...keys.map((key) => `{millrace:${bench.pipeline}}:${key}`), ...args);
}

test("init that another process overtook after the graph was read", async () => {
  await refused("init.lua changed-meanwhile", async () => {
    const created = STRUCTURES.map((structure) => `of-a-new-shard:${structure}`);
    expect(await overtaken(INIT, ["g", "n", "r", "w", "l", ...created], [9, 10, "{}", 1, 1, 7, "cells", "owners", "#7 0 l 0;"])).toBe("c");
  });
});

test("a change of the graph of a cluster under another version, or while another is under way", async () => {
  await refused("begin-change.lua changed-meanwhile", async () => {
    expect(await overtaken(BEGIN_CHANGE, ["g"], [9, "{}", 4])).toBe("c");
    expect(await overtaken(BEGIN_CHANGE, ["g"], ["", "{}", 4])).toBe("c");
  });
});

test("a domain that has the version already", async () => {
  await refused("init-domain.lua already", async () => {
    const created = STRUCTURES.map((structure) => `of-a-new-shard:${structure}`);
    for (const version of [0, 1]) expect(await overtaken(INIT_DOMAIN, ["g", "n", "l", ...created], [version, 1])).toBe("a");
  });
});

test("a delivery to a shard that is not in the graph", async () => {
  await refused("deliver.lua gone", async () => {
    const delivery = { from: counter, to: shardRef(77, 0), place: { monotonic: 1, n: 1 }, records: 1, bytes: parcel("lost") };
    expect((await bench.store.deliver([delivery])).outcomes.map(({ outcome }) => outcome)).toEqual(["gone"]);
  });
});

test("acquire of a shard that another holds, among shards that are free", async () => {
  const shard = shardRef(JOINER, 1);
  await bench.store.acquire({ worker: "holder", shards: [shard], leaseMs: 60_000 });
  await refused("acquire.lua held-by", async () => {
    const [outcome] = await bench.store.acquire({ worker: "other", shards: [shard], leaseMs: 60_000 });
    expect(outcome).toMatchObject({ kind: "held-by", worker: "holder" });
  });
  await refused("acquire.lua UNKNOWNSHARD", async () => {
    await expect(bench.store.acquire({ worker: "other", shards: [shardRef(JOINER, 2), shardRef(88, 0)], leaseMs: 60_000 })).rejects.toThrow(InvariantError);
  });
});

test("renew and release of a lease that is no longer held", async () => {
  const shard = shardRef(JOINER, 2);
  const [first] = await bench.store.acquire({ worker: "w", shards: [shard], leaseMs: 60_000 });
  const stale = { shard, sequencer: first?.kind === "acquired" ? first.sequencer : "" };
  await bench.store.acquire({ worker: "w", shards: [shard], leaseMs: 60_000 });
  const wrong = [stale, { shard, sequencer: "" }, { shard: shardRef(99, 0), sequencer: "1.x" }];
  await refused("renew.lua lost", async () => {
    expect((await bench.store.renew("w", wrong, 60_000)).lost).toEqual(wrong.map((lease) => lease.shard));
  });
  await refused("release.lua lost", () => bench.store.release("w", wrong));
});

test("deliveries that are duplicates or behind", async () => {
  const to = shardRef(COUNTER, 1);
  const delivery = (monotonic: number, n: number, previous?: { monotonic: number; n: number }) => ({
    from: joiner,
    to,
    place: { monotonic, n },
    previous,
    records: 1,
    bytes: parcel("p"),
  });
  expect(await bench.deliver(delivery(10, 1), delivery(10, 2))).toEqual(["delivered", "delivered"]);
  const cases: [DeliverOutcome, ReturnType<typeof delivery>][] = [
    ["duplicate", delivery(10, 2)],
    ["duplicate", delivery(9, 5)],
    ["behind", delivery(10, 4)],
    ["behind", delivery(11, 2)],
    ["behind", delivery(11, 1, { monotonic: 10, n: 3 })],
  ];
  for (const [outcome, each] of cases) {
    await refused(`deliver.lua ${outcome}`, async () => expect(await bench.deliver(each)).toEqual([outcome]));
  }
});

test("reports under a generation that is not the worker's, or of a participant that is not there", async () => {
  const [registration] = await bench.store.register("w", [{ participant: COUNTER, shards: [0, 1], of: 4 }]);
  const generation = registration!.generation;
  const report = { number: 1, output: 50, status: "live", last: 50 } as const;
  await refused("report.lua refused", async () => {
    const { refused: names } = await bench.store.report("w", [
      { ...report, participant: COUNTER, generation: generation + 1 },
      { ...report, participant: 66, generation },
    ]);
    expect(names).toEqual([COUNTER, 66]);
    expect((await bench.store.report("stranger", [{ ...report, participant: COUNTER, generation }])).refused).toEqual([COUNTER]);
  });
});

test("a registration that others overtook", async () => {
  const stored = await harness.admin.hmgetBuffer(`{millrace:${bench.pipeline}}:r`, `owners:${JOINER}`, `cells:${JOINER}`);
  const [owners, cells] = stored.map((value) => value!) as [Buffer, Buffer];
  await refused("register.lua changed-meanwhile", async () => {
    for (const [was, held] of [
      ["0 / / / w", cells],
      [owners, cells.subarray(1)],
    ] as const) {
      // The first of the two would be written if each were checked only when its turn comes.
      expect(await overtaken(REGISTER, ["r"], [JOINER, owners, cells, owners, "new", "", JOINER, was, held, "new", "new", ""])).toBe("c");
    }
  });
});

test("registrations of many workers at once all come through, each under its own generation", async () => {
  const other = await harness.open(bench.pipeline);
  const workers = Array.from({ length: 20 }, (_, i) => i);
  const granted = await Promise.all(
    workers.map((i) => (i % 2 === 0 ? bench.store : other).register(`w${i}`, [{ participant: JOINER, shards: [i % 4], of: 4 }])),
  );
  expect(new Set(granted.map(([registration]) => registration!.generation)).size).toBe(workers.length);
});

test("a call that the server cannot take when its memory is full changes nothing", async () => {
  await harness.admin.config("SET", "maxmemory", "1mb");
  try {
    const other = await harness.open("full");
    await refused("init.lua OOM", async () => {
      await expect(other.init(nextGraph(1), undefined)).rejects.toThrow(StoreUnavailableError);
      await expect(other.init(nextGraph(1), undefined)).rejects.toThrow(/OOM.*maxmemory/);
    });
    // What drains goes on.
    expect(await (await bench.acquire(source)).outcome({ stateFields: ["2:a"], stateValues: [undefined] })).toBe("committed");
  } finally {
    await harness.admin.config("SET", "maxmemory", "0");
  }
});

test("no refusal of any script was left out", () => {
  expect(refusals.filter((refusal) => !tried.has(refusal))).toEqual([]);
});
