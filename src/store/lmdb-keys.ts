/**
 * The layout of keys in LMDB, one database for each pipeline:
 *
 *   <shard: 4 bytes><kind: 1 byte><rest>     kind and rest:
 *     r                                      record: owner, position, counts (`lmdb-record.ts`)
 *     i                                      image
 *     p <position>                           parcel
 *     s <field>                              state value
 *     t, w, h, c <member>                    time of a timer (watermark, wall), of a hold, of a client id
 *     T, W, H, C <time><member>              the same in the order of time; no value
 *     a, d <id>                              held record, dead letter
 *     o <target><monotonic><n>               outbox entry
 *     m <sender>                             mark: last place taken of a sender
 *   <FFFFFFFF><kind><rest>                   of the pipeline:
 *     f  format      g  graph      n  appends      a <track>  watermark authority
 *     x <participant>  removed, but not all of its data yet       o  owning process (`lmdb-owner.ts`)
 *     l  leases that were renewed (JSON, `embedded-leases.ts`)
 *
 * Shards, targets, senders and participants are 32-bit; other numbers are 64-bit floats turned so that bytes sort as
 * numbers do. Text is UTF-8, last, and unframed: LMDB keeps the length of a key.
 */
import { invariant, LimitExceededError } from "../errors.ts";
import { participantOf, shardRef, type ShardRef } from "../key.ts";
import { timerHold } from "./address.ts";
import type { Commit } from "./commit.ts";

const kindOf = (letter: string): number => letter.charCodeAt(0);

export const RECORD: number = kindOf("r");
export const IMAGE: number = kindOf("i");
export const PARCEL: number = kindOf("p");
export const STATE: number = kindOf("s");
export const HELD: number = kindOf("a");
export const DEAD: number = kindOf("d");
export const OUTBOX: number = kindOf("o");
export const MARK: number = kindOf("m");

/** Kinds of a member's time and of its place in the order of time. */
export interface TimeKinds {
  readonly member: number;
  readonly order: number;
}
export const WATERMARK: TimeKinds = { member: kindOf("t"), order: kindOf("T") };
export const WALL: TimeKinds = { member: kindOf("w"), order: kindOf("W") };
export const HOLD: TimeKinds = { member: kindOf("h"), order: kindOf("H") };
export const CLIENT_ID: TimeKinds = { member: kindOf("c"), order: kindOf("C") };

/** Stands where a shard does, in keys of the pipeline as a whole. */
export const PIPELINE = 0xffff_ffff;
export const FORMAT: number = kindOf("f");
export const GRAPH: number = kindOf("g");
export const APPENDS: number = kindOf("n");
export const AUTHORITY: number = kindOf("a");
export const REMOVED: number = kindOf("x");
export const OWNER: number = kindOf("o");
export const LEASES: number = kindOf("l");

const HEAD = 5;
const NUMBER = 8;
/** LMDB's own bound, at its default page size. */
const KEY_BYTES_MOST = 1978;
const TEXT_BYTES_MOST = KEY_BYTES_MOST - HEAD - NUMBER;

/** The key of what a shard has one of; and the prefix of all of a kind. */
export function headKey(shard: ShardRef, kind: number): Buffer {
  return writeHead(Buffer.allocUnsafe(HEAD), shard, kind);
}

export function textKey(shard: ShardRef, kind: number, text: string): Buffer {
  const key = writeHead(Buffer.allocUnsafe(HEAD + Buffer.byteLength(text)), shard, kind);
  key.write(text, HEAD);
  return key;
}

export function numberKey(shard: ShardRef, kind: number, number: number): Buffer {
  const key = writeHead(Buffer.allocUnsafe(HEAD + NUMBER), shard, kind);
  writeNumber(key, number, HEAD);
  return key;
}

export function timeKey(shard: ShardRef, kind: number, time: number, text: string): Buffer {
  const key = writeHead(Buffer.allocUnsafe(HEAD + NUMBER + Buffer.byteLength(text)), shard, kind);
  writeNumber(key, time, HEAD);
  key.write(text, HEAD + NUMBER);
  return key;
}

