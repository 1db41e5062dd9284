/**
 * What one shard has stored, in memory, and the changes a commit makes to it. Owns the structures; the checks are
 * `outcome.ts`, and what spans shards (graph, appends, watermarks) is `memory-data.ts`.
 *
 * Bytes are kept as they were given, without a copy: a sealed commit never changes, and readers do not write to what
 * they read.
 */
import type { ShardRef } from "../key.ts";
import type { Commit, HoldSet, Numbered, Place, Sequencer, TimerClock } from "./commit.ts";
import { timerHold } from "./address.ts";
import { comparePlaces } from "../dedup/place.ts";
import { MemoryTimes } from "./memory-times.ts";
import { identityOf } from "./outcome.ts";
import type { EntryCounts, InboxRead, InboxTail, RecoverLimits, RecoveredShard, ShardSummary, StoredOutboxEntry, StoredTimerEntry } from "./store.ts";

const NO_BYTES = new Uint8Array(0);

export class MemoryShard {
  readonly shard: ShardRef;

  sequencer: Sequencer | undefined = undefined;
  /** Monotonic part of the last sequencer granted; outlives a release. */
  monotonic = 0;
  owner: string | undefined = undefined;
  leaseUntil = 0;

  number = 0;
  id = "";
  image: Uint8Array | undefined = undefined;

  position = 0;
  offset = 0;
  tail = 0;
  queued = 0;
  consumedIdentity: Uint8Array = NO_BYTES;
  /** Parcels from `position` to `tail`. */
  readonly #parcels = new ParcelQueue();

  readonly #state = new Map<string, Uint8Array>();
  #timers = { watermark: new MemoryTimes(), wall: new MemoryTimes() };
  #holds = new MemoryTimes();
  #ids = new MemoryTimes();
  readonly #held = new Map<number, Uint8Array>();
  readonly #dead = new Map<number, Uint8Array>();
  readonly #outbox = new Map<string, StoredOutboxEntry>();
  /** Last place taken of each sender in another atomic domain. */
  readonly marks = new Map<ShardRef, Place>();

  constructor(shard: ShardRef) {
    this.shard = shard;
  }

  parcelAt(position: number): Uint8Array {
    return this.#parcels.at(position - this.position);
  }

  append(bytes: Uint8Array, records: number): void {
    this.#parcels.push(bytes);
    this.tail += 1;
    this.queued += records;
  }

  /** Everything of a checked commit except its parcels, which go to other shards. */
  apply(commit: Commit): void {
    this.#consume(commit);
    for (const [i, field] of commit.stateFields.entries()) {
      const value = commit.stateValues[i];
      if (value === undefined) this.#state.delete(field);
      else this.#state.set(field, value);
    }
    for (const { clock, member } of commit.timerDeletes) this.#timers[clock].delete(member);
    for (const { clock, member, time } of commit.timerSets) this.#timers[clock].set(member, time);
    for (const member of commit.holdDeletes) this.#holds.delete(member);
    for (const { member, time } of commit.holdSets) this.#holds.set(member, time);
    for (const id of commit.heldDeletes) this.#held.delete(id);
    for (const { id, bytes } of commit.heldPuts) this.#held.set(id, bytes);
    for (const id of commit.deadDeletes) this.#dead.delete(id);
    for (const { id, bytes } of commit.deadPuts) this.#dead.set(id, bytes);
    for (const { id, timestamp } of commit.ids) this.#ids.set(id, timestamp);
    if (commit.idsExpireBelow !== undefined) this.#ids.deleteBelow(commit.idsExpireBelow);
    const monotonic = this.monotonic;
    for (const { target, place } of commit.outboxDeletes) this.#outbox.delete(outboxKey(target, place));
    for (const { target, n, previous, records, bytes } of commit.outbox) {
      const place = { monotonic, n };
      this.#outbox.set(outboxKey(target, place), { target, place, previous, records, bytes });
    }
    this.image = commit.image;
    this.number = commit.number;
    this.id = commit.id;
  }

