/**
 * One shard of an injector: reads its partition of a source and commits what it read, where it stands and how far
 * event time has come, all at once.
 *
 * I1  The checkpoint of a commit stands right after the last item whose productions the commit holds; a crash reads on
 *     from there, so a source with positions needs no ids.
 * I2  Where the source's values have ids, each id is looked up before its record is injected: among those of the open
 *     batch and the commit in flight here, among the earlier ones in the store. Only this shard ever adds to them.
 * I3  A timestamp that no event can have goes to dead letters and never reaches the watermark.
 * I4  It is not idle while records of its are in no inbox yet; after it has been, none go there before its return has been
 *     reported (R8).
 */
import { messageOf } from "../errors.ts";
import { RecentIds } from "../dedup/recent-ids.ts";
import type { SourceItem } from "../injectors/injector.ts";
import type { Commit, RecoveredShard, Sequencer } from "../store/index.ts";
import { BEGINNING, END } from "../time.ts";
import type { WatermarkEstimator } from "../watermark/policy.ts";
import { refuseTimestamp } from "../watermark/timestamps.ts";
import type { Standing } from "../watermark/upstream.ts";
import { Confirmations } from "./confirmations.ts";
import type { ConfirmedIds } from "./confirmed-ids.ts";
import { type Holder, undelivered } from "./holder.ts";
import { type Checkpoint, deduplicates, forgottenBelow, givenId, Injection, Prepared, refuseAge, refusedBytes } from "./injection.ts";
import { InjectorPercentiles } from "./injector-percentiles.ts";
import { OwnedShard, type ShardHost } from "./owned-shard.ts";
import { placeId, type Production } from "./parcel.ts";
import type { PlannedInjector } from "./plan.ts";
import { deliver } from "./produce.ts";
import { carry } from "./tracing.ts";
import { itemsOfCommit } from "./turn-size.ts";

/** Items asked of the source at once, and read ahead of injection. */
const PULL = 1_024;
const READ_AHEAD = 4 * PULL;
/** Failures of the source in a row after which the pipeline stops. */
const FAILURES = 5;
const BACKOFF_FIRST = 100;

export class InjectorShard extends OwnedShard {
  readonly kind = "injector";
  readonly planned: PlannedInjector;
  readonly partition: number;
  readonly #estimator: WatermarkEstimator;
  readonly #percentiles: InjectorPercentiles | undefined;
  readonly #recent: RecentIds;
  /** After the last item that was injected; where to read on, which may be further. */
  #position: unknown;
  #resume: unknown;
  #done: boolean;
  #ended = false;
  #reader: "closed" | "opening" | "open" | "pulling" = "closed";
  #failures = 0;
  #retryAt = 0;
  /** Up to `next` undefined: injected. */
  #ahead: (SourceItem | Prepared | undefined)[] = [];
  #next = 0;
  #checking: readonly SourceItem[] | undefined = undefined;
  #open = new Injection();
  /** The watermark of the last commit that was acknowledged. */
  #committed: number;
  #expired = BEGINNING;
  #quietSince: number;
  #idle = false;
  readonly #most: number;
  #unannounced = false;
  /** undefined: the source does not want to be told. */
  readonly #confirmations: Confirmations | undefined;
  /** When the policy was last told the time. */
  #toldAt = 0;
  /** Where its watermark has come further than this, it waits for other injectors. */
  #furthest = Number.POSITIVE_INFINITY;

  constructor(host: ShardHost, planned: PlannedInjector, partition: number, sequencer: Sequencer, recovered: RecoveredShard) {
    super(host, planned, sequencer, recovered);
    this.planned = planned;
    this.partition = partition;
    const checkpoint = this.image.checkpoint as Checkpoint | undefined;
    this.#position = checkpoint?.position;
    this.#resume = this.#position;
    this.#done = checkpoint?.done ?? false;
    const low = planned.node.source.watermark.start(checkpoint?.estimate);
    this.#percentiles = InjectorPercentiles.of(planned.tracks, low, this, checkpoint?.estimate);
    this.#estimator = this.#percentiles?.estimator ?? low;
    this.#recent = new RecentIds(recovered.idCount === 0);
    this.#confirmations = planned.node.source.confirms === true ? new Confirmations() : undefined;
    this.#committed = this.image.input;
    this.#quietSince = host.now;
    this.#most = itemsOfCommit(host.options.batchRecords, host.options.plan.graph.shards);
  }

  // ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────

