/**
 * Which shards this worker owns: acquires them, reads what it needs of them, registers them for reports, renews their
 * leases, and gives them up. Safety never depends on a lease, only on the sequencer inside each commit. Which shards it
 * wants is `membership.ts`.
 *
 * O1  A shard is worked on only after it was acquired, recovered and registered, in this order (R18).
 * O2  A registration counts only when a renewal that was asked for after it shows that the shards were ours still: one
 *     who registers after another has taken over would speak for what that one has committed since (R7). This renewal
 *     looks at each of them; others do so only where something was taken from this worker.
 * O3  All that this worker holds is one lease, and what it holds no more may be in it: so the next one is made anew, and
 *     the former runs out. Else what it does not know to be its own would be its own as long as it lives. A renewal without an
 *     answer may still come, after later ones, and make a lease of what it showed: so all are made anew for a while.
 * O4  A renewal is due when a third of the lease is over, and may wait a quarter more for an announcement: one that failed
 *     is made again long before what is left has run out.
 */
import type { NewerDataError } from "../errors.ts";
import { indexOf, participantOf, type ShardRef, shardRef } from "../key.ts";
import type { AcquireOutcome, Announced, Interval, Lease, RecoveredShard, Registration, Sequencer } from "../store/index.ts";
import { BEGINNING } from "../time.ts";
import { participantOfTrack } from "../watermark/percentile.ts";
import { byDomain } from "./by-domain.ts";
import { type Claim, LISTED, newClaim, type Stage } from "./claim.ts";
import type { Engine } from "./engine.ts";
import { GuardedShard } from "./guarded-shard.ts";
import { HandOver } from "./hand-over.ts";
import { InjectorShard } from "./injector-shard.ts";
import { Membership } from "./membership.ts";
import type { OwnedShard } from "./owned-shard.ts";
import { succeeds } from "./place.ts";
import { GraphChangedError } from "./plan.ts";
import { SinkShard } from "./sink-shard.ts";

const RETRY = 200;
/** Renewals after one without an answer that are made anew: three leases, by when it has come or never will. */
const DOUBTFUL = 10;
/** ms between requests for a shard that another holds and has to give up: while shards are on the move, and otherwise. */
const ASK_OFTEN = 50;
const ASK_AGAIN = 250;
type Recovered = Claim & { readonly sequencer: Sequencer; readonly recovered: RecoveredShard };

interface Registering {
  readonly intervals: readonly Interval[];
  readonly granted?: Registration;
  /** The renewal that has to confirm it (O2). */
  readonly renewal?: readonly Lease[];
}