  #consume({ consumed }: Commit): void {
    if (consumed === undefined) return;
    if (consumed.position > this.position) {
      // A copy, so that 24 bytes do not keep the whole parcel alive.
      this.consumedIdentity = identityOf(this.parcelAt(consumed.position - 1)).slice();
      this.#parcels.drop(consumed.position - this.position);
    }
    this.position = consumed.position;
    this.offset = consumed.offset;
    this.queued -= consumed.records;
  }

  readInbox(from: number, maxParcels: number): InboxRead {
    const start = Math.max(from, this.position);
    const end = Math.min(this.tail, start + Math.max(maxParcels, 1));
    const parcels: Uint8Array[] = [];
    for (let position = start; position < end; position++) parcels.push(this.parcelAt(position));
    return { from: start, parcels, tail: this.tail };
  }

  readState(fields: readonly string[]): (Uint8Array | undefined)[] {
    return fields.map((field) => this.#state.get(field));
  }

  readTimers(clock: TimerClock, limit: number): StoredTimerEntry[] {
    return this.#timers[clock].head(limit).map(({ member, time }) => ({ member, time, hold: this.#holds.get(timerHold(clock, member)) }));
  }

  readHolds(limit: number): HoldSet[] {
    return this.#holds.head(limit);
  }

  readIds(ids: readonly string[]): boolean[] {
    return ids.map((id) => this.#ids.get(id) !== undefined);
  }

  readDeadLetters(limit: number): Numbered[] {
    return inOrder(this.#dead).slice(0, limit);
  }

  inboxTail(): InboxTail {
    return { shard: this.shard, tail: this.tail, queued: this.queued };
  }

  recover(limits: RecoverLimits): RecoveredShard {
    const { shard, number, image, position, offset, tail, queued } = this;
    return {
      shard,
      number,
      image,
      position,
      offset,
      tail,
      queued,
      stateCount: this.#state.size,
      idCount: this.#ids.size,
      deadCount: this.#dead.size,
      watermarkTimers: this.readTimers("watermark", limits.timers),
      wallTimers: this.readTimers("wall", limits.timers),
      watermarkTimerCount: this.#timers.watermark.size,
      wallTimerCount: this.#timers.wall.size,
      holds: this.#holds.head(limits.holds),
      holdCount: this.#holds.size,
      held: inOrder(this.#held),
      outbox: [...this.#outbox.values()].sort((a, b) => a.target - b.target || comparePlaces(a.place, b.place)),
    };
  }

  summarize(): ShardSummary {
    const { shard, sequencer, owner, leaseUntil, number, image, queued, tail } = this;
    const { state, held, dead, outbox } = this.count();
    const timers = this.#timers;
    return {
      shard,
      sequencer,
      owner,
      leaseUntil,
      number,
      image,
      queued,
      tail,
      stateCount: state,
      watermarkTimers: timers.watermark.size,
      wallTimers: timers.wall.size,
      held,
      dead,
      outbox,
    };
  }

  count(): EntryCounts {
    return {
      state: this.#state.size,
      timers: this.#timers.watermark.size + this.#timers.wall.size,
      queued: this.queued,
      held: this.#held.size,
      dead: this.#dead.size,
      outbox: this.#outbox.size,
    };
  }

  /** An independent copy: what a store holds that later loses its tail. The bytes are shared. */
  copy(): MemoryShard {
    const copy = new MemoryShard(this.shard);
    const { sequencer, monotonic, owner, leaseUntil, number, id, image, position, offset, tail, queued, consumedIdentity } = this;
    Object.assign(copy, { sequencer, monotonic, owner, leaseUntil, number, id, image, position, offset, tail, queued, consumedIdentity });
    for (let at = position; at < tail; at++) copy.#parcels.push(this.parcelAt(at));
    for (const [field, value] of this.#state) copy.#state.set(field, value);
    copy.#timers = { watermark: this.#timers.watermark.copy(), wall: this.#timers.wall.copy() };
    copy.#holds = this.#holds.copy();
    copy.#ids = this.#ids.copy();
    for (const [id, bytes] of this.#held) copy.#held.set(id, bytes);
    for (const [id, bytes] of this.#dead) copy.#dead.set(id, bytes);
    for (const [key, entry] of this.#outbox) copy.#outbox.set(key, entry);
    for (const [from, place] of this.marks) copy.marks.set(from, place);
    return copy;
  }
}

const outboxKey = (target: ShardRef, place: Place): string => `${target}:${place.monotonic}:${place.n}`;

function inOrder(entries: ReadonlyMap<number, Uint8Array>): Numbered[] {
  return [...entries].map(([id, bytes]) => ({ id, bytes })).sort((a, b) => a.id - b.id);
}

/** A queue whose head is dropped without moving the rest each time. */
class ParcelQueue {
  #parcels: Uint8Array[] = [];
  #head = 0;

  at(index: number): Uint8Array {
    return this.#parcels[this.#head + index]!;
  }

  push(parcel: Uint8Array): void {
    this.#parcels.push(parcel);
  }

  drop(count: number): void {
    this.#parcels.fill(NO_BYTES, this.#head, this.#head + count);
    this.#head += count;
    if (this.#head > 64 && this.#head * 2 > this.#parcels.length) {
      this.#parcels = this.#parcels.slice(this.#head);
      this.#head = 0;
    }
  }
}
