/**
 * The worker's side of the watermark authority: reports the output watermarks of its shards, and gives the shards the
 * bounds that the reports of all workers allow.
 *
 * W1  A report tells what is committed, never what is under way.
 * W2  A participant is reported only while every shard registered for it is owned and recovered; otherwise its last
 *     value stays in force (R7).
 * W3  A bound is handed to shards together with the ends of their inboxes as the store had them at the time of the
 *     bound or later: known from replies if the domain's append counter shows that no one else has appended, else read (R5).
 * W4  Once in a while everything is reported, changed or not: a worker that has lost its shards may have registered
 *     them, which only a refusal tells.
 * W5  A tick looks at the shards of those participants alone of which one was pumped, or has committed, since the last
 *     look, whose inputs have another watermark or status, or which have other shards; it costs the same however many
 *     others there are.
 */
import type { ParticipantWatermark, ReportReply, Status, WatermarkReport } from "../store/index.ts";
import { BEGINNING, END } from "../time.ts";
import { type Runner, slowestOf } from "../watermark/skew.ts";
import { participantOfTrack, type Track, trackOf } from "../watermark/percentile.ts";
import { type Bound, boundOf } from "../watermark/upstream.ts";
import { byDomain } from "./by-domain.ts";
import { ComputationShard } from "./computation-shard.ts";
import type { Engine } from "./engine.ts";
import { InboxEnds } from "./inbox-ends.ts";
import { InboxShard, type OwnedShard } from "./owned-shard.ts";
import type { PlannedInjector, PlannedParticipant } from "./plan.ts";
import { ReportPace } from "./report-pace.ts";

interface Registered {
  readonly generation: number;
  readonly shards: number;
}

