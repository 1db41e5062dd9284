/**
 * A stopped pipeline's contents in a file: NDJSON, bytes as base64. The format is in docs/moving.md, version 1:
 *
 *   first line   {"millrace": "export", "version": 1, "from", "fingerprint", "graph", "watermarks": [[participant, {...}], ...]}
 *   a piece      {"kind": "shard", "shard", "monotonic", "image", "held", "dead", "counts"}
 *                {"kind": "state" | "held" | "dead", "shard", "entries": [[name, bytes], ...]}
 *                {"kind": "watermark" | "wall" | "holds" | "ids", "shard", "entries": [[member, time], ...]}
 *                {"kind": "inbox", "shard", "from", "offset", "parcels": [bytes, ...]}
 *   last line    {"end": {"pieces", "sha256": of all bytes before it}}
 *
 * F1  A file has its name only once it is whole: until then it is beside it, as `.partial`.
 * F2  Nothing of a file is used before its last line was found to be right.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import { ConfigError, IncompatibleDataError, messageOf } from "../errors.ts";
import type { ShardRef } from "../key.ts";
import type { EntryCount } from "../store/reader.ts";
import { DATA_FORMAT, parseStoredGraph, type StoredGraph } from "../store/stored-graph.ts";
import type { Published } from "../watermark/authority.ts";
import type { Contents, EntriesKind, Piece, TimesKind } from "./contents.ts";

const VERSION = 1;
const NEWLINE = 0x0a;

interface Header {
  readonly millrace: "export";
  readonly version: number;
  readonly from: string;
  readonly fingerprint: string;
  readonly graph: StoredGraph;
  readonly watermarks: readonly (readonly [number, Published])[];
}

/** A piece as a line has it. */
type PieceLine =
  | { kind: "shard"; shard: number; monotonic: number; image: string | null; held: number[]; dead: number[]; counts: EntryCount }
  | { kind: EntriesKind; shard: number; entries: [string, string][] }
  | { kind: TimesKind; shard: number; entries: [string, number][] }
  | { kind: "inbox"; shard: number; from: number; offset: number; parcels: string[] };

// ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Gives the bytes of the file. Throws a `ConfigError` if it is there already. */
export async function writeContents(contents: Contents, path: string, complete: () => Promise<void>): Promise<number> {
  if (existsSync(path)) throw new ConfigError(`${path} is there already: give the file another name, or remove it`);
  const partial = `${path}.partial`;
  const file = await opened(partial);
  try {
    const lines = new LineWriter(file);
    const { description: from, fingerprint, graph, watermarks } = contents;
    await lines.write({ millrace: "export", version: VERSION, from, fingerprint, graph, watermarks: [...watermarks] } satisfies Header);
    let pieces = 0;
    for await (const piece of contents.pieces(() => true)) {
      await lines.write(lineOf(piece));
      pieces += 1;
    }
    await complete();
    await lines.write({ end: { pieces, sha256: lines.digest() } });
    await file.sync();
    await rename(partial, path);
    return lines.bytes;
  } finally {
    await file.close();
  }
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path, "w");
  } catch (error) {
    throw new ConfigError(`${path} cannot be written to: ${messageOf(error)}`, { cause: error });
  }
}

class LineWriter {
  readonly #file: FileHandle;
  readonly #hash = createHash("sha256");
  bytes = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async write(line: object): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    this.#hash.update(bytes);
    this.bytes += bytes.length;
    await this.#file.writeFile(bytes);
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");

function lineOf(piece: Piece): PieceLine {
  switch (piece.kind) {
    case "shard":
      return { ...piece, image: piece.image === undefined ? null : base64(piece.image), held: [...piece.held], dead: [...piece.dead] };
    case "state":
    case "held":
    case "dead":
      return { kind: piece.kind, shard: piece.shard, entries: piece.entries.map(({ name, bytes }) => [name, base64(bytes)]) };
    case "inbox":
      return { ...piece, parcels: piece.parcels.map(base64) };
    default:
      return { kind: piece.kind, shard: piece.shard, entries: piece.entries.map(({ member, time }) => [member, time]) };
  }
}

// ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export class FileContents implements Contents {
  readonly description: string;
  readonly graph: StoredGraph;
  readonly fingerprint: string;
  readonly watermarks: ReadonlyMap<number, Published>;
  readonly #path: string;

