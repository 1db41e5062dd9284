/**
 * The layout of an inbox: parcels, each a run of records from one commit of one sender to one receiver. A parcel costs
 * the store one entry however many records it has, so a batch's fan-out is paid per target and not per record.
 *
 *   parcel   u8 format | u8 0 | u16 records | u32 sender | f64 sequencer, monotonic part | f64 smallest place | record ...
 *            \_________________________ 24 bytes: the parcel's identity, unique in history _________________/
 *   record   u8 flags | u16 input | u32 place - smallest place | f64 timestamp | u16 key bytes | key
 *            | [u16 id bytes | id] (flag 1) | u32 value bytes | value
 *
 * All integers little-endian. A value is an envelope (`computation/envelope.ts`); with flag 2 it is, in UTF-8, the
 * reason why the consumer's key extractor refused the record, and the record goes to its dead letters.
 *
 * I1  A record's place (sender, sequencer, n) is unique in the pipeline's history; n counts a sender's productions per
 *     sequencer, so places do not depend on how records were batched. A record without a client's id is named by it.
 * I2  Whatever the bytes are, reading them gives records or throws `DecodeError`, and no record reaches beyond them.
 */
import type { Codec } from "../computation/codec.ts";
import { headBytes, openValueAt, writeHead } from "../computation/envelope.ts";
import { NOT_PLAIN, type Written } from "../computation/plain-cbor.ts";
import { DecodeError } from "../errors.ts";
import type { ShardRef } from "../key.ts";
import { indexOf, participantOf } from "../key.ts";
import { type EntryAppend, PARCEL_IDENTITY_BYTES, type ParcelAppend } from "../store/commit.ts";

const FORMAT = 1;
const HAS_ID = 1;
const REFUSED = 2;
const RECORD_HEAD = 17;
const VALUE_HEAD = 4;
/** Records of one parcel: two bytes. */
export const PARCEL_RECORDS = 65_535;

/** Text up to so many characters is written by hand: cheaper than to ask for it. */
const SHORT = 24;
/** Values of more bytes are copied by a call, which makes a view of each. */
const LONG = 256;

const NOT_SENT: Origin = { sender: 0, monotonic: 0 };

/** Who has sent a parcel, in the sequence of which owner. */
export interface Origin {
  readonly sender: ShardRef;
  readonly monotonic: number;
}

/** A record as it lies in an inbox; its value is in `bytes` from `from` to `to`. */
export interface ParcelRecord {
  readonly input: number;
  readonly timestamp: number;
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly refused: boolean;
  /** The client's id, or undefined: then `placeId` of the three below. */
  readonly id: string | undefined;
  readonly sender: ShardRef;
  readonly monotonic: number;
  readonly place: number;
}

/**
 * One delivery of one production. Once it is packed it is the record as it lies in the receiver's inbox, so that a
 * receiver in the same worker need not read it from the parcel again.
 */
export class Production implements ParcelRecord {
  readonly target: ShardRef;
  readonly input: number;
  readonly place: number;
  readonly timestamp: number;
  readonly key: string;
  readonly id: string | undefined;
  readonly refused: boolean;
  /** Whose envelope the value will be put in; undefined: it is in it. */
  codec: Codec<unknown> | undefined;
  /** Where the value lies, from `from` to `to`. */
  bytes: Uint8Array;
  from: number;
  to: number;
  /** It is not delivered but appended, by the commit, to a stream of the store. */
  entry: EntryAppend | undefined = undefined;
  #origin = NOT_SENT;
  #copy: unknown = NOT_PLAIN;

  constructor(
    target: ShardRef,
    input: number,
    { place, timestamp, id }: { readonly place: number; readonly timestamp: number; readonly id: string | undefined },
    key: string,
    codec: Codec<unknown> | undefined,
    { bytes, from, to }: Omit<Written, "copy">,
    refused = false,
  ) {
    this.target = target;
    this.input = input;
    this.place = place;
    this.timestamp = timestamp;
    this.key = key;
    this.id = id;
    this.refused = refused;
    this.codec = codec;
    this.bytes = bytes;
    this.from = from;
    this.to = to;
  }

