/**
 * The rules of work that waits: held records and timers, dead letters, the outbox, and the inbox with its parcels.
 * Pure: pages go in, findings come out.
 *
 * The inbox is judged by absolute positions. Parcels never change and positions only rise, so pages of several moments
 * can be put together; the counts are judged by the last page, whose positions and counts are of one moment.
 */
import { headOf } from "../computation/envelope.ts";
import { indexOf, participantOf, type ShardRef } from "../key.ts";
import { parseTimerMember, timerAddressOf } from "../store/address.ts";
import type { Numbered } from "../store/commit.ts";
import type { ParcelPage, ReadEntry } from "../store/reader.ts";
import { BEGINNING, END } from "../time.ts";
import { keyOf, parseDeadLetter, parseHeld } from "../worker/held.ts";
import { isParcel, type ParcelRecord, placeId, recordsOf, unpackParcel, valueOf } from "../worker/parcel.ts";
import type { Work } from "../worker/work.ts";
import { isTime, quoted } from "./entry-rules.ts";
import type { Findings } from "./findings.ts";
import type { AuditedShard } from "./stored-names.ts";

interface Place {
  readonly position: number;
  readonly record: number;
  readonly key: string;
}

export class WorkRules {
  readonly #shard: AuditedShard;
  readonly #findings: Findings;
  /** The largest ids in use. */
  largestHeld = 0;
  largestDead = 0;
  /** The smallest hold of a held record; it limits the watermarks. */
  smallestHold: { readonly hold: number; readonly id: string; readonly key: string } | undefined = undefined;
  /** Records that wait in the inbox. */
  waiting = 0;
  readonly #inboxRecords = new Map<number, number>();
  #inboxEnd = 0;
  /** Of what is held, and of what waits in the inbox. */
  readonly #heldPlaces = new Map<string, string>();
  readonly #heldTwice: { readonly first: string; readonly second: string; readonly key: string; readonly text: string }[] = [];
  readonly #places = new Set<string>();
  readonly #heldAndWaiting: (Place & { readonly text: string })[] = [];
  readonly #monotonics = new Map<ShardRef, number>();
  #unreadable = false;

  constructor(shard: AuditedShard, findings: Findings) {
    this.#shard = shard;
    this.#findings = findings;
  }

  // ── held ────────────────────────────────────────────────────────────────────────────────────────────────────────

  held(entries: readonly ReadEntry[]): void {
    this.#findings.checked("held", entries.length);
    for (const entry of entries) {
      const id = Number(entry.name);
      const problem = this.#heldProblem(entry, id);
      if (problem !== undefined) this.#findings.violated("held", this.#shard.at(problem.key), `held ${quoted(entry.name)} ${problem.text}`);
      if (Number.isSafeInteger(id)) this.largestHeld = Math.max(this.largestHeld, id);
    }
  }

  #heldProblem({ name, bytes }: ReadEntry, id: number): { readonly text: string; readonly key?: string } | undefined {
    if (!isId(name)) return { text: "has no number for an id" };
    const parsed = attempt(() => parseHeld({ id, bytes } as Numbered));
    if (parsed === undefined) return { text: "cannot be read" };
    const { work, halted } = parsed;
    const key: unknown = keyOf(work);
    if (typeof key !== "string") return { text: "cannot be read: it has no key" };
    if (halted) this.#findings.note("# held entries are of keys that are halted: they wait for an operator, and hold the watermark");
    if (!this.#shard.owns(key)) return { key, text: "belongs to another shard" };
    if (!Number.isInteger(work.attempts) || work.attempts < 0) return { key, text: `has had ${work.attempts} tries` };
    if (!(Number.isInteger(work.hold) && work.hold >= BEGINNING && work.hold <= END)) return { key, text: `holds at ${work.hold}, which is no time` };
    const text = work.kind === "record" ? this.#heldRecord(work.record, name) : this.#heldTimer(work);
    if (text === undefined && work.kind === "record" && work.hold < (this.smallestHold?.hold ?? Number.POSITIVE_INFINITY))
      this.smallestHold = { hold: work.hold, id: name, key };
    return text === undefined ? undefined : { key, text };
  }

