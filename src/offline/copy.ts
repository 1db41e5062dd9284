/**
 * `copy`: a stopped pipeline, from one store to another, with as many shards as it is to have from now on. It may be
 * killed wherever it is: given again it goes on. What it has written is compared with what it read, and both are audited,
 * before a worker can begin with it.
 */
import { audit, storedPipelines } from "../audit/audit.ts";
import type { Clock } from "../clock.ts";
import { ConfigError, IncompatibleDataError, InvariantError, StoreRefusedError } from "../errors.ts";
import { SHARDS } from "../limits.ts";
import type { Random } from "../random.ts";
import type { ReadableStore, StoreReader } from "../store/reader.ts";
import type { PipelineStore, Store } from "../store/store.ts";
import { DATA_FORMAT, type StoredGraph, UNFINISHED_FORMAT } from "../store/stored-graph.ts";
import { type Comparison, compare } from "./comparison.ts";
import type { Contents } from "./contents.ts";
import { CopyTarget } from "./copy-target.ts";
import { StoppedPipeline } from "./stopped-pipeline.ts";
import { StoredContents } from "./stored-contents.ts";

/** What every command has that works on stored data. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  /** A line on how far it is. */
  readonly tell: (text: string) => void;
}

export interface CopyOptions extends Surroundings {
  readonly from: Store;
  readonly to: Store;
  /** Default: the only one that the store has. */
  readonly pipeline?: string | undefined;
  /** Shards of each computation. Default: as many as it has. */
  readonly shards?: number | undefined;
}

export interface CopyReport extends Comparison {
  readonly pipeline: string;
  readonly from: string;
  readonly to: string;
  readonly shards: number;
  /** It went on with what an earlier one had begun. */
  readonly resumed: boolean;
  /** Violations that the audit found in what was written. */
  readonly violations: number;
}

/**
 * Throws where it is refused (`StoreRefusedError`, `IncompatibleDataError`, `ConfigError`) or a store is away. Where the
 * report has differences the target stays refused by workers.
 */
export async function copy(options: CopyOptions): Promise<CopyReport> {
  const pipeline = await pipelineOf(options.from, options.pipeline);
  return await withStopped(options.from, pipeline, options, async (contents) => {
    await refuseUnsound(options.from, pipeline, options.tell);
    return await write(contents, { ...options, command: "copy", complete: () => contents.checkUnchanged() });
  });
}

export interface WriteOptions extends Surroundings {
  readonly to: Store;
  readonly shards?: number | undefined;
  readonly command: string;
  /** Throws where what was read is not whole. */
  readonly complete: () => Promise<void>;
}

/** Writes contents into a store, compares, audits, and lets workers in. */
export async function write(contents: Contents, options: WriteOptions): Promise<CopyReport> {
  const { to, clock, random, tell } = options;
  const { pipeline } = contents.graph;
  const shards = checkShards(options.shards ?? contents.graph.shards);
  const store = await to.open({ pipeline, clock, random });
  let target: CopyTarget | undefined;
  let reader: StoreReader | undefined;
  try {
    target = await CopyTarget.open({ store, contents, shards, command: options.command, clock, random });
    if (target.resumed) tell("goes on with what was written before");
    await target.write(({ name, kind }) => tell(`${kind} ${name} is written`));
    await options.complete();
    tell("compares");
    reader = await readable(to).read({ pipeline, clock, whole: true });
    const comparison = await compare(contents, target, reader);
    await options.complete();
    const report = { pipeline, from: contents.description, to: store.description, shards, resumed: target.resumed, ...comparison };
    if (comparison.differing > 0) return { ...report, violations: 0 };
    await target.finish();
    await target.stopped.release();
    return { ...report, violations: await violationsOf(to, pipeline, tell) };
  } finally {
    await target?.stopped.release();
    await reader?.close();
    await store.close();
  }
}

/** Works on a pipeline whose shards are all held meanwhile. */
export async function withStopped<T>(
  from: Store,
  pipeline: string,
  { clock, random }: Surroundings,
  work: (contents: StoredContents, stopped: StoppedPipeline) => Promise<T>,
): Promise<T> {
  const store = await from.open({ pipeline, clock, random });
  let stopped: StoppedPipeline | undefined;
  let reader: StoreReader | undefined;
  try {
    stopped = await StoppedPipeline.take(store, await graphOf(store, pipeline), clock, random);
    reader = await readable(from).read({ pipeline, clock, whole: true });
    return await work(await StoredContents.of(reader, stopped), stopped);
  } finally {
    await stopped?.release();
    await reader?.close();
    await store.close();
  }
}

export async function graphOf(store: PipelineStore, pipeline: string): Promise<StoredGraph> {
  const graph = await store.readGraph();
  if (graph === undefined) throw new StoreRefusedError(`${store.description} has nothing of a pipeline "${pipeline}": give the name it runs by`);
  if (graph.format === UNFINISHED_FORMAT)
    throw new IncompatibleDataError(
      `${store.description} has only a part of pipeline "${pipeline}": millrace ${graph.unfinished?.command ?? "copy"} was stopped before its end; give that command again`,
    );
  if (graph.format !== DATA_FORMAT)
    throw new IncompatibleDataError(
      `the data of pipeline "${pipeline}" in ${store.description} has format ${graph.format}, this Millrace reads format ${DATA_FORMAT}: use the version that wrote it`,
    );
  return graph;
}

/** The pipeline that is meant. */
export async function pipelineOf(store: Store, named: string | undefined): Promise<string> {
  const names = await storedPipelines(store);
  if (named !== undefined) {
    if (names.includes(named)) return named;
    throw new StoreRefusedError(`the store has no pipeline "${named}"; it has ${names.length === 0 ? "none" : names.join(", ")}`);
  }
  const [only] = names;
  if (only === undefined) throw new StoreRefusedError("the store has no pipeline's data: give the store that the pipeline runs on");
  if (names.length > 1) throw new StoreRefusedError(`the store has ${names.length} pipelines (${names.join(", ")}): say which one with --pipeline`);
  return only;
}

/** What is not sound would be copied as it is, and blamed on the copy. */
export async function refuseUnsound(store: Store, pipeline: string, tell: (text: string) => void): Promise<void> {
  const violations = await violationsOf(store, pipeline, tell);
  if (violations > 0)
    throw new IncompatibleDataError(`the data of pipeline "${pipeline}" has ${violations} violations: millrace audit says which, and what to do`);
}

async function violationsOf(store: Store, pipeline: string, tell: (text: string) => void): Promise<number> {
  tell("audits");
  const { violations } = await audit(store, { pipeline });
  return violations;
}

function checkShards(shards: number): number {
  if (Number.isInteger(shards) && shards >= 1 && shards <= SHARDS) return shards;
  throw new ConfigError(`the number of shards is from 1 to ${SHARDS}, but it is ${shards}`);
}

function readable(store: Store): ReadableStore {
  const given = store as Store & Partial<ReadableStore>;
  if (typeof given.read === "function") return given as ReadableStore;
  throw new InvariantError("a store that cannot be read from outside");
}
