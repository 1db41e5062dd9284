/**
 * How handles are found: in the own enumerable fields of an instance, in the order of declaration, base class first.
 * What is in `#private` fields, getters, nested objects or under symbols cannot be seen.
 *
 * B1  The graph is read from one instance; every later one must declare the same, so an index means the same in all.
 * B2  A handle in two fields counts once, under the first.
 */
import { ConfigError } from "../errors.ts";
import { show } from "./checks.ts";
import type { Computation } from "./computation.ts";
import type { CellNode, ComputationNode, InputNode, OutputNode, TimerNode } from "./graph.ts";
import { type HandleKind, kindOf } from "./handle.ts";
import type { InputHandle } from "./input.ts";
import type { OutputHandle } from "./output.ts";
import type { CellHandle } from "./state.ts";
import type { StreamHandle } from "./stream.ts";
import type { SlotHandle, TimerHandle } from "./timer.ts";

type DeclaredHandle = InputHandle | OutputHandle | CellHandle | (TimerHandle & { readonly family?: undefined });

/** A field and the handle it holds. */
export interface Field {
  readonly name: string;
  readonly handle: DeclaredHandle;
}

/** Where a handle is in its node: `index` counts in `inputs`, `outputs`, `cells` or `timers` (both kinds of timer). */
export interface HandleRef {
  readonly kind: DeclaredHandle["kind"];
  readonly index: number;
}

/** All that an instance declares. */
export interface Declarations {
  readonly inputs: readonly InputNode[];
  readonly outputs: readonly OutputNode[];
  readonly cells: readonly CellNode[];
  readonly timers: readonly TimerNode[];
  /** Streams of `inputs` and `outputs`, at the same indexes. */
  readonly reads: readonly StreamHandle[];
  readonly writes: readonly StreamHandle[];
  readonly handles: ReadonlyMap<object, HandleRef>;
}

/** The handles of an instance, each once. A slot that a family made is not a declaration: the family is. */
export function fieldsOf(computation: Computation): readonly Field[] {
  const fields: Field[] = [];
  const seen = new Set<unknown>();
  for (const [name, value] of Object.entries(computation)) {
    const kind: HandleKind | undefined = kindOf(value);
    if (kind === undefined || kind === "stream" || kind === "pipeline" || seen.has(value)) continue;
    if (kind === "timer" && (value as SlotHandle).family !== undefined) continue;
    seen.add(value);
    fields.push({ name, handle: value as DeclaredHandle });
  }
  return fields;
}

/**
 * Maps each handle of a new instance of `node`'s computation to its place in `node`; a slot made by `family.for(tag)`
 * is found by its `family`. Throws `ConfigError` if the instance does not declare what the graph was built from.
 */
export function bindHandles(instance: Computation, node: ComputationNode): ReadonlyMap<object, HandleRef> {
  const declared = declarationsOf(instance);
  const difference = firstDifference(shapeOf(declared), shapeOf(node));
  if (difference !== undefined) {
    throw new ConfigError(
      `computation ${show(node.name)} declares ${difference} in another instance: each must have the same fields, whatever its options are`,
    );
  }
  return declared.handles;
}

/** Reads the fields of an instance. Throws `ConfigError` where two of a kind have one durable name. */
export function declarationsOf(instance: Computation): Declarations {
  const inputs: InputNode[] = [];
  const outputs: OutputNode[] = [];
  const cells: CellNode[] = [];
  const timers: TimerNode[] = [];
  const reads: StreamHandle[] = [];
  const writes: StreamHandle[] = [];
  const handles = new Map<object, HandleRef>();
  for (const { name: field, handle } of fieldsOf(instance)) {
    switch (handle.kind) {
      case "input": {
        handles.set(handle, { kind: handle.kind, index: inputs.length });
        inputs.push({ field, name: handle.name, renamedFrom: handle.renamedFrom, stream: handle.stream.name, key: handle.key, where: handle.where });
        reads.push(handle.stream);
        break;
      }
      case "output": {
        handles.set(handle, { kind: handle.kind, index: outputs.length });
        outputs.push({ field, stream: handle.stream.name });
        writes.push(handle.stream);
        break;
      }
      case "state": {
        handles.set(handle, { kind: handle.kind, index: cells.length });
        cells.push({ field, name: handle.name, renamedFrom: handle.renamedFrom, codec: handle.codec, initial: handle.initial, ttl: handle.ttl });
        break;
      }
      case "timer":
      case "timers": {
        handles.set(handle, { kind: handle.kind, index: timers.length });
        timers.push({
          field,
          name: handle.name,
          renamedFrom: handle.renamedFrom,
          clock: handle.clock,
          percentile: handle.percentile,
          tagged: handle.kind === "timers",
        });
        break;
      }
    }
  }
  checkNames("input", inputs, `give one of them another name: input(stream, { key, name: "..." })`);
  checkNames("state", cells, "give one of them another name");
  checkNames("timer", timers, "give one of them another name");
  return { inputs, outputs, cells, timers, reads, writes, handles };
}

interface Named {
  readonly name: string;
  readonly renamedFrom: readonly string[];
  readonly field?: string;
}

/** One durable name has one owner now, and one that took it over at most. */
export function checkNames(what: string, all: readonly Named[], remedy: string): void {
  const owners = new Map<string, Named>();
  for (const each of all) {
    const other = owners.get(each.name);
    if (other !== undefined) throw new ConfigError(`two ${what}s are named ${show(each.name)}${fieldsText(other, each)}: ${remedy}`);
    owners.set(each.name, each);
  }
  for (const each of all) {
    for (const earlier of each.renamedFrom) {
      const other = owners.get(earlier);
      if (other !== undefined) {
        const claim = other.name === earlier ? "has that name now" : "says so too";
        throw new ConfigError(
          `${what} ${show(each.name)} says renamedFrom ${show(earlier)}, but ${what} ${show(other.name)} ${claim}: data can be taken over by one only`,
        );
      }
      owners.set(earlier, each);
    }
  }
}

function fieldsText(a: Named, b: Named): string {
  return a.field === undefined || b.field === undefined ? "" : ` (fields ${a.field} and ${b.field})`;
}

/** What must be the same in all instances, one line each. */
function shapeOf(declared: Pick<ComputationNode, "inputs" | "outputs" | "cells" | "timers">): readonly string[] {
  return [
    ...declared.inputs.map((input) => `input ${input.field} ${show(input.name)} of stream ${show(input.stream)}`),
    ...declared.outputs.map((output) => `output ${output.field} of stream ${show(output.stream)}`),
    ...declared.cells.map((cell) => `state ${cell.field} ${show(cell.name)} of codec ${show(cell.codec.id)}`),
    ...declared.timers.map(
      (timer) =>
        `${timer.tagged ? "timers" : "timer"} ${timer.field} ${show(timer.name)} of the ${timer.percentile === undefined ? "" : `${timer.percentile}th percentile of the `}${timer.clock} clock`,
    ),
  ];
}

function firstDifference(now: readonly string[], before: readonly string[]): string | undefined {
  for (let i = 0; i < Math.max(now.length, before.length); i++) {
    if (now[i] !== before[i]) return `${now[i] ?? "nothing"} where there was ${before[i] ?? "nothing"}`;
  }
  return undefined;
}
