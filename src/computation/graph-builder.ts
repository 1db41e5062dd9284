/**
 * From what was added to a pipeline to its `Graph`: streams joined, participants in order, and all that is wrong with
 * the whole refused. What is wrong with one participant was refused when it was added (`pipeline.ts`).
 *
 * G1  Every stream that is read has a producer.
 * G2  No participant is upstream of itself.
 * G3  Participants are sorted by rank (the longest way from an injector), then by when they were added.
 */
import { ConfigError } from "../errors.ts";
import { PERCENTILES } from "../limits.ts";
import { checkNames } from "./binding.ts";
import { show } from "./checks.ts";
import type { ConsumerNode, Graph, ParticipantNode, StreamNode } from "./graph.ts";
import type { StreamHandle } from "./stream.ts";

/** One participant as it was added; its node does not know its upstream yet. */
export interface Addition {
  readonly node: ParticipantNode;
  /** Streams of its inputs. */
  readonly reads: readonly StreamHandle[];
  readonly writes: readonly StreamHandle[];
}

/** Builds the graph. Throws `ConfigError`. */
export function buildGraph(pipeline: string, shards: number, additions: readonly Addition[]): Graph {
  if (additions.length === 0) throw new ConfigError(`nothing takes part in it: add .inject(...), .compute(...) and .sink(...)`);
  const nodes = additions.map((addition) => addition.node);
  checkNames("participant", nodes, "injectors, computations and sinks share their names; give one of them another");
  checkStreams(additions);
  checkPercentiles(nodes);
  const producers = producersOf(additions);
  checkProduced(additions, producers);
  const upstreams = new Map(additions.map((addition) => [addition.node.name, upstreamOf(addition, producers)]));
  const ranks = ranksOf(nodes, upstreams);
  const rankOf = (name: string): number => ranks.get(name) as number;
  const participants = nodes
    .toSorted((a, b) => rankOf(a.name) - rankOf(b.name))
    .map((node) => ({ ...node, upstream: (upstreams.get(node.name) as string[]).toSorted((a, b) => rankOf(a) - rankOf(b)) }));
  return { pipeline, shards, streams: streamsOf(additions, producers, participants), participants };
}

/** One name is one stream: two declarations of it could differ in codec and type. */
function checkStreams(additions: readonly Addition[]): void {
  const known = new Map<string, { readonly stream: StreamHandle; readonly participant: string }>();
  for (const { node, reads, writes } of additions) {
    for (const stream of [...reads, ...writes]) {
      const other = known.get(stream.name);
      if (other === undefined) known.set(stream.name, { stream, participant: node.name });
      else if (other.stream !== stream) {
        throw new ConfigError(
          `two streams are named ${show(stream.name)}, one of ${show(other.participant)} and one of ${show(node.name)}: call stream(${show(stream.name)}) once and share what it gives`,
        );
      }
    }
  }
}

/** Whatever is upstream of a timer follows its percentile, so an injector may follow them all. */
function checkPercentiles(nodes: readonly ParticipantNode[]): void {
  const percentiles = new Set(nodes.flatMap((node) => (node.kind === "computation" ? node.timers.flatMap(({ percentile }) => percentile ?? []) : [])));
  if (percentiles.size > PERCENTILES)
    throw new ConfigError(`its timers go by ${percentiles.size} different percentiles; at most ${PERCENTILES} are followed: let some go by the same`);
}

function producersOf(additions: readonly Addition[]): ReadonlyMap<string, readonly string[]> {
  const producers = new Map<string, Set<string>>();
  for (const { node, writes } of additions) {
    for (const stream of writes) {
      const names = producers.get(stream.name) ?? new Set();
      producers.set(stream.name, names.add(node.name));
    }
  }
  return new Map([...producers].map(([stream, names]) => [stream, [...names]]));
}

/** G1. */
function checkProduced(additions: readonly Addition[], producers: ReadonlyMap<string, readonly string[]>): void {
  for (const { node, reads } of additions) {
    for (const { name } of reads) {
      if (producers.has(name)) continue;
      throw new ConfigError(
        `${node.kind} ${show(node.name)} reads stream ${show(name)}, to which nothing produces: add .inject("...", ${name}, ...) or a computation with output(${name})`,
      );
    }
  }
}

function upstreamOf({ reads }: Addition, producers: ReadonlyMap<string, readonly string[]>): readonly string[] {
  return [...new Set(reads.flatMap((stream) => producers.get(stream.name) ?? []))];
}

/** G2, G3. */
function ranksOf(nodes: readonly ParticipantNode[], upstreams: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, number> {
  const ranks = new Map<string, number>();
  const path: string[] = [];
  const visit = (name: string): number => {
    const known = ranks.get(name);
    if (known !== undefined) return known;
    if (path.includes(name)) throw new ConfigError(cycleText(path.slice(path.indexOf(name)), nodes));
    path.push(name);
    let rank = 0;
    for (const upstream of upstreams.get(name) as readonly string[]) rank = Math.max(rank, visit(upstream) + 1);
    path.pop();
    ranks.set(name, rank);
    return rank;
  };
  for (const { name } of nodes) visit(name);
  return ranks;
}

/** `against` goes upstream; people read downstream, from what was added first. */
function cycleText(against: readonly string[], nodes: readonly ParticipantNode[]): string {
  const first = nodes.find((node) => against.includes(node.name)) as ParticipantNode;
  const downstream = against.toReversed();
  const start = downstream.indexOf(first.name);
  const path = [...downstream.slice(start), ...downstream.slice(0, start), first.name];
  return `the pipeline has a cycle: ${path.join(" -> ")}. A graph has none, so that watermarks advance and draining ends: loop inside one computation, with state and timers`;
}

function streamsOf(
  additions: readonly Addition[],
  producers: ReadonlyMap<string, readonly string[]>,
  participants: readonly ParticipantNode[],
): ReadonlyMap<string, StreamNode> {
  const consumers = new Map<string, ConsumerNode[]>();
  for (const participant of participants) {
    const inputs = participant.kind === "injector" ? [] : participant.kind === "sink" ? [participant.input] : participant.inputs;
    for (const input of inputs) {
      const known = consumers.get(input.stream);
      if (known === undefined) consumers.set(input.stream, [{ participant: participant.name, input }]);
      else known.push({ participant: participant.name, input });
    }
  }
  const streams = new Map<string, StreamNode>();
  for (const { name, codec, schema } of additions.flatMap(({ reads, writes }) => [...reads, ...writes])) {
    streams.set(name, { name, codec, schema, producers: producers.get(name) ?? [], consumers: consumers.get(name) ?? [] });
  }
  return streams;
}
