/**
 * Who has an LMDB directory open: one process, and in it one store. Owned here: the claim. It needs no file of its own
 * and is void as soon as its process is gone, however it went.
 *
 * LMDB keeps a table of readers in its lock file, with the process of each, and clears out what dead processes left
 * (by file locks, which the kernel drops with the process; so neither kill -9 nor a reused process id misleads it). A
 * claim is a process id in the database, put there by a transaction, by a process that is in the table of readers.
 *
 * O1  A process enters the table of readers before it claims, and stays in it until it closes. So whoever finds its
 *     claim also finds out that it lives.
 * O2  Claims are made and judged in write transactions, of which LMDB lets one run at a time, over all processes.
 */
import { realpathSync } from "node:fs";
import type { Database, RootDatabase } from "lmdb";
import { StoreRefusedError } from "../errors.ts";
import { headKey, OWNER, PIPELINE } from "./lmdb-keys.ts";

const CLAIM = headKey(PIPELINE, OWNER);

/** Directories that stores of this process have open, and their databases once they are. */
const open = new Map<string, RootDatabase<Buffer, Buffer> | undefined>();

/** How many readers of this process have opened a directory's database beside no store. */
const readers = new Map<string, number>();

/** Claims a directory within this process. Gives what undoes it. Throws a StoreRefusedError if another store has it. */
export function claimInProcess(directory: string): () => void {
  const path = realpathSync(directory);
  if (readers.has(path)) throw refused(directory, process.pid, "this one, by an audit that is not over");
  if (open.has(path)) throw refused(directory, process.pid, "this one, by another store that is not closed");
  open.set(path, undefined);
  return () => open.delete(path);
}

/** The database of a directory that was claimed in this process is this. */
export function openedInProcess(directory: string, db: RootDatabase<Buffer, Buffer>): void {
  open.set(realpathSync(directory), db);
}

/** The database that a store of this process has open there: LMDB may not be opened twice in one process. */
export function databaseInProcess(directory: string): RootDatabase<Buffer, Buffer> | undefined {
  return open.get(realpathSync(directory));
}

/** Puts this process into the table of readers, and clears that of dead ones. */
export function enter(db: Database<Buffer, Buffer>): void {
  db.readerCheck();
  db.getBinaryFast(CLAIM);
}

/** A reader of this process opens the database by itself. Gives what undoes it. */
export function readInProcess(directory: string): () => void {
  const path = realpathSync(directory);
  const count = (by: number): void => {
    const left = (readers.get(path) ?? 0) + by;
    if (left === 0) readers.delete(path);
    else readers.set(path, left);
  };
  count(1);
  return () => count(-1);
}

/** Within a transaction, after `enter`: claims the database. Throws a StoreRefusedError if a process that lives has it. */
export function claim(db: Database<Buffer, Buffer>, directory: string): void {
  const owner = Number(db.getBinary(CLAIM)?.toString() ?? 0);
  if (owner !== 0 && readersOf(db, owner) > (owner === process.pid ? 1 : 0)) throw refused(directory, owner, "which still runs");
  void db.put(CLAIM, Buffer.from(String(process.pid)));
}

/** Takes the claim back, before the database is closed. */
export function disclaim(db: Database<Buffer, Buffer>): Promise<boolean> {
  return db.remove(CLAIM);
}

/** How many entries of the table of readers are a process's. */
function readersOf(db: Database<Buffer, Buffer>, pid: number): number {
  // A heading, then a line a reader: process, thread, transaction.
  const lines = db.readerList().split("\n").slice(1);
  return lines.filter((line) => Number(line.trim().split(/\s+/)[0]) === pid).length;
}

function refused(directory: string, pid: number, which: string): StoreRefusedError {
  return new StoreRefusedError(
    `${directory} is open in process ${pid}, ${which}: an LMDB directory has one process at a time. ` +
      "End that process, give this pipeline another directory, or use RedisStore to run it in several processes",
  );
}
