/**
 * The pipelines that are simulated. Making a plan takes longer than a run, so plans are made once and used by many runs;
 * what differs from run to run (scripts, policies, items) is looked up on the `Stage` of the run.
 */
import { decodeStored, encodePlain } from "../../src/computation/cbor-codec.ts";
import { exponential, injector, type InjectorSource, Pipeline, sink, stream, type Stream, type StreamRecord, type WatermarkPolicy } from "../../src/index.ts";
import type { EntryAppend } from "../../src/store/commit.ts";
import { MemoryData } from "../../src/store/memory-data.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { VirtualClock } from "../../src/testing/index.ts";
import { makeInstances } from "../../src/worker/instances.ts";
import type { EffectRunner } from "../../src/effects/effects.ts";
import type { Keyed } from "../../src/worker/keyed.ts";
import type { Plan } from "../../src/worker/plan.ts";
import { reconcile } from "../../src/worker/reconcile.ts";
import type { Item } from "./program.ts";
import { addLatecomer, type Joined } from "./latecomer.ts";
import { AsyncScripted, Scripted, type Stage } from "./scripted.ts";

export interface Computed {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Keyed by `other`, not by `key`. */
  readonly other: boolean;
}

/** A graph, by names. Streams that no computation reads go to a sink; so does every one named in `taps`. */
export interface Shape {
  readonly name: string;
  readonly injectors: readonly { readonly name: string; readonly stream: string }[];
  /** Upstream before downstream. */
  readonly computations: readonly Computed[];
  /** `inStore`: commits append its records to a stream of the store. */
  readonly sinks: readonly { readonly name: string; readonly stream: string; readonly inStore?: boolean }[];
  /** `results`: the stream of what became of each record, which goes to one sink. Default: none. */
  readonly effects?: readonly { readonly name: string; readonly stream: string; readonly results: string | undefined }[];
}

const computed = (name: string, inputs: string[], outputs: string[], other = false): Computed => ({ name, inputs, outputs, other });

export const shapes: readonly Shape[] = [
  { name: "one stage", injectors: [{ name: "i", stream: "in" }], computations: [computed("A", ["in"], ["out"])], sinks: [{ name: "s", stream: "out" }] },
  {
    name: "two stages",
    injectors: [{ name: "i", stream: "in" }],
    computations: [computed("A", ["in"], ["mid", "side"]), computed("B", ["mid"], ["out"])],
    sinks: [
      { name: "s", stream: "out" },
      { name: "t", stream: "side" },
    ],
  },
  {
    name: "join",
    injectors: [
      { name: "i", stream: "left" },
      { name: "j", stream: "right" },
    ],
    computations: [computed("A", ["left", "right"], ["out"])],
    sinks: [{ name: "s", stream: "out" }],
  },
  {
    name: "diamond",
    injectors: [{ name: "i", stream: "in" }],
    computations: [
      computed("A", ["in"], ["mid"]),
      computed("B", ["mid"], ["joined"]),
      computed("C", ["mid"], ["joined"], true),
      computed("D", ["joined"], ["out"]),
    ],
    sinks: [
      { name: "s", stream: "out" },
      { name: "t", stream: "in" },
    ],
  },
  {
    name: "two paths",
    injectors: [
      { name: "i", stream: "left" },
      { name: "j", stream: "right" },
    ],
    computations: [computed("A", ["left"], ["mid"]), computed("B", ["mid", "right"], ["out"], true)],
    sinks: [{ name: "s", stream: "out" }],
  },
  {
    name: "effect",
    injectors: [{ name: "i", stream: "in" }],
    computations: [computed("A", ["in"], ["out"])],
    sinks: [
      { name: "s", stream: "out" },
      { name: "r", stream: "done" },
    ],
    effects: [{ name: "e", stream: "out", results: "done" }],
  },
  {
    name: "two effects",
    injectors: [{ name: "i", stream: "in" }],
    computations: [computed("A", ["in"], ["mid", "side"]), computed("B", ["mid"], ["out"])],
    sinks: [
      { name: "s", stream: "out" },
      { name: "r", stream: "done" },
    ],
    effects: [
      { name: "e", stream: "in", results: "done" },
      { name: "f", stream: "side", results: undefined },
    ],
  },
  {
    name: "into the store",
    injectors: [{ name: "i", stream: "in" }],
    computations: [computed("A", ["in"], ["mid", "side"]), computed("B", ["mid"], ["out"], true)],
    sinks: [
      // The first is the one that a graph grows by.
      { name: "s", stream: "side" },
      { name: "t", stream: "side", inStore: true },
      { name: "u", stream: "in", inStore: true },
      { name: "v", stream: "out", inStore: true },
    ],
  },
];

