/**
 * The data of one pipeline in a store that lives in this process, and every operation of the Store contract on it,
 * synchronous. It has no clock and no randomness; what needs them takes them. How a shard keeps its entries, and what
 * else becomes of a change, is for the subclasses: `memory-data.ts` and `lmdb-data.ts`.
 *
 * E1  Every check of a call precedes its first write; what throws has changed nothing.
 * E2  The append counter of a domain rises by one for each call that appended at least one parcel there.
 */
import { invariant } from "../errors.ts";
import { domainOf, indexOf, participantOf, shardRef, type ShardRef } from "../key.ts";
import type { Random } from "../random.ts";
import { type Authority, newAuthority, register, report } from "../watermark/authority.ts";
import { isPercentileTrack, participantOfTrack } from "../watermark/percentile.ts";
import type { Commit, EntryAppend, HoldSet, Numbered, TimerClock } from "./commit.ts";
import { EmbeddedLeases } from "./embedded-leases.ts";
import type { EmbeddedShard } from "./embedded-shard.ts";
import { outcomeOf, outcomesOf } from "./outcome.ts";
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
  ParticipantWatermark,
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

export abstract class EmbeddedData<Shard extends EmbeddedShard> {
  protected graph: StoredGraph | undefined = undefined;
  readonly domains: number;
  /** By domain. */
  protected readonly appends: number[];
  /** By participant, in the order of their ids; those of percentile tracks come when they are first registered. */
  protected readonly authorities: Map<number, Authority> = new Map();
  /** Those that were asked for; others of the graph are loaded when they are. */
  protected readonly shards: Map<ShardRef, Shard> = new Map();

  /** Until when each worker has said that it is alive. */
  protected readonly workers: Map<string, StoredWorker> = new Map();

  /** By domain. */
  protected readonly leases: readonly EmbeddedLeases[];

  constructor(domains: number) {
    this.domains = domains;
    this.appends = Array.from({ length: domains }, () => 0);
    this.leases = this.appends.map(() => new EmbeddedLeases());
  }

  /** A shard of the graph as it is stored, for the first time. */
  protected abstract load(shard: ShardRef): Shard;
  protected abstract graphChanged(graph: StoredGraph, removed: readonly number[]): void;
  protected abstract authorityChanged(participant: number, authority: Authority, why: "registered" | "reported"): void;
  protected abstract appended(): void;
  /** undefined: there are no streams. */
  protected readonly appendEntry?: (entry: EntryAppend) => void;
  /** No loss if a crash forgets it. */
  protected abstract leasesChanged(): void;

  domainOf(shard: ShardRef): number {
    return domainOf(shard, this.domains);
  }

  // ── the graph ───────────────────────────────────────────────────────────────────────────────────────────────────

  readGraph(): StoredGraph | undefined {
    return this.graph;
  }

  init(graph: StoredGraph, expected: number | undefined): "stored" | "changed-meanwhile" {
    if (this.graph?.version !== expected) return "changed-meanwhile";
    for (const { id, name, shards } of graph.participants) {
      const stored = this.authorities.get(id)?.owners.length ?? shards;
      invariant(stored === shards, `${name} has ${stored} shards in the store and ${shards} in the new graph; their number never changes`);
    }
    const kept = new Set(graph.participants.map((participant) => participant.id));
    const removed = [...this.authorities.keys()].filter((id) => !kept.has(participantOfTrack(id)));
    for (const id of removed) this.authorities.delete(id);
    for (const shard of this.shards.keys()) if (!kept.has(participantOf(shard))) this.shards.delete(shard);
    this.graph = graph;
    this.graphChanged(graph, removed);
    const added = graph.participants.filter(({ id }) => !this.authorities.has(id)).sort((a, b) => a.id - b.id);
    for (const { id, shards } of added) {
      const authority = newAuthority(shards);
      this.authorities.set(id, authority);
      this.authorityChanged(id, authority, "registered");
    }
    return "stored";
  }

