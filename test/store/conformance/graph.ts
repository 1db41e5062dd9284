/** The stored graph: its versions, what comes and goes with it, and that pipelines do not see each other. */
import { expect } from "vitest";
import { shardRef } from "../../../src/key.ts";
import type { PipelineStore } from "../../../src/store/store.ts";
import type { StoredGraph } from "../../../src/store/stored-graph.ts";
import { BEGINNING } from "../../../src/time.ts";
import type { Bench, Define } from "./bench.ts";
import { COUNTER, GRAPH, JOINER, LEASE, REPORT, SOURCE, append, bytes, consumed, counter, far, joiner, nextGraph, report, source, text } from "./values.ts";

/** Something in every structure of `counter`, `far`, `joiner` and `report`. */
async function furnish(bench: Bench): Promise<void> {
  for (const shard of [counter, far, joiner, report]) {
    const owner = await bench.acquire(shard);
    await owner.commit({
      stateFields: ["2:a", "2:b"],
      stateValues: [bytes("A"), bytes(`B of ${shard}`)],
      timerSets: [
        { clock: "watermark", member: "3:0:a", time: 1 },
        { clock: "wall", member: "4:0:a", time: 2 },
        { clock: "wall", member: "4:0:b", time: 3 },
      ],
      holdSets: [{ member: "k:a", time: 1 }],
      heldPuts: [{ id: 1, bytes: bytes("held") }],
      deadPuts: [
        { id: 1, bytes: bytes("dead") },
        { id: 2, bytes: bytes("dead") },
      ],
      ids: [{ id: "x", timestamp: 1 }],
      parcels: [append(shard, `own of ${shard}`, 5)],
      outbox: [{ target: far, n: 1, records: 1, bytes: bytes("waits") }],
    });
  }
}

export function graph(define: Define): void {
  versions(define);
  comingAndGoing(define);
  pipelines(define);
}

function versions(define: Define): void {
  define("a fresh pipeline has no graph; init stores it whole", async (bench) => {
    const other = await bench.openOther();
    expect(await other.readGraph()).toBeUndefined();
    const rich: StoredGraph = {
      ...GRAPH,
      pipeline: "other.Pipeline_1",
      hash: 'hash/with "quotes" and \u{1F600}',
      version: 7,
      participants: [
        {
          id: 1,
          name: "n",
          kind: "computation",
          shards: 1,
          outputs: ["s", "t"],
          inputs: [{ id: 2, name: "in", stream: "s", codec: "cbor@0" }],
          cells: [{ id: 3, name: "cell", codec: "json@1" }],
          timers: [{ id: 4, name: "t", clock: "wall" }],
        },
      ],
    };
    expect(await other.init(rich, undefined)).toBe("stored");
    expect(await other.readGraph()).toEqual(rich);
  });

  define("a graph is replaced by one who knows the stored version", async (bench) => {
    expect(await bench.store.init(nextGraph(2), 1)).toBe("stored");
    expect(await bench.store.readGraph()).toEqual(nextGraph(2));
  });

  define("one who expects another version, or none, changes nothing", async (bench) => {
    await furnish(bench);
    for (const expected of [undefined, 0, 2]) {
      await bench.unchanged(async () => expect(await bench.store.init(nextGraph(3, { removed: [COUNTER], added: true }), expected)).toBe("changed-meanwhile"));
    }
  });

  define("one who expects a version where there is no graph changes nothing", async (bench) => {
    const other = await bench.openOther();
    expect(await other.init(GRAPH, 1)).toBe("changed-meanwhile");
    expect(await other.readGraph()).toBeUndefined();
  });

  define("of two who start at once one stores its graph", async (bench) => {
    const other = await bench.openOther();
    expect([await other.init(GRAPH, undefined), await other.init({ ...GRAPH, hash: "mine" }, undefined)]).toEqual(["stored", "changed-meanwhile"]);
    expect(await other.readGraph()).toEqual(GRAPH);
  });

  define("storing the same participants again keeps all that is stored", async (bench) => {
    await furnish(bench);
    const before = await bench.dump();
    bench.graph = nextGraph(2);
    await bench.store.init(bench.graph, 1);
    expect(await bench.dump()).toEqual({ ...(before as object), graph: bench.graph });
  });

  define("an owner goes on under a new graph version with its sequencer and number", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit();
    await bench.store.init(nextGraph(2), 1);
    expect(await owner.outcome()).toBe("stale-graph");
    expect(await owner.outcome({ graphVersion: 2 })).toBe("committed");
  });
}

