/** The graphs that histories begin with and change to: small, so that shards meet often. */
import { HASH_NAME, type ShardRef, shardRef } from "../../src/key.ts";
import { DATA_FORMAT, type StoredGraph, type StoredParticipant } from "../../src/store/stored-graph.ts";

export function graphOf(version: number, participants: readonly StoredParticipant[]): StoredGraph {
  const nextId = 1 + Math.max(4, ...participants.map(({ id }) => id));
  return { format: DATA_FORMAT, version, pipeline: "differential", shards: 2, hash: HASH_NAME, nextId, participants };
}

export function participant(id: number, name: string, kind: StoredParticipant["kind"], shards: number): StoredParticipant {
  const streams = kind === "sink" ? [] : [`stream ${id}`];
  return { id, name, kind, shards, inputs: [], outputs: streams, cells: [{ id: 2, name: "count", codec: "cbor" }], timers: [] };
}

export const BEGINNING: readonly StoredParticipant[] = [
  participant(1, "source", "injector", 1),
  participant(2, "counter", "computation", 2),
  participant(3, "joiner", "computation", 2),
  participant(4, "report", "sink", 1),
];

export const shardsOf = (graph: StoredGraph): ShardRef[] =>
  graph.participants.flatMap(({ id, shards }) => Array.from({ length: shards }, (_, index) => shardRef(id, index)));
