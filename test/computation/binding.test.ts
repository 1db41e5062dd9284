import { describe, expect, test } from "vitest";
import { Computation, ConfigError, input, output, Pipeline, state, timer, timers, type StreamRecord } from "../../src/index.ts";
import { bindHandles, fieldsOf } from "../../src/computation/binding.ts";
import type { ComputationNode } from "../../src/computation/graph.ts";
import { anInjector, texts, untyped } from "./programs.ts";

const a = texts("a");
const b = texts("b");
const key = (value: string) => value;

class Base extends Computation {
  readonly from = input(a, { key });
  readonly count = state("count", { initial: 0 });
  readonly deadline = timer("deadline");
  processRecord(_record: StreamRecord<string>) {}
  override processTimer() {}
}

class Derived extends Base {
  readonly again = input(a, { key, name: "again" });
  readonly out = output(b);
  readonly closing = timers<number>("closing");
  readonly noon = this.closing.for(12);
  readonly last = state<string>("last");
  readonly options = { nested: output(a) };
  readonly alias = this.count;
}

const nodeOf = (make: () => Computation): ComputationNode =>
  new Pipeline("p").inject("in", a, anInjector()).compute("it", untyped(make)).graph().participants[1] as ComputationNode;

describe("the handles of an instance", () => {
  test("are found in its fields, base class first, each once; slots and nested ones are not declarations", () => {
    expect(fieldsOf(new Derived()).map(({ name, handle }) => [name, handle.kind])).toEqual([
      ["from", "input"],
      ["count", "state"],
      ["deadline", "timer"],
      ["again", "input"],
      ["out", "output"],
      ["closing", "timers"],
      ["last", "state"],
    ]);
  });

  test("of a base class give way to a field of the same name", () => {
    class Replaced extends Base {
      override readonly count = state("total", { initial: 1 });
    }
    const node = nodeOf(() => new Replaced());
    expect(node.cells.map(({ name }) => name)).toEqual(["total"]);
  });

  test("are bound to their places, in a new instance as in the first", () => {
    const node = nodeOf(() => new Derived());
    const instance = node.make() as Derived;
    const bound = bindHandles(instance, node);
    expect(bound.size).toBe(7);
    expect(bound.get(instance.from)).toEqual({ kind: "input", index: 0 });
    expect(bound.get(instance.again)).toEqual({ kind: "input", index: 1 });
    expect(bound.get(instance.out)).toEqual({ kind: "output", index: 0 });
    expect(bound.get(instance.count)).toEqual({ kind: "state", index: 0 });
    expect(bound.get(instance.last)).toEqual({ kind: "state", index: 1 });
    expect(bound.get(instance.deadline)).toEqual({ kind: "timer", index: 0 });
    expect(bound.get(instance.closing)).toEqual({ kind: "timers", index: 1 });
    expect(bound.get(untyped(instance.noon).family)).toEqual({ kind: "timers", index: 1 });
    expect(bound.get((node.make() as Derived).from)).toBeUndefined();
  });

  test("may be shared by instances and computations", () => {
    const from = input(a, { key });
    const make = () =>
      Object.assign(
        new (class extends Computation {
          processRecord() {}
        })(),
        { from },
      );
    const node = nodeOf(make);
    expect(bindHandles(node.make(), node).get(from)).toEqual({ kind: "input", index: 0 });
  });

  test.each([
    [
      "another stream",
      () => ({ to: output(a) }),
      'computation "it" declares output to of stream "a" where there was output to of stream "b" in another instance',
    ],
    ["a handle more", () => ({ to: output(b), more: timer("more") }), 'declares timer more "more" of the watermark clock where there was nothing'],
    ["a handle less", () => ({}), 'declares nothing where there was output to of stream "b"'],
    ["another field", () => ({ out: output(b) }), 'declares output out of stream "b" where there was output to of stream "b"'],
  ])("that differ between instances (%s) are refused", (_, second, text) => {
    let made = 0;
    const node = nodeOf(() =>
      Object.assign(
        new (class extends Computation {
          readonly from = input(a, { key });
          processRecord() {}
          override processTimer() {}
        })(),
        made++ === 0 ? { to: output(b) } : second(),
      ),
    );
    const instance = node.make();
    expect(() => bindHandles(instance, node)).toThrow(ConfigError);
    expect(() => bindHandles(instance, node)).toThrow(text);
  });
});
