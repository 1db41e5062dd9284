/** What a graph grows by in the midst of a run: a computation that passes on what it is given, with a sink of its own. */
import { Computation, type Context, input, output, type Pipeline, sink, state, stream, type Stream, type StreamRecord } from "../../src/index.ts";
import type { Item } from "./program.ts";
import type { Shape } from "./shapes.ts";

/** The stream that it reads, and who reads that already. */
export interface Joined {
  readonly stream: string;
  readonly reference: string;
}

export const LATECOMER = "latecomer";
/** Its sink. */
export const LATE_RESULTS = "late-results";

/** It may read what comes in, or what goes out: both by the key that every item has. */
export function joinings({ injectors, computations, sinks }: Shape): readonly Joined[] {
  const [into, first, last] = [injectors[0], computations[0], sinks[0]];
  return [...(into && first ? [{ stream: into.stream, reference: first.name }] : []), ...(last ? [{ stream: last.stream, reference: last.name }] : [])];
}

export function addLatecomer(pipeline: Pipeline, from: Stream<Item>): void {
  const results = stream<Item>("late");
  class Latecomer extends Computation {
    readonly items = input(from, { key: ({ key }) => key });
    readonly results = output(results);
    readonly count = state("count", { initial: 0 });
    override processRecord({ value }: StreamRecord<Item>, context: Context): void {
      context.state(this.count).update((count) => count + 1);
      context.produce(this.results, value);
    }
  }
  const target = {
    kind: "sink" as const,
    description: "simulated late results",
    attempts: Number.POSITIVE_INFINITY,
    open: () => Promise.reject(new Error("simulated")),
  };
  pipeline.compute(LATECOMER, Latecomer).sink(LATE_RESULTS, results, sink<Item>(target));
}
