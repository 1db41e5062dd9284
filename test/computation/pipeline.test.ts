import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Computation, ConfigError, exponential, input, output, Pipeline, state, timer } from "../../src/index.ts";
import { isPipeline } from "../../src/computation/pipeline.ts";
import type { ComputationNode, Graph } from "../../src/computation/graph.ts";
import { built } from "../support/built.ts";
import { anInjector, aSink, relay, texts, untyped } from "./programs.ts";

const orders = texts("orders");
const paid = texts("paid");
const key = (value: string) => value;

class Reader extends Computation {
  readonly orders = input(orders, { key });
  processRecord() {}
}

const computation = (graph: Graph, name: string): ComputationNode => graph.participants.find((node) => node.name === name) as ComputationNode;
const p = () => untyped(new Pipeline("p"));
const read = (make: unknown, options?: unknown) => () => p().inject("in", orders, anInjector()).compute("reader", make, options).graph();

describe("a computation", () => {
  test("is added as a class or a factory, and each call of make gives a new instance", () => {
    for (const given of [Reader, () => new Reader()]) {
      const { make } = computation(read(given)(), "reader");
      expect(make()).toBeInstanceOf(Reader);
      expect(make()).not.toBe(make());
    }
  });

  test("has the defaults, or what its options say", () => {
    expect(computation(read(Reader)(), "reader").options).toEqual({
      onFailure: "park",
      attempts: 5,
      backoffFirst: 100,
      backoffMost: 30_000,
      timeLimit: 60_000,
      jitter: 0,
    });
    const options = { onFailure: "stop", attempts: Number.POSITIVE_INFINITY, backoff: exponential(5, 50), timeLimit: 7, renamedFrom: ["a", "b"] };
    const node = computation(read(Reader, options)(), "reader");
    expect(node.options).toEqual({ onFailure: "stop", attempts: Number.POSITIVE_INFINITY, backoffFirst: 5, backoffMost: 50, timeLimit: 7, jitter: 0 });
    expect(node.renamedFrom).toEqual(["a", "b"]);
  });

  test("may come from another copy of the library", async () => {
    // Beside what is built, so that it finds its packages.
    const copy = mkdtempSync(join(built("src"), "../copy-"));
    onTestFinished(() => rmSync(copy, { recursive: true }));
    cpSync(built("src"), copy, { recursive: true });
    const other = (await import(join(copy, "index.js"))) as typeof import("../../src/index.ts");
    expect(other.Computation).not.toBe(Computation);
    const theirs = other.stream<string>("orders");
    class Theirs extends other.Computation {
      readonly orders = other.input(theirs, { key });
      processRecord() {}
    }
    const graph = p()
      .inject("in", theirs, anInjector())
      .compute("reader", Theirs)
      .compute("factory", () => new Theirs())
      .graph();
    expect(computation(graph, "reader").inputs).toHaveLength(1);
    expect(isPipeline(new other.Pipeline("q"))).toBe(true);
    expect(() => p().compute("reader", new Theirs())).toThrow("give the class, or () => new Theirs(...), not an instance");
    class Broken extends other.Computation {
      readonly orders = other.input(theirs, untyped({}));
      processRecord() {}
    }
    expect(() => p().compute("reader", Broken)).toThrow('computation "reader": input of stream "orders": key is a function');
  });
});

class Plain {}
class Configured extends Reader {
  readonly limit: number;
  constructor(limit: number) {
    super();
    this.limit = limit;
  }
}
class Throwing extends Reader {
  constructor() {
    super();
    throw new Error("no such file");
  }
}
class BadField extends Reader {
  readonly count = state("count", { ttl: -1 });
}
class Hidden extends Computation {
  readonly #orders = input(orders, { key });
  get orders() {
    return this.#orders;
  }
  processRecord() {}
}
class HoldsStream extends Computation {
  readonly orders = orders;
  processRecord() {}
}
class Misspelt extends untyped(Computation) {
  readonly orders = input(orders, { key });
  processRecords() {}
}
class NotAMethod extends Reader {
  override processRecord = untyped("later");
}
class Silent extends Reader {
  readonly deadline = timer("deadline");
}
class TwoCells extends Reader {
  readonly a = state("count");
  readonly b = state("count");
}
class TwoInputs extends Reader {
  readonly again = input(orders, { key });
}
class TwoTimers extends Silent {
  readonly other = timer("deadline");
  override processTimer() {}
}
class Renames extends Reader {
  readonly a = state("a", { renamedFrom: "b" });
  readonly b = state("b");
}
class RenamesTwice extends Reader {
  readonly a = state("a", { renamedFrom: "old" });
  readonly b = state("b", { renamedFrom: "old" });
}
const shared = new Reader();