/** What limits the effects of a run. */
export interface EffectLimits {
  readonly attempts: number;
  readonly concurrency: number;
  readonly rateLimit: { readonly max: number; readonly per: number } | undefined;
}

/** What a source of the running simulation is like. */
export interface SourceSetting {
  readonly policy: WatermarkPolicy;
  /** Do its values have ids, so that one may come twice? */
  readonly ids: boolean;
  /** ms of event time for which an id is remembered. */
  readonly retention: number;
}

export interface RunStage extends Stage {
  readonly sources: ReadonlyMap<string, SourceSetting>;
}

export interface Staged {
  readonly plan: Plan;
  /** A store that holds the graph and nothing else. To be copied. */
  readonly data: MemoryData;
  /** Those of the computations hold nothing of a run, and so serve many; each worker has its own of the effects. */
  readonly instances: (runner: EffectRunner) => ReadonlyMap<number, Keyed>;
  /** The same with a latecomer that reads the stream. */
  readonly grown: (joined: Joined) => Promise<Pick<Staged, "plan" | "instances">>;
  /** Where the run puts what its computations and sources go by. */
  readonly current: { stage: RunStage };
}

export interface Variant {
  readonly shards: number;
  /** Atomic domains of the store. */
  readonly domains: number;
  /** Tries of a record or timer. */
  readonly attempts: number;
  readonly partitions: number;
  readonly asynchronous: boolean;
  /** undefined: it has no effects. */
  readonly effects: EffectLimits | undefined;
  /** Of the first of several injectors, or of all of them; undefined: of none. */
  readonly maxSkew: { readonly of: "first" | "all"; readonly ms: number } | undefined;
  /** Timers `due` fire by this percentile watermark; undefined: by the low one. */
  readonly percentile: number | undefined;
  /** Have the inputs of computations a filter? */
  readonly filtered: boolean;
}

/** ms that a handler may take. */
const TIME_LIMIT = 1_000;

/** Plans that are kept: those made last. */
const KEPT = 1_000;
const made = new Map<string, Promise<Staged>>();

export function staged(shape: Shape, variant: Variant): Promise<Staged> {
  const key = `${shape.name} ${JSON.stringify(variant)}`;
  let known = made.get(key);
  if (known === undefined) made.set(key, (known = make(shape, variant)));
  const [oldest] = made.keys();
  if (made.size > KEPT && oldest !== undefined) made.delete(oldest);
  return known;
}

async function make(shape: Shape, variant: Variant): Promise<Staged> {
  const current: { stage: RunStage } = { stage: { scripts: new Map(), tries: new Map(), sources: new Map() } };
  const { plan, store } = await planned(variant.domains, [pipelineOf(shape, variant, current).pipeline]);
  const known = new Map<string, Promise<Pick<Staged, "plan" | "instances">>>();
  const grow = async (joined: Joined) => {
    const { pipeline, streamOf } = pipelineOf(shape, variant, current);
    addLatecomer(pipeline, streamOf(joined.stream));
    const grown = await planned(variant.domains, [pipelineOf(shape, variant, current).pipeline, pipeline]);
    return { plan: grown.plan, instances: instancesOf(grown.plan) };
  };
  const grown = (joined: Joined) => {
    let growing = known.get(joined.stream);
    if (growing === undefined) known.set(joined.stream, (growing = grow(joined)));
    return growing;
  };
  return { plan, data: store.data("simulated"), instances: instancesOf(plan), grown, current };
}

