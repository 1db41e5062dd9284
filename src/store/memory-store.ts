/**
 * The store in memory: for tests, and the model the other stores are compared with. It forgets everything with its
 * process. The data and the operations are `memory-data.ts`; this gives them promises, a clock and randomness.
 *
 * Each method does all its work within the call, so the order of calls is the order of their effects.
 */
import type { Clock } from "../clock.ts";
import { ConfigError, StoreRefusedError, StoreUnavailableError } from "../errors.ts";
import type { ShardRef } from "../key.ts";
import { checkOptions } from "../options.ts";
import type { Random } from "../random.ts";
import type { Commit, HoldSet, Numbered, TimerClock } from "./commit.ts";
import { MemoryData } from "./memory-data.ts";
import { MemoryReader } from "./memory-reader.ts";
import type { Page, ReadableStore, ReadOptions, StoreReader } from "./reader.ts";
import type {
  AcquireOutcome,
  AcquireRequest,
  Announced,
  CommitReply,
  DeliverReply,
  Delivery,
  EntryCounts,
  InboxRead,
  InboxTail,
  Interval,
  Lease,
  NamedKind,
  OpenOptions,
  PipelineStore,
  RecoverLimits,
  RecoveredShard,
  Registration,
  ReportReply,
  ShardProgress,
  ShardSummary,
  StoredWorker,
  Store,
  StoredTimerEntry,
  WatermarkReport,
} from "./store.ts";
import type { StoredGraph } from "./stored-graph.ts";

export interface MemoryStoreOptions {
  /** Is there one worker at a time, so that leases left behind may be taken at once? Default true. */
  readonly exclusive?: boolean;
  /** Atomic domains that the shards are in, as in a cluster, 1 to 1024: between two of them records are delivered by outboxes. Default 1. */
  readonly domains?: number;
}

/** Opening it again, by any name, finds what is there: a restart within one process. */
export class MemoryStore implements Store, ReadableStore {
  readonly kind = "store";
  readonly #exclusive: boolean;
  readonly #domains: number;
  readonly #pipelines = new Map<string, MemoryData>();