  countEntries(participant: number, shards: number): EntryCounts {
    const total = { state: 0, timers: 0, queued: 0, held: 0, dead: 0, outbox: 0 };
    for (let index = 0; index < shards; index++) {
      const counts = this.find(shardRef(participant, index))?.entries();
      if (counts === undefined) continue;
      for (const kind of Object.keys(total) as (keyof EntryCounts)[]) total[kind] += counts[kind];
    }
    return total;
  }

  // ── workers ─────────────────────────────────────────────────────────────────────────────────────────────────────

  announce(worker: string, ms: number, now: number, about?: string): Announced {
    this.workers.set(worker, { worker, until: now + ms, about });
    for (const [each, { until }] of this.workers) if (until <= now) this.workers.delete(each);
    return { workers: [...this.workers.keys()].sort(), full: false, graph: this.graph?.version ?? 0, now };
  }

  readWorkers(now: number): { workers: StoredWorker[]; now: number } {
    const alive = [...this.workers.values()].filter(({ until }) => until > now);
    return { workers: alive.sort((a, b) => (a.worker < b.worker ? -1 : 1)), now };
  }

  depart(worker: string): void {
    this.workers.delete(worker);
  }

  // ── ownership ───────────────────────────────────────────────────────────────────────────────────────────────────

  acquire({ worker, shards, leaseMs, steal = false }: AcquireRequest, now: number, random: Random): AcquireOutcome[] {
    const wanted = shards.map((shard) => this.get(shard));
    const holders = wanted.map((shard) => {
      const until = this.#leaseEnd(shard);
      return shard.owner !== undefined && shard.owner !== worker && until > now && !steal ? { worker: shard.owner, until } : undefined;
    });
    for (const [i, { shard, owner }] of wanted.entries()) if (holders[i] === undefined) this.#leasesOf(shard).take(shard, owner, worker, now);
    this.leasesChanged();
    return wanted.map((shard, i) => {
      const holder = holders[i];
      if (holder !== undefined) return { kind: "held-by", ...holder };
      const abandoned = shard.owner !== undefined && shard.owner !== worker;
      return { kind: "acquired", sequencer: shard.acquire(worker, leaseMs, now, random), now, abandoned };
    });
  }