const mistakes: readonly (readonly [string, () => unknown, string])[] = [
  [
    "an instance in place of its class",
    read(new Reader()),
    'computation "reader": give the class, or () => new Reader(...), not an instance: each worker makes its own',
  ],
  ["a name in place of a class", read("Reader"), 'give a class that extends Computation, or () => new X(...), not "Reader"'],
  ["a class that is no computation", read(Plain), "class Plain does not extend Computation"],
  ["a class that needs arguments", read(Configured), "the constructor of Configured takes arguments: give () => new Configured(...)"],
  ["a factory that takes arguments", read((limit: number) => new Configured(limit)), "its factory takes arguments, but is called without any"],
  ["a factory that gives nothing", read(() => {}), "its factory gives undefined, which is no Computation"],
  ["a factory that gives another class's instance", read(() => new Plain()), "its factory gives a Plain, which is no Computation"],
  ["a factory that gives the class", read(() => Reader), "its factory gives class Reader itself"],
  ["an async factory", read(async () => new Reader()), "its factory gives a promise: make it without waiting, and do I/O elsewhere"],
  ["a factory that shares one instance", () => computation(read(() => shared)(), "reader").make(), "its factory gives the same instance again"],
  ["a constructor that throws", read(Throwing), 'computation "reader": it cannot be made: no such file. Constructors only set fields, and do no I/O'],
  ["a field that is wrong", read(BadField), 'computation "reader": state "count": ttl, ms, is an integer from 1 up, but it is -1'],
  ["inputs in #private fields", read(Hidden), "it has no input that can be seen"],
  [
    "a stream in place of an input",
    read(HoldsStream),
    'field orders holds stream "orders" itself: declare how it is read, as in orders = input(orders, { key: (value) => ... })',
  ],
  ["no processRecord", read(Misspelt), "it has no method processRecord(record, context)"],
  ["a processRecord that is no method", read(NotAMethod), 'processRecord is "later", not a method'],
  ["timers without processTimer", read(Silent), 'it declares timer "deadline" but has no method processTimer(timer, context)'],
  ["two cells of one name", read(TwoCells), 'computation "reader": two states are named "count" (fields a and b)'],
  [
    "two inputs of one name",
    read(TwoInputs),
    'two inputs are named "orders" (fields orders and again): give one of them another name: input(stream, { key, name: "..." })',
  ],
  ["two timers of one name", read(TwoTimers), 'two timers are named "deadline"'],
  ["renamedFrom a cell that is there", read(Renames), 'state "a" says renamedFrom "b", but state "b" has that name now'],
  ["renamedFrom one cell twice", read(RenamesTwice), 'state "b" says renamedFrom "old", but state "a" says so too'],
  ["an unknown way to fail", read(Reader, { onFailure: "retry" }), 'onFailure is "park", "halt-key" or "stop", but it is "retry"'],
  ["no attempts", read(Reader, { attempts: 0 }), "attempts is an integer from 1 up, but it is 0"],
  ["a time limit of nothing", read(Reader, { timeLimit: 0 }), "timeLimit, ms, is an integer from 1 up, but it is 0"],
  ["an endless time limit", read(Reader, { timeLimit: Number.POSITIVE_INFINITY }), "but it is Infinity"],
  ["a back-off by hand", read(Reader, { backoff: 100 }), "backoff is made by exponential(first, most), but it is 100"],
  [
    "a back-off by hand with its kind",
    read(Reader, { backoff: { kind: "backoff", first: 5, most: 1 } }),
    "longest wait of backoff, ms, is an integer from 5 up, but it is 1",
  ],
  [
    "a misspelt option",
    read(Reader, { onfailure: "stop" }),
    'there is no option "onfailure"; there are onFailure, attempts, backoff, timeLimit, explain, renamedFrom',
  ],
  ["a bad name of a computation", () => p().compute("my reader", Reader), 'pipeline "p": a computation needs a name of 1 to 64'],
  ["a stream before the name", () => p().inject(orders, "in", anInjector()), 'the name of an injector comes first, then stream "orders"'],
  ["a name in place of a stream", () => p().inject("in", "orders", anInjector()), 'injector "in": a stream is expected, but it is "orders"'],
  [
    "a sink in place of an injector",
    () => p().inject("in", orders, aSink()),
    "its third argument is an injector, as fromFile(...) makes one, but it is an object",
  ],
  ["no injector", () => p().inject("in", orders), "but it is undefined"],
  [
    "an injector without partitions",
    () => p().inject("in", orders, { ...anInjector(), partitions: 0 }),
    "partitions of its source is an integer from 1 to 16384, but it is 0",
  ],
  ["an injector in place of a sink", () => p().sink("out", orders, anInjector()), "its third argument is a sink, as toFile(...) makes one"],
  [
    "a misspelt option of a sink",
    () => p().sink("out", orders, aSink(), { renameFrom: "x" }),
    'sink "out": there is no option "renameFrom"; there are renamedFrom',
  ],
];

