/** What an engine is made with. */
import type { ShardRef } from "../key.ts";
import type { Random } from "../random.ts";
import type { Keyed } from "./keyed.ts";
import type { Plan } from "./plan.ts";

export interface EngineOptions {
  readonly plan: Plan;
  readonly worker: string;
  readonly random: Random;
  /** One instance of each computation, by participant id. */
  readonly instances: ReadonlyMap<number, Keyed>;
  /** Only this process can have the store open: dead workers' leases may be taken at once, no one else appends. */
  readonly exclusive: boolean;
  /** Atomic domains of the store, and which one a shard is in. */
  readonly domains: number;
  readonly domainOf: (shard: ShardRef) => number;
  readonly now: number;
  readonly leaseMs: number;
  readonly batchRecords: number;
  /** Bytes of state that one shard may keep in memory. */
  readonly cacheBytes: number;
  /** Freeze what user code reads: tests. */
  readonly frozen: boolean;
  /** ms between reports, at least; more while they take long to be answered (`report-pace.ts`). */
  readonly reportEvery: number;
  /** ms between looks, at least, for what others append. Default 5; a simulation spends its steps on other things. */
  readonly pollSoon?: number;
  /** Are records handed to shards of the same worker before they are stored (`chain.ts`)? Default true. */
  readonly chains?: boolean;
  /** Times that a piece of work may be begun alone and end its process before it is parked; Infinity: never; 0: none is done alone. Default 2. */
  readonly parkAfterDeaths?: number;
}
