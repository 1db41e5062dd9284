/**
 * What one shard has stored in LMDB, and the changes a commit makes to it. Its record (owner, positions, counts) is
 * also in memory, where it is ahead of the database by the group that is under way; entries are read from the database.
 *
 * L3  A commit applies only when nothing of an earlier commit of its shard is under way: entries it looks up are then
 *     all visible (`lmdb-store.ts` sees to it).
 */
import type { ShardRef } from "../key.ts";
import { timerHold } from "./address.ts";
import type { Commit, HoldSet, Numbered, Place, TimerClock } from "./commit.ts";
import { EmbeddedShard, type ShardCounts } from "./embedded-shard.ts";
import {
  afterAll,
  checkKeys,
  CLIENT_ID,
  DEAD,
  headKey,
  HELD,
  HOLD,
  IMAGE,
  MARK,
  numberKey,
  numberOf,
  OUTBOX,
  outboxKey,
  outboxPlaceOf,
  PARCEL,
  RECORD,
  rangeOf,
  refKey,
  refOf,
  STATE,
  textKey,
  textOf,
  WALL,
  WATERMARK,
} from "./lmdb-keys.ts";
import type { LmdbReader } from "./lmdb-reader.ts";
import { decodeRecord, encodeRecord } from "./lmdb-record.ts";
import { LmdbTimes } from "./lmdb-times.ts";
import type { LmdbWriter, Recorded } from "./lmdb-writer.ts";
import { identityOf } from "./outcome.ts";
import type { Page } from "./reader.ts";
import type { NamedKind, StoredOutboxEntry, StoredTimerEntry } from "./store.ts";
import { invariant } from "../errors.ts";

/** State fields of a shard of which is remembered whether they are stored. */
const FIELDS_KNOWN = 4_096;

const NOTHING: ShardCounts = { state: 0, watermark: 0, wall: 0, holds: 0, held: 0, dead: 0, ids: 0, outbox: 0 };

export class LmdbShard extends EmbeddedShard implements Recorded {
  readonly #reader: LmdbReader;
  readonly #writer: LmdbWriter;
  #state: number;
  /** Is a state field stored? Of those used lately, so that most writes need no look-up to be counted. */
  readonly #fields = new Map<string, boolean>();
  readonly #timers: { readonly watermark: LmdbTimes; readonly wall: LmdbTimes };
  readonly #holds: LmdbTimes;
  readonly #ids: LmdbTimes;
  #held: number;
  #dead: number;
  #outbox: number;
  /** The last parcels, which are not visible yet. */
  readonly #unseen: Uint8Array[] = [];
  /** Of those, how many are in the group that is being written. */
  #written = 0;
  /** The last commit's number in the group that is being written, and that which is visible. */
  #numberWritten: number;
  #numberVisible: number;