  get sender(): ShardRef {
    return this.#origin.sender;
  }
  get monotonic(): number {
    return this.#origin.monotonic;
  }

  /** Its value is all of these bytes now, in its envelope. */
  inEnvelope(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.from = 0;
    this.to = bytes.length;
    this.codec = undefined;
  }

  /** It was packed: its value lies there, in its envelope. */
  packed(origin: Origin, bytes: Uint8Array, from: number, to: number): void {
    this.#origin = origin;
    this.bytes = bytes;
    this.from = from;
    this.to = to;
    this.codec = undefined;
  }

  /** It goes to a receiver in the same worker without being packed. */
  sentBy(origin: Origin): void {
    this.#origin = origin;
  }

  /** Puts the value into its envelope, where it has none yet. */
  enclose(): void {
    const { codec, from, to } = this;
    if (codec === undefined) return;
    const enclosed = Buffer.allocUnsafe(headBytes(codec) + to - from);
    const at = writeHead(codec, enclosed, 0);
    enclosed.set(this.bytes.subarray(from, to), at);
    this.inEnvelope(enclosed.subarray(0, at + to - from));
  }

  /** A copy of the value, for a receiver in the same worker, who may change it. */
  handOver(copy: unknown): void {
    this.#copy = copy;
  }

  /** The copy, once: a call that is made again reads the value from its bytes. `NOT_PLAIN`: there is none, or it was taken. */
  takeCopy(): unknown {
    const copy = this.#copy;
    this.#copy = NOT_PLAIN;
    return copy;
  }
}

/** Productions that are handed over as they are (`chain.ts`); their bytes are for whoever watches, and made for him. */
export class HandedParcel implements ParcelAppend {
  readonly target: ShardRef;
  readonly productions: readonly Production[];
  readonly #origin: Origin;

  constructor(target: ShardRef, origin: Origin, productions: readonly Production[]) {
    this.target = target;
    this.productions = productions;
    this.#origin = origin;
  }

  get records(): number {
    return this.productions.length;
  }
  get bytes(): Uint8Array {
    return packParcel(this.#origin.sender, this.#origin.monotonic, this.productions);
  }
}

/** A parcel that was packed by this worker, with what is in it. */
export interface PackedParcel extends ParcelAppend {
  readonly productions: readonly Production[];
}

export function placeId(sender: ShardRef, monotonic: number, place: number): string {
  return `${participantOf(sender)}.${indexOf(sender)}.${monotonic.toString(36)}.${place.toString(36)}`;
}

/** An upper bound of the bytes that a production takes in a parcel. */
function productionBytes(production: Production): number {
  return (
    RECORD_HEAD +
    8 +
    3 * production.key.length +
    (production.id === undefined ? 0 : 3 * production.id.length) +
    (production.codec === undefined ? 0 : headBytes(production.codec)) +
    production.to -
    production.from
  );
}

/** Packs productions of one target, in order; from then on they are what lies in it. At most PARCEL_RECORDS of them. */
export function packParcel(sender: ShardRef, monotonic: number, productions: readonly Production[]): Buffer {
  const origin = { sender, monotonic };
  let bound = PARCEL_IDENTITY_BYTES;
  // The smallest: calls that wait in between produce in one order and end in another.
  let first = Number.POSITIVE_INFINITY;
  for (const production of productions) {
    bound += productionBytes(production);
    if (production.place < first) first = production.place;
  }
  const bytes = Buffer.allocUnsafe(bound);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bound);
  view.setUint16(0, FORMAT, true);
  view.setUint16(2, productions.length, true);
  view.setUint32(4, sender, true);
  view.setFloat64(8, monotonic, true);
  view.setFloat64(16, first, true);
  let at = PARCEL_IDENTITY_BYTES;
  for (const production of productions) at = packRecord(bytes, view, at, production, first, origin);
  return bytes.subarray(0, at);
}

