/**
 * What one call to the store has appended to inboxes: its reply tells the ends, and whatever is for a shard of this worker
 * is handed over in memory by its position.
 */
import type { ShardRef } from "../key.ts";
import type { Commit, InboxTail, ParcelAppend } from "../store/index.ts";
import type { Engine } from "./engine.ts";
import { InboxShard } from "./owned-shard.ts";

export class Arrivals {
  readonly #engine: Engine;
  readonly #parcels = new Map<ShardRef, ParcelAppend[]>();
  #resent = false;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** A commit has been applied by this call, after those that were told before; the reply tells where what it appended ends. */
  committed(commit: Commit): void {
    const { shards } = this.#engine;
    const sender = shards.get(commit.shard);
    for (const parcel of commit.parcels) {
      this.add(parcel);
      const receiver = shards.get(parcel.target);
      // What an earlier owner's commit has appended says nothing of what this one knows.
      if (sender?.inFlight === commit && receiver !== undefined) sender.met.add(receiver);
    }
  }

  /** Appended by this call, after what was added before. */
  add(parcel: ParcelAppend): void {
    const known = this.#parcels.get(parcel.target);
    if (known === undefined) this.#parcels.set(parcel.target, [parcel]);
    else known.push(parcel);
  }

  /** An earlier call has had its effect: where what it appended has come to lie, no reply tells any more. */
  resent(targets: readonly { readonly target: ShardRef }[]): void {
    this.#resent = true;
    for (const { target } of targets) this.#engine.shards.inboxOf(target)?.doubtTail();
  }

  /** The reply tells the ends of inboxes of a domain, and its append counter. */
  learn(domain: number, tails: readonly InboxTail[], appends: number): void {
    for (const tail of tails) this.#passOn(tail, this.#parcels.get(tail.shard) ?? []);
    this.#engine.reporter.learnAppends(domain, appends, this.#parcels.size > 0, this.#resent);
  }

  #passOn(tail: InboxTail, parcels: readonly ParcelAppend[]): void {
    const shard = this.#engine.shards.get(tail.shard);
    this.#engine.learnQueued(tail.shard, tail.queued);
    if (!(shard instanceof InboxShard)) return;
    shard.queued = tail.queued;
    const first = tail.tail - parcels.length;
    parcels.forEach((parcel, i) => shard.inbox.offer(first + i, parcel, shard.input));
    shard.inbox.learnTail(tail.tail);
    this.#engine.wake(shard);
  }
}
