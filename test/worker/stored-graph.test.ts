/** A graph that this worker did not write: of another format, or changed by another process while it runs; and what is logged, on each store. */
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { exponential, IncompatibleDataError, type Store } from "../../src/index.ts";
import { systemRandom } from "../../src/random.ts";
import { DATA_FORMAT, type StoredGraph } from "../../src/store/stored-graph.ts";
import { Bench } from "./probe.ts";
import { realStores, STORES, Trial, until } from "./real-stores.ts";

const storeOf = realStores();
let trial: Trial;
afterEach(() => trial.stop());

const counting = () => new Bench({ onRecord: (record, context, self) => context.produce(self.results, record.value.do) });

/** Stores another version of the graph, as another process would. */
async function change(store: Store, changed: (graph: StoredGraph) => Partial<StoredGraph>): Promise<void> {
  const open = await store.open({ pipeline: "bench", clock: systemClock, random: systemRandom });
  const graph = (await open.readGraph()) as StoredGraph;
  expect(await open.init({ ...graph, version: graph.version + 1, ...changed(graph) }, graph.version)).toBe("stored");
  await open.close();
}

test.each(STORES)("data of another format is refused on the store %s, with what to do, and left as it is", async (name) => {
  const store = storeOf(name);
  trial = new Trial(store);
  const bench = counting();
  await trial.start(bench.pipeline);
  bench.feed.push({ key: "k", do: "a" }, 1);
  await until(() => bench.kept.values, ["a"]);
  await trial.stop();
  await change(store(), () => ({ format: DATA_FORMAT + 1 }));
  const refusal: unknown = await trial.start(bench.pipeline).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(IncompatibleDataError);
  expect((refusal as Error).message).toMatch(/pipeline "bench" has format 2, this Millrace reads format 1: use the version that wrote it/);
  await change(store(), () => ({ format: DATA_FORMAT }));
  await trial.start(bench.pipeline);
  bench.feed.push({ key: "k", do: "b" }, 2);
  await until(() => bench.kept.values, ["a", "b"]);
});

test.each(["memory", "redis"] as const)(
  "a worker whose graph is changed by another process stops and commits nothing more, on the store %s (R16)",
  async (name) => {
    const store = storeOf(name);
    trial = new Trial(store);
    const bench = counting();
    await trial.start(bench.pipeline);
    bench.feed.push({ key: "k", do: "a" }, 1);
    await until(() => bench.kept.values, ["a"]);
    await change(store(), () => ({}));
    bench.feed.push({ key: "k", do: "b" }, 2);
    await until(() => (trial.failure as { code?: string } | undefined)?.code, "incompatible-data");
    expect((trial.failure as Error).message).toMatch(
      /another process has changed the graph of pipeline "bench", of which this one runs version 1.*start this one anew/,
    );
    expect(bench.kept.values).toEqual(["a"]);
    // Nothing of it was committed: the next worker reads it again.
    await trial.start(bench.pipeline);
    await until(() => bench.kept.values, ["a", "b"]);
  },
);

describe("context.log", () => {
  test("gives each line its pipeline, computation and key, also that of a call which fails later", async () => {
    trial = new Trial(storeOf("memory"));
    const bench = new Bench({
      onRecord(record, context) {
        context.log.info(`saw ${record.value.do}`, { timestamp: record.timestamp });
        if (record.value.do === "bad") throw new Error("later");
      },
      compute: { attempts: 1, backoff: exponential(5, 5) },
    });
    await trial.start(bench.pipeline);
    bench.feed.push({ key: "k", do: "good" }, 1).push({ key: "j", do: "bad" }, 2);
    await until(() => trial.counted("probe", "deadLetters"), 1);
    expect(trial.log.filter(({ level }) => level === "info")).toEqual([
      { level: "info", text: "saw good", fields: { pipeline: "bench", computation: "probe", key: "k", timestamp: 1 } },
      { level: "info", text: "saw bad", fields: { pipeline: "bench", computation: "probe", key: "j", timestamp: 2 } },
    ]);
  });
});
