/**
 * Cuts bytes into lines as they arrive. Pure. Keeps no more than one line that has no end yet.
 *
 * L1  However the bytes are cut into chunks, the lines are the same.
 */
import { GrowingBytes } from "./growing-bytes.ts";

const NEWLINE = 0x0a;

export class LineSplitter {
  readonly #most: number;
  readonly #begun: GrowingBytes;
  /** A line longer than the bound has begun: nothing follows. */
  tooLong = false;

  /** @param most bytes of a line without its end. */
  constructor(most: number) {
    this.#most = most;
    this.#begun = new GrowingBytes(most);
  }

  /** The lines that end in `chunk`, without their ends; those before one that is too long. They may share its bytes. */
  push(chunk: Uint8Array): Uint8Array[] {
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0 && !this.tooLong; end = chunk.indexOf(NEWLINE, start)) {
      const rest = chunk.subarray(start, end);
      if (this.#begun.length === 0 && rest.length <= this.#most) lines.push(rest);
      else if (this.#hold(rest)) lines.push(this.#begun.take());
      start = end + 1;
    }
    this.#hold(chunk.subarray(start));
    return lines;
  }

  /** What follows the last line end: a line too, where it is not empty. */
  end(): Uint8Array[] {
    return this.#begun.length === 0 ? [] : [this.#begun.take()];
  }

  #hold(bytes: Uint8Array): boolean {
    if (!this.tooLong && !this.#begun.add(bytes)) this.tooLong = true;
    return !this.tooLong;
  }
}