  pump(budget: number): number {
    this.#watchSilence();
    if (this.#done || this.#unannounced) return 0;
    if (this.#reader === "closed" && this.host.now >= this.#retryAt) {
      this.#reader = "opening";
      this.host.effect({ kind: "open-source", shard: this.ref, position: this.#resume });
    }
    let taken = 0;
    const asked = this.#reader === "pulling";
    this.#furthest = this.host.reporter.furthestOf(this.planned);
    while (taken < budget && this.#next < this.#ahead.length && this.#open.items < this.#most && this.#open.bytes < 1 << 20 && !this.#waits) {
      const next = this.#ahead[this.#next] as SourceItem | Prepared;
      this.#ahead[this.#next++] = undefined;
      if (next instanceof Prepared) this.#inject(next.item, next.id, next.duplicate, next.refused);
      else this.#inject(next, next.id, false, undefined);
      taken++;
    }
    // Reading may keep ahead for as long as there is input: what was injected is let go of on the way.
    if (this.#next >= PULL) [this.#ahead, this.#next] = [this.#ahead.slice(this.#next), 0];
    if (this.#next === this.#ahead.length) {
      [this.#ahead, this.#next] = [[], 0];
      if (this.#ended && this.#checking === undefined && !this.#done) this.#finish();
    }
    if (asked) this.#tellTime();
    this.#pull();
    return taken;
  }

  get #aheadOfOthers(): boolean {
    return this.#furthest !== Number.POSITIVE_INFINITY && this.#estimator.current() > this.#furthest;
  }
  get #waits(): boolean {
    return this.#aheadOfOthers || this.host.blocked(this.participant);
  }

  /** Only while no item waits, here or in a source that was not asked for more: the time of those is not known yet. */
  #tellTime(): void {
    const { tellEvery } = this.planned.node.source.watermark;
    if (tellEvery === undefined || this.#done || this.#aheadOfOthers || this.#checking !== undefined || this.#next < this.#ahead.length) return;
    const waited = this.host.now - this.#toldAt;
    if (waited < tellEvery && this.#open.items === 0) return;
    this.#toldAt = this.host.now;
    this.#estimator.tell?.(this.wallTime());
    if (this.#estimator.current() > this.image.input) this.#open.changed = true;
  }

  /** Also while it is ahead of others, a page: where its time goes by the clock it may be behind for a moment, and needs an item then. */
  #pull(): void {
    const full = this.#ahead.length - this.#next >= (this.#aheadOfOthers ? 1 : READ_AHEAD - PULL);
    if (this.#reader !== "open" || this.#ended || this.#checking !== undefined || full || this.host.blocked(this.participant)) return;
    this.#reader = "pulling";
    this.host.effect({ kind: "pull", shard: this.ref, max: PULL });
  }

  onOpened(): void {
    if (this.#reader !== "opening") return;
    this.#reader = "open";
    this.host.wake(this);
  }

  onPulled(items: readonly SourceItem[], done: boolean): void {
    if (this.#reader !== "pulling") return;
    this.#reader = "open";
    this.#ended = done;
    this.#confirmations?.pulled(items);
    const last = items.at(-1);
    if (last !== undefined) {
      this.#resume = last.position;
      this.#failures = 0;
      this.#quietSince = this.host.now;
      if (this.#idle) {
        this.#idle = false;
        this.#unannounced = true;
        this.host.reporter.again(this.participant);
      }
      this.#check(items);
    }
    this.host.wake(this);
  }

  /** The source failed: read again from the last item that was injected, or stop if that does not help. */
  onSourceFailed(error: unknown): void {
    this.#failures++;
    if (this.#failures >= FAILURES || (error as { code?: unknown }).code === "config") {
      this.host.fail(error);
      return;
    }
    const wait = BACKOFF_FIRST * 2 ** (this.#failures - 1);
    this.host.logOf(this.name, undefined).warn(`${this.planned.node.source.description} failed and is opened again in ${wait} ms: ${messageOf(error)}`);
    this.host.effect({ kind: "close-edge", shard: this.ref });
    this.#reader = "closed";
    this.#confirmations?.reopened();
    this.#retryAt = this.host.now + wait;
    this.host.wake(this);
  }

  #check(items: readonly SourceItem[]): void {
    const { source } = this.planned.node;
    if (!deduplicates(source)) {
      for (const item of items) {
        const given = source.id === undefined ? undefined : givenId(source, item);
        this.#ahead.push(given === undefined ? item : new Prepared(item, given.id, false, given.refused));
      }
      return;
    }
    this.#checking = items;
    const unknown: string[] = [];
    for (const item of items) {
      const { id } = givenId(source, item);
      if (id !== undefined && this.#recent.has(id) === undefined) unknown.push(id);
    }
    if (unknown.length === 0) this.onIds([], []);
    else this.host.effect({ kind: "read-ids", shard: this.ref, sequencer: this.sequencer, ids: unknown });
  }

  /** The answer to `read-ids`; undefined: it failed, and is asked again. */
  onIds(ids: readonly string[], known: readonly boolean[] | undefined): void {
    const items = this.#checking;
    if (items === undefined) return;
    if (known === undefined) {
      this.host.effect({ kind: "read-ids", shard: this.ref, sequencer: this.sequencer, ids });
      return;
    }
    this.#checking = undefined;
    const stored = new Set(ids.filter((_, i) => known[i]));
    for (const item of items) {
      const { id, refused } = givenId(this.planned.node.source, item);
      this.#ahead.push(new Prepared(item, id, id !== undefined && stored.has(id), refused));
    }
    this.host.wake(this);
  }

  // ── injecting ───────────────────────────────────────────────────────────────────────────────────────────────────

  #inject(item: SourceItem, id: string | undefined, duplicate: boolean, refused: string | undefined): void {
    const open = this.#open;
    open.items++;
    this.#position = item.position;
    if (!item.mark) {
      if (item.failure !== undefined) this.#refuse(item, id, Number.NaN, item.failure);
      else if (refused !== undefined) this.#refuse(item, id, Number.NaN, refused);
      else this.#injectValue(item, id, duplicate);
    }
    if (item.watermark !== undefined) this.#estimator.promise(item.watermark);
  }

  #injectValue(item: SourceItem, id: string | undefined, duplicate: boolean): void {
    const open = this.#open;
    const { source } = this.planned.node;
    const unique = id !== undefined && deduplicates(source);
    if (duplicate || (unique && this.#recent.has(id) === true)) {
      open.duplicates++;
      this.#confirmations?.add({ kind: "duplicate" });
      return;
    }
    let timestamp: unknown;
    try {
      timestamp = source.timestamp === undefined ? (item.timestamp ?? this.wallTime()) : source.timestamp(item.value);
      const reason = refuseTimestamp(timestamp, this.wallTime(), source.maxAhead) ?? refuseAge(source, timestamp as number, this.image.input);
      if (reason !== undefined) {
        this.#refuse(item, id, typeof timestamp === "number" ? timestamp : Number.NaN, reason);
        return;
      }
      const { productions } = open;
      const from = productions.length;
      const place = this.nextPlace();
      open.bytes += deliver(this.planned.output, { value: item.value, timestamp: timestamp as number, id, place, senderKey: "" }, this.origin, productions);
      if (item.trace !== undefined) open.bytes += carry(item.trace, productions, from);
      open.produced += productions.length - from;
      this.#confirmations?.add({ kind: "injected", id: id ?? placeId(this.ref, this.monotonic, place), timestamp: timestamp as number });
    } catch (error) {
      this.#refuse(item, id, Number(timestamp), messageOf(error));
      return;
    }
    open.processed++;
    if (unique) {
      open.ids.push({ id, timestamp: timestamp as number });
      this.#recent.add(id);
    }
    if ((timestamp as number) > this.image.last) this.image.last = timestamp as number;
    this.#estimator.observe(timestamp as number);
  }

  #refuse(item: SourceItem, id: string | undefined, timestamp: number, reason: string): void {
    const bytes = refusedBytes(this.planned.output.codec, item, { id, timestamp, reason, at: this.wallTime() });
    this.#open.dead.push({ id: this.image.nextDead++, bytes });
    this.#confirmations?.add({ kind: "refused", reason });
    this.host.logOf(this.name, undefined).warn(`a record went to dead letters: ${reason}`);
  }

  #finish(): void {
    this.#done = true;
    this.#open.changed = true;
    this.host.effect({ kind: "close-edge", shard: this.ref });
  }

  #watchSilence(): void {
    const { idleAfter } = this.planned.node.source.watermark;
    const busy = this.#ahead.length > this.#next || this.#open.items > 0 || this.inFlight !== undefined;
    if (idleAfter === undefined || this.#idle || this.#done || this.#reader !== "pulling" || busy) return;
    if (this.host.now - this.#quietSince < idleAfter) return;
    this.#idle = true;
    this.host.reporter.again(this.participant);
  }

  /** The authority has the injector's status as `status`. */
  onReported(status: Standing): void {
    if (!this.#unannounced || status === "idle") return;
    this.#unannounced = false;
    this.#quietSince = this.host.now;
    this.host.wake(this);
  }

  readyAt(): number {
    return this.#open.items > 0 || this.#open.changed ? 0 : Number.POSITIVE_INFINITY;
  }

  wakeAt(): number {
    if (this.#done) return Number.POSITIVE_INFINITY;
    const { idleAfter, tellEvery } = this.planned.node.source.watermark;
    const silence = idleAfter === undefined || this.#idle ? Number.POSITIVE_INFINITY : this.#quietSince + idleAfter;
    const retry = this.#reader === "closed" ? this.#retryAt : Number.POSITIVE_INFINITY;
    return Math.min(silence, retry, this.#toldAt + (tellEvery ?? Number.POSITIVE_INFINITY));
  }

  /** The productions of the open batch, in order; what is handed over ahead is taken out of them. */
  get gathered(): Production[] {
    return this.#open.productions;
  }

  seal(): Commit {
    const batch = this.#open;
    const { image } = this;
    image.input = this.#done ? END : Math.max(image.input, this.#estimator.current());
    this.#percentiles?.seal(image.input, this.number + 1);
    image.checkpoint = { position: this.#position, estimate: this.#estimator.save(), done: this.#done } satisfies Checkpoint;
    image.counters.processed += batch.processed;
    image.counters.duplicates += batch.duplicates;
    image.counters.deadLetters += batch.dead.length;
    image.counters.produced += batch.produced;
    const { source } = this.planned.node;
    const forgotten = forgottenBelow(source, image.input);
    const expire = deduplicates(source) && forgotten > this.#expired + source.idRetention / 16;
    if (expire) this.#expired = forgotten;
    const commit = this.commitOf({
      deadPuts: batch.dead,
      ids: batch.ids,
      idsExpireBelow: expire ? this.#expired : undefined,
      productions: batch.productions,
    });
    this.#confirmations?.seal();
    this.#open = new Injection();
    this.inFlight = commit;
    return commit;
  }

  committed(): void {
    this.inFlight = undefined;
    this.#committed = this.image.input;
    const fates = this.#confirmations?.told(this.number) ?? [];
    if (fates.length > 0) this.host.effect({ kind: "confirm", shard: this.ref, fates });
  }

  /** When the worker stops, and after each commit from then on. A source that is to be told of a commit is closed after it. */
  stop(): void {
    if (this.#confirmations === undefined || (this.inFlight === undefined && this.readyAt() > 0)) this.close();
  }

  close(): void {
    this.#reader = "closed";
    this.#retryAt = Number.POSITIVE_INFINITY;
    this.host.effect({ kind: "close-edge", shard: this.ref });
  }

  get confirmed(): ConfirmedIds | undefined {
    return this.#confirmations?.confirmed;
  }
  get output(): number {
    return Math.min(this.#committed, this.outbox.hold);
  }
  override percentileOutput(percentile: number): number {
    return Math.max(this.output, this.#percentiles?.outputs.value(percentile, this.acknowledged, this.outbox) ?? this.output);
  }

  get status(): Standing {
    // What is on its way is neither the end nor nothing.
    if (this.#committed === END && this.outbox.empty) return "finished";
    if (this.#idle && this.outbox.empty) return "idle";
    return this.host.blocked(this.participant) ? "back-pressured" : "live";
  }

  why(): Holder {
    const base = { at: this.output, shard: this.ref, name: this.name };
    if (base.at < this.#committed) return { ...base, ...undelivered(this.outbox, base.at) };
    if (base.at === END) return { kind: "end", ...base };
    if (this.#done || this.image.input > base.at || this.#estimator.current() > base.at)
      return { kind: "commit", ...base, commit: this.inFlight?.number, since: this.inFlight && this.sealedAt };
    const waiting = { ...base, since: this.#quietSince, detail: this.planned.node.source.watermark.description };
    if (this.#aheadOfOthers) return { kind: "skew", ...waiting, since: undefined };
    return this.#idle
      ? { kind: "idle", ...waiting }
      : { kind: "promise", ...waiting, ...(this.#failures > 0 && { attempts: this.#failures, retryAt: this.#retryAt }) };
  }
}
