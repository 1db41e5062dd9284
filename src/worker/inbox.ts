/**
 * The inbox of one shard as its owner sees it: the records read ahead, and where they end.
 *
 * I1  Parcels enter in the order of their absolute positions, without a gap; the same parcel never enters twice.
 * I2  `reached(tail)` tells that every record before `tail` has entered, so that no timestamp before it is unknown.
 * I3  What is consumed is a prefix; it is named by the identity of the last parcel that it touches.
 */
import type { ShardRef } from "../key.ts";
import type { Consumption, ParcelAppend } from "../store/commit.ts";
import { HoldQueue } from "../watermark/hold-queue.ts";
import { identityOf, type ParcelRecord, recordsIn, recordsOf } from "./parcel.ts";
import { InboxWork, type RecordWork } from "./work.ts";

/** Records read ahead of processing; a parcel may overshoot it. */
const READ_AHEAD = 4_096;
/** Parcels asked of the store at once. */
const READ_PARCELS = 64;

interface Span {
  readonly position: number;
  records: number;
  readonly identity: Uint8Array;
}

export class Inbox {
  readonly shard: ShardRef;
  #holds = new HoldQueue();
  /** Those that were taken are undefined: they would otherwise live on, with all that they hold, until the queue is cut. */
  #queue: (RecordWork | undefined)[] = [];
  #front = 0;
  #spans: Span[] = [];
  /** The position after the last parcel that entered. */
  #next: number;
  #tail: number;
  /** Something may have been appended behind the end that is known. */
  #doubted = false;
  /** Records of the parcel at the consumed position that were consumed before. */
  #position: number;
  #offset: number;
  #lastIdentity: Uint8Array | undefined = undefined;
  #skip: number;
  #reading = false;
  /** Records that were handed over and taken since `consume`: they are of no parcel. */
  #handed = 0;

  constructor(shard: ShardRef, position: number, offset: number, tail: number) {
    this.shard = shard;
    this.#position = position;
    this.#offset = offset;
    this.#next = position;
    this.#tail = tail;
    this.#skip = offset;
  }

  /** Records that have entered and were not taken. */
  get size(): number {
    return this.#queue.length - this.#front;
  }
  get smallestHold(): number {
    return this.#holds.smallest;
  }
  get tail(): number {
    return this.#tail;
  }

  /** Is every record before `tail` in a sealed commit? */
  consumedTo(tail: number): boolean {
    return this.#position >= tail;
  }

  reached(tail: number): boolean {
    return this.#next >= tail;
  }

  /** The end of the inbox is at least here, and was here when the store answered. */
  learnTail(tail: number): void {
    this.#tail = Math.max(this.#tail, tail);
    this.#doubted = false;
  }

  /** Does an end that the store told leave room for what was read? One that does not is of a store that has gone back. */
  agrees(tail: number): boolean {
    return tail >= this.#next;
  }

  /** A commit of this worker's has appended to it at a time that nobody told. */
  doubtTail(): void {
    this.#doubted = true;
  }

  /** Is all that this worker's acknowledged commits have appended before the end that is known? */
  get tailKnown(): boolean {
    return !this.#doubted;
  }

  /** A parcel at a known position, straight from the commit that appended it. Taken only if it is the next one. */
  offer(position: number, parcel: ParcelAppend, floor: number): boolean {
    this.learnTail(position + 1);
    if (position !== this.#next || this.#reading || this.size >= READ_AHEAD) return false;
    this.#enter(parcel, floor);
    return true;
  }

  /** What to ask of the store now, if anything. */
  wants(): { readonly from: number; readonly parcels: number } | undefined {
    if (this.#reading || this.#next >= this.#tail || this.size >= READ_AHEAD) return undefined;
    this.#reading = true;
    return { from: this.#next, parcels: READ_PARCELS };
  }

  /** The answer to `wants`; undefined: it failed, and is asked again. False: what comes next is gone, for another owner has consumed it. */
  read(from: number, parcels: readonly Uint8Array[] | undefined, floor: number): boolean {
    this.#reading = false;
    if (parcels === undefined) return true;
    if (from === this.#next) for (const bytes of parcels) this.#enter({ target: this.shard, records: recordsOf(bytes), bytes }, floor);
    return from <= this.#next;
  }

  /** Is everything taken that is known to be in it, and is that all up to the end that is known? */
  get drained(): boolean {
    return this.#front === this.#queue.length && this.#next >= this.#tail && !this.#doubted && !this.#reading;
  }

  /** Records that come without a place in it; only where it is drained. */
  hand(records: readonly ParcelRecord[], floor: number): void {
    this.#handed += records.length;
    for (const record of records) this.#add(record, floor);
  }

  /** Those that were handed over and not taken are gone again. Gives how many. */
  handBack(): number {
    const left = this.size;
    if (left === 0) return 0;
    this.#handed -= left;
    this.#queue = [];
    this.#front = 0;
    this.#holds = new HoldQueue();
    return left;
  }

  peek(): RecordWork | undefined {
    return this.#queue[this.#front];
  }

  /** Up to `limit` records that will be taken next; for prefetching their state. */
  ahead(limit: number): readonly RecordWork[] {
    return this.#queue.slice(this.#front, this.#front + limit) as RecordWork[];
  }

  take(): void {
    this.#queue[this.#front++] = undefined;
    this.#holds.shift();
    if (this.#front > 1_024 && 2 * this.#front > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#front);
      this.#front = 0;
    }
  }

  /** Puts back what was taken last, in the same order: it will be taken again. */
  untake(works: readonly RecordWork[]): void {
    const rest = this.#queue.slice(this.#front) as RecordWork[];
    const all = [...works, ...rest];
    this.#queue = all;
    this.#front = 0;
    this.#holds = new HoldQueue();
    for (const work of all) this.#holds.push(work.hold);
  }

  /** Consumes the next `records` records: what a commit says of it. undefined: nothing was ever consumed. */
  consume(records: number): Consumption | undefined {
    let left = records - this.#handed;
    const own = left;
    this.#handed = 0;
    while (left > 0) {
      const span = this.#spans[0];
      if (span === undefined) throw new RangeError("consumed more records than were read");
      const rest = span.records - this.#offset;
      this.#lastIdentity = span.identity;
      if (left < rest) {
        this.#offset += left;
        left = 0;
      } else {
        left -= rest;
        this.#spans.shift();
        this.#position = span.position + 1;
        this.#offset = 0;
      }
    }
    if (this.#lastIdentity === undefined) return undefined;
    return { position: this.#position, offset: this.#offset, records: own, identity: this.#lastIdentity };
  }

  #enter(parcel: ParcelAppend, floor: number): void {
    this.#spans.push({ position: this.#next, records: parcel.records, identity: identityOf(parcel.bytes) });
    this.#next++;
    this.#tail = Math.max(this.#tail, this.#next);
    recordsIn(parcel, (record) => {
      if (this.#skip > 0) {
        this.#skip--;
        return;
      }
      this.#add(record, floor);
    });
  }

  #add(record: ParcelRecord, floor: number): void {
    const hold = Math.max(record.timestamp, floor);
    this.#queue.push(new InboxWork(record, hold));
    this.#holds.push(hold);
  }
}