  /** Throws `ConfigError` for an option that there is not. */
  constructor(options: MemoryStoreOptions = {}) {
    checkOptions("MemoryStore", options, ["exclusive", "domains"]);
    const { exclusive = true, domains = 1 } = options;
    this.#exclusive = exclusive;
    this.#domains = domains;
    if (!Number.isInteger(this.#domains) || this.#domains < 1 || this.#domains > 1_024)
      throw new ConfigError(`MemoryStore: domains ${this.#domains} must be an integer from 1 to 1024`);
  }

  async open({ pipeline, clock, random }: OpenOptions): Promise<PipelineStore> {
    return new MemoryPipelineStore(this.data(pipeline), this.#exclusive, clock, random);
  }

  /** Names of the pipelines that have data, in order. */
  async pipelines(): Promise<readonly string[]> {
    return [...this.#pipelines.keys()].sort();
  }

  /** A look from outside, for an audit. Throws a StoreRefusedError where there is no such pipeline. */
  async read({ pipeline }: ReadOptions): Promise<StoreReader> {
    const data = this.#pipelines.get(pipeline);
    if (data === undefined) throw new StoreRefusedError(`the memory store has no pipeline "${pipeline}"; give the name it runs by`);
    return new MemoryReader(data);
  }

  /** The data of one pipeline, made when first asked for. For simulators. */
  data(pipeline: string): MemoryData {
    let data = this.#pipelines.get(pipeline);
    if (data === undefined) this.#pipelines.set(pipeline, (data = new MemoryData(this.#domains)));
    return data;
  }
}

class MemoryPipelineStore implements PipelineStore {
  readonly exclusive: boolean;
  readonly description = "memory";
  readonly generation = 0;
  readonly #open: MemoryData;
  readonly #clock: Clock;
  readonly #random: Random;
  #closed = false;

  constructor(data: MemoryData, exclusive: boolean, clock: Clock, random: Random) {
    this.#open = data;
    this.exclusive = exclusive;
    this.#clock = clock;
    this.#random = random;
  }

  get #data(): MemoryData {
    if (this.#closed) throw new StoreUnavailableError("the memory store was closed; open it again");
    return this.#open;
  }

  async readGraph(): Promise<StoredGraph | undefined> {
    return this.#data.readGraph();
  }
  async init(graph: StoredGraph, expected: number | undefined): Promise<"stored" | "changed-meanwhile"> {
    return this.#data.init(graph, expected);
  }
  async checkStreams(): Promise<void> {
    throw new StoreRefusedError(`${this.description} has no streams; give the sink a \`connection\``);
  }
  async countEntries(participant: number, shards: number): Promise<EntryCounts> {
    return this.#data.countEntries(participant, shards);
  }
  async announce(worker: string, ms: number, about?: string): Promise<Announced> {
    return this.#data.announce(worker, ms, this.#clock.now(), about);
  }
  async readWorkers(): Promise<{ workers: StoredWorker[]; now: number }> {
    return this.#data.readWorkers(this.#clock.now());
  }
  async depart(worker: string): Promise<void> {
    this.#data.depart(worker);
  }
  async acquire(request: AcquireRequest): Promise<AcquireOutcome[]> {
    return this.#data.acquire(request, this.#clock.now(), this.#random);
  }
  async renew(worker: string, leases: readonly Lease[], leaseMs: number, confirm?: boolean): Promise<{ lost: ShardRef[]; now: number }> {
    return this.#data.renew(worker, leases, leaseMs, this.#clock.now(), confirm);
  }
  async release(worker: string, leases: readonly Lease[]): Promise<void> {
    this.#data.release(worker, leases);
  }
  async recover(shards: readonly ShardRef[], limits: RecoverLimits): Promise<RecoveredShard[]> {
    return this.#data.recover(shards, limits);
  }
  async commit(commits: readonly Commit[]): Promise<CommitReply> {
    return this.#data.commit(commits, this.#clock.now());
  }
  get domains(): number {
    return this.#open.domains;
  }
  domainOf(shard: ShardRef): number {
    return this.#open.domainOf(shard);
  }
  async deliver(deliveries: readonly Delivery[]): Promise<DeliverReply> {
    return this.#data.deliver(deliveries);
  }
  async readInbox(shard: ShardRef, from: number, maxParcels: number): Promise<InboxRead> {
    return this.#data.readInbox(shard, from, maxParcels);
  }
  async readState(shard: ShardRef, fields: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return this.#data.readState(shard, fields);
  }
  async readNames(shard: ShardRef, kind: NamedKind, prefixes: readonly string[], cursor: string | undefined, limit: number): Promise<Page<string>> {
    return this.#data.readNames(shard, kind, prefixes, cursor, limit);
  }
  async readTimers(shard: ShardRef, clock: TimerClock, limit: number): Promise<StoredTimerEntry[]> {
    return this.#data.readTimers(shard, clock, limit);
  }
  async readHolds(shard: ShardRef, limit: number): Promise<HoldSet[]> {
    return this.#data.readHolds(shard, limit);
  }
  async readIds(shard: ShardRef, ids: readonly string[]): Promise<boolean[]> {
    return this.#data.readIds(shard, ids);
  }
  async readTails(shards: readonly ShardRef[]): Promise<{ tails: InboxTail[]; appends: number }> {
    return this.#data.readTails(shards);
  }
  async readDeadLetters(shard: ShardRef, limit: number): Promise<Numbered[]> {
    return this.#data.readDeadLetters(shard, limit);
  }
  async readProgress(shards: readonly ShardRef[]): Promise<ShardProgress[]> {
    return this.#data.readProgress(shards);
  }
  async summarize(shards: readonly ShardRef[]): Promise<ShardSummary[]> {
    return this.#data.summarize(shards);
  }
  async register(worker: string, intervals: readonly Interval[]): Promise<Registration[]> {
    return this.#data.register(worker, intervals);
  }
  async report(worker: string, reports: readonly WatermarkReport[]): Promise<ReportReply> {
    return this.#data.report(worker, reports, this.#clock.now());
  }
  sent(): undefined {}
  async flushed(): Promise<void> {
    // There is nothing more durable to wait for.
  }
  async whyNotFsynced(): Promise<string> {
    return "a MemoryStore keeps everything in the memory of its process; run the pipeline on an LmdbStore, or on a RedisStore with appendfsync always";
  }
  async close(): Promise<void> {
    this.#closed = true;
  }
}
