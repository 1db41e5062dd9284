/** The record, as user code sees it. */
import type { Input } from "./computation/input.ts";

declare const handleOf: unique symbol;

/** Narrowing mark of `is`: which handle a record or timer came by. Exists in types alone. */
export interface Of<Handle> {
  readonly [handleOf]: Handle;
}

export interface StreamRecord<T> {
  /** Unique among all records of the pipeline; the client's own id where it gave one. */
  readonly id: string;
  /** Extracted once, by the sender, with this consumer's extractor. */
  readonly key: string;
  readonly value: T;
  /** Event time, ms since the epoch. */
  readonly timestamp: number;
  /** Was the timestamp behind the input watermark of the record's shard when processing started? */
  readonly late: boolean;
  /** Did it come by this input? Says nothing of the others, for two inputs may have one type: write `else if`, not `else`. */
  is<U>(input: Input<U>): this is StreamRecord<U> & Of<Input<U>>;
}
