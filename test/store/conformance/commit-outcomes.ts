/** Every outcome of a commit, the order of the checks, and that what is refused changes nothing in any structure. */
import { expect } from "vitest";
import { InvariantError } from "../../../src/errors.ts";
import { shardRef } from "../../../src/key.ts";
import { monotonicOf, type Commit } from "../../../src/store/commit.ts";
import type { Bench, Define, Owner } from "./bench.ts";
import { append, bytes, consumed, counter, far, joiner, nextGraph, report, source, text, type Parts } from "./values.ts";

/** A commit that touches every structure there is. */
function everything(owner: Owner): Parts {
  return {
    image: bytes("image of everything"),
    consumed: consumed(1, 0, 1, "first"),
    stateFields: ["2:new", "2:old"],
    stateValues: [bytes("new"), undefined],
    timerSets: [
      { clock: "watermark", member: "3:0:new", time: 30 },
      { clock: "wall", member: "4:0:new", time: 40 },
    ],
    timerDeletes: [
      { clock: "watermark", member: "3:0:old" },
      { clock: "wall", member: "4:0:old" },
    ],
    holdSets: [{ member: "k:new", time: 5 }],
    holdDeletes: ["k:old"],
    heldPuts: [{ id: 2, bytes: bytes("held") }],
    heldDeletes: [1],
    deadPuts: [{ id: 2, bytes: bytes("dead") }],
    deadDeletes: [1],
    ids: [{ id: "client-new", timestamp: 50 }],
    idsExpireBelow: 20,
    parcels: [append(counter, "to-self"), append(joiner, "to-joiner"), append(report, "to-report")],
    outbox: [{ target: far, records: 1, bytes: bytes("waiting"), n: 2 }],
    outboxDeletes: [{ target: far, place: { monotonic: monotonicOf(owner.sequencer), n: 1 } }],
  };
}

/** An owner of `counter`, whose every structure has an entry that `everything` would change. */
async function furnished(bench: Bench): Promise<Owner> {
  const owner = await bench.acquire(counter);
  await owner.commit({
    stateFields: ["2:old", "2:kept"],
    stateValues: [bytes("old"), bytes("kept")],
    timerSets: [
      { clock: "watermark", member: "3:0:old", time: 3 },
      { clock: "wall", member: "4:0:old", time: 4 },
    ],
    holdSets: [{ member: "k:old", time: 1 }],
    heldPuts: [{ id: 1, bytes: bytes("held") }],
    deadPuts: [{ id: 1, bytes: bytes("dead") }],
    ids: [{ id: "client-old", timestamp: 10 }],
    parcels: [append(counter, "first"), append(counter, "second")],
    outbox: [{ target: far, records: 1, bytes: bytes("waiting"), n: 1 }],
  });
  return owner;
}

async function refuses(bench: Bench, commit: Commit, outcome: string): Promise<void> {
  await bench.unchanged(async () => {
    const reply = await bench.store.commit([commit]);
    expect(reply.outcomes).toEqual([outcome]);
    expect(reply.tails).toEqual([]);
  });
}

export function commitOutcomes(define: Define): void {
  define("the first commit has number 1 and is committed", async (bench) => {
    const owner = await bench.acquire(counter);
    expect(await owner.outcome()).toBe("committed");
    expect((await bench.recover(counter)).number).toBe(1);
  });

  define("a commit that touches every structure applies whole", async (bench) => {
    const owner = await furnished(bench);
    const reply = await owner.commit(everything(owner));
    expect(new Set(reply.tails.map(({ shard }) => shard))).toEqual(new Set([counter, joiner, report]));
    const stored = await bench.recover(counter);
    expect(stored).toMatchObject({ number: 2, position: 1, offset: 0, tail: 3, queued: 2, stateCount: 2, idCount: 1, deadCount: 1, holdCount: 1 });
    expect(text(stored.image)).toBe("image of everything");
    expect(await bench.state(counter, "2:new", "2:old", "2:kept")).toEqual(["new", undefined, "kept"]);
    expect([await bench.timers(counter), await bench.timers(counter, "wall")]).toEqual([["3:0:new@30"], ["4:0:new@40"]]);
    expect(stored.holds).toEqual([{ member: "k:new", time: 5 }]);
    expect([stored.held, await bench.store.readDeadLetters(counter, 9)].map((list) => list.map(({ id }) => id))).toEqual([[2], [2]]);
    expect(await bench.store.readIds(counter, ["client-old", "client-new"])).toEqual([false, true]);
    expect(stored.outbox.map(({ place }) => place.n)).toEqual([2]);
    expect([await bench.inbox(counter), await bench.inbox(joiner), await bench.inbox(report)]).toEqual([["second", "to-self"], ["to-joiner"], ["to-report"]]);
  });

  refusals(define);
  precedence(define);
  zombies(define);
  lists(define);
}