  #leasesOf(shard: ShardRef): EmbeddedLeases {
    return this.leases[this.domainOf(shard)]!;
  }
  #leaseEnd({ shard, owner, leaseUntil }: Shard): number {
    return owner === undefined ? leaseUntil : this.#leasesOf(shard).endOf(shard, owner, leaseUntil);
  }

  renew(worker: string, given: readonly Lease[], leaseMs: number, now: number, confirm = true): { lost: ShardRef[]; now: number } {
    const lost = new Set<ShardRef>();
    for (const [domain, leases] of this.leases.entries()) {
      const mine = given.filter(({ shard }) => this.domainOf(shard) === domain);
      if (mine.length === 0 || (!confirm && leases.prolong(worker, now + leaseMs))) continue;
      const held = mine.filter((lease) => this.#heldBy(worker, lease) !== undefined).map(({ shard }) => shard);
      for (const { shard } of mine) if (!held.includes(shard)) lost.add(shard);
      leases.make(worker, held, now + leaseMs);
    }
    this.leasesChanged();
    return { lost: given.map(({ shard }) => shard).filter((shard) => lost.has(shard)), now };
  }

  release(worker: string, leases: readonly Lease[]): void {
    for (const lease of leases) {
      const shard = this.#heldBy(worker, lease);
      if (shard === undefined) continue;
      shard.release();
      this.#leasesOf(shard.shard).give(shard.shard);
    }
    this.leasesChanged();
  }

  recover(shards: readonly ShardRef[], limits: RecoverLimits): RecoveredShard[] {
    return shards.map((shard) => this.get(shard).recover(limits));
  }

  // ── the life of a record ────────────────────────────────────────────────────────────────────────────────────────

  commit(commits: readonly Commit[], now: number): CommitReply {
    const domain = this.#oneDomain(commits.map(({ shard }) => shard));
    this.#admit(commits);
    const appended = new Set<Shard>();
    const outcomes = outcomesOf(commits, (commit) => {
      const shard = this.find(commit.shard);
      return shard === undefined ? "fenced" : outcomeOf(commit, shard, this.graph?.version, (position) => shard.parcelAt(position));
    });
    commits.forEach((commit, i) => {
      if (outcomes[i] !== "committed") return;
      this.get(commit.shard).apply(commit);
      for (const { target, bytes, records } of commit.parcels) {
        const receiver = this.get(target);
        receiver.append(bytes, records);
        appended.add(receiver);
      }
      for (const entry of commit.entries) this.appendEntry?.(entry);
    });
    return { outcomes, ...this.#countAppends(domain, appended), now };
  }

  deliver(deliveries: readonly Delivery[]): DeliverReply {
    const domain = this.#oneDomain(deliveries.map(({ to }) => to));
    const appended = new Set<Shard>();
    const outcomes = deliveries.map((delivery): DeliverReply["outcomes"][number] => {
      const receiver = this.find(delivery.to);
      if (receiver === undefined) return { outcome: "gone", mark: undefined };
      const { tail } = receiver;
      const outcome = receiver.take(delivery);
      if (receiver.tail > tail) appended.add(receiver);
      return { outcome, mark: receiver.marks.get(delivery.from) };
    });
    return { outcomes, ...this.#countAppends(domain, appended) };
  }

  readInbox(shard: ShardRef, from: number, maxParcels: number): InboxRead {
    return this.get(shard).readInbox(from, maxParcels);
  }

  readState(shard: ShardRef, fields: readonly string[]): (Uint8Array | undefined)[] {
    return this.get(shard).readState(fields);
  }

  readNames(shard: ShardRef, kind: NamedKind, prefixes: readonly string[], cursor: string | undefined, limit: number): Page<string> {
    return this.get(shard).readNames(kind, prefixes, cursor, limit);
  }

  readTimers(shard: ShardRef, clock: TimerClock, limit: number): StoredTimerEntry[] {
    return this.get(shard).readTimers(clock, limit);
  }

  readHolds(shard: ShardRef, limit: number): HoldSet[] {
    return this.get(shard).readHolds(limit);
  }

  readIds(shard: ShardRef, ids: readonly string[]): boolean[] {
    return this.get(shard).readIds(ids);
  }

  readTails(shards: readonly ShardRef[]): { tails: InboxTail[]; appends: number } {
    return { tails: shards.map((shard) => this.get(shard).inboxTail()), appends: this.appends[this.#oneDomain(shards)]! };
  }

  readDeadLetters(shard: ShardRef, limit: number): Numbered[] {
    return this.get(shard).readDeadLetters(limit);
  }

  summarize(shards: readonly ShardRef[]): ShardSummary[] {
    return shards.map((ref) => {
      const shard = this.get(ref);
      return { ...shard.summarize(), leaseUntil: this.#leaseEnd(shard) };
    });
  }

  readProgress(shards: readonly ShardRef[]): ShardProgress[] {
    return shards.map((shard) => this.get(shard).progress());
  }

  // ── watermarks ──────────────────────────────────────────────────────────────────────────────────────────────────

  register(worker: string, intervals: readonly Interval[]): Registration[] {
    const changed = new Map<number, Authority>();
    const registrations = intervals.map(({ participant, shards, of }) => {
      const authority = changed.get(participant) ?? this.#authorityOf(participant);
      invariant(authority !== undefined, `worker ${worker} registers shards of participant ${participant}, which is not in the stored graph`);
      invariant(authority.owners.length === of, `participant ${participant} has ${authority.owners.length} shards; worker ${worker} registers some of ${of}`);
      const registered = register(authority, worker, shards);
      changed.set(participant, registered.authority);
      return { participant, generation: registered.granted, output: registered.output };
    });
    for (const [participant, authority] of changed) {
      this.authorities.set(participant, authority);
      this.authorityChanged(participant, authority, "registered");
    }
    return registrations;
  }

  /** A percentile track of a participant that is in the graph is there once someone registers it. */
  #authorityOf(track: number): Authority | undefined {
    const known = this.authorities.get(track);
    const participant = isPercentileTrack(track) && known === undefined ? this.authorities.get(participantOfTrack(track)) : undefined;
    return participant === undefined ? known : newAuthority(participant.owners.length);
  }

  report(worker: string, reports: readonly WatermarkReport[], now: number): ReportReply {
    const refused: number[] = [];
    for (const given of reports) {
      const authority = this.authorities.get(given.participant);
      const taken = authority === undefined ? undefined : report(authority, worker, given);
      if (taken === undefined) refused.push(given.participant);
      else if (taken !== authority) {
        this.authorities.set(given.participant, taken);
        this.authorityChanged(given.participant, taken, "reported");
      }
    }
    const watermarks: ParticipantWatermark[] = [];
    for (const [participant, { published }] of this.authorities) watermarks.push({ participant, ...published });
    return { refused, watermarks, appends: [...this.appends], now };
  }

  // ── shards ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** undefined if it is not in the stored graph. */
  protected find(ref: ShardRef): Shard | undefined {
    const known = this.shards.get(ref);
    if (known !== undefined) return known;
    const shards = this.authorities.get(participantOf(ref))?.owners.length ?? 0;
    if (indexOf(ref) >= shards) return undefined;
    const loaded = this.load(ref);
    this.shards.set(ref, loaded);
    return loaded;
  }

  protected get(ref: ShardRef): Shard {
    const found = this.find(ref);
    invariant(found !== undefined, `shard ${indexOf(ref)} of participant ${participantOf(ref)} is not in the stored graph`);
    return found;
  }

  #heldBy(worker: string, lease: Lease): Shard | undefined {
    const shard = this.find(lease.shard);
    return shard !== undefined && shard.owner === worker && shard.sequencer === lease.sequencer ? shard : undefined;
  }

  /** What is an error of the caller's, found before anything of the list is written. */
  #admit(commits: readonly Commit[]): void {
    const shards = new Set<ShardRef>();
    for (const commit of commits) {
      invariant(!shards.has(commit.shard), `a list has two commits of shard ${indexOf(commit.shard)} of participant ${participantOf(commit.shard)}`);
      shards.add(commit.shard);
      // One under an older graph may well name what is gone, and will be refused.
      if (commit.graphVersion !== this.graph?.version) continue;
      this.find(commit.shard)?.admit(commit);
      invariant(commit.entries.length === 0 || this.appendEntry !== undefined, "a commit has entries for streams, which this store does not have");
      for (const { target } of commit.parcels) {
        this.get(target);
        invariant(
          this.domainOf(commit.shard) === this.domainOf(target),
          `a commit of shard ${commit.shard} appends to shard ${target} in another atomic domain`,
        );
      }
      for (const { target } of commit.outbox) this.get(target);
    }
  }

  #countAppends(domain: number, shards: ReadonlySet<Shard>): { tails: InboxTail[]; appends: number } {
    if (shards.size > 0) {
      this.appends[domain] = this.appends[domain]! + 1;
      this.appended();
    }
    return { tails: [...shards].map((shard) => shard.inboxTail()), appends: this.appends[domain]! };
  }

  /** The domain that all of these are in; 0 where there are none. */
  #oneDomain(shards: readonly ShardRef[]): number {
    const domain = shards.length === 0 ? 0 : this.domainOf(shards[0]!);
    for (const shard of shards) invariant(this.domainOf(shard) === domain, `a call names shards ${shards[0]} and ${shard}, which are in two atomic domains`);
    return domain;
  }
}