function comingAndGoing(define: Define): void {
  define("a new participant's shards are there at once, empty", async (bench) => {
    bench.graph = nextGraph(2, { added: true });
    await bench.store.init(bench.graph, 1);
    for (const index of [0, 1, 2]) {
      expect(await bench.recover(shardRef(5, index))).toMatchObject({
        number: 0,
        image: undefined,
        position: 0,
        offset: 0,
        tail: 0,
        queued: 0,
        stateCount: 0,
        held: [],
        outbox: [],
      });
    }
    const owner = await bench.acquire(source);
    await owner.commit({ graphVersion: 2, parcels: [append(shardRef(5, 0), "hello")] });
    const late = await bench.acquire(shardRef(5, 0));
    await late.commit({ graphVersion: 2, consumed: consumed(1, 0, 1, "hello") });
  });

  define("a new participant's watermark is the beginning; the others keep theirs", async (bench) => {
    const [registered] = await bench.store.register("w1", [{ participant: COUNTER, shards: [0, 1, 2, 3], of: 4 }]);
    await bench.report("w1", { participant: COUNTER, generation: registered!.generation, output: 70, status: "live" });
    await bench.store.init(nextGraph(2, { added: true, removed: [JOINER] }), 1);
    const { watermarks } = await bench.store.report("w1", []);
    expect(watermarks.map(({ participant, output }) => [participant, output])).toEqual([
      [SOURCE, BEGINNING],
      [COUNTER, 70],
      [REPORT, BEGINNING],
      [5, BEGINNING],
    ]);
  });

  define("a removed participant's data goes, the others' stays", async (bench) => {
    await furnish(bench);
    bench.graph = nextGraph(2, { removed: [COUNTER] });
    const before = (await bench.dump()) as { readonly each: readonly unknown[] };
    await bench.store.init(bench.graph, 1);
    expect(((await bench.dump()) as { readonly each: readonly unknown[] }).each).toEqual(before.each);
    expect(await bench.store.countEntries(COUNTER, 4)).toEqual({ state: 0, timers: 0, queued: 0, held: 0, dead: 0, outbox: 0 });
    expect(await bench.store.countEntries(JOINER, 4)).toMatchObject({ state: 2 });
  });

  define("a removed participant's owner is fenced, and its reports are refused", async (bench) => {
    const owner = await bench.acquire(counter);
    const [registered] = await bench.store.register("w1", [{ participant: COUNTER, shards: [0, 1, 2, 3], of: 4 }]);
    await bench.store.init(nextGraph(2, { removed: [COUNTER] }), 1);
    expect([await owner.outcome(), await owner.outcome({ graphVersion: 2 })]).toEqual(["fenced", "fenced"]);
    expect((await bench.report("w1", { participant: COUNTER, generation: registered!.generation, output: 9, status: "live" })).refused).toEqual([COUNTER]);
    expect((await bench.store.renew("w1", [{ shard: counter, sequencer: owner.sequencer }], LEASE)).lost).toEqual([counter]);
    await bench.store.release("w1", [{ shard: counter, sequencer: owner.sequencer }]);
  });

  define("entries of a participant are counted over its shards", async (bench) => {
    await furnish(bench);
    expect(await bench.store.countEntries(COUNTER, 4)).toEqual({ state: 4, timers: 6, queued: 10, held: 2, dead: 4, outbox: 2 });
    expect(await bench.store.countEntries(REPORT, 1)).toEqual({ state: 2, timers: 3, queued: 5, held: 1, dead: 2, outbox: 1 });
    expect(await bench.store.countEntries(SOURCE, 2)).toEqual({ state: 0, timers: 0, queued: 0, held: 0, dead: 0, outbox: 0 });
    expect(await bench.store.countEntries(99, 3)).toEqual({ state: 0, timers: 0, queued: 0, held: 0, dead: 0, outbox: 0 });
  });

  define("a summary tells of each shard in the order asked", async (bench) => {
    await furnish(bench);
    const [first, second] = await bench.store.summarize([joiner, source]);
    expect(first).toMatchObject({
      shard: joiner,
      owner: "w1",
      number: 1,
      queued: 5,
      tail: 1,
      stateCount: 2,
      watermarkTimers: 1,
      wallTimers: 2,
      held: 1,
      dead: 2,
      outbox: 1,
    });
    expect(text(first!.image)).toBe("image");
    expect(second).toMatchObject({
      shard: source,
      owner: undefined,
      sequencer: undefined,
      leaseUntil: 0,
      number: 0,
      image: undefined,
      queued: 0,
      tail: 0,
      stateCount: 0,
      watermarkTimers: 0,
      wallTimers: 0,
      held: 0,
      dead: 0,
      outbox: 0,
    });
    expect(await bench.store.summarize([])).toEqual([]);
  });
}

