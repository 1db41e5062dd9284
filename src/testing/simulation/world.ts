/** What a simulated worker needs of the simulation around it. */
import type { SimulatedSink, SimulatedSource } from "./simulated-edges.ts";
import type { StoreEffect } from "./store-request.ts";
import type { Tape } from "./tape.ts";
import type { Trace } from "./trace.ts";

export interface World {
  readonly tape: Tape;
  readonly trace: Trace;
  /** True time, ms. */
  readonly time: number;
  /** Rises when the store comes back as another. */
  readonly generation: number;
  readonly faulty: boolean;
  readonly latency: number;
  readonly edgeFaults: number;
  /** Promises of user code that have not settled. */
  promises: number;
  sourceOf(participant: string): readonly SimulatedSource[];
  sinkOf(participant: string): SimulatedSink;
  /** Carries a request out at the store. */
  apply(worker: string, effect: StoreEffect): unknown;
}