function refusals(define: Define): void {
  const refused = (name: string, outcome: string, change: (commit: Commit, bench: Bench) => Parts | Promise<Parts>): void => {
    define(name, async (bench) => {
      const owner = await furnished(bench);
      const commit = owner.seal(everything(owner));
      await refuses(bench, { ...commit, ...(await change(commit, bench)) }, outcome);
      expect(await owner.outcome(everything(owner))).toBe("committed");
    });
  };
  refused("a sequencer with another random part is fenced", "fenced", ({ sequencer }) => ({ sequencer: `${monotonicOf(sequencer)}.someone` }));
  refused("a sequencer with a larger monotonic part is fenced", "fenced", ({ sequencer }) => ({
    sequencer: sequencer.replace(/^\d+/, (n) => String(Number(n) + 1)),
  }));
  refused("a prefix of the stored sequencer is fenced", "fenced", ({ sequencer }) => ({ sequencer: sequencer.slice(0, -1) }));
  refused("an extension of the stored sequencer is fenced", "fenced", ({ sequencer }) => ({ sequencer: `${sequencer}0` }));
  refused("an empty sequencer is fenced", "fenced", () => ({ sequencer: "" }));
  refused("another shard's sequencer is fenced", "fenced", async (_, bench) => ({ sequencer: (await bench.acquire(joiner)).sequencer }));
  refused("a number that skips one is a gap", "gap", ({ number }) => ({ number: number + 1 }));
  refused("a number far ahead is a gap", "gap", () => ({ number: 2 ** 40 }));
  refused("the stored number with another id is a gap", "gap", ({ number }) => ({ number: number - 1 }));
  refused("a number of long ago is a gap", "gap", () => ({ number: 0 }));
  refused("an older graph version is stale", "stale-graph", () => ({ graphVersion: 0 }));
  refused("a newer graph version than the stored one is stale too", "stale-graph", () => ({ graphVersion: 2 }));
  refused("another parcel than the consumed one is a gap", "gap", () => ({ consumed: consumed(1, 0, 1, "second") }));
  refused("consuming beyond the tail is a gap", "gap", () => ({ consumed: consumed(3, 0, 3, "second") }));

  define("a resend is answered already and changes nothing", async (bench) => {
    const owner = await furnished(bench);
    const commit = owner.seal(everything(owner));
    expect((await bench.store.commit([commit])).outcomes).toEqual(["committed"]);
    await refuses(bench, commit, "already");
    await refuses(bench, commit, "already");
  });

  define("after a resend the owner goes on with the next number", async (bench) => {
    const owner = await bench.acquire(counter);
    const commit = owner.seal();
    await bench.store.commit([commit, commit].slice(0, 1));
    expect((await bench.store.commit([commit])).outcomes).toEqual(["already"]);
    owner.number += 1;
    expect(await owner.outcome()).toBe("committed");
  });

  define("a resend after its successor commit is a gap", async (bench) => {
    const owner = await furnished(bench);
    const commit = owner.seal(everything(owner));
    await bench.store.commit([commit]);
    owner.number += 1;
    await owner.commit({ stateFields: ["2:new"], stateValues: [bytes("newer")] });
    await refuses(bench, commit, "gap");
  });

  define("one number with two contents: the second to arrive is a gap, whichever it is", async (bench) => {
    const owner = await furnished(bench);
    const small = owner.seal({ stateFields: ["2:n"], stateValues: [bytes("small")] });
    const large = owner.seal({ ...everything(owner), stateFields: ["2:n"], stateValues: [bytes("large")] });
    expect(small.number).toBe(large.number);
    expect((await bench.store.commit([small])).outcomes).toEqual(["committed"]);
    await refuses(bench, large, "gap");
    expect(await bench.state(counter, "2:n")).toEqual(["small"]);
    await refuses(bench, small, "already");
  });

  define("a gap in flight: the later of two commits waits for the earlier one, then applies", async (bench) => {
    const owner = await bench.acquire(counter);
    const first = owner.seal({ stateFields: ["2:n"], stateValues: [bytes("1")] });
    const second = { ...owner.seal({ stateFields: ["2:n"], stateValues: [bytes("2")] }), number: 2 };
    await refuses(bench, second, "gap");
    expect((await bench.store.commit([first])).outcomes).toEqual(["committed"]);
    expect((await bench.store.commit([second])).outcomes).toEqual(["committed"]);
    expect(await bench.state(counter, "2:n")).toEqual(["2"]);
  });

  define("a shard that no one ever acquired takes no commit, not even with an empty sequencer", async (bench) => {
    const owner = await bench.acquire(counter);
    for (const sequencer of ["", "0.", owner.sequencer]) await refuses(bench, { ...owner.seal(), shard: joiner, sequencer, number: 1 }, "fenced");
  });

  define("a commit to a shard that is not in the graph is fenced", async (bench) => {
    const owner = await bench.acquire(counter);
    await refuses(bench, { ...owner.seal(), shard: shardRef(99, 0) }, "fenced");
  });

  define("a target that is not in the graph is an InvariantError, before anything of the list is written", async (bench) => {
    const [good, bad] = [await bench.acquire(source), await furnished(bench)];
    for (const target of [shardRef(99, 0), shardRef(2, 4)]) {
      await bench.unchanged(async () => {
        const list = [
          good.seal({ parcels: [append(joiner, "good")] }),
          bad.seal({ ...everything(bad), parcels: [append(joiner, "bad"), append(target, "lost")] }),
        ];
        await expect(bench.store.commit(list)).rejects.toThrow(InvariantError);
      });
    }
    expect(await bad.outcome(everything(bad))).toBe("committed");
  });

  define("a commit under an old graph may name a target that is gone: it is stale", async (bench) => {
    const owner = await bench.acquire(counter);
    bench.graph = nextGraph(2, { removed: [4] });
    expect(await bench.store.init(bench.graph, 1)).toBe("stored");
    await refuses(bench, owner.seal({ parcels: [append(report, "gone")] }), "stale-graph");
    expect(await owner.outcome({ graphVersion: 2 })).toBe("committed");
  });
}

