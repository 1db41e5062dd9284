/**
 * Places in the life of a worker at which something may happen to it, by the names of the crash points of docs/correctness.md.
 * A run may have a trap, which is told of each.
 */
import type { SimulatedWorker } from "./simulated-worker.ts";
import type { CommitReply } from "../../store/store.ts";
import type { StoreEffect } from "./store-request.ts";

export type Place =
  /** Shards were granted; nothing is read of them yet. */
  | "K0"
  /** Records were read; the state of their keys is wanted and not there. */
  | "K1"
  /** Handlers have run; nothing that follows from it has been done. */
  | "K2"
  /** A commit is sealed and not sent. */
  | "K3"
  /** A commit is on its way. */
  | "K4"
  /** A commit is applied, and its answer on its way. */
  | "K5"
  /** The answer to a commit was heard, and nothing done since. */
  | "K6"
  /** What a commit has produced is in the inboxes of others, who have not heard of it. */
  | "K7"
  /** What was consumed is gone from the inbox, and its consumer does not know. */
  | "K8"
  /** An injector's checkpoint is stored with its records, and the injector does not know. */
  | "K9"
  /** A commit has forgotten ids that are older than their retention. */
  | "K10"
  /** A report of watermarks was taken, and its sender does not know. */
  | "K11"
  /** A lease was renewed, or shards were registered or given up, and the worker does not know. */
  | "K12"
  /** A worker that was told to stop has a commit on its way. */
  | "K13"
  /** A delivery to another atomic domain is on its way. */
  | "K14"
  /** What was delivered is in the inboxes, and its sender does not know. */
  | "K15"
  /** The answer to a delivery was heard, and what was delivered is still stored with its sender. */
  | "K16";

/** Told of each place that is reached. True: the worker is gone, or does not go on now. */
export type Trap = (place: Place, worker: SimulatedWorker) => boolean;

/** The places at which a worker is when the store has carried this out, with this answer. */
export function placesAfter(effect: StoreEffect, answer: unknown, isInjector: (shard: number) => boolean): Place[] {
  switch (effect.kind) {
    case "commit": {
      const { outcomes } = answer as CommitReply;
      const commits = effect.commits.filter((_, i) => outcomes[i] === "committed");
      if (commits.length === 0) return [];
      const places: Place[] = ["K5"];
      if (commits.some(({ parcels, handed }) => parcels.length > 0 || handed.length > 0)) places.push("K7");
      if (commits.some(({ consumed }) => consumed !== undefined)) places.push("K8");
      if (commits.some(({ shard }) => isInjector(shard))) places.push("K9");
      if (commits.some(({ idsExpireBelow }) => idsExpireBelow !== undefined)) places.push("K10");
      return places;
    }
    case "deliver":
      return ["K15"];
    case "report":
      return effect.reports.length > 0 ? ["K11"] : [];
    case "renew":
    case "register":
    case "release":
      return ["K12"];
    default:
      return [];
  }
}
