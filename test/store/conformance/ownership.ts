/** Leases and sequencers. Where the clock is the server's, leases are short and waited for. */
import { expect } from "vitest";
import { monotonicOf, type Sequencer } from "../../../src/store/commit.ts";
import type { ShardRef } from "../../../src/key.ts";
import type { AcquireOutcome, Lease } from "../../../src/store/store.ts";
import type { Bench, Define } from "./bench.ts";
import { LEASE, bytes, counter, far, joiner, report, source } from "./values.ts";

const SHORT = 60;

async function acquire(bench: Bench, worker: string, shard = counter, leaseMs = LEASE): Promise<AcquireOutcome> {
  return (await bench.store.acquire({ worker, shards: [shard], leaseMs }))[0]!;
}

/** A sequencer, or a failure: for acquisitions that must succeed. */
async function acquired(bench: Bench, worker: string, shard = counter, leaseMs = LEASE): Promise<Sequencer> {
  const outcome = await acquire(bench, worker, shard, leaseMs);
  if (outcome.kind !== "acquired") throw new Error(`${shard} is held by ${outcome.worker}`);
  return outcome.sequencer;
}

export function ownership(define: Define): void {
  acquiring(define);
  sequencers(define);
  renewing(define);
  keeping(define);
  releasing(define);
}

function acquiring(define: Define): void {
  define("a free shard is acquired", async (bench) => {
    const outcome = await acquire(bench, "w1");
    expect(outcome).toMatchObject({ kind: "acquired", sequencer: expect.stringMatching(/^\d+\..+$/) });
    const [summary] = await bench.store.summarize([counter]);
    expect(summary).toMatchObject({ owner: "w1", sequencer: outcome.kind === "acquired" ? outcome.sequencer : "" });
    expect(summary!.leaseUntil).toBe((outcome.kind === "acquired" ? outcome.now : 0) + LEASE);
  });

  define("a shard under another's lease is held by it until that runs out, and nothing changes", async (bench) => {
    const outcome = await acquire(bench, "w1");
    await bench.unchanged(async () => {
      expect(await acquire(bench, "w2")).toEqual({ kind: "held-by", worker: "w1", until: (outcome.kind === "acquired" ? outcome.now : 0) + LEASE });
    });
  });

  define("a shard whose lease ran out is acquired by another", async (bench) => {
    const before = await acquired(bench, "w1", counter, SHORT);
    await bench.advance(SHORT);
    const after = await acquired(bench, "w2");
    expect(monotonicOf(after)).toBeGreaterThan(monotonicOf(before));
    expect((await bench.store.summarize([counter]))[0]!.owner).toBe("w2");
  });

  define("a lease holds until its last millisecond", async (bench) => {
    await acquired(bench, "w1", counter, LEASE);
    // A server's clock goes on by itself, and cannot be put just before the end.
    if (bench.under.clock === "ours") bench.clock.time += LEASE - 1;
    expect((await acquire(bench, "w2")).kind).toBe("held-by");
    if (bench.under.clock === "ours") bench.clock.time += 1;
    expect((await acquire(bench, "w2")).kind).toBe(bench.under.clock === "ours" ? "acquired" : "held-by");
  });

  define("a worker may acquire its own shard again, and gets a new sequencer", async (bench) => {
    const before = await acquired(bench, "w1");
    const after = await acquired(bench, "w1");
    expect(after).not.toBe(before);
    expect((await bench.store.renew("w1", [{ shard: counter, sequencer: before }], LEASE)).lost).toEqual([counter]);
    expect((await bench.store.renew("w1", [{ shard: counter, sequencer: after }], LEASE)).lost).toEqual([]);
  });

  define("steal takes a shard whose lease runs on", async (bench) => {
    const before = await acquired(bench, "w1");
    const [outcome] = await bench.store.acquire({ worker: "w2", shards: [counter], leaseMs: LEASE, steal: true });
    expect(outcome?.kind).toBe("acquired");
    expect((await bench.store.renew("w1", [{ shard: counter, sequencer: before }], LEASE)).lost).toEqual([counter]);
  });

  define("a shard is abandoned if another had it and did not release it: not if it is new, was one's own, or was released", async (bench) => {
    const abandoned = async (worker: string, steal = true) => {
      const [outcome] = await bench.store.acquire({ worker, shards: [counter], leaseMs: LEASE, steal });
      return outcome?.kind === "acquired" ? outcome : { sequencer: "", abandoned: undefined };
    };
    expect((await abandoned("w1")).abandoned).toBe(false);
    expect((await abandoned("w1")).abandoned).toBe(false);
    expect((await abandoned("w2")).abandoned).toBe(true);
    const { sequencer } = await abandoned("w2");
    await bench.store.release("w2", [{ shard: counter, sequencer }]);
    expect((await abandoned("w3")).abandoned).toBe(false);
    expect((await abandoned("w4")).abandoned).toBe(true);
  });

  define("each shard of one request has its own outcome, in order", async (bench) => {
    await acquired(bench, "w2", far);
    const outcomes = await bench.store.acquire({ worker: "w1", shards: [joiner, far, counter, source, report], leaseMs: LEASE });
    expect(outcomes.map(({ kind }) => kind)).toEqual(["acquired", "held-by", "acquired", "acquired", "acquired"]);
    expect((await bench.store.summarize([joiner, far, counter])).map(({ owner }) => owner)).toEqual(["w1", "w2", "w1"]);
  });

  define("a request for no shard gives nothing", async (bench) => {
    expect(await bench.store.acquire({ worker: "w1", shards: [], leaseMs: LEASE })).toEqual([]);
    expect(await bench.store.recover([], { timers: 1, holds: 1 })).toEqual([]);
  });

  define("acquiring changes nothing of what is stored but the ownership", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ stateFields: ["2:k"], stateValues: [bytes("1")], timerSets: [{ clock: "wall", member: "3:0:k", time: 1 }], image: bytes("kept") });
    const before = await bench.recover(counter);
    await bench.acquire(counter, "w2");
    expect(await bench.recover(counter)).toEqual(before);
    expect(await bench.state(counter, "2:k")).toEqual(["1"]);
  });

  define("a worker's name may have any characters", async (bench) => {
    for (const worker of ["w:1", "w 2", "w\n3", "{w4}", "w\u00005", "воркер"]) {
      const [outcome] = await bench.store.acquire({ worker, shards: [counter], leaseMs: LEASE, steal: true });
      expect(outcome?.kind).toBe("acquired");
      expect(await acquire(bench, "other")).toMatchObject({ kind: "held-by", worker });
    }
  });
}

