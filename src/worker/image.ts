/**
 * A shard's image: what the engine keeps of a shard between commits, besides the structures the store knows of. It is
 * replaced whole by every commit; the store never looks into it.
 *
 *   u8 format | 13 x f64 (the fields below, in order) | [f64 starts] | [f64 swept] | [percentiles] | checkpoint, CBOR (injectors and sinks)
 *   percentiles: u8 how many | for each f64 percentile, f64 watermark
 *
 * Format 1 has no `starts`: it is 0. Format 2 is written only where it is not, so that what older code writes and reads
 * is what nearly every image is. Format 3 has percentiles too, and is written only where percentile watermarks are
 * followed; format 4 has all, and is written only where something was swept.
 */
import { decodeStored, encodePlain } from "../computation/cbor-codec.ts";
import { DecodeError, invariant } from "../errors.ts";
import { BEGINNING } from "../time.ts";

export interface Counters {
  /** Records whose effects are committed. */
  processed: number;
  /** Of these, late ones. */
  late: number;
  /** Deliveries of produced records. */
  produced: number;
  /** Records that an injector knew already by their ids. */
  duplicates: number;
  deadLetters: number;
  timersFired: number;
  /** Failed tries of records and timers. */
  failures: number;
  /** Settings of looping timers that were dropped at the end of time. */
  droppedTimers: number;
}

export interface ShardImage {
  /** The input low watermark in force; an injector's own watermark. */
  input: number;
  /** The shard's processing time: it never runs back. */
  wallTime: number;
  /** The largest event time of any record or timer so far. */
  last: number;
  nextHeld: number;
  nextDead: number;
  readonly counters: Counters;
  /** Owners in a row that took the shard over from a dead one, began, and have committed nothing since (`guarded-shard.ts`). */
  starts: number;
  /** The last round of what the graph has retired of which nothing is left here (`computation-swept.ts`); 0: none. */
  swept: number;
  /** The percentile watermarks in force; empty where none is followed. */
  readonly percentiles: Map<number, number>;
  /** Injectors and sinks: where to go on. Plain data. */
  checkpoint: unknown;
}

const FORMAT = 1;
const WITH_STARTS = 2;
const WITH_PERCENTILES = 3;
const WITH_SWEPT = 4;
const FIELDS = 13;

export function newImage(): ShardImage {
  return {
    input: BEGINNING,
    wallTime: 0,
    last: BEGINNING,
    nextHeld: 1,
    nextDead: 1,
    counters: { processed: 0, late: 0, produced: 0, duplicates: 0, deadLetters: 0, timersFired: 0, failures: 0, droppedTimers: 0 },
    starts: 0,
    swept: 0,
    percentiles: new Map(),
    checkpoint: undefined,
  };
}

export function encodeImage(image: ShardImage): Uint8Array {
  const checkpoint = image.checkpoint === undefined ? undefined : encodePlain(image.checkpoint);
  const { counters, percentiles } = image;
  const format = image.swept > 0 ? WITH_SWEPT : percentiles.size > 0 ? WITH_PERCENTILES : image.starts === 0 ? FORMAT : WITH_STARTS;
  const more = format >= WITH_PERCENTILES ? 1 + 16 * percentiles.size : 0;
  const bytes = Buffer.allocUnsafe(1 + 8 * fieldsOf(format) + more + (checkpoint?.length ?? 0));
  bytes[0] = format;
  let at = 1;
  at = bytes.writeDoubleLE(image.input, at);
  at = bytes.writeDoubleLE(image.wallTime, at);
  at = bytes.writeDoubleLE(image.last, at);
  at = bytes.writeDoubleLE(image.nextHeld, at);
  at = bytes.writeDoubleLE(image.nextDead, at);
  at = bytes.writeDoubleLE(counters.processed, at);
  at = bytes.writeDoubleLE(counters.late, at);
  at = bytes.writeDoubleLE(counters.produced, at);
  at = bytes.writeDoubleLE(counters.duplicates, at);
  at = bytes.writeDoubleLE(counters.deadLetters, at);
  at = bytes.writeDoubleLE(counters.timersFired, at);
  at = bytes.writeDoubleLE(counters.failures, at);
  at = bytes.writeDoubleLE(counters.droppedTimers, at);
  if (format !== FORMAT) at = bytes.writeDoubleLE(image.starts, at);
  if (format === WITH_SWEPT) at = bytes.writeDoubleLE(image.swept, at);
  if (more > 0) at = bytes.writeUInt8(percentiles.size, at);
  for (const [percentile, watermark] of percentiles) at = bytes.writeDoubleLE(watermark, bytes.writeDoubleLE(percentile, at));
  if (checkpoint !== undefined) bytes.set(checkpoint, at);
  return bytes;
}

/** Numbers that an image of this format has, before its percentiles. */
const fieldsOf = (format: number): number => FIELDS + (format === FORMAT ? 0 : format === WITH_SWEPT ? 2 : 1);

/** Throws `DecodeError` where the bytes are no image. */
export function decodeImage(stored: Uint8Array): ShardImage {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const format = bytes[0] ?? 0;
  invariant(format >= FORMAT && format <= WITH_SWEPT, `a shard image of format ${bytes[0]} was written by another version of Millrace`);
  const fields = fieldsOf(format);
  const fixed = 1 + 8 * fields;
  const followed = format >= WITH_PERCENTILES ? (bytes[fixed] ?? 0) : 0;
  const head = fixed + (format >= WITH_PERCENTILES ? 1 + 16 * followed : 0);
  const number = (at: number): number => {
    const value = bytes.length < head ? Number.NaN : bytes.readDoubleLE(at);
    if (Number.isFinite(value)) return value;
    throw new DecodeError(
      `a shard image of ${bytes.length} bytes has no number in field ${Math.floor((at - 1) / 8)}; it was damaged or not written by Millrace`,
    );
  };
  const field = (n: number): number => number(1 + 8 * n);
  const percentileAt = (n: number): [number, number] => [number(fixed + 1 + 16 * n), number(fixed + 9 + 16 * n)];
  return {
    input: field(0),
    wallTime: field(1),
    last: field(2),
    nextHeld: field(3),
    nextDead: field(4),
    counters: {
      processed: field(5),
      late: field(6),
      produced: field(7),
      duplicates: field(8),
      deadLetters: field(9),
      timersFired: field(10),
      failures: field(11),
      droppedTimers: field(12),
    },
    starts: fields > FIELDS ? field(13) : 0,
    swept: format === WITH_SWEPT ? field(14) : 0,
    percentiles: new Map(Array.from({ length: followed }, (_, n) => percentileAt(n))),
    checkpoint: bytes.length > head ? decodeStored(bytes.subarray(head), "the checkpoint of a shard image") : undefined,
  };
}
