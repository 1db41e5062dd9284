/**
 * Leases of one atomic domain in a store that lives in this process. A lease is granted with a shard, for a while; a worker
 * that renews makes one lease of all that it shows and holds, and prolongs that from then on.
 *
 * N1  A lease goes when a shard of it is taken by another worker, or when it is over and any shard is taken: only a look at
 *     each of its shards makes its worker another. So one that is there has lost nothing.
 * N2  A shard that its worker does not show when it makes a lease anew is in the one before, which no one prolongs.
 */
import type { ShardRef } from "../key.ts";

interface Lease {
  readonly worker: string;
  /** undefined: it is gone, and its shards are held as long as each was granted. */
  until: number | undefined;
}

/** A lease as JSON. */
export type WrittenLease = readonly [worker: string, until: number, prolonged: boolean, shards: readonly ShardRef[]];

export class EmbeddedLeases {
  /** Those that are not gone. */
  readonly #all = new Set<Lease>();
  /** Of each worker the one that it prolongs. */
  readonly #prolonged = new Map<string, Lease>();
  readonly #ofShards = new Map<ShardRef, Lease>();

  /** Until when the owner of a shard holds it that was granted to it until `granted`. */
  endOf(shard: ShardRef, owner: string, granted: number): number {
    const lease = this.#ofShards.get(shard);
    return lease?.worker === owner ? (lease.until ?? granted) : granted;
  }

  /** A shard comes to another owner, or to the same one anew. */
  take(shard: ShardRef, owner: string | undefined, worker: string, now: number): void {
    const lease = this.#ofShards.get(shard);
    if (lease !== undefined && lease.worker === owner && owner !== worker) this.#end(lease);
    for (const each of this.#all) if (each.until !== undefined && each.until <= now) this.#end(each);
    this.#ofShards.delete(shard);
  }

  give(shard: ShardRef): void {
    this.#ofShards.delete(shard);
  }

  /** False: the worker has no lease to prolong, and has to show what it holds. */
  prolong(worker: string, until: number): boolean {
    const lease = this.#prolonged.get(worker);
    if (lease !== undefined) lease.until = until;
    return lease !== undefined;
  }

  /** Makes one lease of what the worker holds. */
  make(worker: string, shards: readonly ShardRef[], until: number): void {
    if (shards.length === 0) return;
    const lease: Lease = { worker, until };
    this.#all.add(lease);
    this.#prolonged.set(worker, lease);
    for (const shard of shards) this.#ofShards.set(shard, lease);
  }

  #end(lease: Lease): void {
    lease.until = undefined;
    this.#all.delete(lease);
    if (this.#prolonged.get(lease.worker) === lease) this.#prolonged.delete(lease.worker);
  }

  /** Those that are not gone. */
  written(): WrittenLease[] {
    const shards = new Map<Lease, ShardRef[]>([...this.#all].map((lease) => [lease, []]));
    for (const [shard, lease] of this.#ofShards) shards.get(lease)?.push(shard);
    return [...shards].map(([lease, own]) => [lease.worker, lease.until ?? 0, this.#prolonged.get(lease.worker) === lease, own]);
  }

  /** Takes over what another has written. */
  read(written: readonly WrittenLease[]): void {
    for (const [worker, until, prolonged, shards] of written) {
      const lease: Lease = { worker, until };
      this.#all.add(lease);
      if (prolonged) this.#prolonged.set(worker, lease);
      for (const shard of shards) this.#ofShards.set(shard, lease);
    }
  }
}