function sequencers(define: Define): void {
  define("the monotonic part is at least the store's clock and rises with every acquisition", async (bench) => {
    let last = 0;
    for (let i = 0; i < 20; i++) {
      const outcome = await acquire(bench, "w1");
      if (outcome.kind !== "acquired") throw new Error("held");
      const monotonic = monotonicOf(outcome.sequencer);
      expect(monotonic).toBeGreaterThan(last);
      expect(monotonic).toBeGreaterThanOrEqual(outcome.now);
      last = monotonic;
    }
  });

  define("the monotonic part rises although the clock runs back", async (bench) => {
    const before = await acquired(bench, "w1");
    bench.clock.time -= 3_600_000;
    const after = await acquired(bench, "w1");
    expect(monotonicOf(after)).toBeGreaterThan(monotonicOf(before));
  });

  define("the monotonic part rises over a release and over a reopen", async (bench) => {
    const seen: number[] = [];
    for (let i = 0; i < 3; i++) {
      const sequencer = await acquired(bench, "w1");
      seen.push(monotonicOf(sequencer));
      await bench.store.release("w1", [{ shard: counter, sequencer }]);
      await bench.reopen();
      bench.clock.time -= 10;
    }
    expect(seen).toEqual([...new Set(seen)].sort((x, y) => x - y));
  });

  define("no two shards get the same sequencer", async (bench) => {
    const outcomes = await bench.store.acquire({ worker: "w1", shards: [source, counter, far, joiner, report], leaseMs: LEASE });
    expect(new Set(outcomes.map((outcome) => (outcome.kind === "acquired" ? outcome.sequencer : ""))).size).toBe(5);
  });
}