function precedence(define: Define): void {
  define("fenced comes before every other outcome", async (bench) => {
    const old = await furnished(bench);
    const commit = old.seal(everything(old));
    await bench.store.commit([commit]);
    await bench.acquire(counter, "w2");
    for (const parts of [{}, { number: 9 }, { graphVersion: 9 }, { consumed: consumed(9, 9, 9, "none") }])
      await refuses(bench, { ...commit, ...parts }, "fenced");
  });

  define("already comes before stale-graph and before the consumption", async (bench) => {
    const owner = await furnished(bench);
    const commit = owner.seal(everything(owner));
    await bench.store.commit([commit]);
    bench.graph = nextGraph(2);
    await bench.store.init(bench.graph, 1);
    await refuses(bench, commit, "already");
    await refuses(bench, { ...commit, consumed: consumed(9, 9, 9, "none") }, "already");
  });

  define("a gap of numbers comes before stale-graph, stale-graph before a gap of consumption", async (bench) => {
    const owner = await furnished(bench);
    await refuses(bench, owner.seal({ number: 9, graphVersion: 9 }), "gap");
    await refuses(bench, owner.seal({ graphVersion: 9, consumed: consumed(1, 0, 1, "second") }), "stale-graph");
  });
}

function zombies(define: Define): void {
  define("a predecessor's delayed commit lands after its successor looked at the timers: it is fenced, no timer appears", async (bench) => {
    const zombie = await bench.acquire(counter, "w1");
    const delayed = zombie.seal({ timerSets: [{ clock: "watermark", member: "3:0:orphan", time: 10 }], parcels: [append(joiner, "late")] });
    const successor = await bench.acquire(counter, "w2");
    expect((await bench.recover(counter)).watermarkTimers).toEqual([]);
    await refuses(bench, delayed, "fenced");
    expect(await bench.timers(counter)).toEqual([]);
    expect(await bench.inbox(joiner)).toEqual([]);
    await successor.commit();
    await refuses(bench, delayed, "fenced");
  });

  define("a predecessor's commit lands before its successor acquires: the successor finds it and goes on", async (bench) => {
    const first = await bench.acquire(counter, "w1");
    await first.commit({ timerSets: [{ clock: "watermark", member: "3:0:k", time: 10 }] });
    const second = await bench.acquire(counter, "w2");
    expect(second.number).toBe(1);
    expect(await bench.timers(counter)).toEqual(["3:0:k@10"]);
    await second.commit();
    expect((await bench.recover(counter)).number).toBe(2);
  });

  define("a predecessor's resend of what was committed is fenced: only the sequencer's holder is told already", async (bench) => {
    const first = await furnished(bench);
    const commit = first.seal(everything(first));
    await bench.store.commit([commit]);
    const second = await bench.acquire(counter, "w2");
    await refuses(bench, commit, "fenced");
    expect(second.number).toBe(commit.number);
  });

  define("a worker that acquired its own shard anew is fenced under its former sequencer", async (bench) => {
    const before = await furnished(bench);
    const after = await bench.acquire(counter, "w1");
    await refuses(bench, before.seal(everything(before)), "fenced");
    await after.commit(everything(after));
  });

  define("a released shard takes no commit of the one who released it, nor of no one", async (bench) => {
    const owner = await furnished(bench);
    await bench.store.release("w1", [{ shard: counter, sequencer: owner.sequencer }]);
    for (const sequencer of [owner.sequencer, "", `${monotonicOf(owner.sequencer)}.`])
      await refuses(bench, { ...owner.seal(everything(owner)), sequencer }, "fenced");
    await (await bench.acquire(counter, "w2")).commit();
  });

  define("an expired lease alone fences no one: the sequencer decides", async (bench) => {
    const owner = await bench.acquire(counter, "w1", 1);
    await bench.advance(20);
    expect(await owner.outcome()).toBe("committed");
  });

  define("each of three owners in turn fences all before it", async (bench) => {
    const owners = [await bench.acquire(counter, "w1")];
    for (const worker of ["w2", "w3"]) {
      const next = await bench.acquire(counter, worker);
      for (const old of owners) await refuses(bench, { ...old.seal(), number: next.number + 1 }, "fenced");
      await next.commit();
      owners.push(next);
    }
  });
}

