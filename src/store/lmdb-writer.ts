/**
 * Carries writes to LMDB in groups. While one group is being written, by LMDB's own thread, the next gathers; an idle
 * store writes at the end of the current microtask. A group is one LMDB transaction.
 *
 * L1  Groups are written one after the other: what a group was made from is visible before the next is handed over,
 *     so after one failed none that builds on it can succeed.
 * L2  Within a group, writes apply in the order they were put; records of what changed come last, once each.
 */
import type { Database } from "lmdb";

/** What keeps one record of itself in the store, however often it changes within a group. */
export interface Recorded {
  /** Puts the record: its group is about to be written. */
  record(): void;
  /** The group that the last `record` was for is visible. */
  recorded(): void;
}

interface Group {
  readonly keys: Buffer[];
  /** undefined removes. */
  readonly values: (Uint8Array | undefined)[];
  recorded: ReadonlySet<Recorded>;
  readonly visible: Promise<void>;
  readonly settle: (error?: unknown) => void;
}

export interface LmdbWriterEvents {
  /** A group has become visible. */
  visible(): void;
  /** A group could not be written. Nothing of it is stored, nor will be of what has gathered since. */
  failed(error: unknown): void;
}

export class LmdbWriter {
  readonly #db: Database<Buffer, Buffer>;
  readonly #events: LmdbWriterEvents;
  #gathering: Group | undefined = undefined;
  #writing: Group | undefined = undefined;
  #changed = new Set<Recorded>();
  #writes = 0;

  constructor(db: Database<Buffer, Buffer>, events: LmdbWriterEvents) {
    this.#db = db;
    this.#events = events;
  }

  /** Rises with every write that has been asked for, quiet ones excepted. */
  get writes(): number {
    return this.#writes;
  }

  /** `value` must not change any more. */
  put(key: Buffer, value: Uint8Array): void {
    const group = this.#group();
    group.keys.push(key);
    group.values.push(value);
  }

  remove(key: Buffer): void {
    const group = this.#group();
    group.keys.push(key);
    group.values.push(undefined);
  }

  /** The record of `of` has to be written: with the next group, or, if `quietly`, whenever there is one. */
  changed(of: Recorded, quietly = false): void {
    this.#changed.add(of);
    if (!quietly) this.#group();
  }

  /** Settles when all that was put before is visible and outlives this process. Rejects if it could not be written. */
  written(): Promise<void> {
    return this.#gathering?.visible ?? this.#writing?.visible ?? Promise.resolve();
  }

  /** Is there anything that is not written, quiet changes included? */
  get pending(): boolean {
    return this.#gathering !== undefined || this.#writing !== undefined || this.#changed.size > 0;
  }

  /** As `written`, with all quiet changes. */
  async writeAll(): Promise<void> {
    while (this.pending) {
      if (this.#changed.size > 0) this.#group();
      await this.written();
    }
  }

  #group(): Group {
    this.#writes += 1;
    if (this.#gathering === undefined) {
      this.#gathering = newGroup();
      if (this.#writing === undefined) queueMicrotask(() => this.#write());
    }
    return this.#gathering;
  }

  #write(): void {
    const group = this.#gathering;
    if (group === undefined || this.#writing !== undefined) return;
    group.recorded = this.#changed;
    this.#changed = new Set();
    for (const each of group.recorded) each.record();
    this.#gathering = undefined;
    this.#writing = group;
    this.#carryOut(group).then(
      () => this.#done(group),
      (error: unknown) => this.#failed(group, error),
    );
  }

  async #carryOut({ keys, values }: Group): Promise<void> {
    const db = this.#db;
    try {
      await db.batch(() => {
        for (let i = 0; i < keys.length; i++) {
          const value = values[i];
          if (value === undefined) void db.remove(keys[i]!);
          else void db.put(keys[i]!, value as Buffer);
        }
      });
    } catch (error) {
      throw await reasonOf(error);
    }
  }

  #done(group: Group): void {
    this.#writing = undefined;
    for (const each of group.recorded) each.recorded();
    this.#events.visible();
    group.settle();
    this.#write();
  }

  #failed(group: Group, error: unknown): void {
    const gathered = this.#gathering;
    this.#writing = undefined;
    this.#gathering = undefined;
    this.#changed = new Set();
    this.#events.failed(error);
    group.settle(error);
    gathered?.settle(error);
  }
}

function newGroup(): Group {
  let settle: (error?: unknown) => void = () => {};
  const visible = new Promise<void>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error as Error));
  });
  // It has always one who handles it: a group of quiet changes may have no one who waits.
  visible.catch(() => {});
  return { keys: [], values: [], recorded: new Set(), visible, settle };
}

/** LMDB says that a commit failed, and gives the reason by another promise. */
async function reasonOf(error: unknown): Promise<unknown> {
  const reason = (error as { readonly commitError?: Promise<unknown> }).commitError;
  if (reason === undefined) return error;
  return reason.then(
    () => error,
    (cause: unknown) => cause,
  );
}