function pipelines(define: Define): void {
  const acquire = async (store: PipelineStore, worker: string) => (await store.acquire({ worker, shards: [counter], leaseMs: LEASE }))[0]!;

  define("two pipelines of one store do not see each other", async (bench) => {
    const other = await bench.openOther();
    await other.init(GRAPH, undefined);
    await furnish(bench);
    expect(await other.recover([counter], { timers: 9, holds: 9 })).toMatchObject([{ number: 0, tail: 0, stateCount: 0, holdCount: 0, held: [], outbox: [] }]);
    expect(await other.readState(counter, ["2:a"])).toEqual([undefined]);
    expect(await other.readIds(counter, ["x"])).toEqual([false]);
    expect((await acquire(other, "w2")).kind).toBe("acquired");
    expect((await other.readTails([counter])).appends).toBe(0);
    expect((await acquire(bench.store, "w2")).kind).toBe("held-by");
  });

  define("a pipeline's sequencer is fenced in another pipeline", async (bench) => {
    const other = await bench.openOther();
    await other.init(GRAPH, undefined);
    const owner = await bench.acquire(counter);
    await acquire(other, "w1");
    expect((await other.commit([owner.seal()])).outcomes).toEqual(["fenced"]);
    expect(await owner.outcome()).toBe("committed");
  });

  define("a pipeline's watermarks are its own", async (bench) => {
    const other = await bench.openOther();
    await other.init(GRAPH, undefined);
    const [registered] = await bench.store.register("w1", [{ participant: REPORT, shards: [0], of: 1 }]);
    const given = [{ participant: REPORT, generation: registered!.generation, number: 1, output: 9, status: "live", last: 9 }] as const;
    expect((await other.report("w1", given)).refused).toEqual([REPORT]);
    expect((await bench.store.report("w1", given)).refused).toEqual([]);
    expect((await other.report("w1", [])).watermarks.every(({ output }) => output === BEGINNING)).toBe(true);
  });

  define("an init of one pipeline, with all participants removed, leaves the other alone", async (bench) => {
    const other = await bench.openOther();
    await other.init(GRAPH, undefined);
    await furnish(bench);
    await bench.unchanged(async () => expect(await other.init({ ...GRAPH, version: 2, participants: [] }, 1)).toBe("stored"));
  });
}
