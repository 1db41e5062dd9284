/**
 * One pipeline in LMDB, open. Decisions are `lmdb-data.ts`, writing is `lmdb-writer.ts`; here calls are put in order,
 * and answered when what they wrote is visible.
 *
 * L5  Calls that write run in the order in which they were made. A commit waits for an earlier commit of its shard that
 *     is under way (L3), and later calls with it. A read waits for such a commit of its own shards alone.
 * L6  After a group could not be written, nothing in memory is believed: everything is read anew, the generation rises.
 * L7  A parcel that is not visible is given out only to who asks for it `early`: what that makes of it becomes visible
 *     later still. A sink takes records out of the system, where a crash cannot take them back; those that are made anew
 *     afterwards would be others, with ids of their own.
 */
import type { RootDatabase } from "lmdb";
import type { Clock } from "../clock.ts";
import { messageOf, StoreRefusedError, StoreUnavailableError } from "../errors.ts";
import type { ShardRef } from "../key.ts";
import type { Random } from "../random.ts";
import type { Commit, HoldSet, Numbered, TimerClock } from "./commit.ts";
import { LmdbData } from "./lmdb-data.ts";
import { disclaim } from "./lmdb-owner.ts";
import { LmdbReader } from "./lmdb-reader.ts";
import { LmdbWriter } from "./lmdb-writer.ts";
import type { Page } from "./reader.ts";
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
  PipelineStore,
  RecoveredShard,
  RecoverLimits,
  Registration,
  ReportReply,
  ShardProgress,
  ShardSummary,
  StoredWorker,
  StoredTimerEntry,
  WatermarkReport,
} from "./store.ts";
import type { StoredGraph } from "./stored-graph.ts";

/** A call that may write. */
interface Call {
  /** Those it commits to. */
  readonly shards: readonly ShardRef[];
  run(): void;
  fail(error: StoreUnavailableError): void;
}

export interface LmdbOpened {
  /** Claimed, and of the right format. Closed with the store. */
  readonly db: RootDatabase<Buffer, Buffer>;
  readonly description: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Called when the store has been closed. */
  readonly closed: () => void;
}

export class LmdbPipelineStore implements PipelineStore {
  readonly exclusive = true;
  readonly domains = 1;
  readonly description: string;
  readonly #opened: LmdbOpened;
  readonly #reader: LmdbReader;
  readonly #writer: LmdbWriter;
  #data: LmdbData;
  #generation = 0;
  #calls: Call[] = [];
  #closing: Promise<void> | undefined = undefined;

  private constructor(opened: LmdbOpened) {
    this.#opened = opened;
    this.description = opened.description;
    this.#reader = new LmdbReader(opened.db);
    this.#writer = new LmdbWriter(opened.db, { visible: () => this.#runCalls(), failed: (error) => this.#failed(error) });
    this.#data = new LmdbData(this.#reader, this.#writer);
  }

  static async open(opened: LmdbOpened): Promise<LmdbPipelineStore> {
    const store = new LmdbPipelineStore(opened);
    await store.#data.sweep();
    return store;
  }

  get generation(): number {
    return this.#generation;
  }

  // ── calls that may write ────────────────────────────────────────────────────────────────────────────────────────

