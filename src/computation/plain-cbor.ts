/**
 * The common part of CBOR, fast: objects, arrays, text, numbers, booleans, null and undefined, of which nearly every
 * record is made, and which every record passes through twice. What is anything else, or does not fit a page, is left to
 * the library (`cbor-codec.ts`), which alone decides what is refused and how.
 *
 * P1  Where it writes, it writes the bytes that the library would; where it reads, it gives the value that the library would.
 * P2  Bytes that it gave out are never written again; a value that it read shares no memory with the bytes.
 * P3  A copy that it made while writing is what reading the bytes would give, and shares nothing that can be changed with the
 *     value.
 */
import { Buffer } from "node:buffer";

/** Bytes to be written are taken from here, page by page: what is kept of a small value keeps no more than this alive. */
const PAGE = 8_192;
/** Bytes of a head, or of a number. */
const WORD = 9;
/** Text up to so many characters is written by hand: cheaper than to ask for it. */
const SHORT = 24;
/** How deep a value may be nested; the library goes on from there. */
const DEPTH = 64;

const TEXT = 0x60;
const ARRAY = 0x80;
const MAP = 0xa0;

/** What `readPlain` gives for bytes that are for the library, and what stands for a copy that was not made. */
export const NOT_PLAIN = Symbol("not plain");

/** Where bytes are written, one value after the other. What is kept long and what is soon gone have pages of their own. */
export class Pages {
  page = Buffer.alloc(0);
  at = 0;

  /** The same bytes on the newest page; large ones as they are, or alone where they keep twice as much alive. */
  moved(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    if (writing) return bytes;
    if (length > PAGE / 2) return 2 * length >= bytes.buffer.byteLength ? bytes : alone(bytes);
    if (this.at + length > this.page.length) {
      this.page = Buffer.allocUnsafeSlow(PAGE);
      this.at = 0;
    }
    const copy = this.page.subarray(this.at, this.at + length);
    copy.set(bytes);
    this.at += length;
    return copy;
  }
}

function alone(bytes: Uint8Array): Uint8Array {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/** A value that was written: its bytes are in `bytes` from `from` to `to`. */
export interface Written {
  readonly bytes: Uint8Array;
  readonly from: number;
  readonly to: number;
  /** What reading them would give, for one who may change it; `NOT_PLAIN`: read them. */
  readonly copy: unknown;
}

let page = Buffer.alloc(0);
let at = 0;
/** A getter of the value that is being written can ask for another. */
let writing = false;
/** The value was given up for want of room, and not for what it is. */
let lacksRoom = false;
/** Objects and arrays are copied while they are written. */
let copying = false;
/** Of the object or array that was written last. */
let copied: unknown = NOT_PLAIN;
/** A copy would not be what the bytes say. */
let differs = false;

/** The bytes of the value, behind `free` bytes that are the caller's to write; undefined: it is for the library. */
export function writePlain(value: unknown, pages: Pages, free = 0): Buffer | undefined {
  const from = write(value, pages, free, false);
  return from < 0 ? undefined : pages.page.subarray(from, pages.at);
}

/** Writes the value and copies it on the way, which costs a tenth of reading it; undefined: it is for the library. */
export function writeAndCopy(value: unknown, pages: Pages): Written | undefined {
  const from = write(value, pages, 0, true);
  const copy = differs ? NOT_PLAIN : typeof value === "object" && value !== null ? copied : value;
  copied = NOT_PLAIN;
  if (from < 0) return undefined;
  return { bytes: pages.page, from, to: pages.at, copy };
}

/** Where the value begins; -1: it is for the library. */
function write(value: unknown, pages: Pages, free: number, copy: boolean): number {
  if (writing) return -1;
  writing = true;
  copying = copy;
  ({ page, at } = pages);
  try {
    const from = written(value, free);
    if (from >= 0 || !lacksRoom || (at === 0 && page.length > 0)) return from;
    page = Buffer.allocUnsafeSlow(PAGE);
    at = 0;
    return written(value, free);
  } finally {
    pages.page = page;
    pages.at = at;
    writing = false;
  }
}

function written(value: unknown, free: number): number {
  const start = at;
  lacksRoom = false;
  differs = false;
  at += free;
  if (put(value, DEPTH)) return start;
  at = start;
  return -1;
}

/** Is there room for so many bytes? */
function room(bytes: number): boolean {
  lacksRoom ||= at + bytes > page.length;
  return !lacksRoom;
}

function put(value: unknown, depth: number): boolean {
  if (!room(WORD)) return false;
  if (typeof value === "string") return putText(value);
  if (typeof value === "number") return putNumber(value);
  if (typeof value === "boolean") return putByte(value ? 0xf5 : 0xf4);
  if (value === undefined) return putByte(0xf7);
  if (value === null) return putByte(0xf6);
  if (typeof value !== "object" || depth === 0) return false;
  if (value.constructor === Object) return putObject(value as Readonly<Record<string, unknown>>, depth - 1);
  return value.constructor === Array && putArray(value as readonly unknown[], depth - 1);
}

function putObject(given: Readonly<Record<string, unknown>>, depth: number): boolean {
  // Also what is written is taken from the copy: a getter is asked once.
  const object: Record<string, unknown> = copying ? { ...given } : given;
  const names = Object.keys(object);
  putHead(MAP, names.length);
  for (const name of names) {
    const item = object[name];
    if (!putText(name) || !put(item, depth)) return false;
    // A name that the library changes.
    if (name === "__proto__") differs = true;
    else if (copying && typeof item === "object" && item !== null) object[name] = copied;
  }
  if (!copying) return true;
  // Symbols are not written.
  differs ||= Object.getOwnPropertySymbols(object).length > 0;
  copied = object;
  return true;
}

function putArray(array: readonly unknown[], depth: number): boolean {
  const copy: unknown[] | undefined = copying ? [] : undefined;
  putHead(ARRAY, array.length);
  for (let i = 0; i < array.length; i++) {
    const item = array[i];
    if (!put(item, depth)) return false;
    copy?.push(typeof item === "object" && item !== null ? copied : item);
  }
  copied = copy;
  return true;
}

function putText(text: string): boolean {
  const { length } = text;
  if (length >= SHORT) return putLongText(text);
  if (!room(WORD + length)) return false;
  const target = page;
  let to = at;
  target[to++] = TEXT | length;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return putLongText(text);
    target[to++] = unit;
  }
  at = to;
  return true;
}