/** The last of pipelines that were started in this order. */
async function planned(domains: number, pipelines: readonly Pipeline[]): Promise<{ readonly plan: Plan; readonly store: MemoryStore }> {
  const store = new MemoryStore({ domains });
  let plan: Plan | undefined;
  for (const pipeline of pipelines) {
    const open = await store.open({ pipeline: "simulated", clock: new VirtualClock(), random: { id: () => "" } });
    plan = await reconcile(open, pipeline.graph(), []);
  }
  return { plan: plan as Plan, store };
}

interface Declared {
  readonly pipeline: Pipeline;
  readonly streamOf: (name: string) => Stream<Item>;
}

function pipelineOf(
  shape: Shape,
  { shards, partitions, attempts, asynchronous, effects, maxSkew, percentile, filtered }: Variant,
  current: { readonly stage: RunStage },
): Declared {
  const pipeline = new Pipeline("simulated", { shards });
  const streams = new Map<string, Stream<Item>>();
  const streamOf = (name: string): Stream<Item> => {
    let known = streams.get(name);
    if (known === undefined) streams.set(name, (known = stream<Item>(name)));
    return known;
  };
  shape.injectors.forEach(({ name, stream: into }, i) => {
    const limit = i === 0 || maxSkew?.of === "all" ? maxSkew?.ms : undefined;
    pipeline.inject(name, streamOf(into), injector<Item>(sourceOf(name, partitions, current)), { maxSkew: limit });
  });
  const Class = asynchronous ? AsyncScripted : Scripted;
  for (const { name, inputs, outputs, other } of shape.computations) {
    const declared = { inputs: inputs.map(streamOf), outputs: outputs.map(streamOf), other, filtered, percentile };
    pipeline.compute(name, () => new Class(name, declared, () => current.stage), { attempts, backoff: exponential(20, 100), timeLimit: TIME_LIMIT });
  }
  for (const { name, stream: from, results } of shape.effects ?? []) {
    const unused = () => Promise.reject(new Error("simulated"));
    const limits = { ...effects, backoff: exponential(20, 100), results: results === undefined ? undefined : stream<any>(results) };
    if (limits.results !== undefined) streams.set(limits.results.name, limits.results);
    pipeline.effect(name, streamOf(from), unused, limits);
  }
  for (const { name, stream: from, inStore } of shape.sinks) {
    const target = {
      appends: inStore === true ? { key: name, maxLength: undefined, texts: entryTexts } : undefined,
      kind: "sink" as const,
      description: `simulated ${name}`,
      attempts: Number.POSITIVE_INFINITY,
      open: () => Promise.reject(new Error("simulated")),
    };
    pipeline.sink(name, streamOf(from), sink<Item>(target));
  }
  return { pipeline, streamOf };
}

/** The entry of a record in a stream of the store. */
const entryTexts = ({ value, timestamp, key }: StreamRecord<unknown>) => ["item", encodePlain(value), "timestamp", String(timestamp), "key", key];

/** What an entry was made of. */
export function entryOf({ texts }: EntryAppend): { readonly item: Item; readonly timestamp: number; readonly key: string } {
  const [, item, , timestamp, , key] = texts;
  return { item: decodeStored(item as Uint8Array, "an entry") as Item, timestamp: Number(timestamp), key: key as string };
}

function instancesOf(plan: Plan): Staged["instances"] {
  const all = makeInstances(plan);
  const effects = plan.participants.filter((each) => each.kind === "computation" && each.node.effect !== undefined);
  if (effects.length === 0) return () => all;
  return (runner) => new Map([...all, ...makeInstances({ ...plan, participants: effects }, runner)]);
}

/** A source whose settings are those of the run; the simulator reads its items, so it is never opened. */
function sourceOf(name: string, partitions: number, current: { readonly stage: RunStage }): InjectorSource {
  const setting = () => current.stage.sources.get(name) as SourceSetting;
  return {
    kind: "injector",
    description: `simulated ${name}`,
    partitions,
    timestamp: undefined,
    get id() {
      return setting().ids ? (item: Item) => item.id : undefined;
    },
    get idRetention() {
      return setting().retention;
    },
    get watermark() {
      return setting().policy;
    },
    maxAhead: Number.POSITIVE_INFINITY,
    confirms: true,
    open: () => Promise.reject(new Error("simulated")),
  };
}
