/**
 * The data of one pipeline in Redis: what each operation of the Store contract asks of the server. How it is asked is
 * `connection.ts`, what the scripts do is in `lua/`, which keys there are is `keys.ts`.
 *
 * One server (or a primary with replicas behind Sentinels) is one atomic domain: every production is appended by the
 * commit that makes it. Processing time and leases are the server's clock.
 *
 * X1  Only the scripts `INIT` to `REPORT` write, each in one step: all checks before the first write.
 * X2  A list of commits goes out as one call, or, if it is very large, as several in a row; each commit stays whole.
 * X3  What a commit of a list appends can be consumed from the next call on, not by a later commit of the same list.
 * X4  Where replicas or disks are waited for, no commit is answered before, and nothing is read by a new owner, or for
 *     what leaves the system, that they do not have.
 */
import { InvariantError, StoreRefusedError, StoreUnavailableError, invariant } from "../../errors.ts";
import { indexOf, participantOf, shardRef, type ShardRef } from "../../key.ts";
import type { Random } from "../../random.ts";
import { newAuthority } from "../../watermark/authority.ts";
import { timerHold } from "../address.ts";
import type { Commit, HoldSet, Numbered, TimerClock } from "../commit.ts";
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
import { parsePublished, statusLetter, storedAuthority, workerDigest } from "./authority-bytes.ts";
import { cutByWeight, decodeCommitReply, encodeCommits } from "./commit-request.ts";
import { Announcements } from "./announcements.ts";
import { Calls } from "./calls.ts";
import type { Connection } from "./connection.ts";
import { decodeDeliverReply, encodeDeliveries } from "./delivery-request.ts";
import { type Keys, STRUCTURES, type Structure } from "./keys.ts";
import type { Wanted } from "./durability.ts";
import { countsOf, recoveredShard, shardProgress, shardSummary, timerEntries, times } from "./recovered.ts";
import { ReplicaBarrier } from "./replica-barrier.ts";
import { encodeRegistration } from "./registration-request.ts";
import { asBytes, asList, asNumber, asText } from "./reply.ts";
import type { Request } from "./request.ts";
import type { Script } from "./script.ts";
import { FSYNC_SETTINGS, refusalOfFsync } from "./server-check.ts";
import { ACQUIRE, COMMIT, DELIVER, INBOX, INIT, PROGRESS, RECOVER, REGISTER, RELEASE, RENEW, REPORT, SUMMARY, TAILS, TIMERS } from "./scripts.ts";

/** Shards per call of scripts that read: keeps each well below a millisecond or two of the server's time. */
const READ_SHARDS = 32;
/** Attempts to register while others change the same participants. Each that fails means that another succeeded. */
const REGISTER_ATTEMPTS = 200;

export class RedisPipelineStore implements PipelineStore {
  readonly exclusive = false;
  readonly #connection: Connection;
  readonly #keys: Keys;
  readonly #random: Random;
  readonly #calls: Calls;
  /**
   * Settles after the last registration: each takes two calls or more, so what comes after it waits for it (S7). One that
   * ended after a release of what it lists would take that from its new owner.
   */
  #registered: Promise<void> = Promise.resolve();
  readonly #announcements: Announcements;
  /** undefined: a commit counts as soon as the primary has it. */
  readonly #barrier: ReplicaBarrier | undefined;

  constructor(connection: Connection, keys: Keys, random: Random, wanted: Wanted | undefined) {
    this.#connection = connection;
    this.#calls = new Calls(connection);
    this.#keys = keys;
    this.#announcements = new Announcements(this.#calls, keys);
    this.#random = random;
    this.#barrier = wanted && new ReplicaBarrier(connection, this.#calls, keys, wanted);
  }

  get description(): string {
    return this.#connection.description;
  }
  get generation(): number {
    return this.#connection.generation;
  }

  // ── the graph ───────────────────────────────────────────────────────────────────────────────────────────────────

