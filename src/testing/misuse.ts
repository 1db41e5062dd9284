/**
 * What user code does that only fails when something else fails: state that hides in a field of the class, records that
 * are changed in place, key extractors that do not give the same key twice. Watched while a pipeline is simulated, and
 * named where it is found.
 */
import type { Computation } from "../computation/computation.ts";
import type { Graph, InputNode, ParticipantNode, StreamNode } from "../computation/graph.ts";
import type { Keyed } from "../worker/keyed.ts";
import type { Plan } from "../worker/plan.ts";
import type { Trace } from "./simulation/trace.ts";

/** What was found, by what it is about: of each thing once. */
export class Misuse {
  readonly #found = new Map<string, string>();
  readonly #ignored: readonly string[];

  /** `ignored`: what nothing is said about. */
  constructor(ignored: readonly string[] = []) {
    this.#ignored = ignored;
  }

  tell(rule: string, about: string, text: string): void {
    if (!this.#ignored.includes(about) && !this.#found.has(`${rule} ${about}`)) this.#found.set(`${rule} ${about}`, text);
  }
  get texts(): readonly string[] {
    return [...this.#found.values()];
  }
}

/** The instances of one worker, with their calls in the timeline, and their own fields compared before and after each. */
export function watched(instances: ReadonlyMap<number, Keyed>, plan: Plan, trace: Trace, misuse: Misuse): ReadonlyMap<number, Keyed> {
  for (const [id, { instance }] of instances) {
    const name = plan.participants.find((participant) => participant.id === id)?.name ?? "";
    for (const method of ["processRecord", "processTimer"] as const) watchMethod(instance, method, name, trace, misuse);
  }
  return instances;
}

type Method = (this: Computation, subject: { readonly value?: unknown; readonly time?: number }, context: { readonly key: string }) => unknown;

function watchMethod(instance: Computation, method: "processRecord" | "processTimer", name: string, trace: Trace, misuse: Misuse): void {
  const original = instance[method] as Method | undefined;
  if (original === undefined) return;
  const before = fieldsOf(instance);
  const after = (error?: unknown) => {
    for (const field of changedFields(instance, before)) {
      misuse.tell(
        "state in a field",
        `${name}.${field}`,
        `computation "${name}" keeps state in its field "${field}": another worker does not have it, and a record that is tried again finds it changed. Make it a state cell`,
      );
    }
    if (error instanceof TypeError && /read only|not extensible|Cannot (assign|add|delete|define)/.test(error.message)) {
      misuse.tell(
        "changed in place",
        name,
        `computation "${name}" changes a record, or state that it was given to read, in place (${error.message}): others see that, and it is not undone when the try fails. Make a copy, or use update()`,
      );
    }
  };
  const begin: Method = function (this: Computation, subject, context) {
    trace.line(
      () =>
        `  "${name}" ${method === "processRecord" ? `processes ${brief(subject.value)}` : `is called by a timer for ${String(subject.time)}`} of key ${brief(context.key)}`,
    );
    try {
      const result = original.call(this, subject, context);
      after();
      return result;
    } catch (error) {
      after(error);
      throw error;
    }
  };
  // The engine asks whether a handler is an async function, so what stands in its place has to be one too.
  const asynchronous: Method = async function (this: Computation, subject, context) {
    try {
      await begin.call(this, subject, context);
      after();
    } catch (error) {
      after(error);
      throw error;
    }
  };
  Object.defineProperty(instance, method, { value: original.constructor.name === "AsyncFunction" ? asynchronous : begin, configurable: true });
}

/** Own fields that hold plain data, as text. Handles and functions are what a class is made of, not state. */
function fieldsOf(instance: Computation): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const [field, value] of Object.entries(instance)) {
    const text = textOf(value);
    if (text !== undefined) fields.set(field, text);
  }
  return fields;
}

function changedFields(instance: Computation, before: ReadonlyMap<string, string>): string[] {
  const now = fieldsOf(instance);
  return [...new Set([...now.keys(), ...before.keys()])].filter((field) => now.get(field) !== before.get(field));
}

function textOf(value: unknown): string | undefined {
  if (value instanceof Map || value instanceof Set) return `${value.constructor.name} ${textOf([...value])}`;
  try {
    return JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? `${each}n` : each));
  } catch {
    return undefined;
  }
}

/** The graph with key extractors and filters that are asked twice. */
export function askedTwice(graph: Graph, misuse: { readonly current: Misuse }): Graph {
  const twice = (participant: string, node: InputNode): InputNode => {
    const { key, where } = node;
    if (key === undefined) return node;
    const checked = (value: unknown): string => {
      const first = key(value);
      const second = key(value);
      if (first !== second) {
        misuse.current.tell(
          "unstable key",
          `${participant}.${node.name}`,
          `the key of input "${node.name}" of "${participant}" is not the same twice for the same record (${brief(first)}, ${brief(second)}): a record that is sent again goes to another key. Take it from the record alone`,
        );
      }
      return first;
    };
    return { ...node, key: checked, where: where && ((value) => sameVerdict(participant, node, where, value)) };
  };
  const sameVerdict = (participant: string, { name }: InputNode, where: (value: unknown) => boolean, value: unknown): boolean => {
    const [first, second] = [where(value), where(value)];
    if (first !== second) {
      misuse.current.tell(
        "unstable filter",
        `${participant}.${name}`,
        `the filter of input "${name}" of "${participant}" does not say the same twice of the same record (${brief(first)}, ${brief(second)}): a record that is sent again may be lost, or there where it was not before. Decide by the record alone`,
      );
    }
    return first;
  };
  const participants = graph.participants.map(
    (node): ParticipantNode => (node.kind === "computation" ? { ...node, inputs: node.inputs.map((each) => twice(node.name, each)) } : node),
  );
  const streams = new Map<string, StreamNode>();
  for (const [name, stream] of graph.streams) {
    streams.set(name, { ...stream, consumers: stream.consumers.map(({ participant, input }) => ({ participant, input: twice(participant, input) })) });
  }
  return { ...graph, participants, streams };
}

/** A value in a line of text. */
function brief(value: unknown): string {
  const text = textOf(value) ?? String(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}
