/**
 * The shard of a sink: hands its records to the target in order, and commits how far it came together with the
 * target's checkpoint.
 *
 * Where the target is a stream in the store, those who produce its records append them. What comes here all the same (a
 * dead letter that is tried again, what was on its way when the target was another one) the commit that consumes it appends.
 *
 * I1  Nothing is written before the target stands at the committed checkpoint.
 * I2  A commit consumes only records that the target has said are written, or that it appends itself.
 */
import { ConfigError, messageOf, NewerDataError } from "../errors.ts";
import type { StreamRecord } from "../record.ts";
import type { StoreStream } from "../sinks/sink.ts";
import type { EntryAppend } from "../store/commit.ts";
import type { Commit, Numbered, RecoveredShard, Sequencer } from "../store/index.ts";
import { END } from "../time.ts";
import type { Standing } from "../watermark/upstream.ts";
import { entryOf } from "./entries.ts";
import { deadLetter } from "./held.ts";
import type { Holder } from "./holder.ts";
import { InboxShard, type ShardHost } from "./owned-shard.ts";
import { openRecord } from "./parcel.ts";
import type { PlannedSink } from "./plan.ts";
import { UserRecord } from "./user-view.ts";
import type { RecordWork } from "./work.ts";

/** Records handed to the target at once. */
const WRITE = 1_024;
const BACKOFF_FIRST = 100;
const BACKOFF_MOST = 30_000;

export class SinkShard extends InboxShard {
  readonly kind = "sink";
  readonly planned: PlannedSink;
  #state: "closed" | "opening" | "anchoring" | "ready" | "writing" = "closed";
  #writing: RecordWork[] = [];
  #writingSince = 0;
  /** Records still to be tried one by one after a failure. */
  #singly = 0;
  #attempts = 0;
  #retryAt = 0;
  #taken = 0;
  #late = 0;
  #dead: Numbered[] = [];
  #entries: EntryAppend[] = [];
  #changed = false;
  #openHold = END;
  #sealedHold = END;

  constructor(host: ShardHost, planned: PlannedSink, sequencer: Sequencer, recovered: RecoveredShard, floor: number) {
    super(host, planned, sequencer, recovered, floor);
    this.planned = planned;
  }

  pump(): number {
    this.advance();
    const { appends } = this.planned.node.target;
    if (this.#state === "closed" && this.host.now >= this.#retryAt) this.#open(appends);
    if (this.#state !== "ready" || this.host.now < this.#retryAt) return 0;
    const most = this.#singly > 0 ? 1 : WRITE;
    const records: StreamRecord<unknown>[] = [];
    while (this.#writing.length < most) {
      const work = this.inbox.peek();
      if (work === undefined) break;
      work.late = work.record.timestamp < this.input;
      if (work.record.refused && records.length > 0) break;
      if (work.record.refused) {
        this.inbox.take();
        this.#park(work, undefined);
        continue;
      }
      try {
        records.push(new UserRecord(work, openRecord(this.planned.input.codec, work.record), undefined));
        this.#writing.push(work);
        this.inbox.take();
      } catch (error) {
        // Only from the front: what is consumed must be a prefix, also if what goes before it fails to be written.
        if (records.length > 0) break;
        if (error instanceof NewerDataError) {
          this.host.ownership.decline(this.participant, error);
          break;
        }
        this.inbox.take();
        this.#park(work, error);
      }
    }
    if (records.length === 0) return 0;
    this.#state = "writing";
    this.#writingSince = this.host.now;
    if (appends !== undefined) this.#append(appends, records);
    else this.host.effect({ kind: "write-sink", shard: this.ref, records });
    return records.length;
  }

  #open(appends: StoreStream | undefined): void {
    const { checkpoint } = this.image;
    this.#state = appends === undefined ? "opening" : "ready";
    if (appends === undefined) this.host.effect({ kind: "open-sink", shard: this.ref, checkpoint });
    if (appends === undefined || checkpoint === undefined) return;
    // What a writer of this name has written beyond its last commit is known to that writer alone.
    this.close();
    const text = `sink "${this.name}" was written over a connection so far. To append to the stream ${JSON.stringify(appends.key)} of the store, give it a new name`;
    this.host.fail(new ConfigError(text));
  }

  #append(stream: StoreStream, records: readonly StreamRecord<unknown>[]): void {
    try {
      const entries = records.map((record) => entryOf(stream, record));
      this.#entries.push(...entries);
    } catch (error) {
      this.onRecordFailed(error);
      return;
    }
    this.onWritten(undefined);
  }

