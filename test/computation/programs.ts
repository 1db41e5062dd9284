/** What the tests of this folder build pipelines from: edges that are never opened, and a way to write plain JavaScript. */
import { Computation, injector, type Injector, type Input, input, output, sink, type Sink, stream, type Stream } from "../../src/index.ts";
import { boundedDisorder } from "../../src/watermark/bounded-disorder.ts";

export function anInjector<T>(): Injector<T> {
  return injector({
    kind: "injector",
    description: "test",
    partitions: 1,
    timestamp: undefined,
    id: undefined,
    idRetention: 0,
    watermark: boundedDisorder(0),
    maxAhead: Number.POSITIVE_INFINITY,
    open: () => Promise.reject(new Error("not opened here")),
  });
}

export function aSink<T>(): Sink<T> {
  return sink({ kind: "sink", description: "test", attempts: 1, open: () => Promise.reject(new Error("not opened here")) });
}

/** A class that reads some streams and produces to others. */
export function relay(from: readonly Stream<string>[], to: readonly Stream<string>[] = []): () => Relay {
  return () => {
    const inputs = from.map((each, index) => [`from${index}`, input(each, { key: (value) => value })]);
    const outputs = to.map((each, index) => [`to${index}`, output(each)]);
    return Object.assign(new Relay(), Object.fromEntries([...inputs, ...outputs]));
  };
}

class Relay extends Computation {
  declare readonly from0: Input<string>;
  processRecord() {}
}

export const texts = (name: string): Stream<string> => stream<string>(name);

/** As plain JavaScript would: no types. */
// oxlint-disable-next-line typescript/no-explicit-any
export const untyped = (value: unknown): any => value;
