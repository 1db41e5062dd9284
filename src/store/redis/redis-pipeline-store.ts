/**
 * The data of one pipeline in Redis: what each operation of the Store contract asks of the server. How it is asked is
 * `connection.ts`, what the scripts do is in `lua/`, which keys there are is `keys.ts`.
 *
 * One server (or a primary with replicas behind Sentinels) is one atomic domain: every production is appended by the
 * commit that makes it. In a cluster shards are in several, each in a slot of its own; a list is divided by them, and what
 * fails for one fails for the list, after the others were served. Processing time and leases are the servers' clocks.
 *
 * X1  Only the scripts `INIT` to `REPORT` write, each in one step: all checks before the first write.
 * X2  A list of commits goes out as one call, or, if it is very large, as several in a row; each commit stays whole.
 * X3  What a commit of a list appends can be consumed from the next call on, not by a later commit of the same list.
 * X4  Where replicas or disks are waited for, no commit is answered before, and nothing is read by a new owner, or for
 *     what leaves the system, that they do not have.
 */
import { InvariantError, invariant, StoreRefusedError } from "../../errors.ts";
import { indexOf, participantOf, shardRef, type ShardRef } from "../../key.ts";
import type { Random } from "../../random.ts";
import { timerHold } from "../address.ts";
import type { Commit, HoldSet, Numbered, TimerClock } from "../commit.ts";
import type { Page } from "../reader.ts";
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
  RecoverLimits,
  RecoveredShard,
  Registration,
  ReportReply,
  ShardProgress,
  ShardSummary,
  StoredTimerEntry,
  StoredWorker,
  WatermarkReport,
} from "../store.ts";
import { parseStoredGraph, type StoredGraph } from "../stored-graph.ts";
import { cutByWeight, decodeCommitReply, encodeCommits, joinReplies } from "./commit-request.ts";
import { Announcements } from "./announcements.ts";
import { Calls } from "./calls.ts";
import { divided } from "./divided.ts";
import { ClusterGraph } from "./cluster-graph.ts";
import { decodeDeliverReply, encodeDeliveries } from "./delivery-request.ts";
import type { Servers } from "./line.ts";
import { encodeInit } from "./init-request.ts";
import type { Keys, Structure } from "./keys.ts";
import { Leases } from "./leases.ts";
import type { Wanted } from "./durability.ts";
import { countsOf, numbersOf, recoveredShard, shardProgress, shardSummary, timerEntries, times } from "./recovered.ts";
import { Registrar } from "./registrar.ts";
import { ReplicaBarrier } from "./replica-barrier.ts";
import { decodeReportReply, encodeReports } from "./report-request.ts";
import { asBytes, asList, asNumber, asText } from "./reply.ts";
import { Request } from "./request.ts";
import type { Script } from "./script.ts";
import { whyNotFsynced } from "./server-fsync.ts";
import { checkStream } from "./stream-check.ts";
import { COMMIT, DELIVER, INBOX, INIT, NAMES, PROGRESS, RECOVER, REPORT, SUMMARY, TAILS, TIMERS } from "./scripts.ts";

/** Shards per call of scripts that read: keeps each well below a millisecond or two of the server's time. */
const READ_SHARDS = 32;
const itself = (shard: ShardRef): ShardRef => shard;
type Args = (request: Request) => void;

export class RedisPipelineStore implements PipelineStore {
  readonly exclusive = false;
  readonly #servers: Servers;
  readonly #keys: Keys;
  readonly #isCluster: boolean;
  /** On the pipeline's own keys; and by domain. */
  readonly #calls: Calls;
  readonly #byDomain: readonly Calls[];
  /** undefined: there is one domain, and changing it is one script. */
  readonly #clusterGraph: ClusterGraph | undefined;
  readonly #registrar: Registrar;
  readonly #announcements: Announcements;
  readonly #leases: Leases;
  /** The same by domain, for calls whose answer counts once it is as durable as the store promises (X4). */
  readonly #safeByDomain: readonly Calls[];
  /** undefined: a commit counts as soon as the primary has it. */
  readonly #wanted: Wanted | undefined;