  #heldRecord(record: ParcelRecord, id: string): string | undefined {
    const place = placeOf(record);
    const other = this.#heldPlaces.get(place);
    this.#findings.checked("once");
    if (other !== undefined && other !== id) this.#heldTwice.push({ first: other, second: id, key: record.key, text: idOf(record) });
    this.#heldPlaces.set(place, id);
    return this.#recordProblem(record);
  }

  #heldTimer(work: Work & { readonly kind: "timer" }): string | undefined {
    if (timerAddressOf(work.member) === undefined) return `names the timer ${quoted(work.member)}, which is none`;
    const { timer } = parseTimerMember(work.member);
    const named = this.#shard.participant.timerOf.get(timer);
    if (named === undefined)
      return this.#shard.names.isDropped(timer) ? undefined : `is a timer of id ${timer}, which ${this.#shard.participant.name} does not have`;
    if (named.clock !== work.clock) return `is timer "${named.name}" on the ${work.clock} clock, which is a ${named.clock} timer`;
    return isTime(work.time) ? undefined : `is timer "${named.name}" for ${work.time}, which is no time`;
  }

  /** Has a record been seen under two ids? It may have been moved from one to the other between two pages. */
  get mayBeHeldTwice(): boolean {
    return this.#heldTwice.length > 0;
  }

  /** The ids that are there now: where the first of two still is, it was there when the second was seen, for none is given twice. */
  heldAgain(ids: ReadonlySet<string>): void {
    for (const { first, second, key, text } of this.#heldTwice)
      if (ids.has(first)) this.#findings.violated("once", this.#shard.at(key), `record ${text} is held twice, as ${first} and as ${second}`);
  }

  // ── dead letters, outbox ────────────────────────────────────────────────────────────────────────────────────────

  dead(entries: readonly ReadEntry[]): void {
    this.#findings.checked("dead-letters", entries.length);
    for (const { name, bytes } of entries) {
      const tell = (text: string, key?: string) => this.#findings.violated("dead-letters", this.#shard.at(key), `dead letter ${quoted(name)} ${text}`);
      const letter = attempt(() => parseDeadLetter(bytes as Uint8Array));
      if (!isId(name)) tell("has no number for an id");
      else if (letter === undefined || typeof letter !== "object" || letter === null || typeof letter.key !== "string") tell("cannot be read");
      else if (letter.kind !== "record" && letter.kind !== "timer") tell("is neither of a record nor of a timer", letter.key);
      // One that was refused before it had a key is in the first shard; an injector's are in that of their partition.
      else if (letter.key !== "" && this.#shard.participant.kind === "computation" && !this.#shard.owns(letter.key))
        tell("belongs to another shard", letter.key);
      if (Number.isSafeInteger(Number(name))) this.largestDead = Math.max(this.largestDead, Number(name));
    }
  }

  outbox(entries: readonly ReadEntry[]): void {
    this.#findings.checked("outbox", entries.length);
    for (const { name, bytes } of entries) {
      const tell = (text: string) => this.#findings.violated("outbox", this.#shard.at(), `outbox entry ${quoted(name)} ${text}`);
      const [, target, n] = /^(\d+):\d+\.(\d+)$/.exec(name) ?? [];
      if (target === undefined) tell("names no place of a channel");
      else if (!this.#shard.names.has(Number(target))) tell("is for a shard that the graph does not have");
      // Of place 0 is the note of a channel's last place.
      else if (n === "0" ? bytes?.length !== 0 : bytes === undefined || !isParcel(bytes)) tell("holds no parcel that can be read");
    }
  }

  // ── the inbox ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** A page of the inbox. Gives from where to read on; undefined: its end is reached, or it cannot be read on. */
  inbox(page: ParcelPage): number | undefined {
    const { from, parcels, tail } = page;
    const there = parcels.filter((parcel) => parcel !== undefined).length;
    const wanted = Number.isSafeInteger(tail) && tail > from;
    if (wanted && (parcels.length === 0 || there < parcels.length)) {
      this.#findings.violated("inbox-position", this.#shard.at(), `parcels from ${from} on are missing; the inbox ends at ${tail}`);
      return undefined;
    }
    parcels.forEach((parcel, i) => this.#parcel(parcel as Uint8Array, from + i));
    this.#inboxEnd = from + parcels.length;
    if (wanted && this.#inboxEnd < tail) return this.#inboxEnd;
    this.#inboxEnds(page);
    return undefined;
  }

  #parcel(parcel: Uint8Array, position: number): void {
    this.#findings.checked("inbox-parcels");
    if (!isParcel(parcel)) {
      this.#findings.violated("inbox-parcels", this.#shard.at(), `the parcel at ${position} cannot be read (${parcel.length} bytes)`);
      this.#unreadable = true;
      return;
    }
    this.#inboxRecords.set(position, recordsOf(parcel));
    let record = 0;
    unpackParcel(parcel, (each) => {
      if (record === 0) this.#sender(each, position);
      this.#record(each, { position, record, key: each.key });
      record++;
    });
  }

  #sender({ sender, monotonic }: ParcelRecord, position: number): void {
    const tell = (text: string) => this.#findings.violated("inbox-parcels", this.#shard.at(), `the parcel at ${position} ${text}`);
    if (!this.#shard.names.sends(sender)) tell(`is from shard ${indexOf(sender)} of participant ${participantOf(sender)}, which sends nothing`);
    const before = this.#monotonics.get(sender) ?? 0;
    if (!isTime(monotonic)) tell(`is of the sequencer ${monotonic}`);
    else if (monotonic < before) tell(`is of an owner before the one whose parcel it follows (${monotonic} after ${before})`);
    this.#monotonics.set(sender, Math.max(before, monotonic));
  }

  #record(record: ParcelRecord, at: Place): void {
    this.#findings.checked("inbox-records");
    this.#findings.checked("once");
    const problem = this.#recordProblem(record);
    if (problem !== undefined)
      this.#findings.violated("inbox-records", this.#shard.at(record.key), `record ${at.record} of the parcel at ${at.position} (${idOf(record)}) ${problem}`);
    const place = placeOf(record);
    if (this.#places.has(place)) this.#findings.violated("once", this.#shard.at(record.key), `record ${idOf(record)} waits twice, again at ${at.position}`);
    this.#places.add(place);
    const held = this.#heldPlaces.get(place);
    if (held !== undefined) this.#heldAndWaiting.push({ ...at, text: `record ${idOf(record)} is held as ${held}, and waits in the inbox at ${at.position}` });
  }

  #recordProblem(record: ParcelRecord): string | undefined {
    const { input, timestamp, key, refused } = record;
    const { participant, names } = this.#shard;
    const named = participant.inputOf.get(input);
    if (!isTime(timestamp)) return `has the timestamp ${timestamp}, which is no time`;
    if (named === undefined) return names.isDropped(input) ? undefined : `is for an input of id ${input}, which ${participant.name} does not have`;
    if (refused) return undefined;
    if (!this.#shard.owns(key)) return `has a key of another shard`;
    const head = headOf(valueOf(record));
    if (head?.codec === named.codec) return undefined;
    return head === undefined ? "does not begin as a value does" : `was written by codec "${head.codec}", the stream has "${named.codec}"`;
  }

  /** The last page: its counts are of the moment in which the end was reached. */
  #inboxEnds({ position, offset, tail, queued }: ParcelPage): void {
    const where = this.#shard.at();
    for (const { text, key, ...at } of this.#heldAndWaiting) {
      // Held when that was read, before; if it is still not consumed now, it was both at once.
      if (at.position > position || (at.position === position && at.record >= offset)) this.#findings.violated("once", this.#shard.at(key), text);
    }
    this.#findings.checked("inbox-position");
    this.#findings.checked("inbox-queued");
    if (this.#unreadable) return;
    let records = 0;
    for (const [at, count] of this.#inboxRecords) if (at >= position) records += count;
    const first = this.#inboxRecords.get(position) ?? 0;
    if (offset > 0 && offset >= first)
      this.#findings.violated(
        "inbox-position",
        where,
        `${offset} records of the parcel at ${position} are consumed, which has ${tail > position ? first : "not come"}`,
      );
    else if (records - offset !== queued) this.#findings.violated("inbox-queued", where, `${queued} records are counted, ${records - offset} wait`);
    this.waiting = queued;
  }
}

/** Unique in the pipeline's history for one consumer's input. */
const placeOf = ({ sender, monotonic, place, input }: ParcelRecord): string => `${sender} ${monotonic} ${place} ${input}`;

const idOf = (record: ParcelRecord): string => quoted(record.id ?? placeId(record.sender, record.monotonic, record.place));

const isId = (name: string): boolean => /^[1-9]\d{0,15}$/.test(name);

/** undefined: these bytes are not what they should be. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
