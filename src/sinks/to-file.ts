/**
 * The sink for files: one line a record, each exactly once. Its checkpoint is the file's length, committed with the
 * records that it covers, so what a crash wrote beyond the last commit is cut when the file is opened again.
 *
 * W1  Bytes before the checkpoint are never changed or cut, nor those that were in the file before its first record.
 * W2  A checkpoint is given out only once its bytes are in the file and, with `fsync`, on the disk.
 * W3  Only `open`, which the shard's owner alone calls, cuts what is not its own. A writer that finds bytes of someone
 *     else, such as a former owner that was stopped within a write, is of no more use: cutting there could destroy
 *     what the real owner has committed. It writes by appending, so it cannot overwrite either.
 */
import { constants, type FileHandle, mkdir, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { type Sink, sink } from "../computation/edges.ts";
import { ConfigError, InvalidUseError, messageOf, MillraceError, SinkLostDataError, SinkUnavailableError } from "../errors.ts";
import { checkOptions, show } from "../options.ts";
import type { StreamRecord } from "../record.ts";
import { jsonLine } from "./json-line.ts";
import type { SinkTarget, SinkWriter } from "./sink.ts";

export interface FileSinkOptions<T> {
  /** The text of a record, without its line end. Default: its value as JSON (`json-line.ts` says how of what). */
  readonly line?: ((value: T, record: StreamRecord<T>) => string) | undefined;
  /**
   * Wait for the disk before records count as written. Default true. Without it, a power failure may take away what was
   * committed, which stops the sink with a SinkLostDataError; a crash of the process alone takes nothing.
   */
  readonly fsync?: boolean | undefined;
}

/** Tries of a record whose `line` throws, before it is parked in dead letters. */
const ATTEMPTS = 5;
/** Bytes before the checkpoint by which the file is known again. */
const TAIL_BYTES = 16;

/**
 * Writes each record as a line, exactly once, in the order of commits. Lines may be seen before they are committed and are
 * gone again if that fails: a reader that cannot bear it reads up to the committed length (`fileBytes` of `/v1/shards`).
 *
 * A file that exists is appended to, as a log is; only its missing last line end is added. Missing directories are made.
 * The file belongs to one sink: nobody else may write to it, and if it is cut, replaced or removed, the sink stops with a
 * SinkLostDataError. A full disk or an I/O error counts against no record: the sink waits and tries again.
 */
export function toFile<T>(path: string, options: FileSinkOptions<T> = {}): Sink<T> {
  if (typeof path !== "string" || path === "") throw new ConfigError("toFile: give the path of a file");
  const where = `toFile (${path})`;
  checkOptions(where, options, ["line", "fsync"]);
  const { line = (value: T) => jsonLine(value), fsync = true } = options;
  if (typeof line !== "function") throw new ConfigError(`${where}: line is not a function of the value`);
  if (typeof fsync !== "boolean") throw new ConfigError(`${where}: fsync is true or false, but it is ${show(fsync)}`);
  const description = `file ${path}`;
  const target: FileSink = {
    kind: "sink",
    description,
    file: FILE,
    attempts: ATTEMPTS,
    open: (checkpoint) => openFile({ path: resolve(path), description, fsync, line: line as FileTarget["line"] }, checkpoint),
  };
  return sink<T>(target);
}

/** By which a target is known as ours, whatever stands around it. */
const FILE: unique symbol = Symbol("file");

interface FileSink extends SinkTarget {
  readonly file: typeof FILE;
}

/** How much of its file a committed checkpoint covers; undefined: there is none, or the target is no file. */
export function committedBytes(target: SinkTarget, checkpoint: unknown): number | undefined {
  if (!("file" in target && target.file === FILE) || checkpoint === undefined) return undefined;
  return checkpointOf(target.description, checkpoint)?.bytes;
}

interface FileTarget {
  readonly path: string;
  readonly description: string;
  readonly fsync: boolean;
  readonly line: (value: unknown, record: StreamRecord<unknown>) => string;
}

interface FileCheckpoint {
  /** Length of the file. */
  readonly bytes: number;
  /** Its last bytes, at most TAIL_BYTES, in hexadecimal. */
  readonly tail: string;
}

async function openFile(target: FileTarget, stored: unknown): Promise<SinkWriter> {
  const { path, description } = target;
  const checkpoint = checkpointOf(description, stored);
  let file: FileHandle | undefined;
  try {
    await prepare(path, description, checkpoint);
    file = await open(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT);
    const { size } = await file.stat();
    const bytes = checkpoint?.bytes ?? size;
    if (size < bytes)
      throw new SinkLostDataError(
        `${description} has ${size} bytes, but ${bytes} were committed to it. Put the file back as it was; or, to start over, delete the data of the pipeline too`,
      );
    const tail = await bytesBefore(file, bytes);
    if (checkpoint !== undefined && checkpoint.tail !== tail.toString("hex")) {
      throw new SinkLostDataError(
        `${description} does not hold what was committed to it, up to byte ${bytes}: it is another file. Put the file back as it was`,
      );
    }
    if (size > bytes) await file.truncate(bytes);
    if (target.fsync) await file.sync();
    return new FileWriter(file, target, bytes, tail, checkpoint === undefined);
  } catch (error) {
    await file?.close();
    throw explained(description, error);
  }
}

/** Makes the directory, and the file if nothing was committed to it yet, such that both survive a power failure. */
async function prepare(path: string, description: string, checkpoint: FileCheckpoint | undefined): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return undefined;
  });
  if (found !== undefined) {
    if (!found.isFile()) throw new ConfigError(`${description} is not a regular file, so it cannot be cut back; use toConsole or toCallback`);
    return;
  }
  if (checkpoint !== undefined && checkpoint.bytes > 0) {
    throw new SinkLostDataError(
      `${description} does not exist, but ${checkpoint.bytes} bytes were committed to it. Put the file back as it was; or, to start over, delete the data of the pipeline too`,
    );
  }
  const directory = dirname(path);
  const first = await mkdir(directory, { recursive: true });
  await (await open(path, "a")).close();
  // From the new file's directory up to the one that was there before.
  const last = first === undefined ? directory : dirname(first);
  for (let at = directory; ; at = dirname(at)) {
    await syncDirectory(at);
    if (at === last) return;
  }
}

