/**
 * Compares the graph in the code with the one in the store, gives every durable name its id, and makes the plan.
 *
 * G1  A name that the code no longer has, with data behind it, is refused with what would be orphaned, unless another
 *     says `renamedFrom` it or the operator drops it. Nothing is written before all of it has been checked.
 * G2  An id is never given twice. What becomes of a cell, timer or input that its stored data does not fit is a new one.
 * G3  A graph that workers run only grows, unless an operator says what to drop: what they know and this code does not may
 *     get data at any moment, and this code may be the older one.
 * G4  Ids of cells and timers that a computation loses stay in the graph as retired: its shards sweep what is under them.
 */
import { EXPLAIN_CELL } from "../computation/explained.ts";
import type { ComputationNode, Graph, InputNode, ParticipantNode } from "../computation/graph.ts";
import { IncompatibleDataError, invariant } from "../errors.ts";
import { HASH_NAME, shardRef } from "../key.ts";
import type { PipelineStore } from "../store/store.ts";
import {
  DATA_FORMAT,
  PROTOCOL,
  UNFINISHED_FORMAT,
  type StoredCell,
  type StoredGraph,
  type StoredInput,
  type StoredParticipant,
  type StoredRetired,
  type StoredTimer,
} from "../store/stored-graph.ts";
import { parseAnnounced } from "./declined.ts";
import { withTracks } from "./percentile-plan.ts";
import type { AppendedSink, Consumer, Plan, PlannedParticipant, PlannedStream } from "./plan.ts";

/** Starts in a row that lost against another process starting the same pipeline. */
const TRIES = 5;

export async function reconcile(store: PipelineStore, graph: Graph, drop: readonly string[]): Promise<Plan> {
  for (let tries = 0; tries < TRIES; tries++) {
    const stored = await store.readGraph();
    const merge = new Merge(graph, stored, drop);
    const next = merge.merged();
    const orphans = await orphansOf(store, merge);
    // After the counting: who was not alive by now has committed nothing before what follows.
    if (merge.gone.length > 0) await checkNobodyRuns(store, merge);
    if (orphans.length > 0) throw orphanError(graph, orphans);
    merge.checkDropped();
    if (stored !== undefined && JSON.stringify({ ...next, version: stored.version }) === JSON.stringify(stored)) return planOf(graph, stored);
    if ((await store.init(next, stored?.version)) === "stored") return planOf(graph, next);
  }
  throw new IncompatibleDataError(
    `other processes go on changing the graph of pipeline "${graph.pipeline}": start them with the same code, one after the other`,
  );
}

async function checkNobodyRuns(store: PipelineStore, { gone }: Merge): Promise<void> {
  const { workers } = store.exclusive ? { workers: [] } : await store.readWorkers();
  const alive = parseAnnounced(workers.map(({ worker }) => worker)).workers.length;
  if (alive === 0) return;
  const text = gone.map(({ what }) => `  - ${what}`).join("\n");
  throw new IncompatibleDataError(
    `this code does not name what ${alive === 1 ? "the worker that is running has" : `the ${alive} workers that are running have`}:\n${text}\nIf this code is older than theirs, start theirs. If it is newer, stop them first; one that was killed counts as running for a lease's time`,
    gone.map(({ what }) => what),
  );
}

function orphanError(graph: Graph, orphans: readonly string[]): IncompatibleDataError {
  const text = orphans.map((orphan) => `  - ${orphan}`).join("\n");
  return new IncompatibleDataError(
    `pipeline "${graph.pipeline}" has stored data that this code no longer names:\n${text}\nGive the new name renamedFrom the old one, or start once with --drop NAME (drop: [NAME]) to delete it`,
    orphans,
  );
}

/** Something that the code no longer has: what it is, and whose counts tell if there is data behind it. */
interface Gone {
  /** As `--drop` names it. */
  readonly name: string;
  readonly participant: StoredParticipant;
  readonly what: string;
  readonly counts: "all" | "state" | "timers" | "queued";
}

async function orphansOf(store: PipelineStore, merge: Merge): Promise<string[]> {
  const orphans: string[] = [];
  for (const { participant, what, counts } of merge.gone) {
    const entries = await store.countEntries(participant.id, participant.shards);
    const parts: string[] = [];
    if (counts === "all" || counts === "state") parts.push(...some(entries.state, "entries of state"));
    if (counts === "all" || counts === "timers") parts.push(...some(entries.timers, "timers"));
    if (counts === "all" || counts === "queued") parts.push(...some(entries.queued, "records waiting"), ...some(entries.held, "held records"));
    if (counts === "all" && participant.kind !== "computation" && (await hasCommitted(store, participant))) parts.push("its checkpoint");
    if (counts === "all") parts.push(...some(entries.dead, "dead letters"), ...some(entries.outbox, "undelivered productions"));
    if (parts.length > 0) orphans.push(`${what}: ${counts === "all" ? "" : `${participant.kind} "${participant.name}" has `}${parts.join(", ")}`);
  }
  return orphans;
}

