/**
 * The embedded store: LMDB in a directory of this machine, no server to start, one process at a time. What it has
 * answered outlives the process, however it ends; and a failure of the machine once `flushed` has settled.
 *
 * Each pipeline has a directory and a database of its own. Owned here: which directory may be used.
 */
import { accessSync, closeSync, constants, mkdirSync, openSync, readdirSync, readSync, statSync } from "node:fs";
import { endianness } from "node:os";
import { join } from "node:path";
import type { RootDatabase } from "lmdb";
import { ConfigError, IncompatibleDataError, messageOf, StoreRefusedError } from "../errors.ts";
import { show } from "../options.ts";
import { NAME_PATTERN } from "../limits.ts";
import { FORMAT, headKey, PIPELINE } from "./lmdb-keys.ts";
import { claim, claimInProcess, databaseInProcess, enter, openedInProcess, readInProcess } from "./lmdb-owner.ts";
import { LmdbPipelineStore } from "./lmdb-pipeline-store.ts";
import { LmdbStoreReader } from "./lmdb-store-reader.ts";
import type { ReadableStore, ReadOptions, StoreReader } from "./reader.ts";
import type { OpenOptions, PipelineStore, Store } from "./store.ts";
import { DATA_FORMAT } from "./stored-graph.ts";

/** Layout of the keys and records of this store, beside the format of what the engine puts into them. */
const LAYOUT = 1;

/** Loads the client, which otherwise the first store to be opened does. */
export const loadLmdb = (): Promise<unknown> => import("lmdb");

export class LmdbStore implements Store, ReadableStore {
  readonly kind = "store";
  readonly #directory: string;

  /** @param directory Where the data is; made if it is not there. Each pipeline has a directory of its name in it. Throws `ConfigError` if it is no path. */
  constructor(directory: string) {
    if (typeof directory !== "string" || directory === "")
      throw new ConfigError(`LmdbStore: give the path of a directory, as in new LmdbStore("./data"); it is ${show(directory)}`);
    this.#directory = directory;
  }

  /** Throws a StoreRefusedError if the directory cannot be used or is in use, an IncompatibleDataError if its data is of another version. */
  async open({ pipeline, clock, random }: OpenOptions): Promise<PipelineStore> {
    const directory = this.#prepare(pipeline);
    const { open } = await import("lmdb");
    const unclaim = claimInProcess(directory);
    let db: RootDatabase<Buffer, Buffer> | undefined;
    try {
      db = openDatabase(open, directory);
      take(db, directory);
      openedInProcess(directory, db);
      return await LmdbPipelineStore.open({ db, description: `lmdb:${directory}`, clock, random, closed: unclaim });
    } catch (error) {
      await db?.close();
      unclaim();
      throw error;
    }
  }