/** A key that ends with a shard or a participant. */
export function refKey(shard: ShardRef, kind: number, ref: number): Buffer {
  const key = writeHead(Buffer.allocUnsafe(HEAD + 4), shard, kind);
  key.writeUInt32BE(ref, HEAD);
  return key;
}

export function outboxKey(shard: ShardRef, target: ShardRef, monotonic: number, n: number): Buffer {
  const key = writeHead(Buffer.allocUnsafe(HEAD + 4 + 2 * NUMBER), shard, OUTBOX);
  key.writeUInt32BE(target, HEAD);
  writeNumber(key, monotonic, HEAD + 4);
  writeNumber(key, n, HEAD + 4 + NUMBER);
  return key;
}

export const numberOf = (key: Buffer): number => readNumber(key, HEAD);
export const refOf = (key: Buffer): number => key.readUInt32BE(HEAD);
export const textOf = (key: Buffer): string => key.toString("utf8", HEAD);
export const timeOf = (key: Buffer): { member: string; time: number } => ({ time: readNumber(key, HEAD), member: key.toString("utf8", HEAD + NUMBER) });
export function outboxPlaceOf(key: Buffer): { target: ShardRef; place: { monotonic: number; n: number } } {
  return { target: key.readUInt32BE(HEAD), place: { monotonic: readNumber(key, HEAD + 4), n: readNumber(key, HEAD + 4 + NUMBER) } };
}

/** The end of the range of all keys that begin with this one, which ends in ASCII. */
export function afterAll(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1]! += 1;
  return end;
}

/** All keys of a kind, as a range. */
export function rangeOf(shard: ShardRef, kind: number): { start: Buffer; end: Buffer } {
  return { start: headKey(shard, kind), end: headKey(shard, kind + 1) };
}

/** All keys of a participant's shards, as a range. */
export function rangeOfParticipant(participant: number): { start: Buffer; end: Buffer } {
  return { start: headKey(shardRef(participant, 0), 0), end: headKey(shardRef(participant + 1, 0), 0) };
}

/** A shard must fit into four bytes, short of `PIPELINE`. */
export function checkParticipant(participant: number): void {
  invariant(participantOf(PIPELINE) > participant, `participant id ${participant}: the LMDB store has room for ids below ${participantOf(PIPELINE)}`);
}

/** Throws a LimitExceededError if one of the commit's keys would be too long for LMDB. */
export function checkKeys(commit: Commit): void {
  for (const field of commit.stateFields) checkText("state field", field);
  for (const { clock, member } of commit.timerSets) checkText("timer", timerHold(clock, member));
  for (const { member } of commit.holdSets) checkText("hold", member);
  for (const { id } of commit.ids) checkText("client id", id);
}

function checkText(what: string, text: string): void {
  // A UTF-16 unit is at most three bytes of UTF-8.
  if (text.length * 3 <= TEXT_BYTES_MOST || Buffer.byteLength(text) <= TEXT_BYTES_MOST) return;
  throw new LimitExceededError(
    `${what} ${JSON.stringify(text.slice(0, 40))}... takes ${Buffer.byteLength(text)} bytes as a key; LMDB has room for ${TEXT_BYTES_MOST}`,
  );
}

function writeHead(key: Buffer, shard: ShardRef, kind: number): Buffer {
  key.writeUInt32BE(shard, 0);
  key[4] = kind;
  return key;
}

/** As a float, big end first; the sign turned if positive, every bit if negative: then bytes sort as numbers do. */
function writeNumber(key: Buffer, number: number, at: number): void {
  key.writeDoubleBE(number + 0, at);
  turn(key, at, number < 0);
}

function readNumber(key: Buffer, at: number): number {
  const copy = Buffer.from(key.subarray(at, at + NUMBER));
  turn(copy, 0, (copy[0]! & 0x80) === 0);
  return copy.readDoubleBE(0);
}

function turn(bytes: Buffer, at: number, negative: boolean): void {
  if (!negative) {
    bytes[at] = bytes[at]! ^ 0x80;
    return;
  }
  for (let i = at; i < at + NUMBER; i++) bytes[i] = bytes[i]! ^ 0xff;
}