  constructor(servers: Servers, keys: Keys, random: Random, isCluster: boolean, wanted?: Wanted) {
    this.#isCluster = isCluster;
    const request = new Request();
    this.#servers = servers;
    this.#keys = keys;
    this.#calls = new Calls(servers.line(keys.slot), request);
    this.#registrar = new Registrar(this.#calls, keys);
    this.#announcements = new Announcements(this.#calls, keys);
    this.#byDomain =
      keys.domains === 1 ? [this.#calls] : Array.from({ length: keys.domains }, (_, domain) => new Calls(servers.line(keys.slotOf(domain)), request));
    this.#leases = new Leases(keys, random, this.#byDomain);
    this.#clusterGraph = keys.domains === 1 ? undefined : new ClusterGraph(keys, this.#calls, (domain) => this.#byDomain[domain]!);
    this.#wanted = wanted;
    this.#safeByDomain = wanted === undefined ? this.#byDomain : this.#byDomain.map((_, domain) => this.#covered(domain, wanted, request));
  }

  get description(): string {
    return this.#servers.description;
  }
  get generation(): number {
    return this.#servers.generation;
  }
  get domains(): number {
    return this.#keys.domains;
  }
  domainOf(shard: ShardRef): number {
    return this.#keys.domainOf(shard);
  }
  #of(shard: ShardRef): Calls {
    return this.#byDomain[this.#keys.domainOf(shard)]!;
  }
  #covered(domain: number, wanted: Wanted, request: Request): Calls {
    const { appends } = this.#keys.domain(domain);
    return new Calls(this.#servers.coveredLine(this.#keys.slotOf(domain), new ReplicaBarrier(appends, wanted)), request);
  }

