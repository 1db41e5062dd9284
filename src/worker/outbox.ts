/**
 * The outbox of one shard as its owner sees it: its productions for other atomic domains, from the commit that stores them
 * until they are delivered and deleted. Which domain is delivered to, and when, is `delivery.ts`; the rules of places are
 * `dedup/place.ts`.
 *
 * O1  An entry is delivered only when the commit that stored it has been acknowledged: what is not stored is not produced.
 * O2  Entries of a channel are delivered in the order of their places, so what one key sends another stays in order.
 * O3  Until it is delivered an entry holds the output watermark, at no less than where that stood when it was sealed (R6).
 * O4  An entry is deleted only by a commit that was sealed after it was delivered.
 * O5  What is stored tells the next owner the last place of each channel (R9): an entry, or, once all are delivered and
 *     deleted, a note: an entry of place 0, without records, whose previous place it is. A note is never delivered.
 */
import { comparePlaces, isNext, NOWHERE } from "../dedup/place.ts";
import { participantOf, type ShardRef } from "../key.ts";
import type { Delivery, DeliverOutcome, OutboxEntry, OutboxKey, ParcelAppend, Place, RecoveredShard } from "../store/index.ts";
import { leastTimestamp, unpackParcel } from "./parcel.ts";

/** Undelivered records and bytes of one shard from which on it starts no new work. One batch may overshoot them. */
const FULL_RECORDS = 4_096;
const FULL_BYTES = 8 << 20;
/** ms after which delivered entries are deleted although there is nothing else to commit. */
const TIDY_AFTER = 250;
const NO_BYTES = new Uint8Array(0);
const NONE: readonly never[] = [];

interface Entry {
  readonly place: Place;
  readonly previous: Place | undefined;
  readonly records: number;
  readonly bytes: Uint8Array;
  readonly hold: number;
  /** Number of the commit that stored it; 0: an earlier owner's. */
  readonly number: number;
  /** When it was sealed or recovered, by the worker's clock. */
  readonly since: number;
}

/** What this shard sends to one other. */
interface Channel {
  readonly target: ShardRef;
  /** In order: those delivered and not deleted, then those that are not delivered. */
  readonly entries: Entry[];
  delivered: number;
  /** The last place that was given, by whatever owner. */
  last: Place | undefined;
  /** Under this sequencer. */
  n: number;
  /** Notes of earlier owners. */
  notes: OutboxKey[];
  /** The next entry follows upon the mark that the receiver told: what was between the two is lost. */
  bridge: Place | undefined;
}

export interface OutboxOwner {
  readonly ref: ShardRef;
  readonly monotonic: number;
  readonly host: { readonly now: number; readonly options: OutboxOptions };
}
interface OutboxOptions {
  readonly domains: number;
  readonly domainOf: (shard: ShardRef) => number;
  readonly plan: { readonly participants: readonly { readonly id: number }[] };
}

/** What a commit does to the outbox. */
export interface OutboxChange {
  readonly parcels: readonly ParcelAppend[];
  readonly outbox: readonly OutboxEntry[];
  readonly outboxDeletes: readonly OutboxKey[];
}

/** What came of a delivery that is worth telling. */
export type Settled = "delivered" | "again" | "lost" | "dropped";

export class Outbox {
  readonly #owner: OutboxOwner;
  readonly #channels = new Map<ShardRef, Channel>();
  readonly #byDomain = new Map<number, Channel[]>();
  /** Stored entries that are for shards which the graph does not have any more. */
  #orphans: OutboxKey[] = [];
  #records = 0;
  #bytes = 0;
  /** Commits up to this number are acknowledged, so that what they stored may be delivered. */
  #acknowledged: number;
  #hold: number | undefined = Number.POSITIVE_INFINITY;
  /** Since when there is something to delete. */
  #untidySince: number | undefined = undefined;

  /** `floor`: where the output watermark stands at least. */
  constructor(owner: OutboxOwner, { number, outbox }: Pick<RecoveredShard, "number" | "outbox">, floor: number) {
    this.#owner = owner;
    this.#acknowledged = number;
    const { now, options } = owner.host;
    const known = new Set(options.plan.participants.map(({ id }) => id));
    for (const { target, place, previous, records, bytes } of outbox) {
      const channel = known.has(participantOf(target)) ? this.#channel(target) : undefined;
      if (channel === undefined) {
        this.#orphans.push({ target, place });
        this.#untidySince = now;
        continue;
      }
      const last = place.n === 0 ? previous : place;
      if (last !== undefined && comparePlaces(last, channel.last ?? NOWHERE) > 0) channel.last = last;
      if (place.n === 0) channel.notes.push({ target, place });
      else this.#add(channel, { place, previous, records, bytes, hold: Math.max(leastOf(bytes), floor), number: 0, since: now });
    }
    this.#hold = undefined;
  }

