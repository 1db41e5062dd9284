/**
 * The store of a simulation: one `MemoryData` with a clock of its own, the auditor that watches all that is applied to
 * it, and what it was like a while ago, to which it may fall back.
 */
import type { Random } from "../../random.ts";
import type { ShardRef } from "../../key.ts";
import type { Sequencer } from "../../store/commit.ts";
import type { MemoryData } from "../../store/memory-data.ts";
import type { AcquireOutcome, Announced, CommitReply, DeliverReply, ParticipantWatermark, RecoverLimits, ReportReply } from "../../store/store.ts";
import { isPercentileTrack } from "../../watermark/percentile.ts";
import type { GrowthAudit } from "./growth-audit.ts";
import type { PercentileAudit } from "./percentile-audit.ts";
import type { ReportAudit } from "./report-audit.ts";
import type { StoreAudit } from "./store-audit.ts";
import { carryOut, describe, name, outcomesOf, type StoreEffect } from "./store-request.ts";
import type { Trace } from "./trace.ts";
import { check, Violation } from "./violation.ts";

interface Kept {
  /** How much had changed by then. */
  readonly changes: number;
  readonly data: MemoryData;
  readonly audit: StoreAudit;
  readonly reports: ReportAudit;
  readonly percentiles: PercentileAudit | undefined;
}

export interface SimulatedStoreOptions {
  readonly data: MemoryData;
  readonly audit: StoreAudit;
  readonly reports: ReportAudit;
  /** undefined: no timer goes by a percentile. */
  readonly percentiles: PercentileAudit | undefined;
  readonly trace: Trace;
  readonly random: Random;
  readonly leaseMs: number;
  readonly exclusive: boolean;
  readonly recover: RecoverLimits;
  /** What it shows as processing time, ms; undefined: its clock. */
  readonly processingTime: (() => number) | undefined;
  readonly growth: GrowthAudit | undefined;
  /** Does anything go wrong now? */
  readonly faulty: () => boolean;
  /** Has this worker a commit under way? */
  readonly committing: (worker: string) => boolean;
}

/** ms between times at which the store is full, how long it is, and for how long it has room when a run begins. */
const FULL_EVERY = 2_000;
const FULL_FOR = 400;
const ROOM_FIRST = 500;
/** Earlier contents that are kept. */
const KEPT = 3;

export class SimulatedStore {
  readonly #options: SimulatedStoreOptions;
  data: MemoryData;
  audit: StoreAudit;
  reports: ReportAudit;
  #percentiles: PercentileAudit | undefined;
  /** Its clock less the true time, ms. */
  skew = 0;
  /** The largest time that its clock has shown. */
  #latest = 0;
  #kept: Kept[] = [];
  /** How much had changed once it was carried out. */
  readonly #carriedOut = new WeakMap<StoreEffect, number>();
  /** Rises with every commit, grant and rise of a watermark. */
  changes = 0;
  /** Commits that it has taken. */
  commits = 0;
  /** Every sequencer that was ever granted, also in what was lost. */
  readonly #grants = new Set<string>();

  constructor(options: SimulatedStoreOptions) {
    this.#options = options;
    this.data = options.data;
    this.audit = options.audit;
    this.reports = options.reports;
    this.#percentiles = options.percentiles;
  }

  /** Carries a worker's request out, at this true time, and audits what it has changed. */
  apply(worker: string, effect: StoreEffect, time: number): unknown {
    const { trace, random, leaseMs, exclusive, recover } = this.#options;
    const now = time + this.skew;
    this.#latest = Math.max(this.#latest, now);
    const answer = this.#shown(carryOut(this.data, effect, { worker, leaseMs, exclusive, recover, random, now }));
    trace.mixText(effect.kind);
    trace.line(() => `store takes ${worker}'s ${describe(effect)}${outcomesOf(effect, answer)}`);
    switch (effect.kind) {
      case "announce":
        return this.#isFull(now) ? { ...(answer as Announced), full: true } : answer;
      case "commit":
        this.#committed(effect, answer as CommitReply);
        break;
      case "deliver":
        for (const { outcome } of (answer as DeliverReply).outcomes) trace.saw(outcome === "duplicate" ? "delivered again" : outcome);
        for (const { bytes } of effect.deliveries) trace.mixBytes(bytes);
        this.audit.delivered(effect.deliveries, answer as DeliverReply);
        this.#percentiles?.delivered(effect.deliveries, answer as DeliverReply);
        this.changes++;
        break;
      case "report": {
        const { refused, watermarks } = answer as ReportReply;
        if (refused.length > 0) trace.saw("report refused");
        if (watermarks.some(({ status }) => status === "idle") && watermarks.some(({ status }) => status === "live")) trace.saw("idle");
        for (const report of effect.reports) {
          if (refused.includes(report.participant) || isPercentileTrack(report.participant)) continue;
          const after = watermarks.find(({ participant }) => participant === report.participant);
          this.audit.reported(worker, report, this.reports.reported(worker, report), after);
        }
        if (this.#published(watermarks)) this.changes++;
        break;
      }
      case "register": {
        const intervals = effect.intervals.filter(({ participant }) => !isPercentileTrack(participant));
        this.audit.registered(worker, intervals);
        this.reports.registered(worker, intervals);
        this.#published(this.data.report("", [], now).watermarks);
        break;
      }
      case "acquire":
        effect.shards.forEach((shard, i) => {
          const outcome = (answer as AcquireOutcome[])[i];
          if (outcome?.kind !== "acquired") return;
          if (effect.steal === true) trace.saw("place taken");
          this.#granted(shard, worker, outcome.sequencer);
        });
        break;
      case "read-timers":
        trace.saw("timers paged");
        break;
      default:
    }
    this.#carriedOut.set(effect, this.changes);
    return answer;
  }

  /** Says whether anything published is different now. */
  #published(watermarks: readonly ParticipantWatermark[]): boolean {
    // Only then are there tracks beside the low ones.
    if (this.#percentiles === undefined) return this.audit.published(watermarks);
    this.#percentiles.published(watermarks);
    return this.audit.published(watermarks.filter(({ participant }) => !isPercentileTrack(participant)));
  }

  /** Every few seconds it says for a while that it has no room; it takes everything all the same, as a full Redis takes commits. */
  #isFull(now: number): boolean {
    const full = this.#options.faulty() && (now + FULL_EVERY - ROOM_FIRST) % FULL_EVERY < FULL_FOR;
    if (full) this.#options.trace.saw("store full");
    return full;
  }

