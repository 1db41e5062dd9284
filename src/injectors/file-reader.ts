/**
 * Reads one file, from a byte offset, in a buffer of bounded size. It owns offsets, limits, UTF-8 and following; what a
 * record is belongs to the format.
 *
 *   buffer   | done | record being read ........ | free |
 *            0      start       scanned       filled
 *            ^ at #base in the file
 *
 * R1  The position of an item is the offset of the byte after its record, so reading from it gives exactly the rest.
 * R2  Only whole records are decoded, so no character and no quote is ever cut; the last one, without a line end, is
 *     whole at the end of the file, unless the file is followed: then it waits for its line end.
 * R3  A record of more than RECORD_BYTES is skipped, not stored, and becomes one failure item.
 * R4  A file that lost bytes which were read, or is another one, is refused: its offsets mean nothing.
 */
import { isUtf8 } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import { stat } from "node:fs/promises";
import { ConfigError, InjectorFailedError, messageOf, MillraceError } from "../errors.ts";
import { RECORD_BYTES } from "../limits.ts";
import type { WatermarkPolicy } from "../watermark/policy.ts";
import { type FileFormat, NOTHING, Undecodable } from "./file-format.ts";
import { hasHead, HEAD_BYTES, headLength, readHead } from "./file-identity.ts";
import type { Pulled, SourceContext, SourceItem, SourceReader } from "./injector.ts";
import { PushedMarks } from "./pushed-marks.ts";
import { WakeUp } from "./wake-up.ts";

/** Where to go on in which file. */
export interface FilePosition {
  /** Bytes. */
  readonly offset: number;
  /** `file-identity.ts`. */
  readonly head: string;
}

export interface FileToRead {
  readonly path: string;
  readonly description: string;
  readonly format: FileFormat;
  /** Wait for more at the end? */
  readonly follow: boolean;
  readonly watermark: WatermarkPolicy;
}

/** Bytes read at once. */
const CHUNK_BYTES = 1 << 18;
/** A record that is not too long, and its line end. */
const LONGEST_RECORD = RECORD_BYTES + 2;
/** Bytes of a failed record that are kept for the dead letter. */
const RAW_BYTES = 1 << 16;
/** ms between two looks at a file that is followed. */
const POLL = 100;

const NEWLINE = 0x0a;
const RETURN = 0x0d;

export class FileReader implements SourceReader {
  readonly #file: FileHandle;
  readonly #wanted: FileToRead;
  readonly #format: FileFormat;
  readonly #context: SourceContext;
  readonly #wakeUp = new WakeUp();
  readonly #marks: PushedMarks;
  #head: string;
  #position: FilePosition | undefined;
  #buffer: Buffer = Buffer.allocUnsafe(2 * CHUNK_BYTES);
  #base = 0;
  #start = 0;
  #scanned = 0;
  #filled = 0;
  /** The record being skipped (R3): where it began, and its first bytes. */
  #skipped: { readonly from: number; readonly raw: string } | undefined;
  #ended = false;