  async init(graph: StoredGraph, expected: number | undefined): Promise<"stored" | "changed-meanwhile"> {
    const outcome = await this.#call(() => this.#data.init(graph, expected));
    if (outcome === "stored") await this.#data.sweep();
    return outcome;
  }
  /** Kept in memory alone: whoever has the store to itself has no one to tell. */
  announce(worker: string, ms: number, about?: string): Promise<Announced> {
    return this.#call(() => this.#data.announce(worker, ms, this.#opened.clock.now(), about));
  }
  depart(worker: string): Promise<void> {
    return this.#call(() => this.#data.depart(worker));
  }
  acquire(request: AcquireRequest): Promise<AcquireOutcome[]> {
    return this.#call(() => this.#data.acquire(request, this.#opened.clock.now(), this.#opened.random));
  }
  renew(worker: string, leases: readonly Lease[], leaseMs: number, confirm?: boolean): Promise<{ lost: ShardRef[]; now: number }> {
    return this.#call(() => this.#data.renew(worker, leases, leaseMs, this.#opened.clock.now(), confirm));
  }
  release(worker: string, leases: readonly Lease[]): Promise<void> {
    return this.#call(() => this.#data.release(worker, leases));
  }
  commit(commits: readonly Commit[]): Promise<CommitReply> {
    return this.#call(
      () => this.#data.commit(commits, this.#opened.clock.now()),
      commits.map(({ shard }) => shard),
    );
  }
  deliver(deliveries: readonly Delivery[]): Promise<DeliverReply> {
    return this.#call(() => this.#data.deliver(deliveries));
  }
  register(worker: string, intervals: readonly Interval[]): Promise<Registration[]> {
    return this.#call(() => this.#data.register(worker, intervals));
  }
  report(worker: string, reports: readonly WatermarkReport[]): Promise<ReportReply> {
    return this.#call(() => this.#data.report(worker, reports, this.#opened.clock.now()));
  }

  // ── reads of what is in memory ──────────────────────────────────────────────────────────────────────────────────

  domainOf(): number {
    return 0;
  }
  async readGraph(): Promise<StoredGraph | undefined> {
    return this.#read([], () => this.#data.readGraph());
  }
  async checkStreams(): Promise<void> {
    throw new StoreRefusedError(`${this.description} has no streams; give the sink a \`connection\``);
  }
  async countEntries(participant: number, shards: number): Promise<EntryCounts> {
    return this.#read([], () => this.#data.countEntries(participant, shards));
  }
  async readWorkers(): Promise<{ workers: StoredWorker[]; now: number }> {
    return this.#read([], () => this.#data.readWorkers(this.#opened.clock.now()));
  }
  async readProgress(shards: readonly ShardRef[]): Promise<ShardProgress[]> {
    return this.#read(shards, () => this.#data.readProgress(shards));
  }
  async summarize(shards: readonly ShardRef[]): Promise<ShardSummary[]> {
    return this.#read([], () => this.#data.summarize(shards));
  }
  async readTails(shards: readonly ShardRef[]): Promise<{ tails: InboxTail[]; appends: number }> {
    return this.#read([], () => this.#data.readTails(shards));
  }
  /** Parcels that are not visible yet are in memory too (L7). */
  async readInbox(shard: ShardRef, from: number, maxParcels: number, early = false): Promise<InboxRead> {
    const [read, appending] = await this.#read([], () => [this.#data.readInbox(shard, from, maxParcels), this.#data.isAppending(shard)] as const);
    if (appending && !early) {
      await this.#writer.written().catch((error: unknown) => {
        throw this.#unavailable(error);
      });
    }
    return read;
  }

  // ── reads of entries ────────────────────────────────────────────────────────────────────────────────────────────

  async recover(shards: readonly ShardRef[], limits: RecoverLimits): Promise<RecoveredShard[]> {
    return this.#read(shards, () => this.#data.recover(shards, limits));
  }
  async readState(shard: ShardRef, fields: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    return this.#read([shard], () => this.#data.readState(shard, fields));
  }
  async readNames(shard: ShardRef, kind: NamedKind, prefixes: readonly string[], cursor: string | undefined, limit: number): Promise<Page<string>> {
    return this.#read([shard], () => this.#data.readNames(shard, kind, prefixes, cursor, limit));
  }
  async readTimers(shard: ShardRef, clock: TimerClock, limit: number): Promise<StoredTimerEntry[]> {
    return this.#read([shard], () => this.#data.readTimers(shard, clock, limit));
  }
  async readHolds(shard: ShardRef, limit: number): Promise<HoldSet[]> {
    return this.#read([shard], () => this.#data.readHolds(shard, limit));
  }
  async readIds(shard: ShardRef, ids: readonly string[]): Promise<boolean[]> {
    return this.#read([shard], () => this.#data.readIds(shard, ids));
  }
  async readDeadLetters(shard: ShardRef, limit: number): Promise<Numbered[]> {
    return this.#read([shard], () => this.#data.readDeadLetters(shard, limit));
  }

  // ── the rest ────────────────────────────────────────────────────────────────────────────────────────────────────

  async flushed(): Promise<void> {
    this.#checkOpen();
    await this.#settled();
    await this.#opened.db.flushed;
  }

  sent(): undefined {}

  whyNotFsynced(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#settled();
      await disclaim(this.#opened.db);
    } finally {
      await this.#opened.db.close();
      this.#opened.closed();
    }
  }

  /** All that was called has been written, with what would wait for the next group. */
  async #settled(): Promise<void> {
    while (this.#calls.length > 0) await this.#writer.written();
    await this.#writer.writeAll();
  }

  /** Runs a call when those before it have run and what it commits to is free; answers when what it wrote is visible. */
  #call<T>(work: () => T, shards: readonly ShardRef[] = []): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#checkOpen();
      const run = (): void => {
        const { writes } = this.#writer;
        let result: T;
        try {
          result = work();
        } catch (error) {
          reject(error as Error);
          return;
        }
        if (this.#writer.writes === writes) resolve(result);
        else
          this.#writer.written().then(
            () => resolve(result),
            (error: unknown) => reject(this.#unavailable(error)),
          );
      };
      this.#calls.push({ shards, run, fail: reject });
      this.#runCalls();
    });
  }

  #runCalls(): void {
    for (let call = this.#calls[0]; call !== undefined && !this.#isBusy(call.shards); call = this.#calls[0]) {
      this.#calls.shift();
      call.run();
    }
  }

  async #read<T>(shards: readonly ShardRef[], work: () => T): Promise<T> {
    this.#checkOpen();
    const wanted = new Set(shards);
    while (this.#isBusy(shards) || this.#calls.some((call) => call.shards.some((shard) => wanted.has(shard)))) {
      // If it fails, what there is is read.
      await this.#writer.written().catch(() => {});
    }
    return work();
  }

  #isBusy(shards: readonly ShardRef[]): boolean {
    return shards.some((shard) => this.#data.isCommitting(shard));
  }

  #failed(error: unknown): void {
    this.#generation += 1;
    this.#data = new LmdbData(this.#reader, this.#writer);
    const calls = this.#calls;
    this.#calls = [];
    for (const call of calls) call.fail(this.#unavailable(error));
  }

  #unavailable(error: unknown): StoreUnavailableError {
    return new StoreUnavailableError(`${this.description} could not be written to (${messageOf(error)}); see that its disk works and has room`, {
      cause: error,
    });
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw new StoreUnavailableError(`${this.description} was closed; open it again`);
  }
}
