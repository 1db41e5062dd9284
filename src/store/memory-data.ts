/**
 * The data of one pipeline in memory, and every operation of the Store contract on it, synchronous: the model that
 * the other stores are compared with, and what a simulator calls without promises. It has no clock and no randomness;
 * what needs them takes them.
 *
 * M1  Every check of a call precedes its first write; what throws has changed nothing.
 * M2  `appends` rises by one for each call that appended at least one parcel.
 */
import type { Random } from "../random.ts";
import { isAppended, judgePlace } from "../dedup/place.ts";
import { invariant } from "../errors.ts";
import { indexOf, participantOf, shardRef, type ShardRef } from "../key.ts";
import { newAuthority, register, report, type Authority } from "../watermark/authority.ts";
import type { Commit, HoldSet, Numbered, TimerClock } from "./commit.ts";
import { MemoryShard } from "./memory-shard.ts";
import { outcomeOf } from "./outcome.ts";
import type {
  AcquireOutcome,
  AcquireRequest,
  CommitReply,
  DeliverReply,
  Delivery,
  EntryCounts,
  InboxRead,
  InboxTail,
  Interval,
  Lease,
  ParticipantWatermark,
  RecoverLimits,
  RecoveredShard,
  Registration,
  ReportReply,
  ShardSummary,
  StoredTimerEntry,
  WatermarkReport,
} from "./store.ts";
import type { StoredGraph } from "./stored-graph.ts";

/** "one": the whole store. "shard": two shards are in one atomic domain only if their index is equal, as in a cluster. */
export type Domains = "one" | "shard";

export class MemoryData {
  readonly domains: Domains;
  #graph: StoredGraph | undefined = undefined;
  #appends = 0;
  readonly #shards = new Map<ShardRef, MemoryShard>();
  /** By participant, in the order of their ids. */
  readonly #authorities = new Map<number, Authority>();

  constructor(domains: Domains = "one") {
    this.domains = domains;
  }

  sameDomain(a: ShardRef, b: ShardRef): boolean {
    return this.domains === "one" || indexOf(a) === indexOf(b);
  }

  // ── the graph ───────────────────────────────────────────────────────────────────────────────────────────────────

  readGraph(): StoredGraph | undefined {
    return this.#graph;
  }

