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
}

export interface SinkWriter {
  /**
   * Writes records, in order, and gives the checkpoint after them (plain data). If it throws, it has cut itself back
   * to where it was, if it can; the engine then tries the records one by one.
   */
  write(records: readonly StreamRecord<unknown>[]): Promise<unknown>;
  close(): Promise<void>;
}