/** Numbers go through `view`, of the same bytes: a fifth of what a Buffer's own methods take. */
function packRecord(bytes: Buffer, view: DataView, start: number, production: Production, first: number, origin: Origin): number {
  let at = start;
  view.setUint8(at, (production.id === undefined ? 0 : HAS_ID) | (production.refused ? REFUSED : 0));
  view.setUint16(at + 1, production.input, true);
  view.setUint32(at + 3, production.place - first, true);
  view.setFloat64(at + 7, production.timestamp, true);
  at += RECORD_HEAD;
  const keyBytes = writeText(production.key, bytes, at);
  view.setUint16(at - 2, keyBytes, true);
  at += keyBytes;
  if (production.id !== undefined) {
    const idBytes = writeText(production.id, bytes, at + 2);
    view.setUint16(at, idBytes, true);
    at += 2 + idBytes;
  }
  const { codec, from, to } = production;
  const valueAt = codec === undefined ? at + VALUE_HEAD : writeHead(codec, bytes, at + VALUE_HEAD);
  const end = valueAt + to - from;
  if (end - valueAt > LONG) bytes.set(production.bytes.subarray(from, to), valueAt);
  else copyWords(viewOf(production.bytes), from, to, view, valueAt);
  view.setUint32(at, end - at - VALUE_HEAD, true);
  production.packed(origin, bytes, at + VALUE_HEAD, end);
  return end;
}

let viewedBytes: Uint8Array = new Uint8Array(0);
let viewed = new DataView(viewedBytes.buffer);

/** One for many: payloads lie in pages. */
function viewOf(bytes: Uint8Array): DataView {
  if (bytes !== viewedBytes) {
    viewedBytes = bytes;
    viewed = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  return viewed;
}

function copyWords(source: DataView, from: number, to: number, target: DataView, start: number): void {
  let [i, at] = [from, start];
  for (; i + 4 <= to; i += 4, at += 4) target.setUint32(at, source.getUint32(i));
  for (; i < to; i++, at++) target.setUint8(at, source.getUint8(i));
}

/** Writes the text, in UTF-8, and gives how many bytes that takes. */
function writeText(text: string, target: Buffer, at: number): number {
  const { length } = text;
  if (length > SHORT) return target.write(text, at);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return target.write(text, at);
    target[at + i] = unit;
  }
  return length;
}

/** As `unpackParcel`; what was packed by this worker is not read again. */
export function recordsIn(parcel: ParcelAppend | PackedParcel, take: (record: ParcelRecord) => void): void {
  if ("productions" in parcel) parcel.productions.forEach(take);
  else unpackParcel(parcel.bytes, take);
}

/** Calls `take` with each record of a parcel, in order. Throws `DecodeError`, maybe after it has given some. */
export function unpackParcel(parcel: Uint8Array, take: (record: ParcelRecord) => void): void {
  const bytes = Buffer.from(parcel.buffer, parcel.byteOffset, parcel.byteLength);
  const { length } = bytes;
  if (length < PARCEL_IDENTITY_BYTES || bytes[0] !== FORMAT) throw damaged(bytes, 0);
  const records = bytes.readUInt16LE(2);
  const sender = bytes.readUInt32LE(4);
  const monotonic = bytes.readDoubleLE(8);
  const first = bytes.readDoubleLE(16);
  let at = PARCEL_IDENTITY_BYTES;
  for (let n = 0; n < records; n++) {
    if (at + RECORD_HEAD + VALUE_HEAD > length) throw damaged(bytes, at);
    const flags = bytes[at] as number;
    const keyEnd = at + RECORD_HEAD + bytes.readUInt16LE(at + RECORD_HEAD - 2);
    let valueAt = keyEnd;
    let id: string | undefined;
    if (flags & HAS_ID) {
      if (keyEnd + 2 > length) throw damaged(bytes, at);
      valueAt = keyEnd + 2 + bytes.readUInt16LE(keyEnd);
      id = bytes.toString("utf8", keyEnd + 2, valueAt);
    }
    const end = valueAt + VALUE_HEAD > length ? Number.POSITIVE_INFINITY : valueAt + VALUE_HEAD + bytes.readUInt32LE(valueAt);
    const timestamp = bytes.readDoubleLE(at + 7);
    // A time that is none would stay in every watermark that it reaches.
    if (end > length || !Number.isFinite(timestamp)) throw damaged(bytes, at);
    take({
      input: bytes.readUInt16LE(at + 1),
      timestamp,
      key: bytes.toString("utf8", at + RECORD_HEAD, keyEnd),
      bytes,
      from: valueAt + VALUE_HEAD,
      to: end,
      refused: (flags & REFUSED) !== 0,
      id,
      sender,
      monotonic,
      place: first + bytes.readUInt32LE(at + 3),
    });
    at = end;
  }
  if (at !== length) throw damaged(bytes, at);
}

