/**
 * One worker: a synchronous core that decides what is read, run, sealed, sent, sent again, dropped, fired and reported.
 * It is told what happened by its `on...` methods, works in `turn`, and says what it wants in `effects`. It does no I/O
 * and waits for nothing, so a simulator can drive it as well as `driver.ts` does.
 *
 * E1  A sealed commit is sent, unchanged, until the store has given an outcome for it.
 * E2  Commits of many shards travel in one call; while one waits for its answer, the next batches for its atomic domain gather (group commit).
 * E3  What the store says lost (`fenced`, `unchained`, a lease that ran out) is dropped with all that is remembered of it,
 *     and acquired anew; on `gap`, or when the server is another, everything is (R1).
 */
import type { Log } from "../computation/context.ts";
import type { ShardRef } from "../key.ts";
import type { Commit, CommitReply, DeliverReply, InboxTail, Sequencer } from "../store/index.ts";
import { WakeUps } from "./wake-ups.ts";
import { Arrivals } from "./arrivals.ts";
import { Backlog } from "./backlog.ts";
import { byDomain } from "./by-domain.ts";
import { Chain } from "./chain.ts";
import { CommitCalls, type CommitCounts } from "./commit-calls.ts";
import { ComputationShard } from "./computation-shard.ts";
import { Delivery } from "./delivery.ts";
import type { Effect } from "./effect.ts";
import type { EngineOptions } from "./engine-options.ts";
import { InjectorShard } from "./injector-shard.ts";
import { logEffects } from "./log-effects.ts";
import { LostTails } from "./lost-tails.ts";
import { InboxShard, type OwnedShard, type ShardHost } from "./owned-shard.ts";
import { Ownership } from "./ownership.ts";
import { GraphChangedError, type PlannedParticipant } from "./plan.ts";
import { Reporter } from "./reporter.ts";
import { ShardTable } from "./shard-table.ts";
import { SinkShard } from "./sink-shard.ts";
import { StoreClock } from "./store-clock.ts";
import { Tally } from "./tally.ts";
import { GO, recordsOfTurn } from "./turn-size.ts";

type TailsAsked = Extract<Effect, { readonly kind: "read-tails" }>;

/** ms between looks at inboxes that block someone and are not ours to drain. */
const BLOCKED_POLL = 50;

export class Engine implements ShardHost {
  readonly options: EngineOptions;
  readonly shards = new ShardTable();
  readonly ownership: Ownership = new Ownership(this);
  readonly reporter: Reporter;
  readonly lostTails: LostTails = new LostTails(this);
  readonly delivery: Delivery = new Delivery(this);
  /** Of the shards that were given up. */
  readonly tally = new Tally();
  #effects: Effect[] = [];
  #now: number;
  readonly #storeClock = new StoreClock();
  readonly #runnable = new Set<OwnedShard>();
  readonly #candidates = new Set<OwnedShard>();
  readonly chain: Chain = new Chain(this);
  readonly wakeUps = new WakeUps();
  readonly #calls = new CommitCalls();
  readonly #backlog: Backlog;
  #polledAt = 0;
  #stopping = false;
  #failed = false;
  #fenced = 0;
  #gaps = 0;

  constructor(options: EngineOptions) {
    this.options = options;
    this.#now = options.now;
    this.reporter = new Reporter(this);
    this.#backlog = new Backlog(options.plan);
  }

  // ── what shards need ────────────────────────────────────────────────────────────────────────────────────────────