  init(graph: StoredGraph, expected: number | undefined): "stored" | "changed-meanwhile" {
    if (this.#graph?.version !== expected) return "changed-meanwhile";
    for (const { id, name, shards } of graph.participants) {
      const stored = this.#authorities.get(id)?.owners.length ?? shards;
      invariant(stored === shards, `${name} has ${stored} shards in the store and ${shards} in the new graph; their number never changes`);
    }
    const kept = new Set(graph.participants.map((participant) => participant.id));
    for (const shard of this.#shards.keys()) if (!kept.has(participantOf(shard))) this.#shards.delete(shard);
    for (const id of this.#authorities.keys()) if (!kept.has(id)) this.#authorities.delete(id);
    for (const { id, shards } of [...graph.participants].sort((a, b) => a.id - b.id)) {
      if (this.#authorities.has(id)) continue;
      this.#authorities.set(id, newAuthority(shards));
      for (let index = 0; index < shards; index++) this.#shards.set(shardRef(id, index), new MemoryShard(shardRef(id, index)));
    }
    this.#graph = graph;
    return "stored";
  }

  countEntries(participant: number, shards: number): EntryCounts {
    const total = { state: 0, timers: 0, queued: 0, held: 0, dead: 0, outbox: 0 };
    for (let index = 0; index < shards; index++) {
      const counts = this.#shards.get(shardRef(participant, index))?.count();
      if (counts === undefined) continue;
      for (const kind of Object.keys(total) as (keyof EntryCounts)[]) total[kind] += counts[kind];
    }
    return total;
  }

  // ── ownership ───────────────────────────────────────────────────────────────────────────────────────────────────

  acquire({ worker, shards, leaseMs, steal = false }: AcquireRequest, now: number, random: Random): AcquireOutcome[] {
    const wanted = shards.map((shard) => this.#shard(shard));
    return wanted.map((shard) => {
      const { owner, leaseUntil } = shard;
      if (owner !== undefined && owner !== worker && leaseUntil > now && !steal) return { kind: "held-by", worker: owner, until: leaseUntil };
      shard.monotonic = Math.max(shard.monotonic + 1, now);
      shard.sequencer = `${shard.monotonic}.${random.id()}`;
      shard.owner = worker;
      shard.leaseUntil = now + leaseMs;
      return { kind: "acquired", sequencer: shard.sequencer, now };
    });
  }

  renew(worker: string, leases: readonly Lease[], leaseMs: number, now: number): { lost: ShardRef[]; now: number } {
    const lost: ShardRef[] = [];
    for (const lease of leases) {
      const shard = this.#held(worker, lease);
      if (shard === undefined) lost.push(lease.shard);
      else shard.leaseUntil = now + leaseMs;
    }
    return { lost, now };
  }

  release(worker: string, leases: readonly Lease[]): void {
    for (const lease of leases) {
      const shard = this.#held(worker, lease);
      if (shard === undefined) continue;
      shard.sequencer = undefined;
      shard.owner = undefined;
      shard.leaseUntil = 0;
    }
  }

  recover(shards: readonly ShardRef[], limits: RecoverLimits): RecoveredShard[] {
    return shards.map((shard) => this.#shard(shard).recover(limits));
  }

  // ── the life of a record ────────────────────────────────────────────────────────────────────────────────────────

  commit(commits: readonly Commit[], now: number): CommitReply {
    for (const commit of commits) this.#checkTargets(commit);
    const appended = new Set<MemoryShard>();
    const outcomes = commits.map((commit) => {
      const shard = this.#shards.get(commit.shard);
      if (shard === undefined) return "fenced";
      const outcome = outcomeOf(commit, shard, this.#graph?.version, (position) => shard.parcelAt(position));
      if (outcome !== "committed") return outcome;
      shard.apply(commit);
      for (const { target, bytes, records } of commit.parcels) {
        const receiver = this.#shard(target);
        receiver.append(bytes, records);
        appended.add(receiver);
      }
      return outcome;
    });
    return { outcomes, ...this.#appended(appended), now };
  }

  deliver(deliveries: readonly Delivery[]): DeliverReply {
    for (const { to } of deliveries) this.#shard(to);
    const appended = new Set<MemoryShard>();
    const outcomes = deliveries.map(({ from, to, place, previous, records, bytes }) => {
      const receiver = this.#shard(to);
      const outcome = judgePlace(receiver.marks.get(from), place, previous);
      if (isAppended(outcome)) {
        receiver.append(bytes, records);
        receiver.marks.set(from, place);
        appended.add(receiver);
      }
      return { outcome, mark: receiver.marks.get(from) };
    });
    return { outcomes, ...this.#appended(appended) };
  }

  readInbox(shard: ShardRef, from: number, maxParcels: number): InboxRead {
    return this.#shard(shard).readInbox(from, maxParcels);
  }

  readState(shard: ShardRef, fields: readonly string[]): (Uint8Array | undefined)[] {
    return this.#shard(shard).readState(fields);
  }

  readTimers(shard: ShardRef, clock: TimerClock, limit: number): StoredTimerEntry[] {
    return this.#shard(shard).readTimers(clock, limit);
  }

  readHolds(shard: ShardRef, limit: number): HoldSet[] {
    return this.#shard(shard).readHolds(limit);
  }

  readIds(shard: ShardRef, ids: readonly string[]): boolean[] {
    return this.#shard(shard).readIds(ids);
  }

  readTails(shards: readonly ShardRef[]): { tails: InboxTail[]; appends: number } {
    return { tails: shards.map((shard) => this.#shard(shard).inboxTail()), appends: this.#appends };
  }

  readDeadLetters(shard: ShardRef, limit: number): Numbered[] {
    return this.#shard(shard).readDeadLetters(limit);
  }

  summarize(shards: readonly ShardRef[]): ShardSummary[] {
    return shards.map((shard) => this.#shard(shard).summarize());
  }

  // ── watermarks ──────────────────────────────────────────────────────────────────────────────────────────────────

  register(worker: string, intervals: readonly Interval[]): Registration[] {
    const changed = new Map(this.#authorities);
    const registrations = intervals.map(({ participant, shards, of }) => {
      const authority = changed.get(participant);
      invariant(authority !== undefined, `worker ${worker} registers shards of participant ${participant}, which is not in the stored graph`);
      invariant(authority.owners.length === of, `participant ${participant} has ${authority.owners.length} shards; worker ${worker} registers some of ${of}`);
      const registered = register(authority, worker, shards);
      changed.set(participant, registered.authority);
      return { participant, generation: registered.granted };
    });
    for (const [participant, authority] of changed) this.#authorities.set(participant, authority);
    return registrations;
  }

  report(worker: string, reports: readonly WatermarkReport[], now: number): ReportReply {
    const refused: number[] = [];
    for (const given of reports) {
      const authority = this.#authorities.get(given.participant);
      const taken = authority === undefined ? undefined : report(authority, worker, given);
      if (taken === undefined) refused.push(given.participant);
      else this.#authorities.set(given.participant, taken);
    }
    const watermarks: ParticipantWatermark[] = [];
    for (const [participant, { published }] of this.#authorities) watermarks.push({ participant, ...published });
    return { refused, watermarks, appends: this.#appends, now };
  }

  // ── the rest ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** An independent copy of everything: a simulator puts it back to play a store that lost its tail. */
  copy(): MemoryData {
    const copy = new MemoryData(this.domains);
    copy.#graph = this.#graph;
    copy.#appends = this.#appends;
    for (const [ref, shard] of this.#shards) copy.#shards.set(ref, shard.copy());
    for (const [participant, authority] of this.#authorities) copy.#authorities.set(participant, authority);
    return copy;
  }

  #shard(shard: ShardRef): MemoryShard {
    const found = this.#shards.get(shard);
    invariant(found !== undefined, `shard ${indexOf(shard)} of participant ${participantOf(shard)} is not in the stored graph`);
    return found;
  }

  #held(worker: string, lease: Lease): MemoryShard | undefined {
    const shard = this.#shards.get(lease.shard);
    return shard !== undefined && shard.owner === worker && shard.sequencer === lease.sequencer ? shard : undefined;
  }

  /** Of a commit under the stored graph: one under an older graph may well name what is gone, and will be refused. */
  #checkTargets(commit: Commit): void {
    if (commit.graphVersion !== this.#graph?.version) return;
    for (const { target } of commit.parcels) {
      this.#shard(target);
      invariant(this.sameDomain(commit.shard, target), `a commit of shard ${commit.shard} appends to shard ${target} in another atomic domain`);
    }
    for (const { target } of commit.outbox) this.#shard(target);
  }

  #appended(shards: ReadonlySet<MemoryShard>): { tails: InboxTail[]; appends: number } {
    if (shards.size > 0) this.#appends += 1;
    return { tails: [...shards].map((shard) => shard.inboxTail()), appends: this.#appends };
  }
}