/** Not every system can; there the creation of a file is as durable as the system makes it. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r").catch(() => undefined);
  await directory?.sync().catch(() => {});
  await directory?.close();
}

class FileWriter implements SinkWriter {
  readonly initial: FileCheckpoint | undefined;
  readonly #file: FileHandle;
  readonly #target: FileTarget;
  #bytes: number;
  #tail: Buffer;
  #broken = false;

  constructor(file: FileHandle, target: FileTarget, bytes: number, tail: Buffer, isFirst: boolean) {
    this.#file = file;
    this.#target = target;
    this.#bytes = bytes;
    this.#tail = tail;
    this.initial = isFirst ? this.#checkpoint() : undefined;
  }

  async write(records: readonly StreamRecord<unknown>[]): Promise<FileCheckpoint> {
    if (this.#broken) throw this.#unavailable("has failed before");
    if (records.length === 0) return this.#checkpoint();
    const written = Buffer.from(this.#text(records));
    try {
      await this.#checkLength("before a write");
      await this.#append(written);
      await this.#checkLength("after a write", written.length);
      if (this.#target.fsync) await this.#file.datasync();
    } catch (error) {
      this.#broken = true;
      if (error instanceof MillraceError) throw error;
      await this.#cutBack(written.length);
      throw this.#unavailable(`could not be written to: ${messageOf(error)}`, error);
    }
    this.#bytes += written.length;
    this.#tail = Buffer.concat([this.#tail, written.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES);
    return this.#checkpoint();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** All that may be a record's fault happens here, before anything is written. */
  #text(records: readonly StreamRecord<unknown>[]): string {
    let text = this.#bytes > 0 && this.#tail.at(-1) !== 0x0a ? "\n" : "";
    for (const record of records) {
      const line: unknown = this.#target.line(record.value, record);
      if (typeof line !== "string") throw new InvalidUseError(`${this.#target.description}: line gave ${typeof line}, not a string`);
      text += `${line}\n`;
    }
    return text;
  }

  async #append(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) at += (await this.#file.write(bytes, at, bytes.length - at)).bytesWritten;
  }

  /** Is the file under this name still ours, and does it end where we think (W3)? */
  async #checkLength(when: string, ours = 0): Promise<void> {
    const { ino, dev } = await this.#file.stat();
    const named = await stat(this.#target.path);
    if (named.ino !== ino || named.dev !== dev) throw this.#unavailable("was replaced by another file");
    const expected = this.#bytes + ours;
    if (named.size !== expected) throw this.#unavailable(`has ${named.size} bytes ${when}, not ${expected}: someone else writes to it`);
  }

  /** After a failed write: takes away what it left, if it can; else the next `open` does. */
  async #cutBack(written: number): Promise<void> {
    try {
      const { size } = await this.#file.stat();
      if (size > this.#bytes && size <= this.#bytes + written) await this.#file.truncate(this.#bytes);
    } catch {
      // The file is opened again, and cut, before anything else is written.
    }
  }

  #checkpoint(): FileCheckpoint {
    return { bytes: this.#bytes, tail: this.#tail.toString("hex") };
  }

  #unavailable(what: string, cause?: unknown): SinkUnavailableError {
    return new SinkUnavailableError(`${this.#target.description} ${what}`, { cause });
  }
}

async function bytesBefore(file: FileHandle, end: number): Promise<Buffer> {
  const length = Math.min(end, TAIL_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, end - length);
  return buffer.subarray(0, bytesRead);
}

function checkpointOf(description: string, stored: unknown): FileCheckpoint | undefined {
  if (stored === undefined) return undefined;
  const { bytes, tail } = Object(stored) as { readonly bytes?: unknown; readonly tail?: unknown };
  if (typeof bytes === "number" && Number.isSafeInteger(bytes) && bytes >= 0 && typeof tail === "string") return { bytes, tail };
  throw new ConfigError(`${description}: the stored checkpoint is not one of a file; this sink's name belonged to another one. Give it a new name`);
}

/** Errors of the file system that no waiting mends. */
const PERMANENT: ReadonlySet<string | undefined> = new Set(["EACCES", "EPERM", "EISDIR", "ENOTDIR", "EEXIST", "EROFS", "ENAMETOOLONG", "ELOOP"]);

function explained(description: string, error: unknown): unknown {
  if (error instanceof MillraceError) return error;
  const message = `${description} could not be opened: ${messageOf(error)}`;
  return PERMANENT.has((error as NodeJS.ErrnoException).code)
    ? new ConfigError(message, { cause: error })
    : new SinkUnavailableError(message, { cause: error });
}