  async readGraph(): Promise<StoredGraph | undefined> {
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

    const request = this.#calls.begin(this.#keys.graph, this.#keys.appends, this.#keys.authority, this.#keys.workers);
    for (const { id, shards } of [...added, ...removed]) {
      for (let index = 0; index < shards; index++) for (const structure of STRUCTURES) request.key(this.#keys.of(shardRef(id, index))[structure]);
    }
    request.args.optional(expected);
    request.integer(graph.version).text(JSON.stringify(graph));
    request.integer(added.reduce((total, { shards }) => total + shards, 0)).integer(added.length);
    for (const { id, shards } of added) {
      const { owners, cells, published } = storedAuthority(id, newAuthority(shards));
      request.integer(id).bytes(cells).text(owners).bytes(published);
    }
    for (const { id } of removed) request.integer(id);
    return INIT.outcomes[asText(await this.#calls.run(INIT, request))]!;
  }

  async countEntries(participant: number, shards: number): Promise<EntryCounts> {
    return countsOf(await this.#summaries(Array.from({ length: shards }, (_, index) => shardRef(participant, index))));
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

  async acquire({ worker, shards, leaseMs, steal = false }: AcquireRequest): Promise<AcquireOutcome[]> {
    const request = this.#calls.begin(...shards.map((shard) => this.#keys.of(shard).meta));
    request
      .text(worker)
      .integer(leaseMs)
      .integer(steal ? 1 : 0);
    for (let i = 0; i < shards.length; i++) request.text(this.#random.id());
    const [now, outcomes] = asList(await this.#calls.run(ACQUIRE, request));
    return asList(outcomes).map((outcome) => {
      const [letter, text, third] = asList(outcome);
      if (ACQUIRE.outcomes[asText(letter)] === "acquired")
        return { kind: "acquired", sequencer: asText(text), now: asNumber(now), abandoned: asNumber(third) === 1 };
      return { kind: "held-by", worker: asText(text), until: asNumber(third) };
    });
  }

  async renew(worker: string, leases: readonly Lease[], leaseMs: number): Promise<{ lost: ShardRef[]; now: number }> {
    const request = this.#calls.begin(...leases.map(({ shard }) => this.#keys.of(shard).meta));
    request.text(worker).integer(leaseMs);
    for (const { sequencer } of leases) request.text(sequencer);
    const [now, letters] = asList(await this.#calls.run(RENEW, request));
    const outcomes = asText(letters);
    return { lost: leases.filter((_, i) => RENEW.outcomes[outcomes.charAt(i)] === "lost").map(({ shard }) => shard), now: asNumber(now) };
  }

  async release(worker: string, leases: readonly Lease[]): Promise<void> {
    await this.#registered;
    const request = this.#calls.begin(...leases.map(({ shard }) => this.#keys.of(shard).meta));
    request.text(worker);
    for (const { sequencer } of leases) request.text(sequencer);
    await this.#calls.run(RELEASE, request);
  }

  async recover(shards: readonly ShardRef[], limits: RecoverLimits): Promise<RecoveredShard[]> {
    const read = this.#readEach(RECOVER, shards, ["meta", "state", "timers", "wall", "holds", "held", "dead", "ids", "outbox"], (request) =>
      request.integer(limits.timers).integer(limits.holds),
    );
    const replies = await this.#safe(read);
    return replies.map((reply, i) => recoveredShard(shards[i]!, reply));
  }

  // ── the life of a record ────────────────────────────────────────────────────────────────────────────────────────

  async commit(commits: readonly Commit[]): Promise<CommitReply> {
    invariant(new Set(commits.map(({ shard }) => shard)).size === commits.length, "a list has two commits of one shard");
    // All calls go out before the first is awaited: what is called after this call comes after all of them.
    const replies = await this.#safe(Promise.all(cutByWeight(commits).map((part) => this.#commit(part))));
    const [first] = replies;
    if (replies.length === 1) return first!;
    const { appends, now } = replies.at(-1)!;
    const tails = new Map<ShardRef, InboxTail>();
    for (const tail of replies.flatMap((reply) => reply.tails)) tails.set(tail.shard, tail);
    return { outcomes: replies.flatMap(({ outcomes }) => outcomes), tails: [...tails.values()], appends, now };
  }

  /** What was just sent, once it and all it has seen are as durable as the store promises (X4). */
  #safe<T>(sent: Promise<T>): Promise<T> {
    return this.#barrier === undefined ? sent : this.#barrier.after(sent);
  }

  async #commit(commits: readonly Commit[]): Promise<CommitReply> {
    const request = this.#calls.begin();
    const call = encodeCommits(request, this.#keys, commits);
    return decodeCommitReply(call, await this.#calls.run(COMMIT, request));
  }

  sameDomain(): boolean {
    return true;
  }

  async deliver(deliveries: readonly Delivery[]): Promise<DeliverReply> {
    const request = this.#calls.begin();
    const call = encodeDeliveries(request, this.#keys, deliveries);
    return decodeDeliverReply(call, await this.#calls.run(DELIVER, request));
  }

  async readInbox(shard: ShardRef, from: number, maxParcels: number, early = false): Promise<InboxRead> {
    const { meta, inbox } = this.#keys.of(shard);
    const read = this.#calls.run(INBOX, this.#calls.begin(meta, inbox).integer(from).integer(Math.max(maxParcels, 1)));
    const [start, tail, parcels] = asList(await (early ? read : this.#safe(read)));
    return { from: asNumber(start), parcels: parcels as Uint8Array[], tail: asNumber(tail) };
  }

  async readState(shard: ShardRef, fields: readonly string[]): Promise<(Uint8Array | undefined)[]> {
    // The sentinel is asked for too: without it there is no such shard.
    const request = this.#calls.begin(this.#keys.of(shard).state).text("");
    for (const field of fields) request.text(field);
    const [sentinel, ...values] = asList(await this.#calls.command("HMGET", request));
    this.#expectShard(shard, sentinel !== null);
    return values.map(asBytes);
  }

  async readTimers(shard: ShardRef, clock: TimerClock, limit: number): Promise<StoredTimerEntry[]> {
    const { timers, wall, holds } = this.#keys.of(shard);
    const request = this.#calls.begin(clock === "watermark" ? timers : wall, holds);
    return timerEntries(await this.#calls.run(TIMERS, request.text(timerHold(clock, "")).integer(limit)));
  }

  async readHolds(shard: ShardRef, limit: number): Promise<HoldSet[]> {
    const request = this.#calls.begin(this.#keys.of(shard).holds);
    for (const word of ["-inf", "+inf", "BYSCORE", "LIMIT", "0", String(limit + 1), "WITHSCORES"]) request.text(word);
    const flat = asList(await this.#calls.command("ZRANGE", request));
    this.#expectShard(shard, flat.length > 0);
    // The sentinel is the last of all, so whatever comes last here is not wanted.
    return times(flat.slice(0, -2));
  }

  async readIds(shard: ShardRef, ids: readonly string[]): Promise<boolean[]> {
    const request = this.#calls.begin(this.#keys.of(shard).ids).text("");
    for (const id of ids) request.text(id);
    const [sentinel, ...found] = asList(await this.#calls.command("ZMSCORE", request));
    this.#expectShard(shard, sentinel !== null);
    return found.map((score) => score !== null);
  }

  async readTails(shards: readonly ShardRef[]): Promise<{ tails: InboxTail[]; appends: number }> {
    const [appends, ends] = asList(await this.#calls.run(TAILS, this.#calls.begin(this.#keys.appends, ...shards.map((shard) => this.#keys.of(shard).meta))));
    const flat = asList(ends);
    return { tails: shards.map((shard, i) => ({ shard, tail: asNumber(flat[2 * i]), queued: asNumber(flat[2 * i + 1]) })), appends: asNumber(appends) };
  }

  async readDeadLetters(shard: ShardRef, limit: number): Promise<Numbered[]> {
    const { dead } = this.#keys.of(shard);
    const fields = asList(await this.#calls.command("HKEYS", this.#calls.begin(dead))).map(asText);
    this.#expectShard(shard, fields.length > 0);
    const ids = fields
      .filter((field) => field !== "")
      .map(Number)
      .sort((a, b) => a - b)
      .slice(0, limit);
    if (ids.length === 0) return [];
    const request = this.#calls.begin(dead);
    for (const id of ids) request.integer(id);
    const values = asList(await this.#calls.command("HMGET", request)).map(asBytes);
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

  /** Computed here, and stored if nothing of these participants changed meanwhile: rare, unlike reports. */
  register(worker: string, intervals: readonly Interval[]): Promise<readonly Registration[]> {
    const registrations = this.#registered.then(() => this.#register(worker, intervals));
    this.#registered = registrations.then(
      () => {},
      () => {},
    );
    return registrations;
  }

  async #register(worker: string, intervals: readonly Interval[]): Promise<readonly Registration[]> {
    if (intervals.length === 0) return [];
    for (let attempt = 0; attempt < REGISTER_ATTEMPTS; attempt++) {
      const registrations = await this.#tryToRegister(worker, intervals);
      if (registrations !== undefined) return registrations;
    }
    throw new StoreUnavailableError(`worker ${worker} could not register: others changed the same participants ${REGISTER_ATTEMPTS} times in a row`);
  }

  async #tryToRegister(worker: string, intervals: readonly Interval[]): Promise<readonly Registration[] | undefined> {
    const read = this.#calls.begin(this.#keys.authority).text("published");
    for (const { participant } of intervals) read.text(`owners:${participant}`).text(`cells:${participant}`);
    const stored = asList(await this.#calls.command("HMGET", read));
    const request = this.#calls.begin(this.#keys.authority);
    const registrations = encodeRegistration(request, worker, intervals, stored);
    return REGISTER.outcomes[asText(await this.#calls.run(REGISTER, request))] === "registered" ? registrations : undefined;
  }

  async report(worker: string, reports: readonly WatermarkReport[]): Promise<ReportReply> {
    const request = this.#calls.begin(this.#keys.authority, this.#keys.appends).bytes(workerDigest(worker));
    for (const { participant, generation, number, output, status, last } of reports) {
      request.integer(participant).integer(generation).integer(number).integer(output).integer(last).text(statusLetter(status));
    }
    const [now, appends, refused, published] = asList(await this.#calls.run(REPORT, request));
    return {
      refused: asText(refused)
        .split(" ")
        .filter((text) => text !== "")
        .map(Number),
      watermarks: parsePublished(asBytes(published) ?? new Uint8Array()),
      appends: asNumber(appends),
      now: asNumber(now),
    };
  }

  // ── the rest ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What was answered is where the store promises it to be; beyond that, when it reaches the disk is Redis' configuration. */
  async flushed(): Promise<void> {}

  /** Asks each time, for an operator may change it while the server runs. */
  async whyNotFsynced(): Promise<string | undefined> {
    if (this.#barrier?.fsynced === true) return undefined;
    const request = this.#calls.begin().text("GET");
    for (const name of FSYNC_SETTINGS) request.text(name);
    try {
      return refusalOfFsync(asList(await this.#calls.command("CONFIG", request)).map((each) => asText(each)));
    } catch (error) {
      if (!(error instanceof StoreRefusedError || error instanceof InvariantError)) throw error;
      return `Redis does not tell whether it syncs (${error.message}); allow the user the command CONFIG GET ("+config|get")`;
    }
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  #expectShard(shard: ShardRef, exists: boolean): void {
    if (!exists) throw new InvariantError(`shard ${indexOf(shard)} of participant ${participantOf(shard)} is not in the stored graph`);
  }

  async #summaries(shards: readonly ShardRef[]): Promise<(ShardSummary | undefined)[]> {
    const replies = await this.#readEach(SUMMARY, shards, ["meta", "state", "timers", "wall", "held", "dead", "outbox"]);
    return replies.map((reply, i) => shardSummary(shards[i]!, reply));
  }

  /** Runs a reading script over many shards, some at a time, all calls in flight at once; one reply per shard. */
  async #readEach(script: Script, shards: readonly ShardRef[], structures: readonly Structure[], args?: (request: Request) => void): Promise<unknown[]> {
    const replies: Promise<unknown>[] = [];
    for (let first = 0; first < shards.length; first += READ_SHARDS) {
      const request = this.#calls.begin();
      for (const shard of shards.slice(first, first + READ_SHARDS)) for (const structure of structures) request.key(this.#keys.of(shard)[structure]);
      args?.(request);
      replies.push(this.#calls.run(script, request));
    }
    return (await Promise.all(replies)).flatMap(asList);
  }
}
