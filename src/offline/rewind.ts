/**
 * `rewind`: an injector of a stopped pipeline reads again, from its beginning, from a position or from a time on. It begins
 * anew with its watermark, and forgets the ids that it has taken, since the same records come again.
 *
 * R1  The whole change is in force at once: while there is more than one step, workers refuse the data, and the command,
 *     given again, finishes what the first has begun.
 */
import { decodeStored, encodePlain } from "../computation/cbor-codec.ts";
import type { Graph, InjectorNode } from "../computation/graph.ts";
import type { Pipeline } from "../computation/pipeline.ts";
import { ConfigError } from "../errors.ts";
import { shardRef } from "../key.ts";
import type { PipelineStore, Store } from "../store/store.ts";
import { DATA_FORMAT, type StoredGraph, type StoredParticipant, UNFINISHED_FORMAT } from "../store/stored-graph.ts";
import { encodeImage, newImage } from "../worker/image.ts";
import { graphOf, type Surroundings } from "./copy.ts";
import { downstreamOf, named, renewed } from "./renewed-graph.ts";
import { changeGraph, type Dropped, downstreamNames, droppedOf } from "./reset.ts";
import { positionsAt } from "./source-search.ts";
import { type ShardChange, StoppedPipeline } from "./stopped-pipeline.ts";

/** Where it is to go on: after a position (plain data, as the source gives it), or with the first record of that time. */
export type RewindTo =
  | { readonly kind: "start" }
  | { readonly kind: "position"; readonly position: unknown }
  | { readonly kind: "time"; readonly time: number };

export interface RewindOptions extends Surroundings {
  readonly store: Store;
  /** Its code: only it can read the source. */
  readonly pipeline: Pipeline;
  readonly injector: string;
  readonly to: RewindTo;
  /** Computations and sinks that begin anew with it. */
  readonly reset: readonly string[];
  /** Else it is only told what would follow. */
  readonly yes: boolean;
}

export interface RewindReport {
  readonly pipeline: string;
  readonly store: string;
  readonly done: boolean;
  /** It finished what an earlier one had begun. */
  readonly resumed: boolean;
  readonly injector: string;
  /** Of each partition, where it reads on; null: at the beginning. */
  readonly positions: readonly unknown[];
  readonly dropped: readonly Dropped[];
  /** Computations that keep their state and get the records again, and sinks that get results again. */
  readonly again: readonly { readonly name: string; readonly kind: "computation" | "sink" }[];
}

/** Throws a `ConfigError` where the injector or its source cannot be put back, and where a worker is alive as `copy` does. */
export async function rewind({ store: kept, pipeline, yes, ...options }: RewindOptions): Promise<RewindReport> {
  const node = nodeOf(pipeline.graph(), options.injector);
  const store = await kept.open({ pipeline: pipeline.name, clock: options.clock, random: options.random });
  let stopped: StoppedPipeline | undefined;
  try {
    const begun = await begunIn(store, options.injector);
    const graph = begun?.graph ?? (await graphOf(store, pipeline.name));
    const { name } = named(graph, options.injector, ["injector"]);
    for (const each of options.reset) named(graph, each, ["computation", "sink"]);
    const names = [name, ...options.reset];
    const dropped = begun === undefined ? await droppedOf(store, graph, names) : [];
    if (yes || begun === undefined) stopped = await StoppedPipeline.take(store, graph, options.clock, options.random);
    const positions = begun?.positions ?? (await positionsOf(store, graph, node, options));
    if (yes) await apply({ store, graph, name, names, positions, begun: begun !== undefined, ...options });
    const reached = downstreamNames(graph, names);
    const again = downstreamOf(graph, name).filter((each) => reached.includes(each.name)) as (StoredParticipant & { kind: "computation" | "sink" })[];
    return {
      ...{ pipeline: pipeline.name, store: store.description, done: yes, resumed: begun !== undefined, injector: name, dropped },
      positions: positions.map((position) => position ?? null),
      again: again.map((each) => ({ name: each.name, kind: each.kind })),
    };
  } finally {
    await stopped?.release();
    await store.close();
  }
}

function nodeOf(graph: Graph, injector: string): InjectorNode {
  const node = graph.participants.find((each) => each.name === injector);
  if (node?.kind !== "injector") {
    const there = graph.participants.filter(({ kind }) => kind === "injector").map(({ name }) => name);
    throw new ConfigError(`the code of pipeline "${graph.pipeline}" has no injector "${injector}"; it has ${there.join(", ") || "none"}`);
  }
  if (node.source.confirms === true)
    throw new ConfigError(
      `injector "${injector}" (${node.source.description}) has no positions to go back to: what it took is with its sender, who can send it again`,
    );
  return node;
}

/** What an earlier `rewind` has begun and not finished. */
async function begunIn(store: PipelineStore, injector: string): Promise<{ readonly graph: StoredGraph; readonly positions: readonly unknown[] } | undefined> {
  const graph = await store.readGraph();
  if (graph?.format !== UNFINISHED_FORMAT || graph.unfinished?.command !== "rewind") return undefined;
  const begun = decodeStored(Buffer.from(graph.unfinished.fingerprint, "base64"), "what a rewind has begun") as {
    readonly injector: string;
    readonly positions: unknown[];
  };
  if (begun.injector !== injector) throw new ConfigError(`millrace rewind of "${begun.injector}" was stopped before its end: give that command again first`);
  return { graph, positions: begun.positions };
}

async function positionsOf(
  store: PipelineStore,
  graph: StoredGraph,
  node: InjectorNode,
  options: Omit<RewindOptions, "store" | "pipeline" | "yes">,
): Promise<readonly unknown[]> {
  const { to, clock, tell } = options;
  const { id, shards } = named(graph, node.name, ["injector"]);
  if (to.kind === "start") return Array.from({ length: shards }, () => undefined);
  if (to.kind === "time") return await positionsAt({ store, node, participant: id, shards, time: to.time, clock, tell });
  if (shards > 1) throw new ConfigError(`injector "${node.name}" has ${shards} partitions, each with a position of its own: give a time, or start`);
  return [to.position];
}

interface Application extends Pick<Surroundings, "clock" | "random"> {
  readonly store: PipelineStore;
  readonly graph: StoredGraph;
  readonly name: string;
  /** All that begin anew. */
  readonly names: readonly string[];
  readonly positions: readonly unknown[];
  readonly begun: boolean;
}

async function apply({ store, graph, name, names, positions, begun, clock, random }: Application): Promise<void> {
  const next = begun ? graph : renewed(graph, new Set(names));
  if (!begun && positions.every((position) => position === undefined)) return await changeGraph(store, next, graph.version);
  const fingerprint = Buffer.from(encodePlain({ injector: name, positions })).toString("base64");
  const unfinished: StoredGraph = { ...next, format: UNFINISHED_FORMAT, unfinished: { command: "rewind", from: `injector ${name}`, fingerprint } };
  if (!begun) await changeGraph(store, unfinished, graph.version);
  const stopped = await StoppedPipeline.take(store, unfinished, clock, random);
  try {
    const { id } = named(unfinished, name, ["injector"]);
    const changes = positions.flatMap((position, index): ShardChange[] => {
      if (position === undefined) return [];
      return [{ shard: shardRef(id, index), image: encodeImage({ ...newImage(), checkpoint: { position, estimate: undefined, done: false } }) }];
    });
    await stopped.commit(changes);
    const { unfinished: _, ...rest } = unfinished;
    await changeGraph(store, { ...rest, format: DATA_FORMAT, version: unfinished.version + 1 }, unfinished.version);
  } finally {
    await stopped.release();
  }
}
