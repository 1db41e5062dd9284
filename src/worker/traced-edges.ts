/**
 * Spans of what injectors read and sinks write: a plan whose sources and targets make them around what they do. The engine
 * knows of it only that an item may say which span its productions carry.
 *
 * E1  A source and a target do with it what they do without: what they give and throw passes through, and their own
 *     methods are called on them.
 */
import { type TraceContext, traceOf } from "../computation/trace-context.ts";
import type { InjectorSource, SourceItem, SourceReader } from "../injectors/injector.ts";
import type { StreamRecord } from "../record.ts";
import type { SinkTarget, SinkWriter } from "../sinks/sink.ts";
import type { Plan, PlannedParticipant } from "./plan.ts";
import type { TracedWork, Tracing, WorkSpan } from "./tracing.ts";
import { UserRecord } from "./user-view.ts";

/** Begins a span of one participant. */
type Begin = (work: Omit<TracedWork, "pipeline" | "participant">) => WorkSpan;

export function tracedPlan(tracing: Tracing, plan: Plan): Plan {
  return { ...plan, participants: plan.participants.map((participant) => traced(tracing, plan.graph.pipeline, participant)) };
}

function traced(tracing: Tracing, pipeline: string, planned: PlannedParticipant): PlannedParticipant {
  const begin: Begin = (work) => tracing.begin({ pipeline, participant: planned.name, ...work });
  if (planned.kind === "injector") return { ...planned, node: { ...planned.node, source: tracedSource(planned.node.source, begin) } };
  if (planned.kind === "sink") return { ...planned, node: { ...planned.node, target: tracedTarget(planned.node.target, begin) } };
  return planned;
}

/**
 * Whatever else there is of a source or target stays as it is, and is asked of the original itself: a class's own methods
 * may use private fields, which no other object has.
 */
function like<T extends object>(original: T, changed: Partial<T>): T {
  const copy = Object.assign({} as T, changed);
  for (let each: object | null = original; each !== null && each !== Object.prototype; each = Object.getPrototypeOf(each) as object | null) {
    for (const name of Reflect.ownKeys(each) as (keyof T)[]) {
      if (Object.hasOwn(copy, name)) continue;
      const get = (): unknown => {
        const value: unknown = original[name];
        return typeof value === "function" ? calledOn(original, value as Callable) : value;
      };
      Object.defineProperty(copy, name, { get, enumerable: true });
    }
  }
  return copy;
}

type Callable = (...given: unknown[]) => unknown;

/** The function as it is, with all that it has: a schema may be one. */
function calledOn(original: object, given: Callable): Callable {
  return new Proxy(given, { apply: (each, _, values: unknown[]): unknown => Reflect.apply(each, original, values) });
}

function tracedSource(source: InjectorSource, begin: Begin): InjectorSource {
  return like(source, {
    open: async (context, position) => {
      const reader = await source.open(context, position);
      const pull: SourceReader["pull"] = async (max) => {
        const pulled = await reader.pull(max);
        return { ...pulled, items: pulled.items.map((item) => tracedItem(item, begin)) };
      };
      return { pull, confirm: (fates) => reader.confirm?.(fates), close: () => reader.close() };
    },
  });
}

/** It is there once it is read: what becomes of it is told by the spans that go on from this one. */
function tracedItem(item: SourceItem, begin: Begin): SourceItem {
  if (item.mark === true || item.failure !== undefined) return item;
  const span = begin({ kind: "inject", key: undefined, time: item.timestamp, id: item.id, attempt: undefined, parent: item.parent });
  span.end();
  return { ...item, trace: span.context };
}

function tracedTarget(target: SinkTarget, begin: Begin): SinkTarget {
  return like(target, {
    open: async (checkpoint) => {
      const writer = await target.open(checkpoint);
      const write: SinkWriter["write"] = async (records) => {
        const spans = records.map((record) => begin(aboutWritten(record)));
        try {
          const written = await writer.write(records);
          for (const span of spans) span.end();
          return written;
        } catch (error) {
          for (const span of spans) span.end({ error });
          throw error;
        }
      };
      return { initial: writer.initial, write, close: () => writer.close() };
    },
  });
}

function aboutWritten(record: StreamRecord<unknown>): Omit<TracedWork, "pipeline" | "participant"> {
  return { kind: "write", key: record.key, time: record.timestamp, id: record.id, attempt: undefined, parent: parentOf(record) };
}

function parentOf(record: StreamRecord<unknown>): TraceContext | undefined {
  if (!(record instanceof UserRecord)) return undefined;
  const { bytes, from, to } = UserRecord.stored(record);
  return traceOf(bytes, from, to);
}
