/** The injector for files: one JSON value or one CSV row a record, from the beginning, exactly once. */
import { type FileHandle, open, stat } from "node:fs/promises";
import { type Injector, injector, type InjectorOptions } from "../computation/edges.ts";
import { ConfigError, InjectorFailedError, messageOf, MillraceError } from "../errors.ts";
import { checkOptions, show } from "../options.ts";
import { CsvFormat, type CsvOptions } from "./csv-format.ts";
import type { FileFormat } from "./file-format.ts";
import { hasHead, isHead, readHead } from "./file-identity.ts";
import { type FilePosition, FileReader } from "./file-reader.ts";
import type { SourceContext, SourceReader } from "./injector.ts";
import { type InjectorSettings, injectorSettings } from "./injector-settings.ts";
import { NdjsonFormat } from "./ndjson-format.ts";

export interface FileOptions<T> extends InjectorOptions<T> {
  /** Default: by the file's name, .ndjson or .jsonl, .csv or .tsv. */
  readonly format?: "ndjson" | "csv" | undefined;
  /** Wait for more at the end of the file, for ever, instead of ending the input. Default false. */
  readonly follow?: boolean | undefined;
  /** How to read CSV. */
  readonly csv?: CsvOptions | undefined;
}

/**
 * Brings in the records of a file in their order: UTF-8, one a line, with LF or CRLF; a byte order mark and empty lines
 * are passed over. NDJSON lines may hold any JSON value; CSV rows are objects of strings, named by the header.
 *
 * The position is a byte offset together with a fingerprint of the file's first 1,024 bytes. A file that is shorter than
 * the position, or begins otherwise, is refused with a ConfigError; one that was copied or has grown goes on.
 * What cannot be decoded, or is longer than a record may be, becomes a dead letter with its text (the first 64 KiB).
 *
 * With `follow` the file is looked at every 100 ms, and a last line waits for its line end; without, it is a record as it
 * stands. A followed file has to stay in its place: one that is replaced or cut (log rotation) is refused.
 *
 * Defaults: `watermark` ascending(), since logs are written in order of time; `maxAhead` Infinity, since a file holds
 * what it holds.
 */
export function fromFile<T>(path: string, options: FileOptions<T> = {}): Injector<T> {
  if (typeof path !== "string" || path === "") throw new ConfigError("fromFile: give the path of a file");
  const description = `file ${path}`;
  const where = `fromFile (${path})`;
  const settings = injectorSettings(where, options, { own: ["format", "follow", "csv"], maxAhead: Number.POSITIVE_INFINITY });
  const { follow = false } = options;
  if (typeof follow !== "boolean") throw new ConfigError(`${where}: follow is true or false, but it is ${show(follow)}`);
  checkOptions(`${where}: csv`, options.csv, ["header", "delimiter"]);
  formatOf(path, description, options);
  return injector<T>({
    kind: "injector",
    description,
    partitions: 1,
    ...settings,
    open: (context, position) => openFile({ path, description, follow, format: formatOf(path, description, options), settings }, context, position),
  });
}

interface OpenFile {
  readonly path: string;
  readonly description: string;
  readonly follow: boolean;
  readonly format: FileFormat;
  readonly settings: InjectorSettings;
}

async function openFile({ settings, ...wanted }: OpenFile, context: SourceContext, position: unknown): Promise<SourceReader> {
  const { description, path } = wanted;
  const after = positionOf(description, position);
  let opened: { close(): Promise<void> } | undefined;
  try {
    // Before it is opened: to open a pipe would wait for its writer.
    if (!(await stat(path)).isFile()) throw new ConfigError(`${description} is not a regular file; only those have positions to go on from`);
    const file = await open(path, "r");
    opened = file;
    const head = await checkedHead(file, description, after);
    const reader = new FileReader(file, { ...wanted, watermark: settings.watermark }, context, head, after);
    opened = reader;
    await reader.seek();
    return reader;
  } catch (error) {
    await opened?.close();
    throw explained(description, error);
  }
}

/** The head of a file that may be read after `after`. */
async function checkedHead(file: FileHandle, description: string, after: FilePosition | undefined): Promise<string> {
  const { size } = await file.stat();
  const advice = "Put the file back, or give the injector a new name to read this one from its beginning";
  if (after !== undefined && size < after.offset) {
    throw new ConfigError(`${description} has ${size} bytes, but was read up to byte ${after.offset}. ${advice}`);
  }
  if (after !== undefined && !(await hasHead(file, after.head))) {
    throw new ConfigError(`${description} is not the file that was read up to byte ${after.offset}: it begins otherwise. ${advice}`);
  }
  return readHead(file);
}

function positionOf(description: string, position: unknown): FilePosition | undefined {
  if (position === undefined) return undefined;
  const { offset, head } = Object(position) as { readonly offset?: unknown; readonly head?: unknown };
  if (typeof offset === "number" && Number.isSafeInteger(offset) && offset >= 0 && isHead(head)) return { offset, head };
  throw new ConfigError(`${description}: the stored position is not one of a file; this injector's name belonged to another one. Give it a new name`);
}

function explained(description: string, error: unknown): unknown {
  if (error instanceof MillraceError) return error;
  const code = (Object(error) as { readonly code?: unknown }).code;
  if (code === "ENOENT") return new ConfigError(`${description} does not exist`, { cause: error });
  if (code === "EACCES" || code === "EPERM") return new ConfigError(`${description} may not be read: ${messageOf(error)}`, { cause: error });
  return new InjectorFailedError(`${description} could not be opened: ${messageOf(error)}`, { cause: error });
}

/** A format of its own for each reader, since it keeps where it is. */
function formatOf<T>(path: string, description: string, options: FileOptions<T>): FileFormat {
  const { format = formatByName(path), csv } = options;
  if (format === "ndjson") {
    if (csv !== undefined) throw new ConfigError(`${description} is read as ndjson but csv options are given`);
    return new NdjsonFormat();
  }
  if (format === "csv") return new CsvFormat(description, path.toLowerCase().endsWith(".tsv") ? { delimiter: "\t", ...csv } : { ...csv });
  throw new ConfigError(`${description}: the format cannot be told from the name; give format: "ndjson" or "csv"`);
}

function formatByName(path: string): "ndjson" | "csv" | undefined {
  const name = path.toLowerCase();
  if (name.endsWith(".ndjson") || name.endsWith(".jsonl")) return "ndjson";
  if (name.endsWith(".csv") || name.endsWith(".tsv")) return "csv";
  return undefined;
}
