/**
 * What takes data out, as the engine sees it. A sink has one shard. Its checkpoint is part of the commit that consumes
 * the records it has written, so a sink that can cut itself back to a checkpoint holds every record exactly once.
 */
import type { StreamRecord } from "../record.ts";

/** What `Pipeline.sink` takes, without its types. Made by `toFile`, `toCallback`, `toConsole`. */
export interface SinkTarget {
  readonly kind: "sink";
  /** For people: "file counts.ndjson". */
  readonly description: string;
  /** After this many failed tries of one record it is parked in dead letters; Infinity: tried for ever. */
  readonly attempts: number;
  /** Called at every acquisition of the shard: cuts back to `checkpoint` what a crash wrote beyond it. */
  open(checkpoint: unknown): Promise<SinkWriter>;
  /** Where records are appended by the commits that produce them, and `open` is never called. Left out: a writer takes them. */
  readonly appends?: StoreStream | undefined;
}

/** A stream in the store of the pipeline itself: an entry is there from the commit on, once, and no sooner. */
export interface StoreStream {
  readonly key: string;
  /** Entries that are kept at least; undefined: all. */
  readonly maxLength: number | undefined;
  /** Fields and values of a record's entry, in turns. Throws where the record is at fault. */
  readonly texts: (record: StreamRecord<unknown>) => readonly (string | Uint8Array)[];
}

export interface SinkWriter {
  /**
   * Where the target stood when it was opened without a checkpoint. The engine commits it before the first write, so
   * that what a crash before the next commit leaves behind is cut as well. Undefined: there is nothing to cut.
   */
  readonly initial?: unknown;
  /**
   * Writes records, in order, and gives the checkpoint after them (plain data). Rejections are of three kinds:
   * - `SinkUnavailableError`: the target, not a record, is at fault, and this writer is of no more use. The engine
   *   closes it, waits, acquires the shard anew (so that only its owner cuts anything) and opens again. No attempt counts.
   * - `SinkLostDataError`: what was committed is gone. Only an operator can help.
   * - anything else: a record is at fault. Nothing of the call is in the target, unless its guarantee is at least
   *   once; the engine tries the records one by one.
   */
  write(records: readonly StreamRecord<unknown>[]): Promise<unknown>;
  close(): Promise<void>;
}
