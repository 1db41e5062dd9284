/** The stored graph as an audit looks things up in it: who is who by id, who feeds whom, what was dropped. */
import { indexOf, participantOf, shardOf, type ShardRef } from "../key.ts";
import type { StoredCell, StoredGraph, StoredInput, StoredParticipant, StoredTimer } from "../store/stored-graph.ts";
import type { Findings, Where } from "./findings.ts";

export interface NamedParticipant extends StoredParticipant {
  readonly cellOf: ReadonlyMap<number, StoredCell>;
  readonly timerOf: ReadonlyMap<number, StoredTimer>;
  readonly inputOf: ReadonlyMap<number, StoredInput>;
  /** Ids of those that feed it. */
  readonly upstream: readonly number[];
}

export class StoredNames {
  readonly graph: StoredGraph;
  readonly participants: ReadonlyMap<number, NamedParticipant>;
  readonly #used: ReadonlySet<number>;

  constructor(graph: StoredGraph) {
    this.graph = graph;
    this.participants = new Map(graph.participants.map((each) => [each.id, named(each, graph)]));
    this.#used = new Set(graph.participants.flatMap(idsOf));
  }

  /** Was the id given to something that the graph does not have any more? */
  isDropped(id: number): boolean {
    return Number.isInteger(id) && id > 0 && id < this.graph.nextId && !this.#used.has(id);
  }

  /** May parcels come from there? Those of a sender that was dropped may still wait. */
  sends(sender: ShardRef): boolean {
    const participant = this.participants.get(participantOf(sender));
    if (participant === undefined) return this.isDropped(participantOf(sender));
    const shards = participant.kind === "computation" ? Math.max(participant.shards, this.graph.shardsBefore ?? 0) : participant.shards;
    return participant.kind !== "sink" && indexOf(sender) < shards;
  }

  has(shard: ShardRef): boolean {
    return indexOf(shard) < (this.participants.get(participantOf(shard))?.shards ?? 0);
  }
}

/** The shard that is audited. */
export class AuditedShard {
  readonly names: StoredNames;
  readonly participant: NamedParticipant;
  readonly ref: ShardRef;
  readonly index: number;

  constructor(names: StoredNames, ref: ShardRef) {
    this.names = names;
    this.participant = names.participants.get(participantOf(ref)) as NamedParticipant;
    this.ref = ref;
    this.index = indexOf(ref);
  }

  at(key?: string): Where {
    return { participant: this.participant.name, shard: this.index, key };
  }

  /** The round in which the participant's retired parts are swept, if this id is of one. */
  roundOf(part: number): number | undefined {
    const retired = this.names.graph.retired?.find(({ participant }) => participant === this.participant.id);
    return retired?.cells.includes(part) || retired?.timers.includes(part) ? retired.round : undefined;
  }

  /** Does the key belong here? A sink has one shard and takes all. */
  owns(key: string): boolean {
    return this.participant.kind === "sink" || shardOf(key, this.participant.shards) === this.index;
  }
}

/** Is the graph one in which things can be told apart? */
export function checkGraph({ participants, nextId, retired = [] }: StoredGraph, findings: Findings): void {
  const ids = [...participants.flatMap(idsOf), ...retired.flatMap(({ cells, timers }) => [...cells, ...timers])];
  const names = participants.map(({ name }) => name);
  const produced = new Set(participants.flatMap(({ outputs }) => outputs));
  findings.expect("graph", new Set(ids).size === ids.length, {}, () => "two parts of the graph have one id");
  findings.expect(
    "graph",
    ids.every((id) => Number.isInteger(id) && id > 0 && id < nextId),
    {},
    () => `ids go beyond the next one to be given, ${nextId}`,
  );
  findings.expect("graph", new Set(names).size === names.length, {}, () => "two participants have one name");
  for (const { name, inputs } of participants) {
    for (const input of inputs) {
      findings.expect(
        "graph",
        produced.has(input.stream),
        { participant: name },
        () => `nothing produces the stream "${input.stream}" of input "${input.name}"`,
      );
    }
  }
}

function named(participant: StoredParticipant, graph: StoredGraph): NamedParticipant {
  const byId = <Part extends { readonly id: number }>(parts: readonly Part[]): ReadonlyMap<number, Part> => new Map(parts.map((part) => [part.id, part]));
  const read = new Set(participant.inputs.map(({ stream }) => stream));
  return {
    ...participant,
    cellOf: byId(participant.cells),
    timerOf: byId(participant.timers),
    inputOf: byId(participant.inputs),
    upstream: graph.participants.filter(({ outputs }) => outputs.some((stream) => read.has(stream))).map(({ id }) => id),
  };
}

const idsOf = ({ id, inputs, cells, timers }: StoredParticipant): number[] => [id, ...[...inputs, ...cells, ...timers].map((part) => part.id)];
