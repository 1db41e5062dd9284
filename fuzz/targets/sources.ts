/** What people write: files of records, the positions that lead back into them, options of the command line. */
import type { FileHandle } from "node:fs/promises";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../../src/cli/exit.ts";
import { storeOf } from "../../src/cli/store-option.ts";
import { systemClock } from "../../src/clock.ts";
import { decodeStored, encodePlain } from "../../src/computation/cbor-codec.ts";
import { CsvFormat } from "../../src/injectors/csv-format.ts";
import type { FileFormat } from "../../src/injectors/file-format.ts";
import { FileReader } from "../../src/injectors/file-reader.ts";
import { fromFile } from "../../src/injectors/from-file.ts";
import { NdjsonFormat } from "../../src/injectors/ndjson-format.ts";
import { endpoint, EndpointError } from "../../src/inspect/endpoint.ts";
import { toFile } from "../../src/sinks/to-file.ts";
import { ascending } from "../../src/watermark/ascending.ts";
import type { Target, TargetMaker } from "../target.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (input: Uint8Array): string => Buffer.from(input.buffer, input.byteOffset, input.length).toString("utf8");
const context = { partition: 0, signal: new AbortController().signal, clock: systemClock, warn: () => {} };

/** A file that is the input, given in pieces, so that every place can be the end of a piece. */
function fileOf(bytes: Uint8Array, piece: number): FileHandle {
  const read = (target: Uint8Array, at: number, length: number, position: number) => {
    const some = bytes.subarray(position, position + Math.min(piece, length));
    target.set(some, at);
    return Promise.resolve({ bytesRead: some.length });
  };
  const handle = { read, stat: () => Promise.resolve({ size: bytes.length, ino: 1, dev: 1 }), close: () => Promise.resolve() };
  return handle as unknown as FileHandle;
}

/** Reads all records twice, in pieces of two sizes: what is read must be the same, and its positions must rise to the end. */
async function readFile(input: Uint8Array, format: () => FileFormat): Promise<void> {
  const [whole, pieces] = [await itemsOf(input, format(), 1 << 20), await itemsOf(input, format(), 1 + (input.length % 7))];
  if (JSON.stringify(whole) !== JSON.stringify(pieces)) throw new Error("read otherwise in small pieces");
}

async function itemsOf(input: Uint8Array, format: FileFormat, piece: number): Promise<unknown[]> {
  const wanted = { path: "input", description: "input", format, follow: false, watermark: ascending() };
  // A head of full length, so that it is not read again.
  const reader = new FileReader(fileOf(input, piece), wanted, context, "1024:0123456789abcdef", undefined);
  const items: unknown[] = [];
  let offset = 0;
  try {
    await reader.seek();
    for (let done = false; !done; ) {
      const pulled = await reader.pull(8);
      for (const { value, failure, position } of pulled.items) {
        const at = (position as { offset: number }).offset;
        if (at <= offset || at > input.length) throw new Error("a position that does not rise to the end of the file");
        offset = at;
        items.push([value, failure, at]);
      }
      done = pulled.done;
    }
  } finally {
    await reader.close();
  }
  return items;
}

const CSV_WORDS = ['"', '""', ",", "\r\n", "\n", "\r", "\u0000", "__proto__", "\ufeff", "constructor", '","', "é"];
const NDJSON_WORDS = ["\n", "\r\n", '{"__proto__":{"x":1}}\n', "[".repeat(200), '"\\ud800"', "1e999", "\u2028", "null\n", "\ufeff", " \t\n"];

// ── positions and checkpoints ───────────────────────────────────────────────────────────────────────────────────────

/** Ms that may pass until files are opened: that is the disk's, not ours. */
const FILES = 2_000;

/** Opens files in a folder of its own at what was stored of them; the folder is gone when the target is closed. */
function targetOfFiles(
  name: string,
  corpus: readonly unknown[],
  opens: (folder: string) => (input: Uint8Array) => Promise<{ close(): Promise<void> }>,
): Target {
  const folder = mkdtempSync(join(tmpdir(), "millrace-fuzz-"));
  const open = opens(folder);
  return {
    name,
    corpus: corpus.map((each) => encodePlain(each)),
    read: async (input) => await (await open(input)).close(),
    patience: FILES,
    close: () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
  };
}

function positionTarget(): Target {
  return targetOfFiles("file-position", positions, (folder) => {
    const file = join(folder, "source.ndjson");
    writeFileSync(file, '{"a":1}\n{"a":2}\n');
    const injector = fromFile(file);
    return async (input) => await injector.open(context, decodeStored(input, "a position"));
  });
}

function checkpointTarget(): Target {
  return targetOfFiles("file-checkpoint", checkpoints, (folder) => {
    const sink = toFile(join(folder, "sink.ndjson"), { fsync: false });
    return async (input) => await sink.open(decodeStored(input, "a checkpoint"));
  });
}

const positions = [
  { offset: 0, head: "0:e3b0c44298fc1c14" },
  { offset: 8, head: "1024:0123456789abcdef" },
  { offset: 2 ** 53 - 1, head: "99999999999:0123456789abcdef" },
];
const checkpoints = [
  { bytes: 0, tail: "" },
  { bytes: 5, tail: "00ff" },
  { bytes: 2 ** 53 - 1, tail: "x" },
];
const STORE_WORDS = [
  "redis://",
  "rediss://",
  "lmdb:",
  "memory:",
  ":",
  "/",
  "@",
  "%",
  "%zz",
  "?db=",
  "?x=1",
  "[::1]",
  "\u0000",
  "#",
  " ",
  "65536",
  "user:pass@",
];

const plainTargets: readonly Target[] = [
  {
    name: "ndjson",
    corpus: [utf8('{"key":"a","at":1}\n[1,2,"é🚀"]\r\n\n"text"'), utf8("\ufeff1\n2\n")],
    words: NDJSON_WORDS,
    read: (input) => readFile(input, () => new NdjsonFormat()),
  },
  {
    name: "csv",
    corpus: [utf8('key,at,text\na,1,"x, ""y""\nz"\r\nb,2,\n'), utf8('\ufeff"a","b"\n1,2\n')],
    words: CSV_WORDS,
    read: (input) => readFile(input, () => new CsvFormat("input", {})),
  },
  {
    name: "csv-without-header",
    corpus: [utf8('a;"b;c";d\n;;\n"";x\n')],
    words: [...CSV_WORDS, ";"],
    read: (input) => readFile(input, () => new CsvFormat("input", { header: false, delimiter: ";" })),
  },
  {
    name: "store-option",
    corpus: ["lmdb:.millrace", "redis://user:pass@127.0.0.1:6379/0", "rediss://[::1]:6379/1?db=2", "redis:/tmp/redis.sock?db=1", "memory:"].map(utf8),
    words: STORE_WORDS,
    read: (input) => storeOf(textOf(input)),
    throws: [UsageError],
  },
  {
    name: "endpoint-url",
    corpus: ["http://127.0.0.1:7077", "https://[::1]:7077/x?y=z"].map(utf8),
    words: ["http://", "%", "@", ":", "65536", "\u0000", "\\", "[", "xn--"],
    read: (input) => endpoint(textOf(input)),
    throws: [EndpointError],
  },
];

export const sourceTargets: readonly (readonly [string, TargetMaker])[] = [
  ...plainTargets.map((target): [string, TargetMaker] => [target.name, () => target]),
  ["file-position", positionTarget],
  ["file-checkpoint", checkpointTarget],
];
