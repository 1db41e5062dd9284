/**
 * What the engine wants done outside: the only way by which its decisions reach the store, the edges and the world.
 * The driver carries effects out and answers with the engine's `on...` methods; the simulator does the same its way.
 *
 * F1  A read is answered only while its shard is owned under the sequencer that asked (`Engine.awaits`): what was so
 *     before another owner's commits is not told to the next.
 */
import type { ItemFate } from "../injectors/injector.ts";
import type { ShardRef } from "../key.ts";
import type { Commit, Delivery, Interval, Lease, NamedKind, Sequencer, TimerClock, WatermarkReport } from "../store/index.ts";
import type { StreamRecord } from "../record.ts";

export type Effect =
  /** This worker is alive for so many ms. */
  | { readonly kind: "announce"; readonly ms: number; readonly declined: readonly string[] }
  | { readonly kind: "depart" }
  /** `steal`: whoever has them is known to be dead. */
  | { readonly kind: "acquire"; readonly shards: readonly ShardRef[]; readonly steal?: boolean }
  | { readonly kind: "recover"; readonly shards: readonly ShardRef[] }
  | { readonly kind: "register"; readonly intervals: readonly Interval[] }
  /** `confirm`: each of the shards is looked at. */
  | { readonly kind: "renew"; readonly leases: readonly Lease[]; readonly confirm: boolean }
  | { readonly kind: "release"; readonly leases: readonly Lease[] }
  | { readonly kind: "commit"; readonly call: number; readonly commits: readonly Commit[] }
  /** All to one domain. */
  | { readonly kind: "deliver"; readonly call: number; readonly deliveries: readonly Delivery[] }
  | { readonly kind: "report"; readonly reports: readonly WatermarkReport[] }
  | { readonly kind: "read-inbox"; readonly shard: ShardRef; readonly sequencer: Sequencer; readonly from: number; readonly parcels: number }
  | {
      readonly kind: "read-state";
      readonly shard: ShardRef;
      readonly sequencer: Sequencer;
      readonly keys: readonly string[];
      readonly fields: readonly string[];
    }
  /** Names that begin with one of the prefixes, a page of them. */
  | {
      readonly kind: "read-names";
      readonly shard: ShardRef;
      readonly sequencer: Sequencer;
      readonly of: NamedKind;
      readonly prefixes: readonly string[];
      readonly cursor: string | undefined;
      readonly limit: number;
    }
  | { readonly kind: "read-timers"; readonly shard: ShardRef; readonly sequencer: Sequencer; readonly clock: TimerClock; readonly limit: number }
  | { readonly kind: "read-holds"; readonly shard: ShardRef; readonly sequencer: Sequencer; readonly limit: number }
  | { readonly kind: "read-ids"; readonly shard: ShardRef; readonly sequencer: Sequencer; readonly ids: readonly string[] }
  /** All of one domain. */
  | { readonly kind: "read-tails"; readonly shards: readonly ShardRef[]; readonly purpose: "bounds" | "backlog" }
  /** Where the shards stand, owned or not. */
  | { readonly kind: "read-heads"; readonly shards: readonly ShardRef[] }
  /** User code returned a promise: `settled` must be called, once, when it has settled. */
  | { readonly kind: "await"; readonly promise: PromiseLike<unknown>; readonly settled: (error: unknown, failed: boolean) => void }
  | { readonly kind: "open-source"; readonly shard: ShardRef; readonly position: unknown }
  | { readonly kind: "pull"; readonly shard: ShardRef; readonly max: number }
  /** The source's items have been committed, in the order in which they were pulled. */
  | { readonly kind: "confirm"; readonly shard: ShardRef; readonly fates: readonly ItemFate[] }
  | { readonly kind: "open-sink"; readonly shard: ShardRef; readonly checkpoint: unknown }
  | { readonly kind: "write-sink"; readonly shard: ShardRef; readonly records: readonly StreamRecord<unknown>[] }
  | { readonly kind: "close-edge"; readonly shard: ShardRef }
  | { readonly kind: "log"; readonly level: "debug" | "info" | "warn" | "error"; readonly text: string; readonly fields: object }
  | { readonly kind: "finished" }
  | { readonly kind: "failed"; readonly error: unknown };