  #divided<T, R>(
    list: readonly T[],
    shardOf: (each: T) => ShardRef,
    work: (part: readonly T[], calls: Calls) => Promise<readonly R[]>,
    byDomain = this.#byDomain,
  ): Promise<R[]> {
    const domainOf = (each: T): number => this.#keys.domainOf(shardOf(each));
    return divided(list, domainOf, (part, domain) => work(part, byDomain[domain]!));
  }

  // ── the graph ───────────────────────────────────────────────────────────────────────────────────────────────────

  async readGraph(): Promise<StoredGraph | undefined> {
    if (this.#clusterGraph !== undefined) return this.#clusterGraph.read();
    const json = asBytes(await this.#calls.command("HGET", this.#calls.begin(this.#keys.graph).text("graph")));
    return json === undefined ? undefined : parseStoredGraph(asText(json));
  }

  async init(graph: StoredGraph, expected: number | undefined): Promise<"stored" | "changed-meanwhile"> {
    const stored = await this.readGraph();
    if (stored?.version !== expected) return "changed-meanwhile";
    const before = new Map(stored?.participants.map(({ id, shards }) => [id, shards]));
    for (const { id, name, shards } of graph.participants) {
      const had = before.get(id) ?? shards;
      invariant(had === shards, `${name} has ${had} shards in the store and ${shards} in the new graph; their number never changes`);
    }
    const kept = new Set(graph.participants.map(({ id }) => id));
    const added = graph.participants.filter(({ id }) => !before.has(id)).sort((a, b) => a.id - b.id);
    const removed = (stored?.participants ?? []).filter(({ id }) => !kept.has(id));

    if (this.#clusterGraph !== undefined) return this.#clusterGraph.change(graph, expected, added, removed);
    const request = encodeInit(this.#calls, this.#keys, graph, expected, { added, removed });
    return INIT.outcomes[asText(await this.#calls.run(INIT, request))]!;
  }

  async countEntries(participant: number, shards: number): Promise<EntryCounts> {
    return countsOf(await this.#summaries(Array.from({ length: shards }, (_, index) => shardRef(participant, index))));
  }

  async checkStreams(keys: readonly string[]): Promise<void> {
    if (this.#isCluster) throw new StoreRefusedError(`${this.description}: no commit can append to a stream of a cluster; give the sink a \`connection\``);
    await Promise.all(keys.map((key) => checkStream(this.#calls, this.description, key)));
  }

  // ── workers ─────────────────────────────────────────────────────────────────────────────────────────────────────

  announce(worker: string, ms: number, about = ""): Promise<Announced> {
    return this.#announcements.announce(worker, ms, about);
  }

  depart(worker: string): Promise<void> {
    return this.#announcements.depart(worker);
  }

  readWorkers(): Promise<{ workers: StoredWorker[]; now: number }> {
    return this.#announcements.read();
  }

  // ── ownership ───────────────────────────────────────────────────────────────────────────────────────────────────

  acquire(request: AcquireRequest): Promise<AcquireOutcome[]> {
    return this.#leases.acquire(request);
  }

  renew(worker: string, leases: readonly Lease[], leaseMs: number, confirm = true): Promise<{ lost: ShardRef[]; now: number }> {
    return this.#leases.renew(worker, leases, leaseMs, confirm);
  }

  async release(worker: string, leases: readonly Lease[]): Promise<void> {
    await this.#registrar.settled;
    await this.#leases.release(worker, leases);
  }

  async recover(shards: readonly ShardRef[], limits: RecoverLimits): Promise<RecoveredShard[]> {
    const structures: readonly Structure[] = ["meta", "state", "timers", "wall", "holds", "held", "dead", "ids", "outbox", "inbox"];
    const args: Args = (request) => request.integer(limits.timers).integer(limits.holds);
    const replies = await this.#readEach(RECOVER, shards, structures, args, this.#safeByDomain);
    return replies.map((reply, i) => recoveredShard(shards[i]!, reply));
  }

  // ── the life of a record ────────────────────────────────────────────────────────────────────────────────────────

  commit(commits: readonly Commit[]): Promise<CommitReply> {
    const parts = cutByWeight(commits);
    // By no longer a way than any other answer, which could overtake this one (S7).
    if (parts.length === 1) return this.#commit(commits, commits);
    // All calls go out before the first is awaited: what is called after this call comes after all of them.
    return Promise.all(parts.map((part) => this.#commit(part, commits))).then(joinReplies);
  }

  async #commit(part: readonly Commit[], list: readonly Commit[]): Promise<CommitReply> {
    invariant(new Set(list.map(({ shard }) => shard)).size === list.length, "a list has two commits of one shard");
    const calls = this.#oneSafe(part.map(({ shard }) => shard));
    const request = calls.begin();
    const call = encodeCommits(request, this.#keys, part);
    return decodeCommitReply(call, await calls.run(COMMIT, request));
  }

  async deliver(deliveries: readonly Delivery[]): Promise<DeliverReply> {
    // What was delivered is deleted by its sender, so it has to be where a commit has to be (R25).
    const calls = this.#oneSafe(deliveries.map(({ to }) => to));
    const request = calls.begin();
    const call = encodeDeliveries(request, this.#keys, deliveries);
    return decodeDeliverReply(call, await calls.run(DELIVER, request));
  }

  #oneDomain(shards: readonly ShardRef[]): number {
    const domain = shards.length === 0 ? 0 : this.#keys.domainOf(shards[0]!);
    const other = shards.find((shard) => this.#keys.domainOf(shard) !== domain);
    invariant(other === undefined, `a call names shards ${shards[0]} and ${other}, which are in two atomic domains`);
    return domain;
  }
  #oneSafe(shards: readonly ShardRef[]): Calls {
    return this.#safeByDomain[this.#oneDomain(shards)]!;
  }

  async readInbox(shard: ShardRef, from: number, maxParcels: number, early = false): Promise<InboxRead> {
    const { meta, inbox } = this.#keys.of(shard);
    const calls = (early ? this.#byDomain : this.#safeByDomain)[this.#keys.domainOf(shard)]!;
    const [start, tail, parcels] = asList(await calls.run(INBOX, calls.begin(meta, inbox).integer(from).integer(Math.max(maxParcels, 1))));
    return { from: asNumber(start), parcels: parcels as Uint8Array[], tail: asNumber(tail) };
  }

  async readState(shard: ShardRef, fields: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    // The sentinel is asked for too: without it there is no such shard.
    const calls = this.#of(shard);
    const request = calls.begin(this.#keys.of(shard).state).text("");
    for (const field of fields) request.text(field);
    const [sentinel, ...values] = asList(await calls.command("HMGET", request));
    this.#expectShard(shard, sentinel !== null);
    return values.map(asBytes);
  }

  async readNames(shard: ShardRef, kind: NamedKind, prefixes: readonly string[], cursor: string | undefined, limit: number): Promise<Page<string>> {
    const { state, timers, wall } = this.#keys.of(shard);
    const calls = this.#of(shard);
    const structure = kind === "state" ? state : kind === "wall" ? wall : timers;
    const request = calls.begin(structure).text(kind === "state" ? "hash" : "zset");
    request.text(cursor ?? "0").integer(Math.max(limit, 1));
    for (const prefix of prefixes) request.text(prefix);
    const [next, names] = asList(await calls.run(NAMES, request));
    return { entries: asList(names).map(asText), next: asText(next) === "0" ? undefined : asText(next) };
  }

  async readTimers(shard: ShardRef, clock: TimerClock, limit: number): Promise<StoredTimerEntry[]> {
    const { timers, wall, holds } = this.#keys.of(shard);
    const calls = this.#of(shard);
    const request = calls.begin(clock === "watermark" ? timers : wall, holds);
    return timerEntries(await calls.run(TIMERS, request.text(timerHold(clock, "")).integer(limit)));
  }

  async readHolds(shard: ShardRef, limit: number): Promise<HoldSet[]> {
    const calls = this.#of(shard);
    const request = calls.begin(this.#keys.of(shard).holds);
    for (const word of ["-inf", "+inf", "BYSCORE", "LIMIT", "0", String(limit + 1), "WITHSCORES"]) request.text(word);
    const flat = asList(await calls.command("ZRANGE", request));
    this.#expectShard(shard, flat.length > 0);
    // The sentinel is the last of all, so whatever comes last here is not wanted.
    return times(flat.slice(0, -2));
  }

  async readIds(shard: ShardRef, ids: readonly string[]): Promise<boolean[]> {
    const calls = this.#of(shard);
    const request = calls.begin(this.#keys.of(shard).ids).text("");
    for (const id of ids) request.text(id);
    const [sentinel, ...found] = asList(await calls.command("ZMSCORE", request));
    this.#expectShard(shard, sentinel !== null);
    return found.map((score) => score !== null);
  }

  async readTails(shards: readonly ShardRef[]): Promise<{ tails: InboxTail[]; appends: number }> {
    const domain = this.#oneDomain(shards);
    const calls = this.#byDomain[domain]!;
    const { appends: counter } = this.#keys.domain(domain);
    const [appends, ends] = asList(await calls.run(TAILS, calls.begin(counter, ...shards.map((shard) => this.#keys.of(shard).meta))));
    const flat = asList(ends);
    return { tails: shards.map((shard, i) => ({ shard, tail: asNumber(flat[2 * i]), queued: asNumber(flat[2 * i + 1]) })), appends: asNumber(appends) };
  }

  async readDeadLetters(shard: ShardRef, limit: number): Promise<Numbered[]> {
    const { dead } = this.#keys.of(shard);
    const calls = this.#of(shard);
    const fields = asList(await calls.command("HKEYS", calls.begin(dead))).map(asText);
    this.#expectShard(shard, fields.length > 0);
    const ids = numbersOf(fields).slice(0, limit);
    if (ids.length === 0) return [];
    const request = calls.begin(dead);
    for (const id of ids) request.integer(id);
    const values = asList(await calls.command("HMGET", request)).map(asBytes);
    // One that was taken away between the two is not there.
    return ids.flatMap((id, i) => (values[i] === undefined ? [] : [{ id, bytes: values[i] }]));
  }

  async readProgress(shards: readonly ShardRef[]): Promise<ShardProgress[]> {
    const replies = await this.#readEach(PROGRESS, shards, ["meta", "held", "outbox"]);
    return replies.map((reply, i) => shardProgress(shards[i]!, reply));
  }

  async summarize(shards: readonly ShardRef[]): Promise<ShardSummary[]> {
    const summaries = await this.#summaries(shards);
    return summaries.map((summary, i) => {
      this.#expectShard(shards[i]!, summary !== undefined);
      return summary!;
    });
  }

  // ── watermarks ──────────────────────────────────────────────────────────────────────────────────────────────────

  register(worker: string, intervals: readonly Interval[]): Promise<readonly Registration[]> {
    return this.#registrar.register(worker, intervals);
  }

  async report(worker: string, reports: readonly WatermarkReport[]): Promise<ReportReply> {
    const request = encodeReports(this.#calls.begin(this.#keys.authority, this.#keys.appends), worker, reports);
    const { appends, ...reply } = decodeReportReply(await this.#calls.run(REPORT, request));
    return { ...reply, appends: this.#keys.domains === 1 ? [appends] : await this.#appends() };
  }

  /** Of all domains, read after the watermarks (R5); -1 where that fails: the ends of its inboxes are then read by themselves. */
  async #appends(): Promise<number[]> {
    const counters = await Promise.allSettled(this.#byDomain.map((calls, domain) => calls.command("GET", calls.begin(this.#keys.domain(domain).appends))));
    return counters.map((counter) => (counter.status === "fulfilled" && counter.value !== null ? asNumber(counter.value) : -1));
  }

  // ── the rest ────────────────────────────────────────────────────────────────────────────────────────────────────

  sent(): Promise<void> | undefined {
    return this.#servers.sent();
  }

  /** What was answered is where the store promises it to be; beyond that, when it reaches the disk is Redis' configuration. */
  async flushed(): Promise<void> {}

  async whyNotFsynced(): Promise<string | undefined> {
    return this.#wanted?.fsynced === true ? undefined : whyNotFsynced(this.#servers);
  }

  async close(): Promise<void> {
    await this.#servers.close();
  }

  #expectShard(shard: ShardRef, exists: boolean): void {
    if (!exists) throw new InvariantError(`shard ${indexOf(shard)} of participant ${participantOf(shard)} is not in the stored graph`);
  }

  async #summaries(shards: readonly ShardRef[]): Promise<(ShardSummary | undefined)[]> {
    const replies = await this.#readEach(SUMMARY, shards, ["meta", "state", "timers", "wall", "held", "dead", "outbox", "leases"]);
    return replies.map((reply, i) => shardSummary(shards[i]!, reply));
  }

  /** Runs a reading script over many shards, some at a time, all calls in flight at once; one reply per shard. */
  async #readEach(
    script: Script,
    shards: readonly ShardRef[],
    structures: readonly (Structure | "leases")[],
    args?: Args,
    byDomain = this.#byDomain,
  ): Promise<unknown[]> {
    const work = async (part: readonly ShardRef[], calls: Calls): Promise<unknown[]> => {
      const replies: Promise<unknown>[] = [];
      for (let first = 0; first < part.length; first += READ_SHARDS) {
        const request = calls.begin();
        for (const shard of part.slice(first, first + READ_SHARDS)) {
          const [own, domain] = [this.#keys.of(shard), this.#keys.domain(this.#keys.domainOf(shard))];
          for (const structure of structures) request.key(structure === "leases" ? domain.leases : own[structure]);
        }
        args?.(request);
        replies.push(calls.run(script, request));
      }
      return (await Promise.all(replies)).flatMap(asList);
    };
    return this.#divided(shards, itself, work, byDomain);
  }
}
