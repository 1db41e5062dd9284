import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Computation, input, json, output, Pipeline, state, timer, timers } from "../../src/index.ts";
import type { ComputationNode } from "../../src/computation/graph.ts";
import { PERCENTILES } from "../../src/limits.ts";
import { anInjector, aSink, relay, texts } from "./programs.ts";

const [a, b, c, d] = [texts("a"), texts("b"), texts("c"), texts("d")] as const;
const key = (value: string) => value;

describe("a graph", () => {
  test("sorts participants upstream first, then as they were added", () => {
    const graph = new Pipeline("p")
      .sink("late", d, aSink())
      .compute("three", relay([b, c], [d]))
      .sink("early", a, aSink())
      .compute("two", relay([b], [c]))
      .compute("one", relay([a], [b]))
      .inject("second", a, anInjector())
      .inject("first", a, anInjector())
      .graph();
    expect(graph.participants.map(({ name }) => name)).toEqual(["second", "first", "early", "one", "two", "three", "late"]);
    expect(graph.participants.map(({ upstream }) => upstream)).toEqual([[], [], ["second", "first"], ["second", "first"], ["one"], ["one", "two"], ["three"]]);
  });

  test("joins streams: producers once each, consumers in the order of participants", () => {
    class Twice extends Computation {
      readonly plain = input(a, { key });
      readonly upper = input(a, { key, name: "upper" });
      readonly out = output(b);
      readonly same = output(b);
      processRecord() {}
    }
    const graph = new Pipeline("p", { shards: 8 }).sink("out", a, aSink()).compute("twice", Twice).inject("in", a, anInjector()).graph();
    expect(graph).toMatchObject({ pipeline: "p", shards: 8 });
    expect(graph.streams.get("a")?.producers).toEqual(["in"]);
    expect(graph.streams.get("a")?.consumers.map(({ participant, input: { name } }) => [participant, name])).toEqual([
      ["out", "a"],
      ["twice", "a"],
      ["twice", "upper"],
    ]);
    expect(graph.streams.get("b")?.producers).toEqual(["twice"]);
    expect((graph.participants[2] as ComputationNode).outputs).toEqual([
      { field: "out", stream: "b" },
      { field: "same", stream: "b" },
    ]);
  });

  test("of timers that go by 255 percentiles is built, of one more is refused", () => {
    class Percentiles extends Computation {
      readonly from = input(a, { key });
      constructor(count: number) {
        super();
        for (let n = 0; n < count; n++) Object.assign(this, { [`at${n}`]: timer(`at-${n}`, { percentile: 60 + n / 100 }) });
        Object.assign(this, { again: timer("again", { percentile: 60 }) });
      }
      processRecord() {}
      override processTimer() {}
    }
    const graphOf = (count: number) =>
      new Pipeline("p")
        .inject("in", a, anInjector())
        .compute("all", () => new Percentiles(count))
        .graph();
    expect((graphOf(PERCENTILES).participants[1] as ComputationNode).timers).toHaveLength(PERCENTILES + 1);
    expect(() => graphOf(PERCENTILES + 1)).toThrow(/its timers go by 256 different percentiles; at most 255 are followed/);
  });

  test("has all that a computation declares", () => {
    class Everything extends Computation {
      readonly from = input(a, { key, name: "from", renamedFrom: "source" });
      readonly out = output(b);
      readonly count = state("count", { initial: 0, ttl: 9, codec: json() });
      readonly last = state<string>("last", { renamedFrom: ["latest", "newest"] });
      readonly deadline = timer("deadline", { renamedFrom: "end" });
      readonly closing = timers<number>("closing", { clock: "wall" });
      readonly text = "configuration";
      processRecord() {}
      override processTimer() {}
    }
    const graph = new Pipeline("p").inject("in", a, anInjector(), { renamedFrom: "ingest" }).compute("all", Everything).graph();
    expect(graph.participants[0]).toMatchObject({ kind: "injector", stream: "a", renamedFrom: ["ingest"], source: { kind: "injector" } });
    expect(graph.participants[1]).toMatchObject({
      kind: "computation",
      inputs: [{ field: "from", name: "from", renamedFrom: ["source"], stream: "a", key }],
      outputs: [{ field: "out", stream: "b" }],
      cells: [
        { field: "count", name: "count", renamedFrom: [], codec: { id: "json" }, initial: 0, ttl: 9 },
        { field: "last", name: "last", renamedFrom: ["latest", "newest"], codec: { id: "cbor" }, initial: undefined, ttl: undefined },
      ],
      timers: [
        { field: "deadline", name: "deadline", renamedFrom: ["end"], clock: "watermark", tagged: false },
        { field: "closing", name: "closing", renamedFrom: [], clock: "wall", tagged: true },
      ],
    });
  });

  test("does not change when the pipeline grows afterwards", () => {
    const pipeline = new Pipeline("p").inject("in", a, anInjector());
    const graph = pipeline.graph();
    pipeline.sink("out", a, aSink());
    expect(graph.participants).toHaveLength(1);
    expect(pipeline.graph().participants).toHaveLength(2);
  });

  test("of any acyclic pipeline, added in any order, has every participant after its upstream", () => {
    const streams = Array.from({ length: 8 }, (_, i) => texts(`s${i}`));
    const stage = fc
      .nat(7)
      .chain((to) => fc.record({ to: fc.constant(to), from: fc.uniqueArray(fc.nat(Math.max(to - 1, 0)), { minLength: 1, maxLength: 3 }) }));
    fc.assert(
      fc.property(
        fc.array(
          stage.filter(({ to }) => to > 0),
          { maxLength: 12 },
        ),
        fc.boolean(),
        (stages, backwards) => {
          const pipeline = new Pipeline("p");
          for (const [i, { from, to }] of (backwards ? stages.toReversed() : stages).entries()) {
            pipeline.compute(
              `c${i}`,
              relay(
                from.map((each) => streams[each] as (typeof streams)[number]),
                [streams[to] as (typeof streams)[number]],
              ),
            );
          }
          for (const each of streams) pipeline.inject(`in-${each.name}`, each, anInjector());
          const seen = new Set<string>();
          for (const { name, upstream } of pipeline.graph().participants) {
            expect(upstream.every((each) => seen.has(each))).toBe(true);
            seen.add(name);
          }
          expect(seen.size).toBe(stages.length + streams.length);
        },
      ),
      { seed: 7, numRuns: 100 },
    );
  });
});
