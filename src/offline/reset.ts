/**
 * `reset`: computations of a stopped pipeline begin anew, as if they had never run: state, timers, holds, what waits for
 * them, what stands aside, dead letters and watermarks go, in one step. A sink loses its checkpoint.
 */
import { IncompatibleDataError } from "../errors.ts";
import { shardRef } from "../key.ts";
import type { EntryCounts, PipelineStore, Store } from "../store/store.ts";
import type { StoredGraph, StoredParticipant } from "../store/stored-graph.ts";
import { decodeImage, newImage } from "../worker/image.ts";
import { graphOf, pipelineOf, type Surroundings } from "./copy.ts";
import { summed } from "./merged-image.ts";
import { downstreamOf, named, renewed } from "./renewed-graph.ts";
import { partsOf, StoppedPipeline } from "./stopped-pipeline.ts";

export interface ResetOptions extends Surroundings {
  readonly store: Store;
  readonly names: readonly string[];
  readonly pipeline?: string | undefined;
  /** Else it is only told what would go. */
  readonly yes: boolean;
}

/** What goes with a participant. */
export interface Dropped {
  readonly name: string;
  readonly kind: StoredParticipant["kind"];
  readonly entries: EntryCounts;
  /** Records that it has processed so far: what they left behind goes. */
  readonly processed: number;
}

export interface ResetReport {
  readonly pipeline: string;
  readonly store: string;
  /** Was it done? */
  readonly done: boolean;
  readonly dropped: readonly Dropped[];
  /** Participants that have taken in what these produced so far, and keep it. */
  readonly downstream: readonly string[];
}

/** Throws a `ConfigError` for a name that is none, and where a worker is alive as `copy` does. */
export async function reset({ store: kept, names, yes, ...options }: ResetOptions): Promise<ResetReport> {
  const pipeline = await pipelineOf(kept, options.pipeline);
  const store = await kept.open({ pipeline, clock: options.clock, random: options.random });
  let stopped: StoppedPipeline | undefined;
  try {
    const graph = await graphOf(store, pipeline);
    for (const name of names) named(graph, name, ["computation", "sink"]);
    const dropped = await droppedOf(store, graph, names);
    const downstream = downstreamNames(graph, names);
    if (yes) {
      stopped = await StoppedPipeline.take(store, graph, options.clock, options.random);
      await changeGraph(store, renewed(graph, new Set(names)), graph.version);
    }
    return { pipeline, store: store.description, done: yes, dropped, downstream };
  } finally {
    await stopped?.release();
    await store.close();
  }
}

export function downstreamNames(graph: StoredGraph, names: readonly string[]): string[] {
  const reached = new Set(names.flatMap((name) => downstreamOf(graph, name).map((each) => each.name)));
  return graph.participants.map(({ name }) => name).filter((name) => reached.has(name) && !names.includes(name));
}

export async function droppedOf(store: PipelineStore, graph: StoredGraph, names: readonly string[]): Promise<Dropped[]> {
  const dropped: Dropped[] = [];
  for (const { id, name, kind, shards } of graph.participants) {
    if (!names.includes(name)) continue;
    const images = [];
    for (const part of partsOf(Array.from({ length: shards }, (_, index) => shardRef(id, index)))) {
      for (const { image } of await store.summarize(part)) images.push(image === undefined ? newImage() : decodeImage(image));
    }
    dropped.push({ name, kind, entries: await store.countEntries(id, shards), processed: summed(images).processed });
  }
  return dropped;
}

/** Stores the next graph. Throws if another was stored meanwhile. */
export async function changeGraph(store: PipelineStore, graph: StoredGraph, expected: number): Promise<void> {
  if ((await store.init(graph, expected)) !== "stored")
    throw new IncompatibleDataError(`another process has changed the graph of pipeline "${graph.pipeline}" meanwhile: stop it, and give this command again`);
  await store.flushed();
}