  /** An answer with the processing time that there is. Leases go by the store's clock all the same. */
  #shown(answer: unknown): unknown {
    const { processingTime } = this.#options;
    if (processingTime === undefined) return answer;
    const now = processingTime();
    if (Array.isArray(answer)) return answer.map((each: unknown) => (hasTime(each) ? { ...each, now } : each));
    return hasTime(answer) ? { ...answer, now } : answer;
  }

  #granted(shard: ShardRef, worker: string, sequencer: Sequencer): void {
    const { trace, committing } = this.#options;
    const grant = `${shard} ${sequencer}`;
    check(!this.#grants.has(grant), "A1 granted twice", () => `${sequencer} of shard ${name(shard)}, this time to ${worker}`);
    this.#grants.add(grant);
    const { owner, rare } = this.audit.standing(shard, worker);
    for (const what of rare) trace.saw(what);
    if (owner !== undefined && owner !== worker && committing(owner)) trace.saw("takeover of a commit in the making");
    this.audit.granted(shard, worker, sequencer);
    this.reports.granted(shard, worker);
    this.changes++;
  }

  #committed(effect: Extract<StoreEffect, { readonly kind: "commit" }>, { outcomes }: CommitReply): void {
    const { trace } = this.#options;
    effect.commits.forEach((commit, i) => {
      const outcome = outcomes[i] ?? "lost";
      trace.mix(commit.shard);
      trace.mix(commit.number);
      trace.mixText(outcome);
      trace.mixBytes(commit.image);
      for (const parcel of commit.parcels) trace.mixBytes(parcel.bytes);
      if (outcome !== "committed") {
        trace.saw(outcome);
        return;
      }
      if (commit.heldPuts.length > 0) trace.saw("held");
      this.changes++;
      this.commits++;
      this.#options.growth?.committed(commit, this.data.readGraph()?.version);
      const { length } = this.audit.gone;
      this.audit.committed(commit, this.#options.processingTime?.() ?? this.#latest);
      this.#percentiles?.committed(commit);
      if (commit.deadDeletes.length > 0) for (const { fate } of this.audit.gone.slice(length)) trace.saw(`letter ${fate}`);
      if (commit.handed.length > 0) trace.saw("chain");
    });
    for (const shard of this.audit.handedTo) throw new Violation("A1 chain", `records were handed over to ${name(shard)} that its commit has not consumed`);
  }

  /** Remembers its contents, for a loss of its tail. */
  keep(): void {
    this.#kept.push({
      changes: this.changes,
      data: this.data.copy(),
      audit: this.audit.copy(),
      reports: this.reports.copy(),
      percentiles: this.#percentiles?.copy(),
    });
    if (this.#kept.length > KEPT) this.#kept.shift();
  }

  /** What has been confirmed by an answer to this request is not lost any more. */
  confirm(effect: StoreEffect): void {
    const carriedOut = this.#carriedOut.get(effect) ?? 0;
    this.#kept = this.#kept.filter(({ changes }) => changes >= carriedOut);
  }

  get kept(): number {
    return this.#kept.length;
  }

  /** Is as it was: 1 for the last time it was kept, 2 for the time before. */
  fallBack(by: number): void {
    const kept = this.#kept.at(-by);
    if (kept === undefined) return;
    this.data = kept.data;
    this.audit = kept.audit;
    this.reports = kept.reports;
    this.#percentiles = kept.percentiles;
    this.#kept = [];
    this.#options.trace.saw("tail lost");
  }
}

const hasTime = (answer: unknown): answer is { readonly now: number } => typeof (answer as { readonly now?: unknown } | undefined)?.now === "number";
