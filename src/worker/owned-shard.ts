/**
 * What every shard that this worker owns has in common: its sequencer, the numbering of its commits, its image, and
 * its watermarks. What it does is up to its kind (`computation-shard.ts`, `injector-shard.ts`, `sink-shard.ts`).
 *
 * I1  At most one commit of a shard is in flight; the next has its number + 1 and is sealed after it was acknowledged.
 * I2  The input watermark never falls while the shard is owned.
 * I3  A bound is taken over only when every record that the inbox had at the moment of the bound has been read (R5).
 */
import type { Log } from "../computation/context.ts";
import type { NewerDataError } from "../errors.ts";
import type { ShardRef } from "../key.ts";
import { type Commit, type EntryAppend, monotonicOf, type RecoveredShard, type Sequencer } from "../store/index.ts";
import { BEGINNING } from "../time.ts";
import type { Track } from "../watermark/percentile.ts";
import type { Standing } from "../watermark/upstream.ts";
import type { Holder } from "./holder.ts";
import { Inbox } from "./inbox.ts";
import { type Counters, decodeImage, encodeImage, newImage, type ShardImage } from "./image.ts";
import { Outbox } from "./outbox.ts";
import { HandedParcel, type Origin, type PackedParcel, packParcel, PARCEL_RECORDS, type Production } from "./parcel.ts";
import { ShardPercentiles } from "./shard-percentiles.ts";
import type { Effect } from "./effect.ts";
import type { Chain } from "./chain.ts";
import type { PlannedInjector } from "./plan.ts";
import type { EngineOptions } from "./engine-options.ts";
import type { ShardTable } from "./shard-table.ts";

/** What a shard needs of the engine around it. */
export interface ShardHost {
  /** The worker's clock, as of this turn, ms. */
  readonly now: number;
  /** The latest store clock that a reply has told, ms. */
  readonly storeNow: number;
  readonly options: EngineOptions;
  readonly shards: ShardTable;
  effect(effect: Effect): void;
  /** The shard has become able to do something. */
  wake(shard: OwnedShard): void;
  /** Is a shard that this participant feeds above its high mark? */
  blocked(participant: number): boolean;
  /** Gives shards up, to acquire them anew. */
  lose(shards: readonly ShardRef[]): void;
  /** Who is told that a participant has to be left to workers with newer code. */
  readonly ownership: { decline(participant: number, error: NewerDataError): void };
  /** Ends the pipeline with an error. */
  fail(error: unknown): void;
  readonly chain: Chain;
  logOf(participant: string, key: string | undefined): Log;
  readonly reporter: {
    /** How far an injector's watermark may have come for it to take another record. */
    furthestOf(injector: PlannedInjector): number;
    /** The participant's status is to be reported soon, and its shards told of it, even if it is what was reported last. */
    again(participant: number): void;
    /** What is published of one of a participant's tracks. */
    published(track: number): { readonly output: number };
  };
}

/** What a batch adds to the head of its commit; what is left out is empty. */
type Made = "shard" | "sequencer" | "number" | "id" | "graphVersion" | "image" | "parcels" | "outbox" | "outboxDeletes";
export type CommitBody = Partial<Omit<Commit, Made>> & { readonly productions?: readonly Production[] };
const NONE: readonly never[] = [];

export abstract class OwnedShard {
  abstract readonly kind: "injector" | "computation" | "sink";
  readonly ref: ShardRef;
  readonly participant: number;
  readonly name: string;
  readonly sequencer: Sequencer;
  readonly monotonic: number;
  readonly host: ShardHost;
  readonly image: ShardImage;
  /** Records waiting in the inbox, as last told by the store. */
  queued: number;
  /** Number of the last sealed commit. */
  number: number;
  inFlight: Commit | undefined = undefined;
  /** The image of the last commit that was acknowledged, or read. */
  acknowledgedImage: Uint8Array | undefined;
  /** When the last commit was sealed, by the worker's clock. */
  sealedAt = 0;
  /** The largest event time that the last sealed commit knows of, and the one before. */
  #sealedLast: number;
  #lastBefore = BEGINNING;
  /** On its way to another worker: nothing new is begun. */
  leaving = false;
  /** Who it is to receivers. */
  readonly origin: Origin;
  /** Its productions for other atomic domains. */
  readonly outbox: Outbox;
  /** Receivers here whose known end has been behind all that this one has appended to their inboxes. */
  readonly met = new WeakSet<OwnedShard>();
  readonly #recovered: Counters;
  #places = 0;