function renewing(define: Define): void {
  define("a renewed lease runs on from now", async (bench) => {
    const sequencer = await acquired(bench, "w1", counter, SHORT);
    const { lost, now } = await bench.store.renew("w1", [{ shard: counter, sequencer }], LEASE);
    expect(lost).toEqual([]);
    expect((await bench.store.summarize([counter]))[0]!.leaseUntil).toBe(now + LEASE);
    await bench.advance(SHORT);
    expect((await acquire(bench, "w2")).kind).toBe("held-by");
  });

  define("a lease that ran out but that no one took can still be renewed", async (bench) => {
    const sequencer = await acquired(bench, "w1", counter, 1);
    await bench.advance(10);
    expect((await bench.store.renew("w1", [{ shard: counter, sequencer }], LEASE)).lost).toEqual([]);
    expect((await acquire(bench, "w2")).kind).toBe("held-by");
  });

  define("a lease that another took is lost, and is not prolonged for the new owner", async (bench) => {
    const sequencer = await acquired(bench, "w1", counter, 1);
    await bench.advance(10);
    await acquired(bench, "w2", counter, SHORT);
    const until = (await bench.store.summarize([counter]))[0]!.leaseUntil;
    expect((await bench.store.renew("w1", [{ shard: counter, sequencer }], LEASE)).lost).toEqual([counter]);
    expect((await bench.store.summarize([counter]))[0]).toMatchObject({ leaseUntil: until, owner: "w2" });
  });

  define("of several leases those are told that are lost", async (bench) => {
    const leases = [];
    for (const shard of [counter, far, joiner]) leases.push({ shard, sequencer: await acquired(bench, "w1", shard) });
    await bench.acquire(far, "w2");
    expect((await bench.store.renew("w1", leases, LEASE)).lost).toEqual([far]);
    expect((await bench.store.renew("w1", [], LEASE)).lost).toEqual([]);
  });

  define("renewing a shard that no one has is a loss and makes no owner", async (bench) => {
    expect(
      (
        await bench.store.renew(
          "w1",
          [
            { shard: counter, sequencer: "" },
            { shard: far, sequencer: "1.x" },
          ],
          LEASE,
        )
      ).lost,
    ).toEqual([counter, far]);
    expect((await acquire(bench, "w2")).kind).toBe("acquired");
  });
}

/** A worker renews all that it has in a domain at once. */
function keeping(define: Define): void {
  /** As a worker does again and again: nothing is confirmed. */
  const keep = async (bench: Bench, worker: string, leases: readonly Lease[], leaseMs = LEASE) =>
    (await bench.store.renew(worker, leases, leaseMs, false)).lost;
  const own = async (bench: Bench, worker: string, leaseMs: number, ...shards: ShardRef[]): Promise<Lease[]> => {
    const leases: Lease[] = [];
    for (const shard of shards) leases.push({ shard, sequencer: await acquired(bench, worker, shard, leaseMs) });
    return leases;
  };
  const endOf = async (bench: Bench, shard: ShardRef) => (await bench.store.summarize([shard]))[0]!.leaseUntil;

  define("a renewal that confirms nothing prolongs every lease", async (bench) => {
    const leases = await own(bench, "w1", SHORT, counter, joiner);
    for (let i = 0; i < 3; i++) {
      await bench.advance(SHORT / 2);
      const { lost, now } = await bench.store.renew("w1", leases, LEASE, false);
      expect(lost).toEqual([]);
      for (const { shard } of leases) expect(await endOf(bench, shard)).toBe(now + LEASE);
    }
    await bench.advance(SHORT);
    for (const { shard } of leases) expect((await acquire(bench, "w2", shard)).kind).toBe("held-by");
  });

  define("a worker that renews no more loses all that it kept when its lease is over", async (bench) => {
    const leases = await own(bench, "w1", SHORT, counter, joiner);
    for (let i = 0; i < 2; i++) await keep(bench, "w1", leases, SHORT);
    await bench.advance(SHORT);
    for (const { shard } of leases) expect(await acquire(bench, "w2", shard)).toMatchObject({ kind: "acquired", abandoned: true });
    expect(await keep(bench, "w1", leases)).toEqual([counter, joiner]);
  });

  define("one who wakes after its lease keeps what no one took, and is told what another has", async (bench) => {
    const leases = await own(bench, "w1", SHORT, counter, joiner);
    await keep(bench, "w1", leases, SHORT);
    await bench.advance(SHORT);
    const taken = { shard: counter, sequencer: await acquired(bench, "w2", counter) };
    expect(await keep(bench, "w1", leases)).toEqual([counter]);
    expect((await acquire(bench, "w2", joiner)).kind).toBe("held-by");
    expect(await keep(bench, "w1", leases.slice(1))).toEqual([]);
    expect(await keep(bench, "w2", [taken])).toEqual([]);
  });

  define("one who acquires another shard before it renews again is still told what was taken from it", async (bench) => {
    const leases = await own(bench, "w1", SHORT, counter, joiner);
    await keep(bench, "w1", leases, SHORT);
    await bench.advance(SHORT);
    await acquired(bench, "w2", counter);
    const more = await own(bench, "w1", LEASE, report);
    expect(await keep(bench, "w1", [...leases, ...more])).toEqual([counter]);
    expect((await acquire(bench, "w2", joiner)).kind).toBe("held-by");
  });

  define("a shard that is stolen while its owner's lease runs is told lost by the next renewal", async (bench) => {
    const leases = await own(bench, "w1", LEASE, counter, joiner);
    await keep(bench, "w1", leases);
    await bench.store.acquire({ worker: "w2", shards: [counter], leaseMs: LEASE, steal: true });
    expect(await keep(bench, "w1", leases)).toEqual([counter]);
    expect(await keep(bench, "w1", leases.slice(1))).toEqual([]);
  });

  define("a shard that is released is free, and the others of its worker are not", async (bench) => {
    const leases = await own(bench, "w1", LEASE, counter, joiner);
    await keep(bench, "w1", leases);
    await bench.store.release("w1", leases.slice(0, 1));
    expect(await acquire(bench, "w2")).toMatchObject({ kind: "acquired", abandoned: false });
    expect((await acquire(bench, "w2", joiner)).kind).toBe("held-by");
    expect(await keep(bench, "w1", leases.slice(1))).toEqual([]);
    expect((await bench.store.summarize([counter]))[0]!.owner).toBe("w2");
  });

  define("what a worker acquires and does not show runs out as it was granted, and what it shows is kept", async (bench) => {
    const leases = await own(bench, "w1", LEASE, counter);
    await keep(bench, "w1", leases);
    const shown = await own(bench, "w1", SHORT, joiner);
    await own(bench, "w1", SHORT, report);
    expect((await bench.store.renew("w1", [...leases, ...shown], LEASE)).lost).toEqual([]);
    await bench.advance(SHORT);
    expect(await keep(bench, "w1", [...leases, ...shown])).toEqual([]);
    expect((await acquire(bench, "w2", report)).kind).toBe("acquired");
    for (const shard of [counter, joiner]) expect((await acquire(bench, "w2", shard)).kind).toBe("held-by");
  });

  define("what a worker shows no more runs out with the lease that it was in", async (bench) => {
    const leases = await own(bench, "w1", SHORT, counter, joiner);
    await keep(bench, "w1", leases, SHORT);
    expect((await bench.store.renew("w1", leases.slice(1), LEASE)).lost).toEqual([]);
    expect(await keep(bench, "w1", leases.slice(1))).toEqual([]);
    await bench.advance(SHORT);
    expect(await acquire(bench, "w2")).toMatchObject({ kind: "acquired", abandoned: true });
    expect(await keep(bench, "w1", leases.slice(1))).toEqual([]);
    expect((await acquire(bench, "w2", joiner)).kind).toBe("held-by");
  });

  define("a renewal that confirms finds what its own worker acquired anew", async (bench) => {
    const leases = await own(bench, "w1", LEASE, counter, joiner);
    await keep(bench, "w1", leases);
    await acquired(bench, "w1", counter);
    expect((await bench.store.renew("w1", leases, LEASE)).lost).toEqual([counter]);
  });
}