function putLongText(text: string): boolean {
  if (!room(WORD + text.length * 3) || !text.isWellFormed()) return false;
  const start = at;
  putHead(TEXT, text.length);
  const from = at;
  const bytes = page.write(text, from, "utf8");
  // It can take more bytes than it has characters, and so a longer head.
  const to = start + headBytes(bytes);
  if (to !== from) page.copyWithin(to, from, from + bytes);
  at = start;
  putHead(TEXT, bytes);
  at += bytes;
  return true;
}

function putNumber(value: number): boolean {
  if (value >>> 0 === value) {
    // -0 comes back as 0.
    if (value === 0) differs ||= Object.is(value, -0);
    putHead(0, value);
  } else if (value < 0 && value >= -0x1_0000_0000 && Math.floor(value) === value) putHead(0x20, -1 - value);
  else {
    page[at] = 0xfb;
    page.writeDoubleBE(value, at + 1);
    at += WORD;
  }
  return true;
}

function putByte(byte: number): true {
  page[at++] = byte;
  return true;
}

const headBytes = (count: number): number => (count < 0x18 ? 1 : count < 0x100 ? 2 : count < 0x1_0000 ? 3 : 5);

/** There is room for it. `count` is below 2^32. */
function putHead(major: number, count: number): void {
  if (count < 0x18) page[at++] = major | count;
  else if (count < 0x100) {
    page[at++] = major | 0x18;
    page[at++] = count;
  } else if (count < 0x1_0000) {
    page[at++] = major | 0x19;
    page[at++] = count >>> 8;
    page[at++] = count & 0xff;
  } else {
    page[at++] = major | 0x1a;
    page[at++] = count >>> 24;
    page[at++] = (count >>> 16) & 0xff;
    page[at++] = (count >>> 8) & 0xff;
    page[at++] = count & 0xff;
  }
}

// ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

let source: Buffer = page;
let position = 0;
let end = 0;