/** Where an injector or sink stands is data too: without it everything would be read, or written, again. */
async function hasCommitted(store: PipelineStore, { id, shards }: StoredParticipant): Promise<boolean> {
  const summaries = await store.summarize(Array.from({ length: shards }, (_, index) => shardRef(id, index)));
  return summaries.some((summary) => summary.number > 0);
}

const some = (count: number, what: string): string[] => (count > 0 ? [`${count} ${what}`] : []);

class Merge {
  readonly #graph: Graph;
  readonly #stored: StoredGraph | undefined;
  readonly #drop: Set<string>;
  readonly #dropped = new Set<string>();
  #nextId: number;
  readonly gone: Gone[] = [];

  constructor(graph: Graph, stored: StoredGraph | undefined, drop: readonly string[]) {
    this.#graph = graph;
    this.#stored = stored;
    this.#drop = new Set(drop);
    this.#nextId = stored?.nextId ?? 1;
    if (stored !== undefined) this.#checkFixed(stored);
  }

  #checkFixed(stored: StoredGraph): void {
    const { pipeline, shards } = this.#graph;
    if (stored.format === UNFINISHED_FORMAT) {
      const { command = "copy", from = "elsewhere" } = stored.unfinished ?? {};
      throw new IncompatibleDataError(
        `the data of pipeline "${pipeline}" is not complete: millrace ${command} from ${from} was stopped before its end; give that command again, it goes on`,
      );
    }
    if (stored.format !== DATA_FORMAT) {
      throw new IncompatibleDataError(
        `the data of pipeline "${pipeline}" has format ${stored.format}, this Millrace reads format ${DATA_FORMAT}: use the version that wrote it`,
      );
    }
    if ((stored.protocol ?? 1) > PROTOCOL) {
      throw new IncompatibleDataError(
        `workers of pipeline "${pipeline}" speak protocol ${stored.protocol}, this Millrace speaks ${PROTOCOL}: run the version that they run, or a newer one`,
      );
    }
    if (stored.shards !== shards) {
      throw new IncompatibleDataError(
        `pipeline "${pipeline}" has data in ${stored.shards} shards, its code says ${shards}: the number of shards is fixed for the life of the data; say { shards: ${stored.shards} }`,
      );
    }
    if (stored.hash !== HASH_NAME)
      throw new IncompatibleDataError(`the data of pipeline "${pipeline}" was placed by the hash ${stored.hash}, this Millrace uses ${HASH_NAME}`);
  }

  merged(): StoredGraph {
    const participants = this.#graph.participants.map((node) => this.#participant(node));
    const kept = new Set(participants.map((participant) => participant.id));
    for (const participant of this.#stored?.participants ?? []) {
      if (!kept.has(participant.id)) this.#missing(participant.name, participant, `${participant.kind} "${participant.name}"`, "all");
    }
    return {
      format: DATA_FORMAT,
      version: (this.#stored?.version ?? 0) + 1,
      pipeline: this.#graph.pipeline,
      shards: this.#graph.shards,
      hash: HASH_NAME,
      nextId: this.#nextId,
      participants,
      ...(this.#stored?.shardsBefore === undefined ? {} : { shardsBefore: this.#stored.shardsBefore }),
      ...retiredBy(this.#stored, participants),
    };
  }

  #participant(node: ParticipantNode): StoredParticipant {
    const before = find(this.#stored?.participants ?? [], node);
    const shards = node.kind === "computation" ? this.#graph.shards : node.kind === "injector" ? node.source.partitions : 1;
    if (before !== undefined && before.kind !== node.kind) {
      throw new IncompatibleDataError(
        `"${node.name}" is stored as ${article(before.kind)} and is ${article(node.kind)} in the code: give it another name, or drop the stored one (--drop ${before.name})`,
      );
    }
    if (before !== undefined && before.shards !== shards) {
      throw new IncompatibleDataError(`${node.kind} "${node.name}" has data in ${before.shards} shards, its code says ${shards}: give it another name`);
    }
    const inputs = node.kind === "injector" ? [] : node.kind === "sink" ? [node.input] : node.inputs;
    return {
      id: before?.id ?? this.#nextId++,
      name: node.name,
      kind: node.kind,
      shards,
      inputs: this.#inputs(inputs, before),
      outputs: node.kind === "injector" ? [node.stream] : node.kind === "computation" ? node.outputs.map((output) => output.stream) : [],
      cells: node.kind === "computation" ? this.#cells(node, before) : [],
      timers: node.kind === "computation" ? this.#timers(node, before) : [],
    };
  }

  #inputs(nodes: readonly InputNode[], before: StoredParticipant | undefined): StoredInput[] {
    const inputs = nodes.map((node) => {
      const known = find(before?.inputs ?? [], node);
      const codec = this.#codecOf(node.stream);
      if (known !== undefined && before !== undefined && known.stream !== node.stream) {
        this.#missing(
          `${before.name}/${known.name}`,
          before,
          `input "${known.name}" of ${before.kind} "${before.name}" read stream "${known.stream}" and reads "${node.stream}" now`,
          "queued",
        );
      }
      if (known !== undefined && before !== undefined && known.codec !== codec) {
        this.#missing(
          `${before.name}/${known.name}`,
          before,
          `stream "${node.stream}" was encoded with codec "${known.codec}" and has codec "${codec}" now`,
          "queued",
        );
      }
      const fits = known?.stream === node.stream && known.codec === codec;
      return { id: fits ? known.id : this.#nextId++, name: node.name, stream: node.stream, codec };
    });
    this.#goneFrom(before, before?.inputs ?? [], nodes, "input", "queued");
    return inputs;
  }

  #cells(node: ComputationNode, before: StoredParticipant | undefined): StoredCell[] {
    const cells = node.cells.map((cell) => {
      const known = find(before?.cells ?? [], cell);
      if (known !== undefined && before !== undefined && known.codec !== cell.codec.id) {
        this.#missing(
          `${before.name}/${known.name}`,
          before,
          `state "${known.name}" of "${before.name}" was encoded with codec "${known.codec}" and has codec "${cell.codec.id}" now`,
          "state",
        );
      }
      return { id: known?.codec === cell.codec.id ? known.id : this.#nextId++, name: cell.name, codec: cell.codec.id };
    });
    this.#goneFrom(before, before?.cells ?? [], node.cells, "state", "state");
    return cells;
  }

  #timers(node: ComputationNode, before: StoredParticipant | undefined): StoredTimer[] {
    const timers = node.timers.map((timer) => {
      const known = find(before?.timers ?? [], timer);
      if (known !== undefined && before !== undefined && known.clock !== timer.clock) {
        this.#missing(
          `${before.name}/${known.name}`,
          before,
          `timer "${known.name}" of "${before.name}" was set on the ${known.clock} clock and is on the ${timer.clock} clock now`,
          "timers",
        );
      }
      return { id: known?.clock === timer.clock ? known.id : this.#nextId++, name: timer.name, clock: timer.clock };
    });
    this.#goneFrom(before, before?.timers ?? [], node.timers, "timer", "timers");
    return timers;
  }

  #goneFrom(
    owner: StoredParticipant | undefined,
    before: readonly { readonly id: number; readonly name: string }[],
    now: readonly { readonly name: string; readonly renamedFrom: readonly string[] }[],
    what: string,
    counts: Gone["counts"],
  ): void {
    if (owner === undefined) return;
    const found = new Set(now.map((node) => find(before, node)));
    for (const each of before) {
      if (found.has(each)) continue;
      this.#missing(`${owner.name}/${each.name}`, owner, `${what} "${each.name}" of ${owner.kind} "${owner.name}"`, counts);
    }
  }

  #missing(name: string, participant: StoredParticipant, what: string, counts: Gone["counts"]): void {
    if (this.#drop.has(name)) this.#dropped.add(name);
    // What was kept for whoever looks is no loss.
    else if (counts === "state" && name === `${participant.name}/${EXPLAIN_CELL}`) return;
    else this.gone.push({ name, participant, what, counts });
  }

  /** A name to drop that is not gone from the code is a slip of the hand: nothing is dropped. */
  checkDropped(): void {
    for (const name of this.#drop) {
      if (this.#dropped.has(name) || this.#stored === undefined || !knows(this.#stored, name)) continue;
      throw new IncompatibleDataError(`"${name}" is to be dropped but is still in the code of pipeline "${this.#graph.pipeline}": remove it there first`);
    }
  }

  #codecOf(stream: string): string {
    const node = this.#graph.streams.get(stream);
    invariant(node !== undefined, `stream "${stream}" is not in the graph`);
    return node.codec.id;
  }
}

