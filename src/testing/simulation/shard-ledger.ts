/**
 * What the auditor knows of one shard, from the commits that were applied and from nothing else: the records that wait,
 * the timers, the holds, what stands aside, and of each whether the output watermark has to wait for it.
 *
 * A thing has to be waited for if it was not late when it came to be; what came late delays no one.
 *
 * A15 A commit does no more records than it consumes, was handed in its chain, had aside or brings back from dead letters.
 */
import { keyHold, timerHold } from "../../store/address.ts";
import type { Commit, Consumption } from "../../store/commit.ts";
import { BEGINNING, END } from "../../time.ts";
import { type DeadLetter, parseDeadLetter, parseHeld } from "../../worker/held.ts";
import type { ShardImage } from "../../worker/image.ts";
import { type ParcelRecord, placeId, unpackParcel } from "../../worker/parcel.ts";
import type { Work } from "../../worker/work.ts";
import { OutboxLedger } from "./outbox-ledger.ts";
import { check, Violation } from "./violation.ts";
import { name } from "./store-request.ts";

interface Waiting {
  readonly time: number;
  readonly holds: boolean;
  readonly id: string | undefined;
  readonly sender: number;
  readonly monotonic: number;
  readonly place: number;
}

/** undefined: it holds nothing. */
type Held = number | undefined;

/** What stands aside. `record`: the record's id; undefined: it is a timer. */
interface Aside {
  readonly record: string | undefined;
  readonly hold: Held;
}

/** What an operator had done to a dead letter. */
export type LetterFate = "revived" | "discarded";

/** What a commit has changed that someone else has to judge. */
export interface Applied {
  /** Ids of the records that are not waited for any more: done, or in dead letters. */
  readonly finished: readonly string[];
  /** Dead letters that are none any more. */
  readonly gone: readonly { readonly fate: LetterFate; readonly letter: DeadLetter }[];
}

export class ShardLedger {
  readonly shard: number;
  /** Are its records told by name when they are finished? It takes time. */
  readonly named: boolean;
  sequencer: string | undefined = undefined;
  /** Who was granted it last, and whether that one has committed since. */
  owner: string | undefined = undefined;
  committed = false;
  /** Whose reports speak for it. */
  speaker: string | undefined = undefined;
  number = 0;
  input = BEGINNING;
  wallTime = 0;
  /** Records that its commits have done. */
  processed = 0;
  /** Names of the records that it has produced, of an injector whose source is told of them. */
  injected: string[] = [];
  /** First parcel that is not wholly consumed, and how many of its records are. */
  #position = 0;
  #offset = 0;
  #parcels: (readonly Waiting[])[] = [];
  /** Handed over by a commit of the chain that its next commit is of. */
  #handed: Waiting[] = [];
  /** By the member of the index of holds. */
  #timers = new Map<string, { readonly time: number; readonly output: number | undefined; readonly hold: Held }>();
  #keys = new Map<string, Held>();
  /** By id: the event time of a record; the output timestamp of a timer. */
  #aside = new Map<number, Aside>();
  /** Failed tries, by the same ids. */
  #tries = new Map<number, number>();
  /** Dead letters, by id. */
  #dead = new Map<number, Uint8Array>();

  #outbox: OutboxLedger;

  constructor(shard: number, named: boolean) {
    this.shard = shard;
    this.named = named;
    this.#outbox = new OutboxLedger(shard);
  }

  /** What it has produced for other atomic domains. */
  get outbox(): OutboxLedger {
    return this.#outbox;
  }

  copy(): ShardLedger {
    const copy = new ShardLedger(this.shard, this.named);
    const { sequencer, owner, committed, speaker, number, input, wallTime, processed } = this;
    Object.assign(copy, { sequencer, owner, committed, speaker, number, input, wallTime, processed });
    copy.injected = [...this.injected];
    copy.#outbox = this.#outbox.copy();
    copy.#position = this.#position;
    copy.#offset = this.#offset;
    copy.#parcels = [...this.#parcels];
    copy.#timers = new Map(this.#timers);
    copy.#keys = new Map(this.#keys);
    copy.#aside = new Map(this.#aside);
    copy.#tries = new Map(this.#tries);
    copy.#dead = new Map(this.#dead);
    return copy;
  }

  get tail(): number {
    return this.#position + this.#parcels.length;
  }

  /** A parcel is appended. `bound`: below it a record is late here, whatever the owner does. */
  append(parcel: Uint8Array, bound: number): ParcelRecord[] {
    const records = recordsOf(parcel);
    this.#parcels.push(records.map((record) => waiting(record, bound)));
    return records;
  }

  /** As `append`, of what comes without a place in the inbox. */
  hand(parcel: Uint8Array, bound: number): ParcelRecord[] {
    const records = recordsOf(parcel);
    for (const record of records) this.#handed.push(waiting(record, bound));
    return records;
  }

