/** Makes inputs of valid ones: bits turned, parts cut, doubled, exchanged, lengths set to what nobody means. Seeded. */
import { Prng } from "../test/support/prng.ts";

/** Numbers at which lengths and counts go wrong. */
const NUMBERS = [0, 1, 0x17, 0x18, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0xdead_beef];
/** No input grows beyond this, bytes. */
const LONGEST = 1 << 14;

export class Mutation {
  readonly #random: Prng;
  readonly #corpus: readonly Uint8Array[];
  /** Words of the target's language. */
  readonly #words: readonly Uint8Array[];

  constructor(seed: number, corpus: readonly Uint8Array[], words: readonly (string | Uint8Array)[] = []) {
    this.#random = new Prng(seed);
    // Not Buffers: a slice of those is the same memory.
    this.#corpus = corpus.map((each) => Uint8Array.from(each));
    this.#words = words.map((word) => (typeof word === "string" ? new TextEncoder().encode(word) : word));
  }

  /** One input in sixteen is random bytes or valid as it is; the others are changed in one to four places. */
  next(): Uint8Array {
    const kind = this.#random.below(32);
    if (kind === 0) return this.#bytes(this.#random.below(64));
    let bytes: Uint8Array = this.#one().slice();
    if (kind === 1) return bytes;
    for (let changes = 1 + this.#random.below(4); changes > 0; changes--) bytes = this.#changed(bytes);
    return bytes.length > LONGEST ? bytes.subarray(0, LONGEST) : bytes;
  }

  #one(): Uint8Array {
    return this.#corpus[this.#random.below(this.#corpus.length)]!;
  }

  #bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#random.below(256));
  }

  #changed(bytes: Uint8Array): Uint8Array {
    const random = this.#random;
    const at = random.below(bytes.length + 1);
    const to = at + random.below(Math.min(64, bytes.length - at) + 1);
    switch (random.below(this.#words.length === 0 ? 9 : 12)) {
      case 0:
        if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << random.below(8));
        return bytes;
      case 1:
        if (at < bytes.length) bytes[at] = random.below(256);
        return bytes;
      case 2:
        return number(bytes, at, random);
      case 3:
        return number(bytes, at, random);
      case 4:
        return bytes.slice(0, at);
      case 5:
        return joined(bytes.subarray(0, at), bytes.subarray(to));
      case 6:
        return joined(bytes.subarray(0, to), bytes.subarray(at));
      case 7:
        return joined(bytes.subarray(0, at), this.#bytes(1 + random.below(8)), bytes.subarray(at));
      case 8: {
        const other = this.#one();
        return joined(bytes.subarray(0, at), other.subarray(random.below(other.length + 1)));
      }
      default:
        return joined(bytes.subarray(0, at), this.#words[random.below(this.#words.length)]!, bytes.subarray(random.below(2) === 0 ? at : to));
    }
  }
}

/** Writes one of the bad numbers over what is there, in one, two, four or eight bytes, either end first. */
function number(bytes: Uint8Array, at: number, random: Prng): Uint8Array {
  const size = 2 ** random.below(4);
  if (at + size > bytes.length) return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const value = NUMBERS[random.below(NUMBERS.length)]!;
  const little = random.below(2) === 0;
  if (size === 1) view.setUint8(at, value);
  else if (size === 2) view.setUint16(at, value, little);
  else if (size === 4) view.setUint32(at, value, little);
  else view.setFloat64(at, random.below(3) === 0 ? Number.NaN : random.below(2) === 0 ? -value : value * 2 ** 33, little);
  return bytes;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
