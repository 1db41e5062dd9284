/**
 * What one HTTP request is told of the records that it handed in: counts, and of the first ones what became of each. It
 * waits for nothing by itself and does not know HTTP.
 *
 * R1  Each record that was handed in is told of once, in the order in which they were handed in.
 */
import type { TraceContext } from "../computation/trace-context.ts";
import type { ItemFate } from "./injector.ts";

/** `unknown`: committed or not, no one here will know. `untaken`: not committed, and never will be. */
export type HttpFate = ItemFate | { readonly kind: "unknown" } | { readonly kind: "untaken" };

/** `timestamp`: undefined for a duplicate, for it is the first one's that counts. */
export interface ReceivedRecord {
  readonly id: string;
  readonly duplicate: boolean;
  readonly timestamp: number | undefined;
}

/** `index`: of the record in its request, from 0. */
export interface RefusedRecord {
  readonly index: number;
  readonly id: string;
  readonly reason: string;
}

/** Records that are told of one by one; of more there are counts alone, so that a request of any length takes no more memory. */
export const LISTED_RECORDS = 1_000;

export class HttpReceipt {
  /** Records handed in so far. */
  handed = 0;
  injected = 0;
  duplicates = 0;
  refusals = 0;
  unknown = 0;
  untaken = 0;
  /** The first of those that the pipeline refused. */
  readonly refused: RefusedRecord[] = [];
  /** Of all records; undefined once there are more than `LISTED_RECORDS`. */
  records: ReceivedRecord[] | undefined = [];
  /** The span that its sender has named. */
  readonly parent: TraceContext | undefined;
  #told = 0;
  #wake: (() => void) | undefined;

  constructor(parent?: TraceContext) {
    this.parent = parent;
  }

  /** Records that were handed in and not told of. */
  get waiting(): number {
    return this.handed - this.#told;
  }

  tell(id: string, fate: HttpFate): void {
    const index = this.#told++;
    switch (fate.kind) {
      case "injected":
        this.injected += 1;
        this.#list({ id: fate.id, duplicate: false, timestamp: fate.timestamp });
        break;
      case "duplicate":
        this.duplicates += 1;
        this.#list({ id, duplicate: true, timestamp: undefined });
        break;
      case "refused":
        this.refusals += 1;
        if (this.refused.length < LISTED_RECORDS) this.refused.push({ index, id, reason: fate.reason });
        break;
      case "unknown":
      case "untaken":
        this[fate.kind] += 1;
        break;
    }
    if (this.waiting === 0) this.#wake?.();
  }

  #list(record: ReceivedRecord): void {
    if (this.handed > LISTED_RECORDS) this.records = undefined;
    this.records?.push(record);
  }

  /** Calls `wake` when nothing waits any more; at most one is remembered. */
  onceTold(wake: () => void): void {
    this.#wake = wake;
    if (this.waiting === 0) wake();
  }
}