/** The value whose bytes are these, from `start` to `stop`; or `NOT_PLAIN`. */
export function readPlain(bytes: Buffer, start: number, stop: number): unknown {
  source = bytes;
  position = start;
  end = stop;
  const value = read(DEPTH);
  return position === end ? value : NOT_PLAIN;
}

function read(depth: number): unknown {
  if (position >= end) return NOT_PLAIN;
  const first = source[position++] as number;
  switch (first >> 5) {
    case 0:
      return (first & 0x1f) < 0x1b ? countOf(first) : NOT_PLAIN;
    case 1:
      return (first & 0x1f) < 0x1b ? -1 - countOf(first) : NOT_PLAIN;
    case 3:
      return readText(first);
    case 4:
      return depth === 0 ? NOT_PLAIN : readArray(first, depth - 1);
    case 5:
      return depth === 0 ? NOT_PLAIN : readObject(first, depth - 1);
    case 7:
      return readSimple(first);
    default:
      return NOT_PLAIN;
  }
}

/** What a head counts: up to 32 bits; -1 where it counts more, or the bytes end within. */
function countOf(head: number): number {
  const info = head & 0x1f;
  if (info < 0x18) return info;
  const from = position;
  position += info === 0x18 ? 1 : info === 0x19 ? 2 : 4;
  if (info > 0x1a || position > end) {
    position = end + 1;
    return -1;
  }
  if (info === 0x18) return source[from] as number;
  return info === 0x19 ? source.readUInt16BE(from) : source.readUInt32BE(from);
}

function readText(head: number): unknown {
  const length = countOf(head);
  const from = position;
  position += length;
  if (length < 0 || position > end) return NOT_PLAIN;
  const text = source.toString("utf8", from, position);
  // It may stand for bytes that are no text.
  return text.includes("\ufffd") ? NOT_PLAIN : text;
}

function readArray(head: number, depth: number): unknown {
  const length = countOf(head);
  if (length < 0 || length > end - position) return NOT_PLAIN;
  // It grows with what is there: a head can claim more than that, and nest.
  const array: unknown[] = [];
  for (let i = 0; i < length; i++) {
    const item = read(depth);
    if (item === NOT_PLAIN) return NOT_PLAIN;
    array.push(item);
  }
  return array;
}

function readObject(head: number, depth: number): unknown {
  const length = countOf(head);
  if (length < 0 || length > end - position) return NOT_PLAIN;
  const object: Record<string, unknown> = {};
  for (let i = 0; i < length; i++) {
    const name = readName();
    const item = name === undefined ? NOT_PLAIN : read(depth);
    if (item === NOT_PLAIN) return NOT_PLAIN;
    object[name as string] = item;
  }
  return object;
}

function readSimple(head: number): unknown {
  if (head === 0xf4) return false;
  if (head === 0xf5) return true;
  if (head === 0xf6) return null;
  if (head === 0xf7) return undefined;
  if (head !== 0xfb || position + 8 > end) return NOT_PLAIN;
  position += 8;
  return source.readDoubleBE(position - 8);
}

/** Names of properties that were read lately, so that one which comes with every record is one string. */
const names: (Name | undefined)[] = new Array<undefined>(1_024).fill(undefined);

interface Name {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** A property's name, up to 23 bytes; undefined: this is none, or a longer one, or one that the library changes. */
function readName(): string | undefined {
  if (position >= end) return undefined;
  const head = source[position++] as number;
  const length = head - TEXT;
  const from = position;
  const to = from + length;
  if (length < 0 || length >= 0x18 || to > end) return undefined;
  const bytes = source;
  let hash = length;
  for (let i = from; i < to; i++) hash = (Math.imul(hash, 31) + (bytes[i] as number)) | 0;
  position = to;
  const slot = hash & (names.length - 1);
  const known = names[slot];
  if (known !== undefined && isThere(known.bytes, from, length)) return known.text;
  position = from;
  const text = readText(head);
  if (typeof text !== "string" || text === "__proto__") return undefined;
  names[slot] = { bytes: Uint8Array.from(source.subarray(from, to)), text };
  return text;
}

function isThere(known: Uint8Array, from: number, length: number): boolean {
  if (known.length !== length) return false;
  const bytes = source;
  for (let i = 0; i < length; i++) if (known[i] !== bytes[from + i]) return false;
  return true;
}