export class Ownership {
  readonly #engine: Engine;
  readonly membership: Membership;
  readonly handOver: HandOver;
  readonly #claims = new Map<ShardRef, Claim>();
  /** Shards since the start: come to be ours, handed over, lost. */
  readonly moved = { taken: 0, given: 0, lost: 0 };
  /** Who had a shard that we wanted. */
  readonly #others = new Map<ShardRef, string>();
  /** The last request to register each participant whose answer counts, with what was granted by it. */
  readonly #registrations = new Map<number, Registering>();
  /** Participants to be registered anew, for a part of their shards was lost. */
  readonly #toRegister = new Set<number>();
  /** When. */
  #registerAt = Number.POSITIVE_INFINITY;
  #renewAt = Number.POSITIVE_INFINITY;
  /** Something is stored as this worker's, or may come to be, that it does not work on: so many renewals leave it out (O3). */
  #anew = 0;
  /** When the first of the wanted shards is to be asked for. */
  #askAt = Number.POSITIVE_INFINITY;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.membership = new Membership(engine);
    this.handOver = new HandOver(engine);
  }

  start(): void {
    for (const participant of this.#engine.options.plan.participants) {
      for (let index = 0; index < participant.shards; index++) this.#claims.set(shardRef(participant.id, index), newClaim(0));
    }
    this.membership.start();
    this.#askAt = 0;
    this.#renewAt = this.#engine.now + this.#engine.options.leaseMs / 3;
  }

  tick(): void {
    const { now } = this.#engine;
    if (this.#engine.stopping) return;
    this.membership.tick(now);
    this.handOver.tick();
    if (now >= this.#askAt && !this.#engine.lostTails.looking) this.#ask(now);
    if (now >= this.#registerAt) this.#registerAgain();
    if (now < this.#renewalAt) return;
    this.#renewAt = now + this.#engine.options.leaseMs / 3;
    const leases = this.leases();
    if (leases.length > 0) this.#renew(leases, this.#anew-- > 0);
    this.#anew = Math.max(this.#anew, 0);
    this.#engine.reporter.repeat();
  }

  #ask(now: number): void {
    const wanted: ShardRef[] = [];
    this.#askAt = Number.POSITIVE_INFINITY;
    for (const [ref, claim] of this.#claims) {
      if (claim.stage !== "wanted" || !this.membership.isOurs(ref)) continue;
      if (claim.retryAt > now) {
        this.#askAt = Math.min(this.#askAt, claim.retryAt);
        continue;
      }
      wanted.push(ref);
    }
    this.#acquire(wanted, false);
  }

  #acquire(wanted: readonly ShardRef[], steal: boolean): void {
    // Each domain by itself: where one is away, the others are not waited for.
    for (const shards of byDomain(wanted, this.#engine.options.domainOf).values()) {
      for (const ref of shards) Object.assign(this.#claims.get(ref) as Claim, { stage: "acquiring", asked: shards, askedAt: this.#engine.now });
      this.#engine.effect({ kind: "acquire", shards, ...(steal && { steal }) });
    }
  }

  get #renewalAt(): number {
    return this.membership.withNext(this.#renewAt);
  }

  #renew(leases: readonly Lease[], confirm: boolean): void {
    this.#engine.effect({ kind: "renew", leases, confirm });
  }

  /** What this worker holds. */
  leases(): Lease[] {
    const leases: Lease[] = [];
    for (const [shard, { sequencer }] of this.#claims) if (sequencer !== undefined) leases.push({ shard, sequencer });
    return leases;
  }

  wakeAt(): number {
    if (this.#engine.stopping) return Number.POSITIVE_INFINITY;
    const askAt = this.#engine.lostTails.looking ? Number.POSITIVE_INFINITY : this.#askAt;
    return Math.min(this.#renewalAt, askAt, this.#registerAt, this.membership.wakeAt(), this.handOver.wakeAt());
  }

  /** Everything that this worker is to own is owned. */
  get complete(): boolean {
    for (const [ref, claim] of this.#claims) if (claim.stage !== "ready" && this.membership.isOurs(ref)) return false;
    return this.membership.workers.length > 0;
  }

  /** Who has a shard that is not ours, or is to have it, as far as known. */
  otherOwnerOf(ref: ShardRef): string | undefined {
    return this.membership.isOurs(ref) ? this.#others.get(ref) : this.membership.ownerOf(ref);
  }

  /** The answer to `announce`; undefined: it failed. */
  onAnnounced(announced: Announced | undefined): void {
    const news = this.membership.onAnnounced(announced);
    if (announced === undefined) return;
    const { plan } = this.#engine.options;
    if (announced.graph !== plan.version) this.#engine.fail(new GraphChangedError(plan));
    for (const [ref, claim] of this.#claims) {
      if (news && claim.stage === "wanted") claim.retryAt = 0;
      const shard = claim.stage === "ready" ? this.#engine.shards.get(ref) : undefined;
      if (shard === undefined) continue;
      if (this.membership.isToMove(ref)) this.handOver.begin(shard);
      else if (this.membership.isOurs(ref)) this.handOver.cancel(shard);
    }
    if (news) this.#askAt = 0;
  }

  /**
   * Of a participant something is stored that only newer code can read: its shards go to workers that have it, and wait
   * where there are none. One that has the store to itself stops, since no other can come.
   */
  decline(participant: number, error: NewerDataError): void {
    if (this.#engine.options.exclusive) {
      this.#engine.fail(error);
      return;
    }
    if (!this.membership.decline(participant)) return;
    const name = this.#engine.participant(participant)?.name ?? "";
    this.#engine.logOf(name, undefined).error(`${error.message}. This worker leaves the shards of ${name} to workers that run it; without any they wait`);
  }

  given(refs: readonly ShardRef[]): void {
    const given = new Set(refs);
    const leases = this.leases().filter(({ shard }) => given.has(shard));
    this.moved.given += leases.length;
    // What was committed here stays known: until another has it, nobody else could tell that the store has lost it.
    this.#forgo(refs);
    this.#engine.effect({ kind: "release", leases });
  }

  /** Every shard of the pipeline, owned or not. */
  claimed(): ShardRef[] {
    return [...this.#claims.keys()];
  }

  /** How far a shard is on its way to be ours. */
  stageOf(ref: ShardRef): Stage {
    return this.#claims.get(ref)?.stage ?? "wanted";
  }

  onAcquired(shards: readonly ShardRef[], outcomes: readonly AcquireOutcome[] | undefined): void {
    const { now } = this.#engine;
    const acquired: ShardRef[] = [];
    const bereft: ShardRef[] = [];
    shards.forEach((ref, i) => {
      const claim = this.#claims.get(ref) as Claim;
      if (claim.asked !== shards) return;
      const outcome = outcomes?.[i];
      // A lease that ran out on its way: another may have the shard, and would lose its own by a registration of this one.
      const ranOut = now >= claim.askedAt + this.#engine.options.leaseMs;
      if (outcome?.kind === "acquired" && !ranOut) {
        this.#others.delete(ref);
        claim.stage = "recovering";
        claim.asked = acquired;
        claim.sequencer = outcome.sequencer;
        claim.abandoned = outcome.abandoned;
        this.#engine.learnStoreTime(outcome.now);
        acquired.push(ref);
        return;
      }
      claim.stage = "wanted";
      claim.retryAt = outcome?.kind === "acquired" ? now : now + RETRY;
      if (outcome?.kind === "held-by") {
        this.#others.set(ref, outcome.worker);
        this.#engine.lostTails.forget(ref);
        claim.retryAt = now + this.#patience(outcome);
        if (succeeds(this.#engine.options.worker, outcome.worker)) bereft.push(ref);
      }
      this.#askAt = Math.min(this.#askAt, claim.retryAt);
    });
    if (acquired.length > 0) this.#engine.effect({ kind: "recover", shards: acquired });
    this.#acquire(bereft, true);
  }

  /** ms until a shard is asked for again that another has: it may be giving it up, or be dead. */
  #patience({ worker, until }: { readonly worker: string; readonly until: number }): number {
    const runsOut = Math.min(Math.max(until - this.#engine.storeEstimate, 20), this.#engine.options.leaseMs);
    if (this.membership.moving) return Math.min(runsOut, ASK_OFTEN);
    return this.membership.workers.includes(worker) ? Math.min(runsOut, ASK_AGAIN) : runsOut;
  }

  onRecovered(shards: readonly ShardRef[], recovered: readonly RecoveredShard[] | undefined): void {
    const touched = new Set<number>();
    let wentBack = false;
    shards.forEach((ref, i) => {
      const claim = this.#claims.get(ref) as Claim;
      if (claim.asked !== shards) return;
      if (recovered === undefined) {
        this.#again(claim);
        return;
      }
      claim.stage = "registering";
      claim.recovered = recovered[i];
      wentBack ||= this.#engine.lostTails.wentBack(recovered[i] as RecoveredShard);
      touched.add(participantOf(ref));
    });
    if (wentBack) this.#engine.loseAll();
    if (wentBack || touched.size === 0) return;
    this.#register([...touched].map((participant) => this.#intervalOf(participant)));
  }

  /** Not reported until the answer has come: by then what is granted now is in force, or what was granted before. */
  #register(listed: readonly Interval[]): void {
    const intervals = listed.flatMap((interval) => this.#tracksOf(interval.participant).map((participant) => ({ ...interval, participant })));
    for (const { participant } of intervals) {
      this.#engine.reporter.unregistered(participant);
      this.#registrations.set(participant, { intervals });
      this.#toRegister.delete(participant);
    }
    for (const [ref, claim] of this.#claims) {
      if (claim.stage === "registering" && this.#registrations.get(participantOf(ref))?.intervals === intervals) claim.asked = intervals;
    }
    this.#engine.effect({ kind: "register", intervals });
  }

  #registerAgain(): void {
    const intervals = [...this.#toRegister].map((participant) => this.#intervalOf(participant)).filter(({ shards }) => shards.length > 0);
    this.#toRegister.clear();
    this.#registerAt = Number.POSITIVE_INFINITY;
    if (intervals.length > 0) this.#register(intervals);
  }

  #registerLater(participant: number, at: number): void {
    for (const track of this.#tracksOf(participant)) this.#registrations.delete(track);
    this.#toRegister.add(participantOfTrack(participant));
    this.#registerAt = Math.min(this.#registerAt, at);
  }

  /** Ids of all watermarks of the participant that one of these is of: they are registered together. */
  #tracksOf(track: number): readonly number[] {
    return (this.#engine.participant(participantOfTrack(track))?.tracks ?? []).map(({ id }) => id);
  }

  #intervalOf(participant: number): Interval {
    const shards: number[] = [];
    for (const [ref, claim] of this.#claims) if (participantOf(ref) === participant && LISTED.has(claim.stage)) shards.push(indexOf(ref));
    return { participant, shards, of: this.#engine.participant(participant)?.shards ?? 0 };
  }

  /** The answer to `register`; undefined: it failed. */
  onRegistered(intervals: readonly Interval[], registrations: readonly Registration[] | undefined): void {
    const leases = this.leases();
    for (const [ref, claim] of this.#claims) {
      if (claim.asked !== intervals) continue;
      claim.reported = registrations?.find(({ participant }) => participant === participantOf(ref))?.output ?? BEGINNING;
      if (registrations === undefined) this.#again(claim);
      else Object.assign(claim, { stage: "confirming", asked: leases });
    }
    for (const { participant } of intervals) {
      if (this.#registrations.get(participant)?.intervals !== intervals) continue;
      const granted = registrations?.find((each) => each.participant === participant);
      if (granted === undefined) this.#registerLater(participant, this.#engine.now + RETRY);
      else this.#registrations.set(participant, { intervals, granted, renewal: leases });
    }
    if (registrations !== undefined) this.#renew(leases, true);
  }

  /** The reports in force are known: what is confirmed can start, and not below them. */
  begin(publishedOf: (participant: number) => number): void {
    for (const [ref, claim] of this.#claims) {
      if (claim.stage !== "confirmed" || claim.recovered === undefined || claim.sequencer === undefined) continue;
      claim.stage = "ready";
      const shard = this.#make(ref, claim as Recovered, Math.max(claim.reported, publishedOf(participantOf(ref))));
      claim.recovered = undefined;
      this.#engine.lostTails.forget(ref);
      this.#engine.adopt(shard);
      this.moved.taken += 1;
    }
  }

  #make(ref: ShardRef, { sequencer, recovered, abandoned }: Recovered, floor: number): OwnedShard {
    const planned = this.#engine.participant(participantOf(ref));
    if (planned === undefined) throw new RangeError(`no participant has the id ${participantOf(ref)}`);
    if (planned.kind === "injector") return new InjectorShard(this.#engine, planned, indexOf(ref), sequencer, recovered);
    if (planned.kind === "sink") return new SinkShard(this.#engine, planned, sequencer, recovered, floor);
    const keyed = this.#engine.options.instances.get(planned.id);
    if (keyed === undefined) throw new RangeError(`no instance of ${planned.name}`);
    return new GuardedShard(this.#engine, planned, keyed, sequencer, recovered, floor, abandoned);
  }

  /** The answer to `renew`; undefined: it failed. */
  onRenewed(leases: readonly Lease[], lost: readonly ShardRef[] | undefined): void {
    if (lost !== undefined && lost.length > 0) this.#engine.lose(lost);
    if (lost === undefined) {
      this.#anew = DOUBTFUL;
      this.#renewAt = Math.min(this.#renewAt, this.#engine.now + RETRY);
    }
    for (const [ref, claim] of this.#claims) {
      if (claim.asked !== leases) continue;
      if (lost !== undefined) Object.assign(claim, { stage: "confirmed", asked: undefined });
      else {
        this.#again(claim);
        // One that is under way, and is confirmed by a later renewal, lists it too.
        this.#registerLater(participantOf(ref), this.#engine.now + RETRY);
      }
    }
    let confirmed = false;
    for (const [participant, { intervals, granted, renewal }] of this.#registrations) {
      if (renewal !== leases || granted === undefined) continue;
      this.#registrations.delete(participant);
      const interval = intervals.find((each) => each.participant === participant);
      if (lost === undefined || interval === undefined) this.#registerLater(participant, this.#engine.now + RETRY);
      else {
        this.#engine.reporter.registered(participant, granted.generation, interval.shards);
        confirmed = true;
      }
    }
    if (confirmed) this.#engine.reporter.bootstrap();
  }

  lost(refs: readonly ShardRef[]): void {
    for (const ref of refs) if (this.stageOf(ref) === "ready") this.moved.lost += 1;
    this.#forgo(refs);
  }

  #forgo(refs: readonly ShardRef[]): void {
    for (const ref of refs) {
      const claim = this.#claims.get(ref);
      if (claim === undefined) continue;
      if (claim.recovered !== undefined && claim.sequencer !== undefined) this.#engine.lostTails.unread(claim.recovered, claim.sequencer);
      this.#again(claim);
      for (const track of this.#tracksOf(participantOf(ref))) this.#engine.reporter.unregistered(track);
      // What is left of it has to be registered as what it is.
      this.#registerLater(participantOf(ref), this.#engine.now);
    }
  }

  #again(claim: Claim): void {
    if (claim.sequencer !== undefined) this.#anew = Math.max(this.#anew, 1);
    Object.assign(claim, newClaim(this.#engine.now + RETRY));
    this.#askAt = Math.min(this.#askAt, claim.retryAt);
  }
}