export class Reporter {
  readonly #engine: Engine;
  readonly #registered = new Map<number, Registered>();
  readonly #sent = new Map<number, WatermarkReport>();
  /** What was found at the last look at each participant, and of which shards. */
  readonly #found = new Map<number, { readonly shards: readonly OwnedShard[]; readonly blocked: boolean; readonly report: WatermarkReport }>();
  readonly #touched = new Set<number>();
  /** What each participant's shards were told last. */
  readonly #told = new Map<number, { readonly shards: readonly OwnedShard[]; readonly bound: number; readonly last: number }>();
  #vector = new Map<number, ParticipantWatermark>();
  /** Since when each participant's output has its value, by the worker's clock. */
  readonly #since = new Map<number, number>();
  readonly #ends: InboxEnds;
  readonly #pace: ReportPace;
  #underWay = false;
  #bootstrapping = false;
  /** Domains whose ends of inboxes are being read. */
  readonly #reading = new Set<number>();
  #changed = false;
  #repeat = false;
  #finished = false;
  /** Of the report made last. */
  #number = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#ends = new InboxEnds(engine.options.domains);
    this.#pace = new ReportPace(engine.options);
  }

  /** Something has happened that a report may tell of; undefined: of any participant. */
  changed(participant?: number): void {
    this.#changed = true;
    if (participant === undefined) this.#found.clear();
    else this.#touched.add(participant);
  }

  /** One of its shards may stand elsewhere: what the next report looks at. */
  touched(participant: number): void {
    this.#touched.add(participant);
  }

  /** It is reported at the next opportunity, whatever was reported before. */
  again(participant: number): void {
    this.#sent.delete(participant);
    this.changed(participant);
  }

  /** The next report tells everything; it is not made for that. */
  repeat(): void {
    this.#repeat = true;
    this.#found.clear();
  }

  registered(participant: number, generation: number, shards: readonly number[]): void {
    this.#registered.set(participant, { generation, shards: shards.length });
    this.#sent.delete(participant);
  }
  unregistered(participant: number): void {
    this.#registered.delete(participant);
  }
  /** The next report's reply lets registered shards begin. */
  bootstrap(): void {
    this.#bootstrapping = true;
  }
  /** The store is another: nothing it said is in force. */
  forget(): void {
    this.#registered.clear();
    this.#sent.clear();
    this.#vector = new Map();
    this.#found.clear();
    this.#told.clear();
    this.#ends.forget();
  }

  tick(): void {
    if (this.#busy || this.#engine.stopping) return;
    const { now } = this.#engine;
    this.#pace.rest(now);
    if (now < this.#pace.earliest) return;
    const due = this.#bootstrapping || now >= this.#nextPoll();
    if (!this.#changed && !due) return;
    const reports = this.#reports();
    this.#changed = this.#repeat = false;
    if (reports.length === 0 && !due) return;
    this.#underWay = true;
    this.#pace.reported(now);
    for (const report of reports) this.#sent.set(report.participant, report);
    this.#engine.effect({ kind: "report", reports });
  }

  /** One bound at a time: an answer that a later bound was told with would come too early for that one (W3). */
  get #busy(): boolean {
    return this.#underWay || this.#reading.size > 0;
  }

  /** When to look although nothing changed here: for others' reports, and for the store clock a wall timer waits for. */
  #nextPoll(): number {
    if (this.#registered.size === 0) return Number.POSITIVE_INFINITY;
    let at = this.#pace.poll(this.#engine.ownership.membership);
    const { storeNow, storeEstimate, now } = this.#engine;
    for (const { wall } of this.#engine.wakeUps.withWallTimers)
      if (wall.bound > storeNow && wall.bound !== Number.POSITIVE_INFINITY) at = Math.min(at, now + Math.max(0, wall.bound - storeEstimate));
    return Math.max(at, this.#pace.earliest);
  }

  wakeAt(): number {
    if (this.#busy || this.#engine.stopping) return Number.POSITIVE_INFINITY;
    return this.#changed || this.#bootstrapping ? this.#pace.earliest : this.#nextPoll();
  }

  #reports(): WatermarkReport[] {
    const reports: WatermarkReport[] = [];
    for (const participant of this.#engine.options.plan.participants) {
      for (const track of participant.tracks) {
        const registered = this.#registered.get(track.id);
        if (registered === undefined) continue;
        const shards = this.#engine.shardsOf(participant);
        if (shards.length !== registered.shards || shards.length === 0) continue;
        const report = this.#look(participant, track, shards, registered.generation);
        const sent = this.#sent.get(track.id);
        if (this.#repeat || sent === undefined || sent.output !== report.output || sent.status !== report.status || sent.last !== report.last)
          reports.push(report);
      }
    }
    this.#touched.clear();
    return reports;
  }

  #look(participant: PlannedParticipant, track: Track, shards: readonly OwnedShard[], generation: number): WatermarkReport {
    const found = this.#found.get(track.id);
    const blocked = this.#engine.blocked(participant.id);
    if (found?.shards === shards && found.blocked === blocked && found.report.generation === generation && !this.#touched.has(participant.id))
      return { ...found.report, number: ++this.#number };
    const report = this.#reportOf(participant, track, shards, generation);
    this.#found.set(track.id, { shards, blocked, report });
    return report;
  }

  #reportOf(participant: PlannedParticipant, { id, percentile }: Track, shards: readonly OwnedShard[], generation: number): WatermarkReport {
    let output = END;
    let last = BEGINNING;
    for (const shard of shards) {
      output = Math.min(output, percentile === undefined ? shard.output : shard.percentileOutput(percentile));
      last = Math.max(last, shard.last);
    }
    return { participant: id, generation, number: ++this.#number, output, status: this.#statusOf(participant, shards, output), last };
  }

  #statusOf(participant: PlannedParticipant, shards: readonly OwnedShard[], output: number): Status {
    if (participant.kind !== "injector") {
      const upstream = this.boundOf(participant).status;
      // Also at the end of time: a record or a hold that is there holds nothing back by its time, and still has to be done.
      if (output === END && upstream === "finished" && restful(shards)) return "finished";
      if (upstream === "idle" && restful(shards)) return "idle";
      return this.#engine.blocked(participant.id) ? "back-pressured" : "live";
    }
    const statuses = shards.map((shard) => shard.status);
    if (statuses.every((status) => status === "finished")) return "finished";
    if (statuses.every((status) => status === "finished" || status === "idle")) return "idle";
    return statuses.includes("back-pressured") ? "back-pressured" : "live";
  }

  boundOf(participant: PlannedParticipant): Bound {
    return boundOf(participant.upstream.map((id) => this.#vector.get(id) ?? { output: BEGINNING, status: "live", last: BEGINNING }));
  }

  /** As `boundOf`, of a percentile watermark, which is nowhere below the low one. */
  percentileBoundOf(participant: PlannedParticipant, percentile: number): Bound {
    return boundOf(
      participant.upstream.map((id) => {
        const low = this.#vector.get(id) ?? { output: BEGINNING, status: "live", last: BEGINNING };
        return { ...low, output: Math.max(low.output, this.#vector.get(trackOf(id, percentile))?.output ?? BEGINNING) };
      }),
    );
  }

  onReport(reports: readonly WatermarkReport[], reply: ReportReply | undefined): void {
    this.#underWay = false;
    const engine = this.#engine;
    if (reply === undefined) {
      for (const { participant } of reports) this.#sent.delete(participant);
      this.#pace.failed(engine.now);
      this.#changed = true;
      return;
    }
    engine.learnStoreTime(reply.now);
    for (const participant of reply.refused) this.#refused(participant);
    this.#learnVector(reply.watermarks);
    if (this.#bootstrapping) {
      this.#bootstrapping = false;
      engine.ownership.begin((participant) => this.#vector.get(participant)?.output ?? BEGINNING);
      this.#ends.doubt();
    }
    for (const report of reports) if (!reply.refused.includes(report.participant)) this.#announce(report);
    if (!this.#ends.compare(reply.appends)) this.#pace.othersAppended(engine.now);
    this.#readTails();
    this.#raise((domain) => this.#ends.isKnown(domain));
  }

  /** Someone else has registered some of the shards: ours are fenced, or will be. */
  #refused(participant: number): void {
    this.#registered.delete(participant);
    this.#sent.delete(participant);
    const planned = this.#engine.participant(participantOfTrack(participant));
    if (planned !== undefined) this.#engine.lose(this.#engine.shardsOf(planned).map((shard) => shard.ref));
  }

  #learnVector(watermarks: readonly ParticipantWatermark[]): void {
    for (const watermark of watermarks) {
      const before = this.#vector.get(watermark.participant);
      if (before?.output !== watermark.output) this.#since.set(watermark.participant, this.#engine.now);
      if (before?.output === watermark.output && before.status === watermark.status && before.last === watermark.last) continue;
      this.#changed = true;
      for (const { id, upstream } of this.#engine.options.plan.participants)
        if (upstream.includes(participantOfTrack(watermark.participant))) this.#touched.add(id);
    }
    this.#vector = new Map(watermarks.map((watermark) => [watermark.participant, watermark]));
    if (this.#changed) this.#wakeLimited();
  }

  /** Those that wait for others may have waited long enough. */
  #wakeLimited(): void {
    for (const participant of this.#engine.options.plan.participants) {
      if (participant.kind !== "injector" || participant.node.maxSkew === undefined) continue;
      for (const shard of this.#engine.shardsOf(participant)) this.#engine.wake(shard);
    }
  }

  /** `maxSkew` ahead of the slowest other. */
  furthestOf({ id, node: { maxSkew } }: PlannedInjector): number {
    return maxSkew === undefined ? Number.POSITIVE_INFINITY : (this.slowestBeside(id)?.output ?? END) + maxSkew;
  }

  /** The live injector that is furthest behind, besides this one, as last reported; undefined: there is none. */
  slowestBeside(injector: number): Runner | undefined {
    const others: Runner[] = [];
    for (const { id, kind } of this.#engine.options.plan.participants)
      if (kind === "injector" && id !== injector) others.push({ participant: id, ...this.published(id) });
    return slowestOf(others);
  }

  #announce(report: WatermarkReport): void {
    const participant = this.#engine.participant(report.participant);
    if (participant?.kind !== "injector") return;
    for (const shard of this.#engine.shardsOf(participant)) this.#engine.injector(shard.ref)?.onReported(report.status);
  }

  /** Those of domains where they are not known, each domain's by itself. */
  #readTails(): void {
    if (this.#ends.allKnown) return;
    const inboxes = [...this.#engine.shards.values()].filter((shard) => shard instanceof InboxShard).map((shard) => shard.ref);
    for (const [domain, shards] of byDomain(inboxes, this.#engine.options.domainOf)) {
      if (this.#ends.isKnown(domain)) continue;
      this.#reading.add(domain);
      this.#engine.effect({ kind: "read-tails", shards, purpose: "bounds" });
    }
  }

  /** The ends of all inboxes of a domain were read; undefined: they were not. */
  onTails(domain: number, appends: number | undefined): void {
    if (!this.#reading.delete(domain)) return;
    if (appends !== undefined) {
      this.#ends.read(domain, appends);
      this.#raise((each) => each === domain);
    }
    this.#changed = true;
  }

  /** A reply to a commit or delivery tells the append counter, after the ends of the inboxes: did anyone append besides us? */
  learnAppends(domain: number, appends: number, appended: boolean, resent: boolean): void {
    if (!this.#ends.answered(domain, appends, appended, resent)) this.#pace.othersAppended(this.#engine.now);
  }

  /** Shards of the domains in which the ends of the inboxes are known as of now. */
  #raise(isKnown: (domain: number) => boolean): void {
    const { plan, domainOf } = this.#engine.options;
    for (const participant of plan.participants) {
      if (participant.kind === "injector") continue;
      if (participant.tracks.length > 1) this.#raisePercentiles(participant, isKnown);
      const { bound, last } = this.boundOf(participant);
      const shards = this.#engine.shardsOf(participant);
      const told = this.#told.get(participant.id);
      // Until the ends of all domains are known, not all its shards are told; then each has been told this very bound.
      if (!this.#ends.allKnown) this.#told.delete(participant.id);
      else if (told?.shards === shards && told.bound === bound && told.last === last) continue;
      else this.#told.set(participant.id, { shards, bound, last });
      this.#touched.add(participant.id);
      for (const shard of shards) {
        if (!(shard instanceof InboxShard) || !isKnown(domainOf(shard.ref))) continue;
        if (shard instanceof ComputationShard) shard.learnLast(last);
        const before = shard.output;
        shard.learnBound(bound, shard.inbox.tail);
        if (shard.output !== before) this.#changed = true;
      }
    }
    this.#checkFinished();
  }

  #raisePercentiles(participant: PlannedParticipant, isKnown: (domain: number) => boolean): void {
    for (const { percentile } of participant.tracks) {
      if (percentile === undefined) continue;
      const { bound } = this.percentileBoundOf(participant, percentile);
      for (const shard of this.#engine.shardsOf(participant)) {
        if (!(shard instanceof InboxShard) || !isKnown(this.#engine.options.domainOf(shard.ref))) continue;
        const before = shard.percentileOutput(percentile);
        shard.learnPercentile(percentile, bound, shard.inbox.tail);
        if (shard.percentileOutput(percentile) === before) continue;
        this.#changed = true;
        this.#touched.add(participant.id);
      }
    }
  }

  #checkFinished(): void {
    if (this.#finished) return;
    for (const { id } of this.#engine.options.plan.participants) if (this.#vector.get(id)?.status !== "finished") return;
    this.#finished = true;
    this.#engine.effect({ kind: "finished" });
  }

  /** Has this worker reported its shards of the participant since it registered them? */
  reporting(participant: number): boolean {
    return this.#sent.has(participant);
  }

  /** The output watermark in force of a participant's track, its status, and since when, by the worker's clock. */
  published(participant: number): { readonly output: number; readonly status: Status; readonly since: number } {
    const known = this.#vector.get(participant);
    return { output: known?.output ?? BEGINNING, status: known?.status ?? "live", since: this.#since.get(participant) ?? this.#engine.now };
  }
}

/** Nothing is unread, pending, uncommitted or undelivered in any of them, and nothing held. */
function restful(shards: readonly OwnedShard[]): boolean {
  return shards.every(
    (shard) =>
      shard.outbox.empty &&
      (!(shard instanceof InboxShard) || (shard.quiet && !(shard instanceof ComputationShard && shard.holds.bound !== Number.POSITIVE_INFINITY))),
  );
}