function lists(define: Define): void {
  define("an empty list changes nothing", async (bench) => {
    await bench.unchanged(async () => {
      const reply = await bench.store.commit([]);
      expect([reply.outcomes, reply.tails, reply.appends]).toEqual([[], [], 0]);
    });
  });

  define("commits of several shards in one list are all committed, in order", async (bench) => {
    const owners = [await bench.acquire(source), await bench.acquire(counter), await bench.acquire(joiner)];
    const reply = await bench.store.commit(owners.map((owner, i) => owner.seal({ parcels: [append(report, `from-${i}`)] })));
    expect(reply.outcomes).toEqual(["committed", "committed", "committed"]);
    expect(await bench.inbox(report)).toEqual(["from-0", "from-1", "from-2"]);
  });

  define("a fenced commit among good ones is refused alone, wherever it stands", async (bench) => {
    for (const place of [0, 1, 2]) {
      const shards = [source, counter, joiner];
      const owners = await Promise.all(shards.map((shard) => bench.acquire(shard)));
      const list = owners.map((owner) => owner.seal({ stateFields: ["2:k"], stateValues: [bytes(`round ${place}`)] }));
      await bench.acquire(shards[place]!, "w2");
      const reply = await bench.store.commit(list);
      expect(reply.outcomes).toEqual(shards.map((_, i) => (i === place ? "fenced" : "committed")));
      for (const [i, shard] of shards.entries())
        expect(await bench.state(shard, "2:k")).toEqual([i === place ? (place === 0 ? undefined : `round ${place - 1}`) : `round ${place}`]);
    }
  });

  define("one list may have every outcome", async (bench) => {
    const [first, second, third, fourth] = [
      await bench.acquire(source),
      await bench.acquire(counter),
      await bench.acquire(joiner),
      await bench.acquire(report),
    ];
    const sent = second.seal();
    await bench.store.commit([sent]);
    const fenced = { ...fourth.seal(), sequencer: "1.nobody" };
    const reply = await bench.store.commit([third.seal({ number: 5 }), first.seal(), sent, fenced]);
    expect(reply.outcomes).toEqual(["gap", "committed", "already", "fenced"]);
    const stale = { ...third.seal(), graphVersion: 7 };
    expect((await bench.store.commit([fenced, stale, sent])).outcomes).toEqual(["fenced", "stale-graph", "already"]);
  });

  define("a refused commit appends nothing although others of its list append to the same inbox", async (bench) => {
    const [good, bad] = [await bench.acquire(source), await bench.acquire(counter)];
    const reply = await bench.store.commit([
      { ...bad.seal({ parcels: [append(joiner, "bad")] }), number: 7 },
      good.seal({ parcels: [append(joiner, "good")] }),
    ]);
    expect(reply.outcomes).toEqual(["gap", "committed"]);
    expect(reply.tails).toEqual([{ shard: joiner, tail: 1, queued: 1 }]);
    expect(await bench.inbox(joiner)).toEqual(["good"]);
  });

  define("a list of 200 commits over time keeps count of every number", async (bench) => {
    const owners = [await bench.acquire(source), await bench.acquire(counter), await bench.acquire(report), await bench.acquire(joiner)];
    for (let round = 0; round < 50; round++) {
      const reply = await bench.store.commit(owners.map((owner) => owner.seal()));
      expect(reply.outcomes).toEqual(["committed", "committed", "committed", "committed"]);
      for (const owner of owners) owner.number += 1;
    }
    for (const { shard } of owners) expect((await bench.recover(shard)).number).toBe(50);
  });

  define("calls that are not awaited apply in the order they were made", async (bench) => {
    const owner = await bench.acquire(counter);
    const commits = Array.from({ length: 20 }, (_, i) => ({ ...owner.seal({ stateFields: ["2:n"], stateValues: [bytes(String(i))] }), number: i + 1 }));
    const replies = await Promise.all(commits.map((commit) => bench.store.commit([commit])));
    expect(replies.flatMap(({ outcomes }) => outcomes)).toEqual(commits.map(() => "committed"));
    expect(await bench.state(counter, "2:n")).toEqual(["19"]);
  });

  define("a reply's now never runs back", async (bench) => {
    const owner = await bench.acquire(counter);
    const { now } = await owner.commit();
    await bench.advance(5);
    const later = await owner.commit();
    expect(later.now).toBeGreaterThan(now);
    expect(Number.isInteger(later.now)).toBe(true);
  });

  define("the image is replaced by each commit", async (bench) => {
    const owner = await bench.acquire(counter);
    expect((await bench.recover(counter)).image).toBeUndefined();
    await owner.commit({ image: bytes("one") });
    await owner.commit({ image: bytes("two") });
    expect(text((await bench.recover(counter)).image)).toBe("two");
    expect(text((await bench.store.summarize([counter]))[0]!.image)).toBe("two");
  });
}
