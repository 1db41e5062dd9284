/**
 * The outside of a simulated pipeline: sources whose items arrive at given times, and sinks. Both are exactly what
 * their contracts promise (`injectors/injector.ts`, `sinks/sink.ts`), and outlive every worker.
 */
import type { SourceItem } from "../../injectors/injector.ts";
import type { StreamRecord } from "../../record.ts";

export interface SimulatedItem {
  readonly item: SourceItem;
  /** Simulated time from which on it can be read, ms. Rises along the partition. */
  readonly arrival: number;
  /** The watermark that the source's policy may promise, at most, once this item is injected. */
  readonly promise: number;
}

/** One partition of a source, from its first item to its end. The position of an item is its place, from 1. */
export interface SimulatedSource {
  readonly items: readonly SimulatedItem[];
  /** Its policy goes by the clock, and trails it by this, ms; undefined: what each item allows is said there. */
  readonly trails?: number;
  /** More items may be added, until this is false. Default: false. */
  readonly open?: boolean;
  /** It gives few items at a time, and takes up to this for them, ms, so that more are to come while these are worked on. Default: 0. */
  readonly slow?: number;
}

interface Written {
  readonly before: number;
  readonly records: readonly StreamRecord<unknown>[];
}

/**
 * The target of one sink. Its checkpoint names what was written up to it, whoever wrote it, so a writer that has lost
 * its shard can spoil nothing: what is not behind the committed checkpoint was never written.
 */
export class SimulatedSink {
  readonly #written: Written[] = [];
  /** What is there, committed or not. */
  #end = 0;

  /** The checkpoint to go on from. Without one, what is there is taken for what was there before the pipeline. */
  open(checkpoint: number | undefined): number {
    if (checkpoint !== undefined) this.#end = checkpoint;
    return this.#end;
  }

  /** Writes after `checkpoint` (0: the beginning) and gives the checkpoint after it. */
  write(checkpoint: number, records: readonly StreamRecord<unknown>[]): number {
    this.#end = this.#written.push({ before: checkpoint, records });
    return this.#end;
  }

  /** All records up to a checkpoint, in order. */
  upTo(checkpoint: number): StreamRecord<unknown>[] {
    const parts: (readonly StreamRecord<unknown>[])[] = [];
    for (let at = checkpoint; at > 0; ) {
      const written = this.#written[at - 1] as Written;
      parts.push(written.records);
      at = written.before;
    }
    return parts.toReversed().flat();
  }
}
