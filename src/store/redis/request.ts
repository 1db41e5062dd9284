/**
 * The bytes of one request, written straight into one buffer: a commit has thousands of arguments, and a client
 * library's array of values costs more than all the rest of sending it. Owns the wire format (RESP) of requests;
 * what the arguments mean is said by whoever writes them.
 *
 * W1  Writing is synchronous from the first argument to `finish`: one request at a time, in one pair of buffers.
 * W2  What `finish` gives is a copy of its own, and stays as it is while the socket has it.
 */
import { Buffer } from "node:buffer";
import { invariant } from "../../errors.ts";

const DOLLAR = 0x24;
const CR = 0x0d;
const LF = 0x0a;
const ZERO = 0x30;
/** Above these lengths a native copy is faster than a loop. */
const LOOP_TEXT = 96;
const LOOP_BYTES = 40;
/** Bytes of an argument besides its own: "$", a length, two line ends. */
const FRAME = 32;
/** A buffer that grew beyond this for one large request is not kept. */
const KEPT_BYTES = 8 << 20;

/** An argument that was encoded before: a key. */
export type Encoded = Uint8Array;

/** Arguments one after the other, each as a bulk string. */
export class Arguments {
  #buffer: Buffer = Buffer.allocUnsafeSlow(64 << 10);
  #end = 0;
  #count = 0;

  get count(): number {
    return this.#count;
  }
  get length(): number {
    return this.#end;
  }

  text(value: string): void {
    const length = value.length;
    if (length > LOOP_TEXT) {
      this.#longText(value);
      return;
    }
    this.#reserve(length + FRAME);
    const start = this.#end;
    this.#head(length);
    const buffer = this.#buffer;
    let at = this.#end;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) {
        this.#end = start;
        this.#longText(value);
        return;
      }
      buffer[at++] = unit;
    }
    this.#end = at;
    this.#tail();
  }

  bytes(value: Uint8Array): void {
    const length = value.length;
    this.#reserve(length + FRAME);
    this.#head(length);
    if (length > LOOP_BYTES) {
      this.#buffer.set(value, this.#end);
      this.#end += length;
    } else {
      const buffer = this.#buffer;
      let at = this.#end;
      for (let i = 0; i < length; i++) buffer[at++] = value[i]!;
      this.#end = at;
    }
    this.#tail();
  }

  /** An integer of any size up to 2^53 - 1, in decimal digits. */
  integer(value: number): void {
    if (value < 0 || value > 9_999_999) {
      this.text(String(value));
      return;
    }
    this.#reserve(FRAME);
    this.#head(digitsOf(value));
    this.#digits(value);
    this.#tail();
  }

  /** A time: an integer, or nothing at all. */
  optional(value: number | undefined): void {
    if (value === undefined) this.text("");
    else this.integer(value);
  }

  encoded(value: Encoded): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#end);
    this.#end += value.length;
    this.#count += 1;
  }

  /** Copies what was written to `target` at `at`, and starts anew. */
  moveTo(target: Uint8Array, at: number): void {
    target.set(this.#buffer.subarray(0, this.#end), at);
    this.discard();
  }

  /** Forgets what was written. */
  discard(): void {
    this.#end = 0;
    this.#count = 0;
    if (this.#buffer.length > KEPT_BYTES) this.#buffer = Buffer.allocUnsafeSlow(64 << 10);
  }

  #longText(value: string): void {
    const length = Buffer.byteLength(value);
    this.#reserve(length + FRAME);
    this.#head(length);
    this.#end += this.#buffer.write(value, this.#end, "utf8");
    this.#tail();
  }

  #head(length: number): void {
    this.#buffer[this.#end++] = DOLLAR;
    this.#digits(length);
    this.#buffer[this.#end++] = CR;
    this.#buffer[this.#end++] = LF;
  }

  #tail(): void {
    this.#buffer[this.#end++] = CR;
    this.#buffer[this.#end++] = LF;
    this.#count += 1;
  }

  #digits(value: number): void {
    const end = this.#end + digitsOf(value);
    const buffer = this.#buffer;
    let rest = value;
    for (let at = end - 1; at >= this.#end; at--) {
      const tenth = Math.floor(rest / 10);
      buffer[at] = ZERO + rest - tenth * 10;
      rest = tenth;
    }
    this.#end = end;
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, needed));
    larger.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = larger;
  }
}

function digitsOf(value: number): number {
  if (value < 10) return 1;
  if (value < 100) return 2;
  if (value < 1_000) return 3;
  let digits = 4;
  for (let rest = Math.floor(value / 10_000); rest > 0; rest = Math.floor(rest / 10)) digits += 1;
  return digits;
}

/** A request in the making: keys and arguments are written in any order of the two, each in its own. */
export class Request {
  readonly keys: Arguments = new Arguments();
  readonly args: Arguments = new Arguments();
  #writing = false;

  /** Starts a request. One that was started and never finished, because writing it threw, is forgotten. */
  begin(): this {
    if (this.#writing) this.#discard();
    this.#writing = true;
    return this;
  }

  key(key: Encoded): this {
    this.keys.encoded(key);
    return this;
  }

  text(value: string): this {
    this.args.text(value);
    return this;
  }

  bytes(value: Uint8Array): this {
    this.args.bytes(value);
    return this;
  }

  integer(value: number): this {
    this.args.integer(value);
    return this;
  }

  /** `EVALSHA sha numkeys keys... args...` */
  finishScript(sha: string): Buffer {
    const keys = String(this.keys.count);
    return this.#finish(3, `$7\r\nEVALSHA\r\n$${sha.length}\r\n${sha}\r\n$${keys.length}\r\n${keys}\r\n`);
  }

  /** `command keys... args...` */
  finishCommand(command: string): Buffer {
    return this.#finish(1, `$${command.length}\r\n${command}\r\n`);
  }

  #finish(parts: number, start: string): Buffer {
    invariant(this.#writing, "a request was finished that was not begun");
    const { keys, args } = this;
    const head = `*${parts + keys.count + args.count}\r\n${start}`;
    const bytes = Buffer.allocUnsafe(head.length + keys.length + args.length);
    bytes.write(head, 0, "latin1");
    const afterKeys = head.length + keys.length;
    keys.moveTo(bytes, head.length);
    args.moveTo(bytes, afterKeys);
    this.#writing = false;
    return bytes;
  }

  #discard(): void {
    this.keys.discard();
    this.args.discard();
  }
}

/** One argument, encoded for use in many requests. */
export function encode(text: string): Encoded {
  return Buffer.from(`$${Buffer.byteLength(text)}\r\n${text}\r\n`);
}
