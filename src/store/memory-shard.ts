/**
 * What one shard has stored, in memory, and the changes a commit makes to it.
 *
 * Bytes are kept as they were given, without a copy: a sealed commit never changes, and readers do not write to what
 * they read.
 */
import type { ShardRef } from "../key.ts";
import type { Commit, HoldSet, Numbered, Place, TimerClock } from "./commit.ts";
import { timerHold } from "./address.ts";
import { comparePlaces } from "../dedup/place.ts";
import { EmbeddedShard, type ShardCounts } from "./embedded-shard.ts";
import { MemoryTimes } from "./memory-times.ts";
import { identityOf } from "./outcome.ts";
import type { EntryKind, Page, ReadEntry, TimeKind } from "./reader.ts";
import type { NamedKind, StoredOutboxEntry, StoredTimerEntry } from "./store.ts";

const NO_BYTES = new Uint8Array(0);

export class MemoryShard extends EmbeddedShard {
  /** Parcels from `position` to `tail`. */
  readonly #parcels = new ParcelQueue();
  readonly #state = new Map<string, Uint8Array>();
  #timers = { watermark: new MemoryTimes(), wall: new MemoryTimes() };
  #holds = new MemoryTimes();
  #ids = new MemoryTimes();
  readonly #held = new Map<number, Uint8Array>();
  readonly #dead = new Map<number, Uint8Array>();
  readonly #outbox = new Map<string, StoredOutboxEntry>();

  get counts(): ShardCounts {
    return {
      state: this.#state.size,
      watermark: this.#timers.watermark.size,
      wall: this.#timers.wall.size,
      holds: this.#holds.size,
      held: this.#held.size,
      dead: this.#dead.size,
      ids: this.#ids.size,
      outbox: this.#outbox.size,
    };
  }

  parcelAt(position: number): Uint8Array {
    return this.#parcels.at(position - this.position);
  }

  append(bytes: Uint8Array, records: number): void {
    this.#parcels.push(bytes);
    this.tail += 1;
    this.queued += records;
  }

  admit(): void {
    // Memory keeps whatever fits it.
  }

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
    const { monotonic } = this;
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

  readState(fields: readonly string[]): (Uint8Array | undefined)[] {
    return fields.map((field) => this.#state.get(field));
  }

  readNames(kind: NamedKind, prefixes: readonly string[], cursor: string | undefined, limit: number): Page<string> {
    const all = kind === "state" ? [...this.#state.keys()] : this.#timers[kind].members();
    const wanted = all.filter((name) => (cursor === undefined || name > cursor) && prefixes.some((prefix) => name.startsWith(prefix))).sort();
    const entries = wanted.slice(0, limit);
    return { entries, next: entries.length < wanted.length ? entries.at(-1) : undefined };
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

  readHeld(): Numbered[] {
    return inOrder(this.#held);
  }

  readDeadLetters(limit: number): Numbered[] {
    return inOrder(this.#dead).slice(0, limit);
  }

  readOutbox(): StoredOutboxEntry[] {
    return [...this.#outbox.values()].sort((a, b) => a.target - b.target || comparePlaces(a.place, b.place));
  }

  /** For a reader: all entries of a kind. */
  entriesOf(kind: EntryKind): ReadEntry[] {
    switch (kind) {
      case "state":
        return Array.from(this.#state, ([name, bytes]) => ({ name, bytes }));
      case "held":
        return this.readHeld().map(({ id, bytes }) => ({ name: String(id), bytes }));
      case "dead":
        return inOrder(this.#dead).map(({ id, bytes }) => ({ name: String(id), bytes }));
      case "outbox":
        return this.readOutbox().map(({ target, place, bytes }) => ({ name: `${target}:${place.monotonic}.${place.n}`, bytes }));
    }
  }

  /** For a reader: all members of a kind, and each one's time. */
  timesOf(kind: TimeKind): MemoryTimes {
    return kind === "holds" ? this.#holds : kind === "ids" ? this.#ids : this.#timers[kind];
  }

  protected ownerChanged(): void {}
  protected markChanged(): void {}

  /** An independent copy: what a store holds that later loses its tail. The bytes are shared. */
  copy(): MemoryShard {
    const copy = new MemoryShard(this.shard);
    const { sequencer, monotonic, owner, leaseUntil, number, id, image, position, offset, tail, queued, consumedIdentity } = this;
    Object.assign(copy, { sequencer, monotonic, owner, leaseUntil, number, id, image, position, offset, tail, queued, consumedIdentity });
    for (let at = position; at < tail; at++) copy.#parcels.push(this.parcelAt(at));
    copyInto(copy.#state, this.#state);
    copyInto(copy.#held, this.#held);
    copyInto(copy.#dead, this.#dead);
    copyInto(copy.#outbox, this.#outbox);
    copyInto<ShardRef, Place>(copy.marks, this.marks);
    copy.#timers = { watermark: this.#timers.watermark.copy(), wall: this.#timers.wall.copy() };
    copy.#holds = this.#holds.copy();
    copy.#ids = this.#ids.copy();
    return copy;
  }
}

const outboxKey = (target: ShardRef, place: Place): string => `${target}:${place.monotonic}:${place.n}`;

function copyInto<Key, Value>(copy: Map<Key, Value>, original: ReadonlyMap<Key, Value>): void {
  for (const [key, value] of original) copy.set(key, value);
}

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