  /** `floor`: the output watermark that was published of it, where that is known. */
  constructor(
    host: ShardHost,
    participant: { readonly id: number; readonly name: string },
    sequencer: Sequencer,
    recovered: RecoveredShard,
    floor: number = BEGINNING,
  ) {
    this.host = host;
    this.ref = recovered.shard;
    this.participant = participant.id;
    this.name = participant.name;
    this.sequencer = sequencer;
    this.monotonic = monotonicOf(sequencer);
    this.origin = { sender: this.ref, monotonic: this.monotonic };
    this.number = recovered.number;
    this.queued = recovered.queued;
    this.acknowledgedImage = recovered.image;
    this.image = recovered.image === undefined ? newImage() : decodeImage(recovered.image);
    this.#recovered = { ...this.image.counters };
    this.#sealedLast = this.image.last;
    this.outbox = new Outbox(this, recovered, floor);
  }

  /** Does what can be done now, at most about `budget` records of it; gives how many. */
  abstract pump(budget: number): number;
  /** From when on a commit is wanted, by the worker's clock; Infinity: there is nothing to commit. */
  abstract readyAt(): number;
  /** As `readyAt`; also where only the outbox is to be tidied, and nothing else is under way. */
  commitAt(): number {
    const ready = this.readyAt();
    return ready === Number.POSITIVE_INFINITY && !this.busy ? this.outbox.tidyAt : ready;
  }
  /** Makes the commit of the open batch. */
  abstract seal(): Commit;
  /** The commit in flight has been applied. */
  abstract committed(): void;
  /** Is something of it under way outside, besides reading: a call of user code, a write, an opening? */
  get busy(): boolean {
    return false;
  }
  /** The shard is given up: nothing that is remembered may be used again. */
  abstract close(): void;
  abstract get output(): number;
  /** The output watermark of a percentile that the participant follows; never below `output`. */
  percentileOutput(_percentile: number): number {
    return this.output;
  }
  abstract get status(): Standing;
  /** What holds the output watermark, as seen from here. */
  abstract why(): Holder;
  /** When it wants to be pumped although nothing happens, by the worker's clock; Infinity: never. One that has passed may wait for something else. */
  abstract wakeAt(): number;

  get input(): number {
    return this.image.input;
  }

  /** Number of the last commit that was acknowledged. */
  get acknowledged(): number {
    return this.inFlight === undefined ? this.number : this.number - 1;
  }

  /** The largest event time that is known and committed. */
  get last(): number {
    return this.inFlight === undefined ? this.#sealedLast : this.#lastBefore;
  }

  /** What has been counted since the shard was acquired. */
  get counted(): Counters {
    const counted = { ...this.image.counters };
    for (const name of Object.keys(counted) as (keyof Counters)[]) counted[name] -= this.#recovered[name];
    return counted;
  }

  nextPlace(): number {
    this.#places += 1;
    return this.#places;
  }

  wallTime(): number {
    return Math.max(this.image.wallTime, this.host.storeNow);
  }