function damaged(bytes: Buffer, at: number): DecodeError {
  return new DecodeError(`a parcel of ${bytes.length} bytes cannot be read from byte ${at} on; it was damaged or not written by Millrace`);
}

/** A value, or what stands in its place, that is all of these bytes. */
export const whole = (bytes: Uint8Array): Omit<Written, "copy"> => ({ bytes, from: 0, to: bytes.length });

/** The value of a record: as it was handed over in memory, or read from its bytes. Throws as `openValueAt` does. */
export function openRecord(codec: Codec<unknown>, record: ParcelRecord): unknown {
  const copy = record instanceof Production ? record.takeCopy() : NOT_PLAIN;
  if (copy !== NOT_PLAIN) return copy;
  if (record instanceof Production) record.enclose();
  return openValueAt(codec, record.bytes, record.from, record.to);
}

/** The record's value, in its envelope. */
export function valueOf(record: ParcelRecord): Uint8Array {
  if (record instanceof Production) record.enclose();
  return record.bytes.subarray(record.from, record.to);
}

/** Is a whole parcel here, of the format that this code reads? Else its records cannot be told apart. */
export function isParcel(parcel: Uint8Array): boolean {
  try {
    unpackParcel(parcel, () => {});
    return recordsOf(parcel) > 0 && parcel[1] === 0;
  } catch (error) {
    if (error instanceof DecodeError) return false;
    throw error;
  }
}

/** The smallest timestamp in a parcel that was packed here; its records stay as they are. */
export function leastTimestamp(parcel: Uint8Array): number {
  const bytes = Buffer.from(parcel.buffer, parcel.byteOffset, parcel.byteLength);
  let least = Number.POSITIVE_INFINITY;
  for (let at = PARCEL_IDENTITY_BYTES; at < bytes.length; ) {
    least = Math.min(least, bytes.readDoubleLE(at + 7));
    let valueAt = at + RECORD_HEAD + bytes.readUInt16LE(at + RECORD_HEAD - 2);
    if ((bytes[at] as number) & HAS_ID) valueAt += 2 + bytes.readUInt16LE(valueAt);
    at = valueAt + VALUE_HEAD + bytes.readUInt32LE(valueAt);
  }
  return least;
}

export const recordsOf = (parcel: Uint8Array): number => (parcel[2] as number) | ((parcel[3] as number) << 8);
export const identityOf = (parcel: Uint8Array): Uint8Array => parcel.subarray(0, PARCEL_IDENTITY_BYTES);

/**
 * A parcel without its first `consumed` records, cut by where `targetOf` says that each record goes now. What is cut keeps
 * sender and places, so that no record gets another id; a part that lacks records of the start begins at its own.
 */
export function cutParcel(parcel: Uint8Array, consumed: number, targetOf: (key: string, refused: boolean) => ShardRef): ParcelAppend[] {
  const parts = new Map<ShardRef, ParcelRecord[]>();
  let n = 0;
  unpackParcel(parcel, (record) => {
    if (n++ < consumed) return;
    const target = targetOf(record.key, record.refused);
    const part = parts.get(target);
    if (part === undefined) parts.set(target, [record]);
    else part.push(record);
  });
  return [...parts].map(([target, records]) => {
    const productions = records.map((record) => new Production(target, record.input, record, record.key, undefined, record, record.refused));
    const { sender, monotonic } = records[0] as ParcelRecord;
    return { target, records: records.length, bytes: packParcel(sender, monotonic, productions) };
  });
}
