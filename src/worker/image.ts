/**
 * A shard's image: what the engine keeps of a shard between commits, besides the structures the store knows of. It is
 * replaced whole by every commit; the store never looks into it.
 *
 *   u8 format | 13 x f64 (the fields below, in order) | [f64 starts] | checkpoint, CBOR (injectors and sinks)
 *
 * Format 1 has no `starts`: it is 0. Format 2 is written only where it is not, so that what older code writes and reads
 * is what nearly every image is.
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
  /** Injectors and sinks: where to go on. Plain data. */
  checkpoint: unknown;
}

const FORMAT = 1;
const WITH_STARTS = 2;
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
    checkpoint: undefined,
  };
}

export function encodeImage(image: ShardImage): Uint8Array {
  const checkpoint = image.checkpoint === undefined ? undefined : encodePlain(image.checkpoint);
  const bytes = Buffer.allocUnsafe(1 + 8 * (image.starts === 0 ? FIELDS : FIELDS + 1) + (checkpoint?.length ?? 0));
  const { counters } = image;
  bytes[0] = image.starts === 0 ? FORMAT : WITH_STARTS;
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
  if (image.starts !== 0) at = bytes.writeDoubleLE(image.starts, at);
  if (checkpoint !== undefined) bytes.set(checkpoint, at);
  return bytes;
}

/** Throws `DecodeError` where the bytes are no image. */
export function decodeImage(stored: Uint8Array): ShardImage {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  invariant(bytes[0] === FORMAT || bytes[0] === WITH_STARTS, `a shard image of format ${bytes[0]} was written by another version of Millrace`);
  const fields = bytes[0] === FORMAT ? FIELDS : FIELDS + 1;
  const head = 1 + 8 * fields;
  const field = (n: number): number => {
    const value = bytes.length < head ? Number.NaN : bytes.readDoubleLE(1 + 8 * n);
    if (Number.isFinite(value)) return value;
    throw new DecodeError(`a shard image of ${bytes.length} bytes has no number in field ${n}; it was damaged or not written by Millrace`);
  };
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
    checkpoint: bytes.length > head ? decodeStored(bytes.subarray(head), "the checkpoint of a shard image") : undefined,
  };
}