  /** @param head of the file as it is now. */
  constructor(file: FileHandle, wanted: FileToRead, context: SourceContext, head: string, position: FilePosition | undefined) {
    this.#file = file;
    this.#wanted = wanted;
    this.#format = wanted.format;
    this.#context = context;
    this.#head = head;
    this.#position = position;
    this.#marks = new PushedMarks(wanted.watermark, this.#wakeUp.wake);
    context.signal.addEventListener("abort", this.#wakeUp.wake);
  }

  /** Goes to where the last item ended, by way of the file's beginning if the format needs that. */
  async seek(): Promise<void> {
    const offset = this.#position?.offset ?? 0;
    while (offset > 0 && this.#format.needsHead) {
      if (!this.#takeOne([]) && !(await this.#readOn())) throw this.#unusable("has no header row where one was read before");
    }
    this.#base = offset;
    this.#start = this.#scanned = this.#filled = 0;
  }

  async pull(max: number): Promise<Pulled> {
    const items: SourceItem[] = [];
    while (!this.#context.signal.aborted && !this.#ended) {
      while (items.length < max && this.#takeOne(items));
      if (items.length > 0) break;
      if (await this.#readOn()) continue;
      if (!this.#wanted.follow) {
        this.#takeLast(items);
        this.#ended = true;
        break;
      }
      this.#marks.append(items, this.#place());
      if (items.length === 0) await this.#pause();
    }
    this.#marks.append(items, this.#place());
    return { items, done: this.#ended };
  }

  async close(): Promise<void> {
    this.#context.signal.removeEventListener("abort", this.#wakeUp.wake);
    this.#marks.close();
    await this.#file.close();
  }

  /** Takes the next record of the buffer, if it is there whole. It may hold nothing. */
  #takeOne(items: SourceItem[]): boolean {
    if (this.#base + this.#start === 0 && !this.#passByteOrderMark()) return false;
    const end = this.#format.recordEnd(this.#buffer, this.#scanned, this.#filled);
    if (end < 0) {
      this.#scanned = this.#filled;
      if (this.#filled - this.#start > LONGEST_RECORD) this.#skip();
      return false;
    }
    this.#scanned = end;
    this.#take(items, end);
    return true;
  }

  /** At the end of the file: what is left is a record without a line end. */
  #takeLast(items: SourceItem[]): void {
    if (this.#filled > this.#start || this.#skipped !== undefined) this.#take(items, this.#filled);
  }

  /** Makes an item of the record that ends before `end`, its line end included. */
  #take(items: SourceItem[], end: number): void {
    const start = this.#start;
    let stop = end;
    if (stop > start && this.#buffer[stop - 1] === NEWLINE) stop--;
    if (stop > start && this.#buffer[stop - 1] === RETURN) stop--;
    this.#start = end;
    if (this.#skipped !== undefined || stop - start > RECORD_BYTES) {
      const { from, raw } = this.#skipped ?? { from: this.#base + start, raw: this.#raw(start, stop) };
      this.#skipped = undefined;
      items.push(this.#failed(raw, from, end, `is longer than the ${RECORD_BYTES} bytes that a record may have`));
      return;
    }
    const text = this.#buffer.toString("utf8", start, stop);
    const value = this.#isText(text, start, stop) ? this.#format.decode(text) : new Undecodable("is not UTF-8");
    if (value === NOTHING) return;
    if (value instanceof Undecodable) items.push(this.#failed(this.#raw(start, stop), this.#base + start, end, value.reason));
    else items.push({ value, position: (this.#position = { offset: this.#base + end, head: this.#head }) });
  }

  #failed(raw: string, from: number, end: number, reason: string): SourceItem {
    if (this.#format.needsHead) throw new ConfigError(`${this.#wanted.description}: the header row ${reason}`);
    this.#position = { offset: this.#base + end, head: this.#head };
    return { value: raw, position: this.#position, failure: `${this.#wanted.description}, bytes ${from}-${this.#base + end}: ${reason}` };
  }

  /** Invalid bytes decode to U+FFFD; only where one is, the bytes have to be looked at. */
  #isText(text: string, from: number, to: number): boolean {
    return !text.includes("\uFFFD") || isUtf8(this.#buffer.subarray(from, to));
  }

  #raw(from: number, to: number): string {
    return this.#buffer.toString("utf8", from, Math.min(to, from + RAW_BYTES));
  }

  /** Forgets the bytes of a record that is too long; the format goes on looking for its end. */
  #skip(): void {
    this.#skipped ??= { from: this.#base + this.#start, raw: this.#raw(this.#start, this.#filled) };
    this.#start = this.#filled;
  }

  /** A file may begin with a mark of its encoding, which belongs to no record. False: too few bytes to tell. */
  #passByteOrderMark(): boolean {
    const mark = [0xef, 0xbb, 0xbf].findIndex((byte, i) => i >= this.#filled || this.#buffer[i] !== byte);
    if (mark < 0) this.#start = this.#scanned = 3;
    return mark < 0 || mark < this.#filled;
  }

  /** Reads the next bytes; false: there are none, and the file is still the one that was read. */
  async #readOn(): Promise<boolean> {
    if (this.#filled + CHUNK_BYTES > this.#buffer.length) this.#makeRoom();
    try {
      const { bytesRead } = await this.#file.read(this.#buffer, this.#filled, CHUNK_BYTES, this.#base + this.#filled);
      this.#filled += bytesRead;
      if (bytesRead === 0) await this.#checkSize();
      if (this.#wanted.follow || headLength(this.#head) < HEAD_BYTES) await this.#checkHead();
      return bytesRead > 0;
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      throw new InjectorFailedError(`${this.#wanted.description} could not be read at byte ${this.#base + this.#filled}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  #makeRoom(): void {
    const old = this.#buffer;
    const kept = this.#filled - this.#start;
    if (kept + CHUNK_BYTES > old.length) this.#buffer = Buffer.allocUnsafe(2 * old.length);
    old.copy(this.#buffer, 0, this.#start, this.#filled);
    this.#base += this.#start;
    this.#scanned -= this.#start;
    this.#start = 0;
    this.#filled = kept;
  }

  /** R4, where the file ends. */
  async #checkSize(): Promise<void> {
    const { size, ino, dev } = await this.#file.stat();
    const read = this.#base + this.#filled;
    if (size < read) throw this.#unusable(`has ${size} bytes, but ${read} were read`);
    const named = this.#wanted.follow ? await stat(this.#wanted.path).catch(() => undefined) : undefined;
    if (named !== undefined && (named.ino !== ino || named.dev !== dev)) throw this.#unusable("was replaced by another file while it was followed");
  }

  /** R4, before bytes that have just been read are used; and a file that has grown is known by more bytes from now on. */
  async #checkHead(): Promise<void> {
    if (!(await hasHead(this.#file, this.#head))) throw this.#unusable("does not begin as it did: it was written anew while it was read");
    if (headLength(this.#head) < HEAD_BYTES) this.#head = await readHead(this.#file);
  }

  #unusable(what: string): ConfigError {
    return new ConfigError(`${this.#wanted.description} ${what}. Put the file back, or give the injector a new name to read this one from its beginning`);
  }

  async #pause(): Promise<void> {
    const cancel = this.#context.clock.after(POLL, this.#wakeUp.wake);
    await this.#wakeUp.wait();
    cancel();
  }

  #place(): FilePosition {
    return this.#position ?? { offset: 0, head: this.#head };
  }
}
