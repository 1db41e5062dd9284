/** What a dead connection still has to deliver: in order, each once its time has come. */
import type { StoreEffect } from "./store-request.ts";

export interface Stray {
  readonly worker: string;
  readonly effects: StoreEffect[];
  readonly from: number;
  /** Sent to the store before it lost its tail: it arrives only if that store has to refuse it. */
  readonly lost?: boolean;
}