  /** May the last parcel that is consumed be the one that is meant? */
  has({ position, offset, identity }: Consumption): boolean {
    const at = (offset > 0 ? position : position - 1) - this.#position;
    if (at < 0) return true;
    const bytes = Buffer.from(identity.buffer, identity.byteOffset, identity.byteLength);
    const first = this.#parcels[at]?.[0];
    return first !== undefined && first.sender === bytes.readUInt32LE(4) && first.monotonic === bytes.readDoubleLE(8) && first.place >= bytes.readDoubleLE(16);
  }

  /** The smallest output watermark that the owner may have had when it did what this commit holds; `input` is the commit's. */
  floor(input: number): number {
    let floor = input;
    for (const { hold } of this.#timers.values()) if (hold !== undefined && hold < floor) floor = hold;
    for (const hold of this.#keys.values()) if (hold !== undefined && hold < floor) floor = hold;
    for (const { hold } of this.#aside.values()) if (hold !== undefined && hold < floor) floor = hold;
    return floor;
  }

  /** The largest input watermark that what waits here allows. */
  inputLimit(): number {
    let limit = END;
    this.#parcels.forEach((records, i) => {
      for (let at = i === 0 ? this.#offset : 0; at < records.length; at++) {
        const { time, holds } = records[at] as Waiting;
        if (holds && time < limit) limit = time;
      }
    });
    for (const { time, holds } of this.#handed) if (holds && time < limit) limit = time;
    for (const { record, hold } of this.#aside.values()) if (record !== undefined && hold !== undefined && hold < limit) limit = hold;
    return limit;
  }

  /**
   * Applies a commit with this image, of an injector or not. `floor`: what it set below this was late; `fateOf`: what its sender was asked
   * to do with a dead letter.
   */
  apply(commit: Commit, image: ShardImage, injects: boolean, floor: number, fateOf: (letter: number) => LetterFate | undefined): Applied {
    const consumed = this.#consume(commit);
    const gone = this.#lettersGone(commit, fateOf);
    for (const { id, bytes } of commit.deadPuts) this.#dead.set(id, bytes);
    const left: Aside[] = [];
    for (const id of commit.heldDeletes) {
      const aside = this.#aside.get(id);
      if (aside !== undefined) left.push(aside);
      this.#aside.delete(id);
    }
    for (const entry of commit.heldPuts) {
      const { work } = parseHeld(entry);
      this.#countTries(entry.id, work.attempts);
      if (!this.#aside.has(entry.id)) this.#setAside(entry.id, work, { consumed, left, gone }, floor);
    }
    this.#applyTimes(commit, floor);
    const done = image.counters.processed - this.processed;
    const had = consumed.length + left.length + gone.length;
    check(injects || done <= had, "A15 done unseen", () => `${name(this.shard)}#${commit.number} has done ${done} records, and had ${had}`);
    this.number = commit.number;
    this.input = image.input;
    this.wallTime = image.wallTime;
    this.processed = image.counters.processed;
    return { finished: this.named ? this.#finished(commit, consumed, left, gone) : NONE, gone };
  }

  #finished({ heldPuts }: Commit, consumed: readonly Waiting[], left: readonly Aside[], gone: Applied["gone"]): string[] {
    const finished = new Set(consumed.map(nameOf));
    for (const { record } of left) if (record !== undefined) finished.add(record);
    for (const { fate, letter } of gone) if (fate === "revived" && letter.id !== undefined) finished.add(letter.id);
    for (const { id } of heldPuts) finished.delete(this.#aside.get(id)?.record ?? "");
    return [...finished];
  }

  #applyTimes(commit: Commit, floor: number): void {
    const outputs = new Map<string, number>();
    for (const { member, time } of commit.holdSets) outputs.set(member, time);
    for (const { clock, member } of commit.timerDeletes) this.#timers.delete(timerHold(clock, member));
    for (const { clock, member, time } of commit.timerSets) {
      const address = timerHold(clock, member);
      const output = outputs.get(address) ?? (clock === "watermark" ? time : undefined);
      this.#timers.set(address, { time, output, hold: output !== undefined && output >= floor ? output : undefined });
    }
    for (const member of commit.holdDeletes) this.#keys.delete(member);
    for (const [member, time] of outputs) if (member.startsWith(KEY)) this.#keys.set(member, time >= floor ? time : undefined);
  }

  /** Only what is dead can be brought back, or given up, and only if someone asked for it. */
  #lettersGone({ deadDeletes }: Commit, fateOf: (letter: number) => LetterFate | undefined): Applied["gone"] {
    if (deadDeletes.length === 0) return NONE;
    return deadDeletes.map((id) => {
      const bytes = this.#dead.get(id);
      const fate = fateOf(id);
      if (bytes === undefined) throw new Violation("A8 not dead", `${name(this.shard)} takes dead letter ${id} away, and there is none`);
      if (fate === undefined) throw new Violation("A8 not asked for", `${name(this.shard)} takes dead letter ${id} away, and nobody asked its owner to`);
      this.#dead.delete(id);
      return { fate, letter: parseDeadLetter(bytes) };
    });
  }

  /** Failed tries are never forgotten while the work stands aside. */
  #countTries(id: number, attempts: number): void {
    const before = this.#aside.has(id) ? (this.#tries.get(id) ?? 0) : 0;
    check(attempts >= before, "held", () => `${name(this.shard)} has ${attempts} tries of ${id} that stands aside, after ${before}`);
    this.#tries.set(id, attempts);
  }

  /** Before the timers change: a firing that stands aside has left them with this commit. */
  #setAside(
    aside: number,
    work: Work,
    { consumed, left, gone }: { readonly consumed: readonly Waiting[]; readonly left: readonly Aside[]; readonly gone: Applied["gone"] },
    floor: number,
  ): void {
    if (work.kind === "timer") {
      const output = work.output ?? END;
      const known = this.#timers.get(timerHold(work.clock, work.member));
      // At another time or output: it was set again by what this commit holds.
      const asKnown = known?.time === work.time && known.output === work.output;
      const hold = asKnown ? known.hold : output >= floor ? output : undefined;
      this.#aside.set(aside, { record: undefined, hold });
      return;
    }
    const { id, sender, monotonic, place } = work.record;
    const record = nameOf(work.record);
    const found = consumed.find((each) => each.sender === sender && each.place === place && each.monotonic === monotonic);
    // Its number may change as long as it stands aside.
    const before = left.find((each) => each.record === record);
    if (found !== undefined) this.#aside.set(aside, { record, hold: found.holds ? found.time : undefined });
    else if (before !== undefined) this.#aside.set(aside, before);
    else {
      const revived = gone.some(({ fate, letter }) => fate === "revived" && letter.id === id);
      if (!revived) throw new Violation("held", `${name(this.shard)} sets a record aside that this commit neither consumes nor brings back`);
      check(work.hold >= this.input, "A8 holds too early", () => `${name(this.shard)} brings a record back that holds at ${work.hold}, after ${this.input}`);
      this.#aside.set(aside, { record, hold: work.hold >= floor ? work.hold : undefined });
    }
  }

  #consume({ consumed }: Commit): Waiting[] {
    const handed = this.#handed;
    this.#handed = [];
    if (consumed === undefined) return handed;
    const taken: Waiting[] = [];
    while (this.#position < consumed.position) {
      const parcel = this.#parcels.shift();
      if (parcel === undefined) throw new Violation("consumed", `${name(this.shard)} consumes to ${consumed.position}, past its end`);
      taken.push(...parcel.slice(this.#offset));
      this.#position++;
      this.#offset = 0;
    }
    taken.push(...(this.#parcels[0] ?? []).slice(this.#offset, consumed.offset));
    this.#offset = consumed.offset;
    check(
      taken.length === consumed.records,
      "consumed",
      () => `${name(this.shard)} says that it consumes ${consumed.records} records where ${taken.length} are`,
    );
    return [...taken, ...handed];
  }

  /** What is pending, for comparison with the store. */
  pending(): { readonly timers: number; readonly aside: number; readonly queued: number; readonly dead: number } {
    const queued = this.#parcels.reduce((sum, parcel) => sum + parcel.length, 0) - this.#offset;
    return { timers: this.#timers.size, aside: this.#aside.size, queued, dead: this.#dead.size };
  }

  /** Records and timers that are not done, but for timers that are not due. */
  get unfinished(): number {
    const { queued, aside } = this.pending();
    return queued + aside;
  }

  get dead(): number {
    return this.#dead.size;
  }

  /** Keys that hold the output watermark. */
  get holds(): number {
    return this.#keys.size;
  }
}

function recordsOf(parcel: Uint8Array): ParcelRecord[] {
  const records: ParcelRecord[] = [];
  unpackParcel(parcel, (record) => records.push(record));
  return records;
}

const waiting = ({ timestamp, id, sender, monotonic, place }: ParcelRecord, bound: number): Waiting => ({
  time: timestamp,
  holds: timestamp >= bound,
  id,
  sender,
  monotonic,
  place,
});

const KEY = keyHold("");
const NONE: readonly never[] = [];

export const nameOf = ({ id, sender, monotonic, place }: Pick<Waiting, "id" | "sender" | "monotonic" | "place">): string =>
  id ?? placeId(sender, monotonic, place);