  // ── sealing ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What the commit of this number does with the parcels that it sends. `floor`: the output watermark of now. */
  seal(parcels: readonly ParcelAppend[], number: number, floor: number): OutboxChange {
    const { ref, host } = this.#owner;
    const { domains, domainOf } = host.options;
    if (domains === 1) return { parcels, outbox: NONE, outboxDeletes: NONE };
    const mine = domainOf(ref);
    const near: ParcelAppend[] = [];
    const outbox: OutboxEntry[] = [];
    const sent = new Set<Channel>();
    for (const parcel of parcels) {
      if (domainOf(parcel.target) === mine) near.push(parcel);
      else sent.add(this.#send(parcel, number, floor, outbox));
    }
    return { parcels: near, outbox, outboxDeletes: this.#tidy(sent, outbox) };
  }

  #send({ target, records, bytes }: ParcelAppend, number: number, floor: number, outbox: OutboxEntry[]): Channel {
    const channel = this.#channel(target);
    channel.n += 1;
    const place = { monotonic: this.#owner.monotonic, n: channel.n };
    const previous = channel.n === 1 ? channel.last : undefined;
    channel.last = place;
    outbox.push({ target, n: place.n, previous, records, bytes });
    this.#add(channel, { place, previous, records, bytes, hold: Math.max(leastTimestamp(bytes), floor), number, since: this.#owner.host.now });
    return channel;
  }

  /** Deletes what was delivered, and leaves a note where nothing is left that tells a channel's last place. */
  #tidy(sent: ReadonlySet<Channel>, outbox: OutboxEntry[]): readonly OutboxKey[] {
    if (this.#untidySince === undefined && sent.size === 0) return NONE;
    const deletes = this.#orphans;
    this.#orphans = [];
    this.#untidySince = undefined;
    for (const channel of this.#channels.values()) {
      const { target, entries, delivered } = channel;
      if (delivered > 0 || sent.has(channel)) deletes.push(...channel.notes.splice(0));
      if (delivered === 0) continue;
      for (const { place } of entries.splice(0, delivered)) deletes.push({ target, place });
      channel.delivered = 0;
      if (entries.length === 0) outbox.push({ target, n: 0, previous: channel.last, records: 0, bytes: NO_BYTES });
    }
    return deletes;
  }

  /** The commit of this number, and all before it, are stored. */
  acknowledge(number: number): void {
    this.#acknowledged = number;
  }

  // ── delivering ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Domains to which something can be delivered. */
  domains(): ReadonlySet<number> {
    const domains = new Set<number>();
    for (const [domain, channels] of this.#byDomain) if (channels.some((channel) => this.#isReady(channel))) domains.add(domain);
    return domains;
  }

  /** Adds what can be delivered to a domain, until there are `most` of it. True: there is more. */
  collect(domain: number, deliveries: Delivery[], most: { readonly entries: number; readonly bytes: number }): boolean {
    let bytes = 0;
    for (const delivery of deliveries) bytes += delivery.bytes.length;
    for (const channel of this.#byDomain.get(domain) ?? NONE) {
      for (let i = channel.delivered; i < channel.entries.length; i++) {
        const entry = channel.entries[i] as Entry;
        if (entry.number > this.#acknowledged) break;
        if (deliveries.length >= most.entries || (bytes > 0 && bytes + entry.bytes.length > most.bytes)) return true;
        const previous = i === channel.delivered ? (channel.bridge ?? entry.previous) : entry.previous;
        deliveries.push({ from: this.#owner.ref, to: channel.target, place: entry.place, previous, records: entry.records, bytes: entry.bytes });
        bytes += entry.bytes.length;
      }
    }
    return false;
  }

  /** A delivery was answered. */
  settle({ to, place }: Delivery, outcome: DeliverOutcome, mark: Place | undefined): Settled {
    const channel = this.#channels.get(to);
    if (channel === undefined) return "again";
    if (outcome === "behind") return this.#behind(channel, mark);
    let passed = 0;
    for (const entry of channel.entries) if (comparePlaces(entry.place, place) <= 0) passed++;
    for (; channel.delivered < passed; channel.delivered++) this.#count(channel.entries[channel.delivered] as Entry, -1);
    channel.bridge = undefined;
    this.#untidySince ??= this.#owner.host.now;
    this.#hold = undefined;
    return outcome === "after-loss" ? "lost" : outcome === "gone" ? "dropped" : outcome === "duplicate" ? "again" : "delivered";
  }

  /** The receiver has lost its tail: what it lacks is delivered again, as far as it is there. */
  #behind(channel: Channel, mark: Place = NOWHERE): Settled {
    let there = 0;
    while (there < channel.entries.length && comparePlaces((channel.entries[there] as Entry).place, mark) <= 0) there++;
    for (; channel.delivered > there; channel.delivered--) this.#count(channel.entries[channel.delivered - 1] as Entry, 1);
    const next = channel.entries[channel.delivered];
    channel.bridge = next === undefined || isNext(mark, next.place, next.previous) ? undefined : mark;
    this.#hold = undefined;
    return "again";
  }

  // ── what it holds ───────────────────────────────────────────────────────────────────────────────────────────────

  /** The smallest hold of what is not delivered; Infinity: all is. */
  get hold(): number {
    return (this.#hold ??= this.#first((least, entry) => entry.hold < least.hold)?.hold ?? Number.POSITIVE_INFINITY);
  }

  /** Is everything delivered that was sealed so far? */
  get empty(): boolean {
    return this.#records === 0;
  }

  /** Is everything delivered that commits up to this number have stored? */
  deliveredTo(number: number): boolean {
    return this.empty || (this.#first((least, entry) => entry.number < least.number)?.number ?? Number.POSITIVE_INFINITY) > number;
  }

  /** Too much is not delivered for anything new to be begun. */
  get full(): boolean {
    return this.#records > FULL_RECORDS || this.#bytes > FULL_BYTES;
  }

  /** When a commit is wanted only to delete what was delivered; Infinity: there is nothing to delete. */
  get tidyAt(): number {
    return (this.#untidySince ?? Number.POSITIVE_INFINITY) + TIDY_AFTER;
  }

  /** Of what holds at `at`: how many records, since when, and where to. */
  holder(at: number): { readonly records: number; readonly since: number; readonly target: ShardRef } | undefined {
    for (const { target, entries, delivered } of this.#channels.values()) {
      const entry = entries.slice(delivered).find(({ hold }) => hold <= at);
      if (entry !== undefined) return { records: this.#records, since: entry.since, target };
    }
    return undefined;
  }

  // ── channels ────────────────────────────────────────────────────────────────────────────────────────────────────

  #channel(target: ShardRef): Channel {
    let channel = this.#channels.get(target);
    if (channel === undefined) {
      const domain = this.#owner.host.options.domainOf(target);
      channel = { target, entries: [], delivered: 0, last: undefined, n: 0, notes: [], bridge: undefined };
      this.#channels.set(target, channel);
      const others = this.#byDomain.get(domain);
      if (others === undefined) this.#byDomain.set(domain, [channel]);
      else others.push(channel);
    }
    return channel;
  }

  #add(channel: Channel, entry: Entry): void {
    channel.entries.push(entry);
    this.#count(entry, 1);
    this.#hold = undefined;
  }

  #count({ records, bytes }: Entry, by: 1 | -1): void {
    this.#records += by * records;
    this.#bytes += by * bytes.length;
  }

  #isReady({ entries, delivered }: Channel): boolean {
    const entry = entries[delivered];
    return entry !== undefined && entry.number <= this.#acknowledged;
  }

  /** Of what is not delivered, the one that comes before all others. */
  #first(isBefore: (least: Entry, entry: Entry) => boolean): Entry | undefined {
    let first: Entry | undefined;
    for (const { entries, delivered } of this.#channels.values()) {
      for (let i = delivered; i < entries.length; i++) if (first === undefined || isBefore(first, entries[i] as Entry)) first = entries[i];
    }
    return first;
  }
}

/** As `leastTimestamp`, of bytes that come from a store: throws `DecodeError` where they are no parcel. */
function leastOf(bytes: Uint8Array): number {
  let least = Number.POSITIVE_INFINITY;
  unpackParcel(bytes, ({ timestamp }) => {
    if (timestamp < least) least = timestamp;
  });
  return least;
}