  /** Names of the pipelines that have data in the directory, in order. */
  async pipelines(): Promise<readonly string[]> {
    const isPipeline = (name: string): boolean => statSync(join(this.#directory, name, FILE), { throwIfNoEntry: false })?.isFile() === true;
    if (statSync(this.#directory, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
    return readdirSync(this.#directory).filter(isPipeline).sort();
  }

  /**
   * A look from outside, for an audit, also while another process, or this one, has the directory open. Writes no data:
   * only LMDB's lock file gets an entry for the reader. Throws as `open` does.
   */
  async read({ pipeline }: ReadOptions): Promise<StoreReader> {
    const directory = join(this.#directory, pipeline);
    if (!(await this.pipelines()).includes(pipeline))
      throw new StoreRefusedError(`${this.#directory} has no data of a pipeline "${pipeline}"; give the directory and the name it runs with`);
    const { open } = await import("lmdb");
    const shared = databaseInProcess(directory);
    const db = shared ?? openDatabase(open, directory, true);
    const leave = shared === undefined ? readInProcess(directory) : undefined;
    const close = async (): Promise<void> => {
      if (leave === undefined) return;
      await db.close();
      leave();
    };
    try {
      checkFormat(db, directory);
      return new LmdbStoreReader(db, `lmdb:${directory}`, close);
    } catch (error) {
      await close();
      throw error;
    }
  }

  #prepare(pipeline: string): string {
    if (!NAME_PATTERN.test(pipeline) || /^\.+$/.test(pipeline))
      throw new StoreRefusedError(`${JSON.stringify(pipeline)} cannot be the name of a directory; give the pipeline another name`);
    const directory = join(this.#directory, pipeline);
    try {
      mkdirSync(directory, { recursive: true });
      accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      throw new StoreRefusedError(
        `${directory} cannot be written to (${messageOf(error)}); give the LMDB store another directory, or this process the right to it`,
        { cause: error },
      );
    }
    return directory;
  }
}

interface LmdbOptions {
  readonly path: string;
  readonly encoding: "binary";
  readonly keyEncoding?: "binary";
  readonly noSubdir: false;
  readonly eventTurnBatching: false;
  readonly readOnly: boolean;
  readonly encoder?: typeof POOLED;
  readonly keyEncoder?: typeof POOLED_KEYS;
}

/** Copies out of LMDB's own buffer into Node's pool: what a range makes by default, an ArrayBuffer each, costs a reader of millions half its time. */
function pooled(bytes: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start);
  // Its own `copy` would go by the length that LMDB has given the buffer, which is not its own.
  copy.set(new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start));
  return copy;
}
const POOLED = { encode: (value: Buffer): Buffer => value, decode: (bytes: Buffer): Buffer => pooled(bytes, 0, bytes.length) } as const;
const POOLED_KEYS = {
  writeKey: (key: Uint8Array, target: Buffer, start: number): number => {
    target.set(key, start);
    return start + key.length;
  },
  readKey: pooled,
} as const;

function openDatabase(open: (options: LmdbOptions) => RootDatabase<Buffer, Buffer>, directory: string, readOnly = false): RootDatabase<Buffer, Buffer> {
  checkFile(directory, readOnly);
  // A directory, although its name may have a dot in it. No batches but ours: of LMDB's own, no one handles the failure.
  const options = { path: directory, encoding: "binary", noSubdir: false, eventTurnBatching: false, readOnly } as const;
  return open(readOnly ? { ...options, encoder: POOLED, keyEncoder: POOLED_KEYS } : { ...options, keyEncoding: "binary" });
}

/** In the directory of each pipeline. */
const FILE = "data.mdb";

/** LMDB's file begins with a page whose header is followed by these two numbers, in the byte order of the machine. */
const FILE_HEAD = { length: 24, magic: 0xbeef_c0de, version: 2, least: 8_192 } as const;

/** Opening a file that is none of LMDB's ends the process, so it is looked at before. */
function checkFile(directory: string, readOnly: boolean): void {
  const path = join(directory, FILE);
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return;
  const head = new DataView(new ArrayBuffer(FILE_HEAD.length + 8));
  const file = openSync(path, readOnly ? "r" : "r+");
  try {
    readSync(file, head, { position: 0 });
  } finally {
    closeSync(file);
  }
  const little = endianness() === "LE";
  const isLmdb = size >= FILE_HEAD.least && head.getUint32(FILE_HEAD.length, little) === FILE_HEAD.magic;
  if (isLmdb && head.getUint32(FILE_HEAD.length + 4, little) === FILE_HEAD.version) return;
  throw new StoreRefusedError(`${path} is no LMDB database that this machine can read; restore it, or give the pipeline another directory`);
}

/** Claims the database and marks it, if it is new or ours; else nothing of it is changed. */
function take(db: RootDatabase<Buffer, Buffer>, directory: string): void {
  enter(db);
  db.transactionSync(() => {
    checkFormat(db, directory);
    claim(db, directory);
    void db.put(FORMAT_KEY, Buffer.from(OURS));
  });
}

const FORMAT_KEY = headKey(PIPELINE, FORMAT);
const OURS = `millrace ${DATA_FORMAT}.${LAYOUT}`;

function checkFormat(db: RootDatabase<Buffer, Buffer>, directory: string): void {
  const found = db.getBinary(FORMAT_KEY)?.toString();
  if (found === OURS) return;
  if (found !== undefined) {
    throw new IncompatibleDataError(
      `${directory} has data of the format "${found}", and this version of Millrace reads "${OURS}"; run it with the version that wrote it`,
    );
  }
  if (db.getKeysCount() > 0) throw new StoreRefusedError(`${directory} holds an LMDB database that is not Millrace's; give the pipeline another directory`);
}
