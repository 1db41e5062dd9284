/**
 * The embedded store: LMDB in a directory of this machine, no server to start, one process at a time. What it has
 * answered outlives the process, however it ends; and a failure of the machine once `flushed` has settled.
 *
 * Each pipeline has a directory and a database of its own. Owned here: which directory may be used.
 */
import { accessSync, constants, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { RootDatabase } from "lmdb";
import { IncompatibleDataError, messageOf, StoreRefusedError } from "../errors.ts";
import { NAME_PATTERN } from "../limits.ts";
import { FORMAT, headKey, PIPELINE } from "./lmdb-keys.ts";
import { claim, claimInProcess, enter } from "./lmdb-owner.ts";
import { LmdbPipelineStore } from "./lmdb-pipeline-store.ts";
import type { OpenOptions, PipelineStore, Store } from "./store.ts";
import { DATA_FORMAT } from "./stored-graph.ts";

/** Layout of the keys and records of this store, beside the format of what the engine puts into them. */
const LAYOUT = 1;

export class LmdbStore implements Store {
  readonly kind = "store";
  readonly #directory: string;

  /** @param directory Where the data is; made if it is not there. Each pipeline has a directory of its name in it. */
  constructor(directory: string) {
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
      return await LmdbPipelineStore.open({ db, description: `lmdb:${directory}`, clock, random, closed: unclaim });
    } catch (error) {
      await db?.close();
      unclaim();
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

type Open = (options: { path: string; encoding: "binary"; keyEncoding: "binary"; noSubdir: false }) => RootDatabase<Buffer, Buffer>;

function openDatabase(open: Open, directory: string): RootDatabase<Buffer, Buffer> {
  try {
    // A directory, although its name may have a dot in it.
    return open({ path: directory, encoding: "binary", keyEncoding: "binary", noSubdir: false });
  } catch (error) {
    throw new StoreRefusedError(
      `${directory} holds no LMDB database that can be read (${messageOf(error)}); restore it, or give the pipeline another directory`,
      { cause: error },
    );
  }
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
