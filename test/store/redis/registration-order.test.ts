/** A registration takes two calls of the server or more; what the same worker does after it waits for it (S7). */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { PipelineStore } from "../../../src/store/store.ts";
import { COUNTER, counter } from "../conformance/values.ts";
import { startHarness, type Harness } from "./harness.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.dispose());

const registers = (store: PipelineStore, worker: string, ...shards: number[]) => store.register(worker, [{ participant: COUNTER, shards, of: 4 }]);

/** Is a report of the worker taken that shows this generation? */
async function isTaken(store: PipelineStore, worker: string, generation: number | undefined, number: number): Promise<boolean> {
  const { refused } = await store.report(worker, [{ participant: COUNTER, generation: generation ?? -1, number, output: 1, status: "live", last: 1 }]);
  return refused.length === 0;
}

test("registrations of one worker take effect in their order, though others register the same participant meanwhile", async () => {
  const bench = await harness.bench();
  const [a, b] = [await harness.open(bench.pipeline), await harness.open(bench.pipeline)];
  for (let round = 1; round <= 40; round++) {
    const [, last, , others] = await Promise.all([registers(a, "a", 0), registers(a, "a", 0, 1), registers(b, "b", 2), registers(b, "b", 2, 3)]);
    expect([await isTaken(a, "a", last[0]?.generation, round), await isTaken(b, "b", others[0]?.generation, round)]).toEqual([true, true]);
  }
});

test("a worker that releases a shard does not take it back by a registration that it had begun before", async () => {
  const bench = await harness.bench();
  const [a, b, c] = [await harness.open(bench.pipeline), await harness.open(bench.pipeline), await harness.open(bench.pipeline)];
  for (let round = 1; round <= 40; round++) {
    const [held] = await a.acquire({ worker: "a", shards: [counter], leaseMs: 60_000 });
    const sequencer = held?.kind === "acquired" ? held.sequencer : "";
    // Another one registers beside it, so that it may have to try again.
    const beside = Promise.all([registers(a, "a", 0), registers(c, "c", 3), registers(c, "c", 2, 3)]);
    const release = a.release("a", [{ shard: counter, sequencer }]);
    let next = await b.acquire({ worker: "b", shards: [counter], leaseMs: 60_000 });
    while (next[0]?.kind !== "acquired") next = await b.acquire({ worker: "b", shards: [counter], leaseMs: 60_000 });
    const [granted] = await registers(b, "b", 0);
    await Promise.all([beside, release]);
    expect(await isTaken(b, "b", granted?.generation, round)).toBe(true);
    await b.release("b", [{ shard: counter, sequencer: next[0].sequencer }]);
  }
});
