/**
 * A rolling histogram of lags, and the one question asked of it: which delay do at most a share `late` of the next
 * records exceed? Pure. It does not know what a lag is measured from.
 *
 * Buckets are log-spaced: exact below 128, then 64 to every power of two (1.6% wide at most), and lags count as evenly
 * spread over their bucket. Two generations of equal length are counted, the one being filled and the whole one before it; the
 * older is dropped as a whole, so nothing outlives two generations and a change of regime is forgotten for good.
 *
 *   bucket i < 128   the lag i
 *   else             shift = i / 64 - 1 (whole part), m = i - 64 * shift:  [m * 2^shift, (m + 1) * 2^shift)
 *
 * L1  The delay is the smallest that at most k lags exceed, k + 1 <= late * (n + 1), n being the lags counted. If the
 *     next lag is as likely as any other to have any rank among all n + 1, it exceeds the delay with a probability of
 *     at most `late`, for every n. Before late * (n + 1) reaches 1 no lag seen is large enough to say so, and there is
 *     no delay.
 * L2  `add` is O(1) on average: the answer's bucket moves with the counts and is never searched for anew, except when
 *     a generation ends.
 */
import { invariant } from "../errors.ts";

/** Lags below 2^53: 47 octaves of 64 buckets after the first 64. */
const BUCKETS = 48 * 64;
/** 2^i; exponentiation would be most of the cost of `add`. */
const POWERS: readonly number[] = Array.from({ length: 48 }, (_, i) => 2 ** i);

export interface SavedHistogram {
  /** Pairs of (distance from the bucket before, count) as base-128 numbers. */
  readonly previous: Uint8Array;
  readonly current: Uint8Array;
}

export class LagHistogram {
  readonly #late: number;
  readonly #generation: number;
  #previous: Uint32Array = new Uint32Array(BUCKETS);
  #current: Uint32Array = new Uint32Array(BUCKETS);
  #previousCount = 0;
  #currentCount = 0;
  /** Of the answer, and how many lags are above it. */
  #bucket = BUCKETS - 1;
  #above = 0;
  /** The packed previous generation, which changes rarely and is saved often. */
  #packed: Uint8Array = new Uint8Array(0);

  /**
   * @param late share of lags that may exceed the delay, above 0 and below 1.
   * @param generation lags after which the older half is dropped.
   */
  constructor(late: number, generation: number, saved?: SavedHistogram) {
    this.#late = late;
    this.#generation = generation;
    if (saved === undefined) return;
    this.#previousCount = unpack(saved.previous, this.#previous);
    this.#currentCount = unpack(saved.current, this.#current);
    this.#packed = pack(this.#previous);
    this.#settle();
  }

  add(lag: number): void {
    if (this.#currentCount >= this.#generation) this.#rotate();
    const bucket = bucketOf(lag);
    this.#current[bucket] = this.#current[bucket]! + 1;
    this.#currentCount++;
    if (bucket > this.#bucket) this.#above++;
    this.#settle();
  }

  /** See L1; undefined while there are too few lags. */
  delay(): number | undefined {
    const allowed = this.#allowedAbove();
    if (allowed < 0) return undefined;
    const width = widthOf(this.#bucket);
    const allowedWithin = (allowed - this.#above) / this.#countOf(this.#bucket);
    return lowerEdge(this.#bucket) + width - 1 - Math.floor(width * allowedWithin);
  }

  save(): SavedHistogram {
    return { previous: this.#packed, current: pack(this.#current) };
  }

  #allowedAbove(): number {
    return Math.floor(this.#late * (this.#previousCount + this.#currentCount + 1)) - 1;
  }

  #settle(): void {
    const allowed = this.#allowedAbove();
    if (allowed < 0) return;
    while (this.#above > allowed) this.#above -= this.#countOf(++this.#bucket);
    for (let count = this.#countOf(this.#bucket); this.#above + count <= allowed; count = this.#countOf(this.#bucket)) {
      this.#above += count;
      this.#bucket--;
    }
  }

  #countOf(bucket: number): number {
    return this.#previous[bucket]! + this.#current[bucket]!;
  }

  #rotate(): void {
    const dropped = this.#previous;
    this.#previous = this.#current;
    this.#previousCount = this.#currentCount;
    this.#current = dropped.fill(0);
    this.#currentCount = 0;
    this.#packed = pack(this.#previous);
    this.#bucket = BUCKETS - 1;
    this.#above = 0;
  }
}

function bucketOf(lag: number): number {
  if (lag < 128) return lag;
  if (lag < 2 ** 31) {
    const shift = 25 - Math.clz32(lag);
    return shift * 64 + (lag >> shift);
  }
  const shift = 57 - Math.clz32(Math.floor(lag / 2 ** 32));
  return shift * 64 + Math.floor(lag / POWERS[shift]!);
}

function lowerEdge(bucket: number): number {
  return bucket < 128 ? bucket : ((bucket % 64) + 64) * widthOf(bucket);
}

function widthOf(bucket: number): number {
  return bucket < 128 ? 1 : POWERS[(bucket >> 6) - 1]!;
}

function pack(counts: Uint32Array): Uint8Array {
  let length = 0;
  let last = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const count = counts[bucket]!;
    if (count === 0) continue;
    length = packNumber(count, packNumber(bucket - last, length));
    last = bucket;
  }
  return PACKING.slice(0, length);
}

/** Where a generation is packed before its length is known: at most 2 + 5 bytes a bucket. Never read across calls. */
const PACKING = new Uint8Array(BUCKETS * 7);

function packNumber(number: number, at: number): number {
  let next = at;
  let rest = number;
  for (; rest >= 128; rest >>>= 7) PACKING[next++] = (rest & 127) | 128;
  PACKING[next++] = rest;
  return next;
}

/** Adds packed counts to `counts` and gives their sum. */
function unpack(bytes: Uint8Array, counts: Uint32Array): number {
  let sum = 0;
  let bucket = 0;
  for (let at = 0; at < bytes.length; ) {
    const distance = unpackNumber(bytes, at);
    const count = unpackNumber(bytes, distance.next);
    at = count.next;
    bucket += distance.value;
    invariant(bucket < counts.length, `a saved lag histogram names bucket ${bucket} of ${counts.length}`);
    counts[bucket] = count.value;
    sum += count.value;
  }
  return sum;
}

function unpackNumber(bytes: Uint8Array, from: number): { readonly value: number; readonly next: number } {
  let value = 0;
  let scale = 1;
  for (let at = from; at < bytes.length; at++, scale *= 128) {
    const byte = bytes[at]!;
    value += (byte & 127) * scale;
    if (byte < 128) return { value, next: at + 1 };
  }
  invariant(false, "a saved lag histogram ends within a number");
}