function releasing(define: Define): void {
  define("a released shard is acquired by another at once", async (bench) => {
    const sequencer = await acquired(bench, "w1");
    await bench.store.release("w1", [{ shard: counter, sequencer }]);
    expect((await bench.store.summarize([counter]))[0]!.owner).toBeUndefined();
    const after = await acquired(bench, "w2");
    expect(monotonicOf(after)).toBeGreaterThan(monotonicOf(sequencer));
  });

  define("a release under a former sequencer leaves the new owner alone", async (bench) => {
    const sequencer = await acquired(bench, "w1");
    await bench.acquire(counter, "w2");
    await bench.unchanged(async () => bench.store.release("w1", [{ shard: counter, sequencer }]));
  });

  define("a second release does no harm", async (bench) => {
    const sequencer = await acquired(bench, "w1");
    await bench.store.release("w1", [{ shard: counter, sequencer }]);
    await bench.unchanged(async () =>
      bench.store.release("w1", [
        { shard: counter, sequencer },
        { shard: far, sequencer: "" },
      ]),
    );
  });

  define("a released lease cannot be renewed", async (bench) => {
    const sequencer = await acquired(bench, "w1");
    await bench.store.release("w1", [{ shard: counter, sequencer }]);
    expect((await bench.store.renew("w1", [{ shard: counter, sequencer }], LEASE)).lost).toEqual([counter]);
    expect((await acquire(bench, "w2")).kind).toBe("acquired");
  });

  define("a release keeps what is stored", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ stateFields: ["2:k"], stateValues: [bytes("1")], heldPuts: [{ id: 1, bytes: bytes("held") }] });
    const before = await bench.recover(counter);
    await bench.store.release("w1", [{ shard: counter, sequencer: owner.sequencer }]);
    expect(await bench.recover(counter)).toEqual(before);
  });
}
