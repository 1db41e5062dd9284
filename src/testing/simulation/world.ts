/** What a simulated worker needs of the simulation around it. */
import type { SimulatedSink, SimulatedSource } from "./simulated-edges.ts";
import type { LossAudit } from "./loss-audit.ts";
import type { Place } from "./place.ts";
import type { SimulatedStore } from "./simulated-store.ts";
import type { SimulatedWorker } from "./simulated-worker.ts";
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
  /** Of a thousand commits, how many are not confirmed. */
  readonly doubtful: number;
  /** Promises of user code that have not settled. */
  promises: number;
  /** Calls of handlers so far, where they are counted. */
  readonly calls: number;
  /** A worker is at a place. True: it is gone, or does not go on now. */
  reach(place: Place, worker: SimulatedWorker): boolean;
  /** A worker is where the store has carried this out, with this answer. */
  arrived(effect: StoreEffect, answer: unknown, worker: string): void;
  /** A worker has found that another graph is stored than its own, and leaves. */
  outdated(worker: SimulatedWorker): void;
  /** A worker has heard who is alive. */
  heard(): void;
  sourceOf(participant: string): readonly SimulatedSource[];
  sinkOf(participant: string): SimulatedSink;
  readonly store: SimulatedStore;
  /** Does the store lose nothing that it has confirmed? */
  readonly strict: boolean;
  /** A worker is about to be told the answer to this. */
  confirmed(effect: StoreEffect): void;
  /** What workers owe after a loss. */
  readonly losses: LossAudit;
  /** Carries a request out at the store. */
  apply(worker: string, effect: StoreEffect): unknown;
}