  onOpened(initial: unknown): void {
    if (this.#state !== "opening") return;
    this.#state = "ready";
    if (this.image.checkpoint === undefined && initial !== undefined) {
      this.image.checkpoint = initial;
      this.#changed = true;
      this.#state = "anchoring";
    }
    this.host.wake(this);
  }

  onWritten(checkpoint: unknown): void {
    if (this.#state !== "writing") return;
    this.#state = "ready";
    this.image.checkpoint = checkpoint;
    for (const work of this.#writing) {
      this.#openHold = Math.min(this.#openHold, work.hold);
      if (work.late) this.#late++;
    }
    this.#taken += this.#writing.length;
    this.image.counters.processed += this.#writing.length;
    this.#singly = Math.max(0, this.#singly - this.#writing.length);
    this.#attempts = 0;
    this.#writing = [];
    this.host.wake(this);
  }

  /** A record is at fault: try them one by one, and park the one that goes on failing. */
  onRecordFailed(error: unknown): void {
    if (this.#state !== "writing") return;
    this.#state = "ready";
    this.image.counters.failures++;
    const works = this.#writing;
    this.#writing = [];
    if (works.length === 1) this.#attempts++;
    if (works.length === 1 && this.#attempts >= this.planned.node.target.attempts) {
      this.host.logOf(this.name, undefined).error(`a record failed ${this.#attempts} times and goes to dead letters: ${messageOf(error)}`);
      (works[0] as RecordWork).attempts = this.#attempts;
      this.#park(works[0] as RecordWork, error);
      this.#singly = Math.max(0, this.#singly - 1);
      this.#attempts = 0;
    } else {
      this.inbox.untake(works);
      this.#singly = Math.max(this.#singly, works.length);
      if (works.length === 1) this.#retryAt = this.host.now + Math.min(BACKOFF_FIRST * 2 ** (this.#attempts - 1), BACKOFF_MOST);
      this.host.logOf(this.name, undefined).warn(`${this.planned.node.target.description} failed: ${messageOf(error)}`);
    }
    this.host.wake(this);
  }

  /** The target is at fault: the shard is acquired anew, so that only its owner cuts anything, and opened again. */
  onUnavailable(error: unknown): void {
    this.host.logOf(this.name, undefined).warn(`${this.planned.node.target.description} is opened again: ${messageOf(error)}`);
    this.host.lose([this.ref]);
  }

  #park(work: RecordWork, error: unknown): void {
    this.#dead.push({ id: this.image.nextDead++, bytes: deadLetter(work, error, this.wallTime()) });
    this.#openHold = Math.min(this.#openHold, work.hold);
    this.image.counters.deadLetters++;
    this.#taken++;
  }

  /** Are records with the target, whose answer is still to come? */
  get writing(): boolean {
    return this.#state === "writing";
  }

  readyAt(): number {
    return this.#taken > 0 || this.#changed ? 0 : Number.POSITIVE_INFINITY;
  }

  wakeAt(): number {
    return this.#state === "ready" && this.inbox.size > 0 ? this.#retryAt : Number.POSITIVE_INFINITY;
  }

  seal(): Commit {
    this.image.counters.late += this.#late;
    const commit = this.commitOf({ consumed: this.inbox.consume(this.#taken), deadPuts: this.#dead, entries: this.#entries });
    this.#taken = 0;
    this.#late = 0;
    this.#dead = [];
    this.#entries = [];
    this.#changed = false;
    this.#sealedHold = this.#openHold;
    this.#openHold = END;
    this.inFlight = commit;
    return commit;
  }

  committed(): void {
    this.inFlight = undefined;
    this.#sealedHold = END;
    if (this.#state === "anchoring") this.#state = "ready";
    this.advance();
  }

  override get busy(): boolean {
    return this.#state === "opening" || this.#state === "writing";
  }

  close(): void {
    this.#state = "closed";
    this.#retryAt = Number.POSITIVE_INFINITY;
    this.host.effect({ kind: "close-edge", shard: this.ref });
  }

  protected override get pendingHold(): number {
    let hold = Math.min(this.inbox.smallestHold, this.#openHold, this.#sealedHold);
    for (const work of this.#writing) if (work.hold < hold) hold = work.hold;
    return hold;
  }

  get quiet(): boolean {
    return (
      this.inbox.size === 0 &&
      this.inbox.reached(this.inbox.tail) &&
      this.#writing.length === 0 &&
      this.readyAt() === Number.POSITIVE_INFINITY &&
      this.inFlight === undefined
    );
  }

  get output(): number {
    return this.input;
  }

  get status(): Standing {
    return this.input === END ? "finished" : "live";
  }

  why(): Holder {
    const at = this.output;
    const base = { at, shard: this.ref };
    const detail = this.planned.node.target.description;
    if (at === END) return { kind: "end", ...base };
    if (this.#writing.some((work) => work.hold <= at)) return { kind: "running", ...base, since: this.#writingSince, records: this.#writing.length, detail };
    if (this.inbox.smallestHold <= at) {
      const next = this.inbox.peek()?.record;
      const waiting = { ...base, key: next?.key, time: next?.timestamp, records: this.inbox.size, detail };
      if (this.#attempts > 0) return { kind: "held", ...waiting, attempts: this.#attempts, retryAt: this.#retryAt };
      return { kind: "record", ...waiting };
    }
    if (Math.min(this.#openHold, this.#sealedHold) <= at)
      return { kind: "commit", ...base, commit: this.inFlight?.number, since: this.inFlight && this.sealedAt };
    if (this.unread || !this.inbox.reached(this.inbox.tail)) return { kind: "unread", ...base };
    return { kind: "upstream", ...base };
  }
}
