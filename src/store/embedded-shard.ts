/**
 * One shard of a store that lives in this process: who owns it, how far it has come, where its channels stand. What
 * memory and LMDB keep alike is here; how they keep entries (state, timers, held records, ...) is theirs.
 */
import { isAppended, judgePlace } from "../dedup/place.ts";
import type { ShardRef } from "../key.ts";
import type { Random } from "../random.ts";
import type { Commit, HoldSet, Numbered, Place, Sequencer, TimerClock } from "./commit.ts";
import type { Stored } from "./outcome.ts";
import type { Page } from "./reader.ts";
import type {
  DeliverOutcome,
  Delivery,
  EntryCounts,
  InboxRead,
  InboxTail,
  NamedKind,
  RecoveredShard,
  RecoverLimits,
  ShardProgress,
  ShardSummary,
  StoredOutboxEntry,
  StoredTimerEntry,
} from "./store.ts";

/** Entries by kind, timers by clock. */
export interface ShardCounts {
  readonly state: number;
  readonly watermark: number;
  readonly wall: number;
  readonly holds: number;
  readonly held: number;
  readonly dead: number;
  readonly ids: number;
  readonly outbox: number;
}

export abstract class EmbeddedShard implements Stored {
  readonly shard: ShardRef;

  sequencer: Sequencer | undefined = undefined;
  /** Monotonic part of the last sequencer granted; outlives a release. */
  monotonic = 0;
  owner: string | undefined = undefined;
  /** As it was granted. */
  leaseUntil = 0;

  number = 0;
  id = "";
  image: Uint8Array | undefined = undefined;

  position = 0;
  offset = 0;
  tail = 0;
  queued = 0;
  consumedIdentity: Uint8Array = new Uint8Array(0);
  /** Last place taken of each sender in another atomic domain. */
  readonly marks: Map<ShardRef, Place> = new Map();

  constructor(shard: ShardRef) {
    this.shard = shard;
  }

  abstract readonly counts: ShardCounts;
  /** A parcel between `position` and `tail`. */
  abstract parcelAt(position: number): Uint8Array;
  abstract append(bytes: Uint8Array, records: number): void;
  /** Throws if an entry of the commit cannot be kept here; before anything is written. */
  abstract admit(commit: Commit): void;
  /** Everything of a checked commit except its parcels, which go to other shards. */
  abstract apply(commit: Commit): void;
  abstract readState(fields: readonly string[]): (Uint8Array | undefined)[];
  abstract readNames(kind: NamedKind, prefixes: readonly string[], cursor: string | undefined, limit: number): Page<string>;
  abstract readTimers(clock: TimerClock, limit: number): StoredTimerEntry[];
  abstract readHolds(limit: number): HoldSet[];
  abstract readIds(ids: readonly string[]): boolean[];
  /** All held records, by id. */
  abstract readHeld(): Numbered[];
  abstract readDeadLetters(limit: number): Numbered[];
  /** All of the outbox, by (target, place). */
  abstract readOutbox(): StoredOutboxEntry[];
  /** The owner was granted or gave up the shard. */
  protected abstract ownerChanged(): void;
  protected abstract markChanged(from: ShardRef, mark: Place): void;

  acquire(worker: string, leaseMs: number, now: number, random: Random): Sequencer {
    this.monotonic = Math.max(this.monotonic + 1, now);
    this.sequencer = `${this.monotonic}.${random.id()}`;
    this.owner = worker;
    this.leaseUntil = now + leaseMs;
    this.ownerChanged();
    return this.sequencer;
  }

  /** After this no sequencer fits, so what its last owner still has under way is fenced. */
  release(): void {
    this.sequencer = undefined;
    this.owner = undefined;
    this.leaseUntil = 0;
    this.ownerChanged();
  }

  take({ from, place, previous, records, bytes }: Delivery): DeliverOutcome {
    const outcome = judgePlace(this.marks.get(from), place, previous);
    if (isAppended(outcome)) {
      this.append(bytes, records);
      this.marks.set(from, place);
      this.markChanged(from, place);
    }
    return outcome;
  }

  readInbox(from: number, maxParcels: number): InboxRead {
    const start = Math.max(from, this.position);
    const end = Math.min(this.tail, start + Math.max(maxParcels, 1));
    const parcels: Uint8Array[] = [];
    for (let position = start; position < end; position++) parcels.push(this.parcelAt(position));
    return { from: start, parcels, tail: this.tail };
  }

  inboxTail(): InboxTail {
    return { shard: this.shard, tail: this.tail, queued: this.queued };
  }

  recover(limits: RecoverLimits): RecoveredShard {
    const { shard, number, image, position, offset, tail, queued, counts } = this;
    return {
      shard,
      number,
      image,
      position,
      offset,
      tail,
      queued,
      stateCount: counts.state,
      idCount: counts.ids,
      deadCount: counts.dead,
      watermarkTimers: this.readTimers("watermark", limits.timers),
      wallTimers: this.readTimers("wall", limits.timers),
      watermarkTimerCount: counts.watermark,
      wallTimerCount: counts.wall,
      holds: this.readHolds(limits.holds),
      holdCount: counts.holds,
      held: this.readHeld(),
      outbox: this.readOutbox(),
    };
  }

  summarize(): ShardSummary {
    const { shard, sequencer, owner, leaseUntil, number, image, queued, tail } = this;
    const { state, watermark, wall, held, dead, outbox } = this.counts;
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
      watermarkTimers: watermark,
      wallTimers: wall,
      held,
      dead,
      outbox,
    };
  }

  progress(): ShardProgress {
    const { shard, position, tail, image, counts } = this;
    const held = counts.held === 0 ? [] : this.readHeld().map(({ id }) => id);
    const outbox = counts.outbox === 0 ? [] : this.readOutbox().map(({ target, place }) => `${target}:${place.monotonic}.${place.n}`);
    return { shard, position, tail, image, held, outbox };
  }

  entries(): EntryCounts {
    const { state, watermark, wall, held, dead, outbox } = this.counts;
    return { state, timers: watermark + wall, queued: this.queued, held, dead, outbox };
  }
}