/** What the graph has retired so far of participants that are still in it, and what they lose with this one. */
function retiredBy(stored: StoredGraph | undefined, participants: readonly StoredParticipant[]): Pick<StoredGraph, "retired"> {
  const retired = participants.flatMap((now): StoredRetired[] => {
    const before = stored?.participants.find(({ id }) => id === now.id);
    const known = stored?.retired?.find(({ participant }) => participant === now.id);
    const cells = lostOf(before?.cells ?? [], now.cells);
    const timers = lostOf(before?.timers ?? [], now.timers);
    if (cells.length + timers.length === 0) return known === undefined ? [] : [known];
    // A copy of a pipeline counts its versions anew, and its shards' images do not.
    const round = Math.max((stored?.version ?? 0) + 1, (known?.round ?? 0) + 1);
    return [{ participant: now.id, round, cells: [...(known?.cells ?? []), ...cells], timers: [...(known?.timers ?? []), ...timers] }];
  });
  return retired.length === 0 ? {} : { retired };
}

function lostOf(before: readonly { readonly id: number }[], now: readonly { readonly id: number }[]): number[] {
  return before.map(({ id }) => id).filter((id) => now.every((each) => each.id !== id));
}

function knows(stored: StoredGraph, name: string): boolean {
  return stored.participants.some(
    (each) => each.name === name || [...each.inputs, ...each.cells, ...each.timers].some((part) => `${each.name}/${part.name}` === name),
  );
}