test.each(mistakes)("%s is a ConfigError that names the place and the fix", (_, mistake, text) => {
  expect(mistake).toThrow(ConfigError);
  expect(mistake).toThrow(text);
});

describe("the whole", () => {
  const inject = (pipeline: Pipeline) => pipeline.inject("in", orders, anInjector());
  const wholes: readonly (readonly [string, () => Pipeline, string])[] = [
    ["an empty pipeline", () => new Pipeline("p"), 'pipeline "p": nothing takes part in it: add .inject(...)'],
    [
      "two participants of one name",
      () =>
        inject(new Pipeline("p"))
          .compute("x", relay([orders]))
          .sink("x", orders, aSink()),
      'two participants are named "x": injectors, computations and sinks share their names',
    ],
    [
      "a stream that no one produces to",
      () => inject(new Pipeline("p")).compute("pay", relay([orders, paid])),
      'computation "pay" reads stream "paid", to which nothing produces: add .inject("...", paid, ...)',
    ],
    ["a sink of a stream that no one produces to", () => new Pipeline("p").sink("out", paid, aSink()), 'sink "out" reads stream "paid"'],
    [
      "two streams of one name",
      () => inject(new Pipeline("p")).compute("x", relay([texts("orders")])),
      'two streams are named "orders", one of "in" and one of "x": call stream("orders") once and share what it gives',
    ],
    [
      "a computation that reads its own output",
      () => inject(new Pipeline("p")).compute("x", relay([orders, paid], [paid])),
      "the pipeline has a cycle: x -> x.",
    ],
    [
      "a cycle",
      () =>
        inject(new Pipeline("p"))
          .compute("c", relay([paid], [texts3[1]]))
          .compute("a", relay([orders, texts3[1]], [texts3[0]]))
          .compute("b", relay([texts3[0]], [paid])),
      "the pipeline has a cycle: c -> a -> b -> c.",
    ],
    [
      "renamedFrom a participant that is there",
      () => inject(new Pipeline("p")).compute("x", relay([orders]), { renamedFrom: "in" }),
      'participant "x" says renamedFrom "in", but participant "in" has that name now',
    ],
  ];
  const texts3 = [texts("s0"), texts("s1")] as const;

  test.each(wholes)("with %s is refused when its graph is built", (_, pipeline, text) => {
    const built = pipeline();
    expect(() => built.graph()).toThrow(ConfigError);
    expect(() => built.graph()).toThrow(text);
  });

  test("may have a stream that no one reads", () => {
    const graph = inject(new Pipeline("p"))
      .compute("x", relay([orders], [paid]))
      .graph();
    expect(graph.streams.get("paid")).toMatchObject({ producers: ["x"], consumers: [] });
  });

  test("keeps a participant's place in a handle's error: an output in a field is no input", () => {
    class Wrong extends Computation {
      readonly orders = output(orders);
      processRecord() {}
    }
    expect(() => p().compute("x", Wrong)).toThrow("it has no input that can be seen");
  });
});