  get now(): number {
    return this.#now;
  }
  get storeNow(): number {
    return this.#storeClock.now;
  }
  get stopping(): boolean {
    return this.#stopping;
  }
  effect(effect: Effect): void {
    this.#effects.push(effect);
  }
  wake(shard: OwnedShard): void {
    this.#runnable.add(shard);
  }
  blocked(participant: number): boolean {
    return this.#backlog.blocks(participant) || this.ownership.membership.room.stops(participant);
  }
  blockers(participant: number): ShardRef[] {
    return this.#backlog.blockers(participant);
  }
  fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.effect({ kind: "failed", error });
  }
  logOf(participant: string, key: string | undefined): Log {
    return logEffects((effect) => this.effect(effect), this.options.plan.graph.pipeline, participant, key);
  }

  learnStoreTime(now: number): void {
    if (!this.#storeClock.learn(now, this.#now)) return;
    for (const shard of this.wakeUps.withWallTimers) if (shard.wall.bound <= now) this.wake(shard);
  }
  get storeEstimate(): number {
    return this.#storeClock.estimate(this.#now);
  }

  // ── turns ───────────────────────────────────────────────────────────────────────────────────────────────────────

  start(now: number): void {
    this.#now = now;
    this.ownership.start();
  }

  /** Does a bounded part of what can be done now. True: there is more. */
  turn(now: number): boolean {
    this.#now = Math.max(this.#now, now);
    if (this.#failed) return false;
    this.ownership.tick();
    this.wakeUps.ring(this.#now, this.#runnable);
    const size = recordsOfTurn(this.shards.size);
    let budget = this.chain.begin(size);
    for (const shard of this.#runnable) {
      this.#runnable.delete(shard);
      if (this.shards.get(shard.ref) !== shard) continue;
      if (!shard.leaving && !this.#stopping) budget -= this.#go(shard);
      if (shard.commitAt() < Number.POSITIVE_INFINITY) this.#candidates.add(shard);
      if (this.#calls.none && size - budget >= size / 2) this.#flush();
      if (budget <= 0) break;
    }
    for (const { call, commits } of this.#calls.resend(this.#now)) this.effect({ kind: "commit", call, commits });
    this.#flush();
    this.delivery.tick();
    this.#pollBlocked();
    this.reporter.tick();
    return this.#runnable.size > 0;
  }

  #go(shard: OwnedShard): number {
    const done = shard.pump(shard.outbox.full ? 0 : GO);
    if (done >= GO) this.#runnable.add(shard);
    this.wakeUps.look(shard);
    this.reporter.touched(shard.participant);
    if (shard instanceof InboxShard) {
      const wanted = shard.inbox.wants();
      if (wanted !== undefined) this.effect({ kind: "read-inbox", shard: shard.ref, sequencer: shard.sequencer, from: wanted.from, parcels: wanted.parcels });
    }
    return done;
  }

  /** When `turn` is wanted although nothing happens, ms by the worker's clock. */
  wakeAt(): number {
    let at = Math.min(this.ownership.wakeAt(), this.reporter.wakeAt(), this.#calls.wakeAt(), this.delivery.wakeAt(), this.wakeUps.next(this.#now));
    for (const shard of this.#candidates) {
      const ready = shard.commitAt();
      if (ready > this.#now && ready < at) at = ready;
    }
    if (this.#backlog.anyFull) at = Math.min(at, this.#polledAt + BLOCKED_POLL);
    return at;
  }

  /** Since the start: commit calls and what became of them. */
  get counted(): CommitCounts & { readonly fenced: number; readonly gaps: number } {
    return { ...this.#calls.counted, fenced: this.#fenced, gaps: this.#gaps };
  }

  takeEffects(): readonly Effect[] {
    if (this.#effects.length === 0) return [];
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  // ── commits ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #flush(): void {
    const commits: Commit[] = [];
    const { domainOf } = this.options;
    for (const shard of this.#candidates) {
      if (this.chain.holdsBack(shard, shard.inFlight !== undefined || this.#calls.full(domainOf(shard.ref)))) continue;
      const ready = shard.commitAt();
      if (ready > this.#now && !(this.#stopping && ready < Number.POSITIVE_INFINITY)) {
        if (ready === Number.POSITIVE_INFINITY) this.#candidates.delete(shard);
        continue;
      }
      this.#candidates.delete(shard);
      if (this.shards.get(shard.ref) === shard) this.chain.seal(shard, commits);
    }
    if (commits.length === 0) return;
    for (const [domain, mine] of byDomain(commits, ({ shard }) => domainOf(shard)))
      this.effect({ kind: "commit", call: this.#calls.begin(domain, mine), commits: mine });
  }

  onCommitReply(now: number, call: number, reply: CommitReply): void {
    this.#now = Math.max(this.#now, now);
    const commits = this.#calls.end(call);
    if (commits === undefined) return;
    this.learnStoreTime(reply.now);
    const arrivals = new Arrivals(this);
    commits.forEach((commit, i) => {
      const outcome = reply.outcomes[i];
      if (outcome === "committed") arrivals.committed(commit);
      if (outcome === "already") arrivals.resent(commit.parcels);
      this.#settle(commit, outcome);
    });
    arrivals.learn(this.options.domainOf((commits[0] as Commit).shard), reply.tails, reply.appends);
  }

  onDelivered(now: number, call: number, reply: DeliverReply | undefined): void {
    this.#now = Math.max(this.#now, now);
    this.delivery.answered(call, reply);
  }

  #settle(commit: Commit, outcome: CommitReply["outcomes"][number] | undefined): void {
    const shard = this.shards.get(commit.shard);
    if (shard === undefined || shard.inFlight !== commit) return;
    switch (outcome) {
      case "committed":
      case "already":
        if (commit.consumed !== undefined)
          this.learnQueued(commit.shard, Math.max(0, (this.#backlog.of(commit.shard) ?? shard.queued) - commit.consumed.records));
        shard.acknowledgedImage = commit.image;
        shard.committed();
        this.delivery.stored(shard, commit.number);
        if (this.#stopping && shard instanceof InjectorShard) shard.stop();
        this.wake(shard);
        this.reporter.changed(shard.participant);
        break;
      case "fenced":
      case "unchained":
        if (outcome === "fenced") this.#fenced++;
        this.lose([commit.shard]);
        break;
      case "gap":
        this.#gaps++;
        this.lostTails.doubt(shard, `commit ${commit.number} does not follow what is stored`);
        break;
      default:
        this.fail(new GraphChangedError(this.options.plan));
    }
  }

  /** No outcome is known: the same bytes go again. */
  onCommitFailed(now: number, call: number): void {
    this.#now = Math.max(this.#now, now);
    this.#calls.failed(call, this.#now);
  }

  onInbox(now: number, ref: ShardRef, from: number, parcels: readonly Uint8Array[] | undefined, tail: number): void {
    this.#now = Math.max(this.#now, now);
    const shard = this.shards.get(ref);
    if (!(shard instanceof InboxShard)) return;
    if (parcels !== undefined && !shard.inbox.agrees(tail)) {
      this.lostTails.doubt(shard, `its inbox ends at ${tail}, before what was read of it`);
      return;
    }
    if (!shard.inbox.read(from, parcels, shard.input)) {
      this.lose([ref]);
      return;
    }
    shard.inbox.learnTail(tail);
    shard.advance();
    this.wake(shard);
  }

  // ── back-pressure ───────────────────────────────────────────────────────────────────────────────────────────────

  learnQueued(ref: ShardRef, queued: number): void {
    const freed = this.#backlog.learn(ref, queued);
    if (freed === undefined) return;
    for (const shard of this.shards.values()) if (this.#backlog.feeds(shard.participant, freed)) this.wake(shard);
    this.reporter.changed();
  }

  #pollBlocked(): void {
    if (this.#now < this.#polledAt + BLOCKED_POLL || !this.#backlog.anyFull) return;
    this.#polledAt = this.#now;
    for (const shards of byDomain(this.#backlog.full(), this.options.domainOf).values()) this.effect({ kind: "read-tails", shards, purpose: "backlog" });
  }

  onTails(now: number, asked: TailsAsked, reply: { readonly tails: readonly InboxTail[]; readonly appends: number } | undefined): void {
    this.#now = Math.max(this.#now, now);
    for (const tail of reply?.tails ?? []) {
      const shard = this.shards.get(tail.shard);
      if (!(shard instanceof InboxShard) || shard.inFlight === undefined) this.learnQueued(tail.shard, tail.queued);
      if (shard instanceof InboxShard) {
        // A store of this process alone cannot go back, and what it answers may be overtaken by answers to later commits.
        if (!this.options.exclusive && !shard.inbox.agrees(tail.tail)) {
          this.lostTails.doubt(shard, `its inbox ends at ${tail.tail}, before what was read of it`);
          break;
        }
        shard.inbox.learnTail(tail.tail);
        this.wake(shard);
      }
    }
    if (asked.purpose === "bounds") this.reporter.onTails(this.options.domainOf(asked.shards[0] as ShardRef), reply?.appends);
  }

  /** Records waiting in an inbox, as last told. */
  queuedOf(ref: ShardRef): number {
    return this.#backlog.of(ref) ?? 0;
  }

  // ── ownership ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** A shard is ours, recovered and registered. */
  adopt(shard: OwnedShard): void {
    this.shards.add(shard);
    this.learnQueued(shard.ref, shard.queued);
    this.delivery.look(shard);
    this.wake(shard);
    this.reporter.changed();
  }

  /** Drops shards with all that is remembered of them; they are acquired anew. */
  lose(refs: readonly ShardRef[]): void {
    const all = this.chain.withReceivers(refs);
    this.#drop(all);
    this.ownership.lost(all);
  }

  /** Gives shards up for another worker: nothing of them is open or under way. */
  give(refs: readonly ShardRef[]): void {
    this.#drop(refs);
    this.ownership.given(refs);
  }

  #drop(refs: readonly ShardRef[]): void {
    for (const ref of refs) {
      const shard = this.shards.get(ref);
      if (shard === undefined) continue;
      this.shards.delete(shard);
      this.lostTails.dropped(shard);
      this.tally.add(shard.participant, shard.counted);
      this.#runnable.delete(shard);
      this.#candidates.delete(shard);
      this.wakeUps.delete(shard);
      this.delivery.forget(shard);
      this.ownership.handOver.forget(shard);
      shard.close();
    }
  }

  /** The store went back, or is another: nothing that is remembered may be used. */
  loseAll(): void {
    this.#calls.forget();
    this.delivery.forgetAll();
    this.reporter.forget();
    // Also those that are on their way to be ours: what was read of them may not be there any more.
    this.lose(this.ownership.claimed());
    this.lostTails.look();
  }

  // ── stopping ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Starts no new work, commits what is open, and gives the shards up; `effects` end with `release`. */
  stop(now: number): void {
    this.#now = Math.max(this.#now, now);
    if (this.#stopping) return;
    this.#stopping = true;
    if (!this.options.exclusive) this.effect({ kind: "depart" });
    for (const shard of this.shards.values()) {
      if (shard instanceof InjectorShard) shard.stop();
      if (shard.commitAt() < Number.POSITIVE_INFINITY) this.#candidates.add(shard);
    }
  }

  /** While stopping: is everything committed that was begun? */
  get drained(): boolean {
    // What has been woken may have something to commit: a sink has written, say.
    if (!this.#calls.none || this.#candidates.size > 0 || this.#runnable.size > 0) return false;
    return ![...this.shards.values()].some((shard) => shard instanceof SinkShard && shard.writing);
  }

  participant(id: number): PlannedParticipant | undefined {
    return this.options.plan.participants.find((participant) => participant.id === id);
  }
  /** Those that are owned, in order. A list of its own, which never changes. */
  shardsOf(participant: PlannedParticipant): readonly OwnedShard[] {
    return this.shards.of(participant.id);
  }
  /** Is the answer to a read still of interest: is the shard owned as it was when it asked? */
  awaits(read: { readonly shard: ShardRef; readonly sequencer: Sequencer }): boolean {
    return this.shards.get(read.shard)?.sequencer === read.sequencer;
  }
  injector(ref: ShardRef): InjectorShard | undefined {
    return this.shards.as(InjectorShard, ref);
  }
  computation(ref: ShardRef): ComputationShard | undefined {
    return this.shards.as(ComputationShard, ref);
  }
  sink(ref: ShardRef): SinkShard | undefined {
    return this.shards.as(SinkShard, ref);
  }
}
