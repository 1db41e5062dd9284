/** One piece of work for a key: a record from the inbox, a due timer, or either of them again from `held`. */
import type { TimerAddress } from "../store/address.ts";
import type { TimerClock } from "../store/commit.ts";
import type { KeyState } from "./key-state.ts";
import type { ParcelRecord } from "./parcel.ts";

export type Work = RecordWork | TimerWork;

interface WorkBase {
  key: KeyState | undefined;
  /** Holds the input watermark until it is committed: max(its timestamp, the input watermark when it was read). */
  readonly hold: number;
  /** Failed tries so far. */
  attempts: number;
  /** Times that it was begun alone by an owner that died of it, or at that time (`guarded-shard.ts`). */
  begun: number;
  /** Its id in `held`, while it stands aside there. */
  held: number | undefined;
  /** Taken from the inbox by this batch and not finished yet. */
  batch: object | undefined;
  /** Set while its key's earlier work is done again: why it will not be tried now. */
  failure?: { readonly error: unknown } | undefined;
  /** Set while its key's earlier work is done again: it stood aside behind that, until its key's `retryAt`, and will again. */
  aside?: { readonly until: number } | undefined;
}

export interface RecordWork extends WorkBase {
  readonly kind: "record";
  readonly record: ParcelRecord;
  late: boolean;
}

/**
 * A record that has entered the inbox. A class, because V8 puts what a literal makes into its old space from the start where most
 * of it has lived long once, as in a backlog; there it, and all that it holds, costs a full collection.
 */
export class InboxWork implements RecordWork {
  readonly kind = "record";
  readonly record: ParcelRecord;
  readonly hold: number;
  key: KeyState | undefined = undefined;
  attempts = 0;
  begun = 0;
  held: number | undefined = undefined;
  batch: object | undefined = undefined;
  late = false;

  constructor(record: ParcelRecord, hold: number) {
    this.record = record;
    this.hold = hold;
  }
}

export interface TimerWork extends WorkBase {
  readonly kind: "timer";
  readonly clock: TimerClock;
  readonly member: string;
  readonly address: TimerAddress;
  readonly time: number;
  /** The timestamp of what it produces by default, and what it holds; undefined: the input watermark at firing. */
  readonly output: number | undefined;
  /** Mark of the batch in which it fell due; undefined: of an earlier owner's. */
  readonly fired: object | undefined;
  /** Id of the dead letter that the batch in which it fell due has made of it. */
  letter?: number | undefined;
}