  constructor(shard: ShardRef, reader: LmdbReader, writer: LmdbWriter) {
    super(shard);
    this.#reader = reader;
    this.#writer = writer;
    const record = reader.get(headKey(shard, RECORD));
    const counts = record === undefined ? NOTHING : decodeRecord(record, this);
    this.#numberWritten = this.number;
    this.#numberVisible = this.number;
    this.image = reader.get(headKey(shard, IMAGE));
    for (const { key, value } of reader.entries(rangeOf(shard, MARK))) {
      this.marks.set(refOf(key), { monotonic: value.readDoubleBE(0), n: value.readDoubleBE(8) });
    }
    this.#state = counts.state;
    this.#held = counts.held;
    this.#dead = counts.dead;
    this.#outbox = counts.outbox;
    this.#timers = {
      watermark: new LmdbTimes(shard, WATERMARK, counts.watermark, reader, writer),
      wall: new LmdbTimes(shard, WALL, counts.wall, reader, writer),
    };
    this.#holds = new LmdbTimes(shard, HOLD, counts.holds, reader, writer);
    this.#ids = new LmdbTimes(shard, CLIENT_ID, counts.ids, reader, writer);
  }

  get counts(): ShardCounts {
    return {
      state: this.#state,
      watermark: this.#timers.watermark.size,
      wall: this.#timers.wall.size,
      holds: this.#holds.size,
      held: this.#held,
      dead: this.#dead,
      ids: this.#ids.size,
      outbox: this.#outbox,
    };
  }

  record(): void {
    this.#writer.put(headKey(this.shard, RECORD), encodeRecord(this));
    this.#written = this.#unseen.length;
    this.#numberWritten = this.number;
  }

  recorded(): void {
    this.#unseen.splice(0, this.#written);
    this.#written = 0;
    this.#numberVisible = this.#numberWritten;
  }

  /** Is a commit under way, applied but not visible? */
  get isCommitting(): boolean {
    return this.number !== this.#numberVisible;
  }

  get isAppending(): boolean {
    return this.#unseen.length > 0;
  }

  // ── the inbox ───────────────────────────────────────────────────────────────────────────────────────────────────

  parcelAt(position: number): Uint8Array {
    const unseen = this.#unseen[position - (this.tail - this.#unseen.length)];
    const parcel = unseen ?? this.#reader.get(numberKey(this.shard, PARCEL, position));
    invariant(parcel !== undefined, `parcel ${position} of shard ${this.shard} is missing: its inbox has ${this.position} to ${this.tail}`);
    return parcel;
  }

  append(bytes: Uint8Array, records: number): void {
    this.#writer.put(numberKey(this.shard, PARCEL, this.tail), bytes);
    this.#unseen.push(bytes);
    this.tail += 1;
    this.queued += records;
    this.#writer.changed(this);
  }

  #consume({ consumed }: Commit): void {
    if (consumed === undefined) return;
    if (consumed.position > this.position) {
      this.consumedIdentity = identityOf(this.parcelAt(consumed.position - 1)).slice();
      for (let position = this.position; position < consumed.position; position++) this.#writer.remove(numberKey(this.shard, PARCEL, position));
    }
    this.position = consumed.position;
    this.offset = consumed.offset;
    this.queued -= consumed.records;
  }

  // ── commits ─────────────────────────────────────────────────────────────────────────────────────────────────────

  admit(commit: Commit): void {
    checkKeys(commit);
  }

  apply(commit: Commit): void {
    this.#consume(commit);
    this.#applyState(commit);
    for (const clock of ["watermark", "wall"] as const) {
      const deletes = commit.timerDeletes.filter((each) => each.clock === clock).map(({ member }) => member);
      this.#timers[clock].apply(
        deletes,
        commit.timerSets.filter((each) => each.clock === clock),
      );
    }
    this.#holds.apply(commit.holdDeletes, commit.holdSets);
    this.#held += this.#applyNumbered(HELD, commit.heldDeletes, commit.heldPuts);
    this.#dead += this.#applyNumbered(DEAD, commit.deadDeletes, commit.deadPuts);
    this.#ids.take(commit.ids, commit.idsExpireBelow ?? Number.NEGATIVE_INFINITY);
    this.#applyOutbox(commit);
    this.image = commit.image;
    this.#writer.put(headKey(this.shard, IMAGE), commit.image);
    this.number = commit.number;
    this.id = commit.id;
    this.#writer.changed(this);
  }

  #applyState({ stateFields, stateValues }: Commit): void {
    for (let i = 0; i < stateFields.length; i++) {
      const field = stateFields[i]!;
      const key = textKey(this.shard, STATE, field);
      const value = stateValues[i];
      const before = this.#fields.get(field) ?? this.#reader.has(key);
      if (value !== undefined) {
        this.#writer.put(key, value);
        if (!before) this.#state += 1;
      } else if (before) {
        this.#writer.remove(key);
        this.#state -= 1;
      }
      this.#know(field, value !== undefined);
    }
  }

  #know(field: string, stored: boolean): void {
    if (this.#fields.size >= FIELDS_KNOWN) this.#fields.clear();
    this.#fields.set(field, stored);
  }

  /** Deletes, then puts; gives by how many there are more. */
  #applyNumbered(kind: number, deletes: readonly number[], puts: readonly Numbered[]): number {
    const put = new Set(puts.map(({ id }) => id));
    let more = 0;
    for (const id of deletes) {
      const key = numberKey(this.shard, kind, id);
      if (put.has(id) || !this.#reader.has(key)) continue;
      this.#writer.remove(key);
      more -= 1;
    }
    for (const { id, bytes } of puts) {
      const key = numberKey(this.shard, kind, id);
      if (!this.#reader.has(key)) more += 1;
      this.#writer.put(key, bytes);
    }
    return more;
  }

  #applyOutbox(commit: Commit): void {
    for (const { target, place } of commit.outboxDeletes) {
      const key = outboxKey(this.shard, target, place.monotonic, place.n);
      if (!this.#reader.has(key)) continue;
      this.#writer.remove(key);
      this.#outbox -= 1;
    }
    // A new entry's place is new: its sequencer is this owner's, and n goes on. Only place 0, a note, is put again.
    for (const { target, n, previous, records, bytes } of commit.outbox) {
      const value = Buffer.allocUnsafe(OUTBOX_HEAD + bytes.length);
      value.writeDoubleBE(records, 0);
      value.writeDoubleBE(previous?.monotonic ?? -1, 8);
      value.writeDoubleBE(previous?.n ?? -1, 16);
      value.set(bytes, OUTBOX_HEAD);
      const key = outboxKey(this.shard, target, this.monotonic, n);
      if (n > 0 || !this.#reader.has(key)) this.#outbox += 1;
      this.#writer.put(key, value);
    }
  }

  // ── reads ───────────────────────────────────────────────────────────────────────────────────────────────────────

  readState(fields: readonly string[]): (Uint8Array | undefined)[] {
    return fields.map((field) => {
      const value = this.#reader.get(textKey(this.shard, STATE, field));
      this.#know(field, value !== undefined);
      return value;
    });
  }

  readNames(kind: NamedKind, prefixes: readonly string[], cursor: string | undefined, limit: number): Page<string> {
    const of = kind === "state" ? STATE : kind === "wall" ? WALL.member : WATERMARK.member;
    const entries: string[] = [];
    for (const prefix of [...prefixes].sort()) {
      const isBegun = cursor?.startsWith(prefix) === true;
      if (!isBegun && cursor !== undefined && prefix < cursor) continue;
      const range = { start: textKey(this.shard, of, isBegun ? `${cursor}\0` : prefix), end: afterAll(textKey(this.shard, of, prefix)) };
      entries.push(...this.#reader.keys(range, limit - entries.length).map(textOf));
      if (entries.length >= limit) return { entries, next: entries.at(-1) };
    }
    return { entries, next: undefined };
  }

  readTimers(clock: TimerClock, limit: number): StoredTimerEntry[] {
    return this.#timers[clock].head(limit).map(({ member, time }) => ({ member, time, hold: this.#holds.get(timerHold(clock, member)) }));
  }

  readHolds(limit: number): HoldSet[] {
    return this.#holds.head(limit);
  }

  readIds(ids: readonly string[]): boolean[] {
    return ids.map((id) => this.#ids.has(id));
  }

  readHeld(): Numbered[] {
    return this.#reader.entries(rangeOf(this.shard, HELD)).map(({ key, value }) => ({ id: numberOf(key), bytes: value }));
  }

  readDeadLetters(limit: number): Numbered[] {
    return this.#reader.entries(rangeOf(this.shard, DEAD), limit).map(({ key, value }) => ({ id: numberOf(key), bytes: value }));
  }

  readOutbox(): StoredOutboxEntry[] {
    return this.#reader.entries(rangeOf(this.shard, OUTBOX)).map(({ key, value }) => {
      const monotonic = value.readDoubleBE(8);
      const previous = monotonic < 0 ? undefined : { monotonic, n: value.readDoubleBE(16) };
      return { ...outboxPlaceOf(key), previous, records: value.readDoubleBE(0), bytes: value.subarray(OUTBOX_HEAD) };
    });
  }

  // ── ownership ───────────────────────────────────────────────────────────────────────────────────────────────────

  protected ownerChanged(): void {
    this.#writer.changed(this);
  }

  protected markChanged(from: ShardRef, mark: Place): void {
    const value = Buffer.allocUnsafe(16);
    value.writeDoubleBE(mark.monotonic, 0);
    value.writeDoubleBE(mark.n, 8);
    this.#writer.put(refKey(this.shard, MARK, from), value);
  }
}

/** Of an outbox entry's value: records, and the previous place or -1, -1. */
export const OUTBOX_HEAD = 24;