function find<T extends { readonly name: string }>(
  stored: readonly T[],
  node: { readonly name: string; readonly renamedFrom: readonly string[] },
): T | undefined {
  return stored.find((each) => each.name === node.name) ?? stored.find((each) => node.renamedFrom.includes(each.name));
}

const article = (kind: string): string => (/^[aeiou]/.test(kind) ? `an ${kind}` : `a ${kind}`);

function planOf(graph: Graph, stored: StoredGraph): Plan {
  const idOf = (name: string): number => {
    const found = stored.participants.find((participant) => participant.name === name);
    invariant(found !== undefined, `participant "${name}" is not in the stored graph`);
    return found.id;
  };
  const streams = new Map<string, PlannedStream>();
  for (const { name, codec, schema, consumers } of graph.streams.values()) {
    const planned = consumers.map(({ participant, input }): Consumer | AppendedSink => {
      const of = stored.participants.find((each) => each.name === participant) as StoredParticipant;
      const id = of.inputs.find((each) => each.name === input.name)?.id;
      invariant(id !== undefined && id < 65_536, `input "${input.name}" of "${participant}" has no usable id`);
      const key = of.kind === "sink" ? undefined : input.perRecord ? "record" : input.key;
      const consumer: Consumer = { participant: of.id, name: participant, shards: of.shards, input: id, key, where: input.where };
      const node = graph.participants.find((each) => each.name === participant);
      const to = node?.kind === "sink" ? node.target.appends : undefined;
      return to === undefined ? consumer : { ...consumer, to };
    });
    const appended = planned.filter((consumer) => "to" in consumer);
    streams.set(name, { name, codec, schema, consumers: planned.filter((consumer) => !("to" in consumer)), appended });
  }
  const streamOf = (name: string) => streams.get(name) as PlannedStream;
  const participants = graph.participants.map((node): PlannedParticipant => {
    const of = stored.participants.find((each) => each.name === node.name) as StoredParticipant;
    const base = { id: of.id, name: node.name, shards: of.shards, upstream: node.upstream.map(idOf), tracks: [] };
    const inputOf = (input: InputNode) => ({
      id: (of.inputs.find((each) => each.name === input.name) as StoredInput).id,
      node: input,
      codec: streamOf(input.stream).codec,
    });
    if (node.kind === "injector") return { ...base, kind: node.kind, node, output: streamOf(node.stream) };
    if (node.kind === "sink") return { ...base, kind: node.kind, node, input: inputOf(node.input) };
    return {
      ...base,
      kind: node.kind,
      node,
      inputs: node.inputs.map(inputOf),
      outputs: node.outputs.map((output) => streamOf(output.stream)),
      cells: node.cells.map((cell) => ({ id: (of.cells.find((each) => each.name === cell.name) as StoredCell).id, node: cell })),
      timers: node.timers.map((timer) => ({ id: (of.timers.find((each) => each.name === timer.name) as StoredTimer).id, node: timer })),
      retired: stored.retired?.find((each) => each.participant === of.id),
    };
  });
  return { graph, version: stored.version, stored, participants: withTracks(participants) };
}
