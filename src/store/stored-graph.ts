/**
 * The graph as the store remembers it. Every durable name has a small integer id, given once; stored keys use the
 * id, so a rename moves no data. `version` rises with every change and is carried by every commit.
 */
import { DecodeError, messageOf } from "../errors.ts";

export interface StoredGraph {
  /** Layout of all stored data; this code reads and writes `DATA_FORMAT` only. */
  readonly format: number;
  readonly version: number;
  /** What workers say to each other by way of the store; absent: 1. This code speaks `PROTOCOL`, and all before it. */
  readonly protocol?: number | undefined;
  readonly pipeline: string;
  /** Shards of each computation, fixed for the life of the data. */
  readonly shards: number;
  /** Name of the key hash. */
  readonly hash: string;
  /** Never given twice, so that what was dropped cannot come back as something else. */
  readonly nextId: number;
  readonly participants: readonly StoredParticipant[];
  /** The most shards that computations had before a copy gave them another number: senders of records that wait may be of those. */
  readonly shardsBefore?: number | undefined;
  /** What computations no longer have; absent: nothing. One for each computation. */
  readonly retired?: readonly StoredRetired[] | undefined;
  /** Set with UNFINISHED_FORMAT only: what the command was doing whose data this is. */
  readonly unfinished?: Unfinished | undefined;
}

/** A command that writes a whole pipeline, and was not at its end. */
export interface Unfinished {
  /** As people give it: "copy", "import". */
  readonly command: string;
  /** Where it reads, for people. */
  readonly from: string;
  /** Differs where what it reads has changed. */
  readonly fingerprint: string;
}

/**
 * Cells and timers that a computation has lost, by their ids: the owner of each of its shards deletes what is stored under
 * them (`worker/computation-swept.ts`).
 */
export interface StoredRetired {
  readonly participant: number;
  /** Rises with each further loss. A shard whose image says that it has swept this round has nothing left of them. */
  readonly round: number;
  readonly cells: readonly number[];
  readonly timers: readonly number[];
}

/** Whoever owns shards and commits: an injector, a computation or a sink. */
export interface StoredParticipant {
  readonly id: number;
  readonly name: string;
  readonly kind: "injector" | "computation" | "sink";
  /** Injectors: partitions; computations: the pipeline's shards; sinks: 1. */
  readonly shards: number;
  readonly inputs: readonly StoredInput[];
  /** Names of the streams it produces to. */
  readonly outputs: readonly string[];
  readonly cells: readonly StoredCell[];
  readonly timers: readonly StoredTimer[];
}

export interface StoredInput {
  readonly id: number;
  readonly name: string;
  readonly stream: string;
  readonly codec: string;
}
export interface StoredCell {
  readonly id: number;
  readonly name: string;
  readonly codec: string;
}
export interface StoredTimer {
  readonly id: number;
  readonly name: string;
  readonly clock: "watermark" | "wall";
}

export const DATA_FORMAT = 1;
export const PROTOCOL = 1;
/** In the place of DATA_FORMAT while a command writes the data: every worker, of whatever version, refuses it. */
export const UNFINISHED_FORMAT = 0;

/** Graph, as stores keep it: JSON. Throws `DecodeError`; one of another format is given as it is, for its reader to refuse. */
export function parseStoredGraph(text: string): StoredGraph {
  let graph: Partial<StoredGraph> | null;
  try {
    graph = JSON.parse(text) as Partial<StoredGraph> | null;
  } catch (error) {
    throw new DecodeError(`the stored graph is not JSON (${messageOf(error)}); it was damaged or not written by Millrace`, { cause: error });
  }
  const isOther = isCount(graph?.format) && graph?.format !== DATA_FORMAT;
  if (isOther || isGraph(graph)) return graph as StoredGraph;
  throw new DecodeError("the stored graph is not what Millrace writes; it was damaged, or written by something else");
}

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isText = (value: unknown): boolean => typeof value === "string";
const isList = (list: unknown, is: (part: never) => boolean): boolean => Array.isArray(list) && list.every((part) => is(part as never));
const isNamed = (part: { readonly id?: unknown; readonly name?: unknown } | null): boolean => isCount(part?.id) && isText(part?.name);

function isGraph(graph: Partial<StoredGraph> | null): boolean {
  if (![graph?.format, graph?.version, graph?.shards, graph?.nextId].every(isCount) || !isText(graph?.pipeline) || !isText(graph?.hash)) return false;
  return isList(graph?.participants, isParticipant) && (graph?.retired === undefined || isList(graph.retired, isRetired));
}

function isRetired(retired: Partial<StoredRetired> | null): boolean {
  return isCount(retired?.participant) && isCount(retired?.round) && isList(retired?.cells, isCount) && isList(retired?.timers, isCount);
}

function isParticipant(participant: Partial<StoredParticipant> | null): boolean {
  if (!isNamed(participant) || !isCount(participant?.shards) || !["injector", "computation", "sink"].includes(participant?.kind as string)) return false;
  const isInput = (each: Partial<StoredInput> | null): boolean => isNamed(each) && isText(each?.stream) && isText(each?.codec);
  const isCell = (each: Partial<StoredCell> | null): boolean => isNamed(each) && isText(each?.codec);
  const isTimer = (each: Partial<StoredTimer> | null): boolean => isNamed(each) && (each?.clock === "watermark" || each?.clock === "wall");
  const { inputs, outputs, cells, timers } = participant as Partial<StoredParticipant>;
  return isList(inputs, isInput) && isList(outputs, isText) && isList(cells, isCell) && isList(timers, isTimer);
}