  private constructor(path: string, { graph, fingerprint, watermarks }: Header) {
    this.#path = path;
    this.description = `file ${path}`;
    this.graph = parseStoredGraph(JSON.stringify(graph));
    this.fingerprint = fingerprint;
    this.watermarks = new Map(watermarks);
  }

  /** Reads it once to its end. Throws a `ConfigError` (no such file, not whole), an `IncompatibleDataError` (another version). */
  static async open(path: string): Promise<FileContents> {
    let header: Header | undefined;
    let [lines, whole] = [0, false];
    const hash = createHash("sha256");
    for await (const line of linesOf(path)) {
      if (header === undefined) header = headerOf(path, line);
      else if (line.length < 200 && line.subarray(0, 7).toString() === '{"end":') {
        const { end } = parsed(path, line) as { readonly end: { readonly pieces: number; readonly sha256: string } };
        whole = end.pieces === lines - 1 && end.sha256 === hash.copy().digest("hex");
      } else if (whole) throw new ConfigError(`${path} goes on after its end: it is not what millrace export writes`);
      hash.update(line);
      lines += 1;
    }
    if (header === undefined || !whole) throw new ConfigError(`${path} is not whole, or was changed: export the pipeline again`);
    return new FileContents(path, header);
  }

  async *pieces(wanted: (shard: ShardRef) => boolean): AsyncGenerator<Piece> {
    let first = true;
    for await (const line of linesOf(this.#path)) {
      const piece = parsed(this.#path, line) as PieceLine | { readonly kind?: undefined };
      if (!first && piece.kind !== undefined && (piece.kind === "shard" || wanted(piece.shard))) yield pieceOf(piece);
      first = false;
    }
  }
}

function headerOf(path: string, line: Buffer): Header {
  const header = parsed(path, line) as Partial<Header> | null;
  if (header?.millrace !== "export") throw new ConfigError(`${path} is no file of millrace export`);
  if (header.version !== VERSION || header.graph?.format !== DATA_FORMAT) {
    throw new IncompatibleDataError(
      `${path} has version ${header.version} and data of format ${header.graph?.format}, this Millrace reads ${VERSION} and ${DATA_FORMAT}: import it with the version that wrote it`,
    );
  }
  return header as Header;
}

function parsed(path: string, line: Buffer): unknown {
  try {
    return JSON.parse(line.toString());
  } catch (error) {
    throw new ConfigError(`${path} has a line that is not JSON (${messageOf(error)}): it is no file of millrace export, or was changed`, { cause: error });
  }
}

const bytesOf = (text: string): Uint8Array => Buffer.from(text, "base64");

function pieceOf(line: PieceLine): Piece {
  switch (line.kind) {
    case "shard":
      return { ...line, image: line.image === null ? undefined : bytesOf(line.image) };
    case "state":
    case "held":
    case "dead":
      return { kind: line.kind, shard: line.shard, entries: line.entries.map(([name, bytes]) => ({ name, bytes: bytesOf(bytes) })) };
    case "inbox":
      return { ...line, parcels: line.parcels.map(bytesOf) };
    default:
      return { kind: line.kind, shard: line.shard, entries: line.entries.map(([member, time]) => ({ member, time })) };
  }
}

/** Lines with their ends. What comes after the last end of a line is no line. */
async function* linesOf(path: string): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      let from = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
        parts.push(chunk.subarray(from, end + 1));
        yield parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
        parts = [];
        from = end + 1;
      }
      parts.push(chunk.subarray(from));
    }
  } catch (error) {
    if ((error as { code?: unknown }).code === undefined) throw error;
    if (error instanceof ConfigError || error instanceof IncompatibleDataError) throw error;
    throw new ConfigError(`${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  if (parts.some(({ length }) => length > 0)) throw new ConfigError(`${path} ends in the middle of a line: it is not whole; export the pipeline again`);
}