  /** Packs productions by target, in order; what is appended to streams of the store is left out. */
  #pack(productions: readonly Production[]): { readonly parcels: PackedParcel[]; readonly handed: HandedParcel[] } {
    const ahead = this.host.chain.claim(this);
    const byTarget = new Map<ShardRef, Production[]>();
    for (const [target, records] of ahead?.returned ?? []) byTarget.set(target, records);
    for (const production of productions) {
      if (production.entry !== undefined) continue;
      const known = byTarget.get(production.target);
      if (known === undefined) byTarget.set(production.target, [production]);
      else known.push(production);
    }
    const parcels: PackedParcel[] = [];
    const handed: HandedParcel[] = [];
    for (const [target, { records }] of ahead?.handed ?? []) handed.push(new HandedParcel(target, this.origin, records));
    for (const [target, records] of byTarget) {
      const taken = this.host.chain.offer(this, target, records);
      if (taken > 0) handed.push(new HandedParcel(target, this.origin, taken === records.length ? records : records.slice(0, taken)));
      for (let from = taken; from < records.length; from += PARCEL_RECORDS) {
        const part = from === 0 && records.length <= PARCEL_RECORDS ? records : records.slice(from, from + PARCEL_RECORDS);
        parcels.push({ target, records: part.length, bytes: packParcel(this.ref, this.monotonic, part), productions: part });
      }
    }
    return { parcels, handed };
  }

  /** Makes the next commit; its image is encoded here, so change it before. */
  protected commitOf(body: CommitBody): Commit {
    const { host } = this;
    const { productions = NONE } = body;
    this.image.wallTime = this.wallTime();
    this.number += 1;
    this.sealedAt = host.now;
    this.#lastBefore = this.#sealedLast;
    this.#sealedLast = this.image.last;
    const packed = this.#pack(productions);
    const { parcels, outbox, outboxDeletes } = this.outbox.seal(packed.parcels, this.number, this.output);
    // Written out, not spread: an object that is spread into and then grown becomes a hash table of 8 KB.
    return {
      shard: this.ref,
      sequencer: this.sequencer,
      number: this.number,
      id: host.options.random.id(),
      graphVersion: host.options.plan.version,
      consumed: body.consumed,
      image: encodeImage(this.image),
      stateFields: body.stateFields ?? NONE,
      stateValues: body.stateValues ?? NONE,
      timerSets: body.timerSets ?? NONE,
      timerDeletes: body.timerDeletes ?? NONE,
      holdSets: body.holdSets ?? NONE,
      holdDeletes: body.holdDeletes ?? NONE,
      heldPuts: body.heldPuts ?? NONE,
      heldDeletes: body.heldDeletes ?? NONE,
      deadPuts: body.deadPuts ?? NONE,
      deadDeletes: body.deadDeletes ?? NONE,
      ids: body.ids ?? NONE,
      idsExpireBelow: body.idsExpireBelow,
      parcels,
      chain: host.chain.current,
      handed: packed.handed,
      outbox,
      outboxDeletes,
      entries: body.entries ?? entriesOf(productions),
    };
  }
}

/** What is appended to streams of the store, in the order of production. */
function entriesOf(productions: readonly Production[]): readonly EntryAppend[] {
  let entries: EntryAppend[] | undefined;
  for (const { entry } of productions) if (entry !== undefined) (entries ??= []).push(entry);
  return entries ?? NONE;
}

interface InboxParticipant {
  readonly id: number;
  readonly name: string;
  readonly tracks: readonly Track[];
}

/** A shard with an inbox: it takes its input watermark from upstream. */
export abstract class InboxShard extends OwnedShard {
  readonly inbox: Inbox;
  /** undefined: it follows none. */
  readonly percentiles: ShardPercentiles | undefined;
  #bound: number;
  #waiting: { readonly bound: number; readonly tail: number } | undefined = undefined;
  #latest: { readonly bound: number; readonly tail: number } | undefined = undefined;

  constructor(host: ShardHost, participant: InboxParticipant, sequencer: Sequencer, recovered: RecoveredShard, floor: number) {
    super(host, participant, sequencer, recovered, floor);
    this.inbox = new Inbox(recovered.shard, recovered.position, recovered.offset, recovered.tail);
    this.image.input = Math.max(this.image.input, floor);
    this.#bound = this.image.input;
    this.percentiles = ShardPercentiles.of(participant.tracks, this.image.percentiles, this.image.input);
  }

  /** The smallest hold of what has been read and is not committed. */
  protected abstract get pendingHold(): number;
  /** Nothing is unread, pending or uncommitted here. */
  abstract get quiet(): boolean;

  /** The upstream watermarks allow `bound`, provided that everything before `tail` has been read. */
  learnBound(bound: number, tail: number): void {
    if (bound <= this.#bound) return;
    this.#latest = { bound, tail };
    this.#waiting ??= this.#latest;
    this.advance();
  }

  /** As `learnBound`, of a percentile watermark. */
  learnPercentile(percentile: number, bound: number, tail: number): void {
    this.percentiles?.learn(percentile, bound, tail);
    this.advance();
  }

  /** Raises the input watermark as far as it may rise. */
  advance(): void {
    while (this.#waiting !== undefined && this.inbox.reached(this.#waiting.tail)) {
      this.#bound = Math.max(this.#bound, this.#waiting.bound);
      this.#waiting = this.#latest === this.#waiting ? undefined : this.#latest;
      if (this.#waiting === undefined) this.#latest = undefined;
    }
    const input = Math.min(this.#bound, this.pendingHold);
    if (this.percentiles?.advance(this, input)) this.host.wake(this);
    if (input <= this.image.input) return;
    this.image.input = input;
    this.host.wake(this);
  }

  /** What the upstream watermarks allow so far. */
  protected get bound(): number {
    return this.#bound;
  }

  /** Is there a bound that only waits for unread records? */
  get unread(): boolean {
    return this.#waiting !== undefined;
  }
}
