/** Bytes that arrive in pieces of any size, kept in one place of about their length: small pieces would each keep the buffer they came in. */
export class GrowingBytes {
  readonly #most: number;
  #bytes = new Uint8Array(0);
  length = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** False, and nothing is kept any more, where it would be more than the bound. */
  add(piece: Uint8Array): boolean {
    const length = this.length + piece.length;
    if (length > this.#most) {
      this.#bytes = new Uint8Array(0);
      this.length = 0;
      return false;
    }
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.min(this.#most, Math.max(2 * length, 256)));
      larger.set(this.#bytes.subarray(0, this.length));
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.length);
    this.length = length;
    return true;
  }

  /** A copy of all of it; it is empty then. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.length);
    this.length = 0;
    return taken;
  }
}
