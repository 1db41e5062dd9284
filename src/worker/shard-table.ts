/** The shards that a worker owns, by reference and by participant. */
import type { ShardRef } from "../key.ts";
import type { Inbox } from "./inbox.ts";
import { LoneWork } from "./lone-work.ts";
import { InboxShard, type OwnedShard } from "./owned-shard.ts";

const NONE: readonly OwnedShard[] = [];

export class ShardTable {
  readonly lone = new LoneWork();
  /** Of a worker's shards the one that sweeps away what was dropped (`computation-swept.ts`). */
  readonly sweeping = new LoneWork();
  /** When the next page may be read of one that has other work. */
  sweepsBesidesAt = 0;
  readonly #all = new Map<ShardRef, OwnedShard>();
  readonly #of = new Map<number, readonly OwnedShard[]>();

  get size(): number {
    return this.#all.size;
  }
  get(ref: ShardRef): OwnedShard | undefined {
    return this.#all.get(ref);
  }
  has(ref: ShardRef): boolean {
    return this.#all.has(ref);
  }
  values(): IterableIterator<OwnedShard> {
    return this.#all.values();
  }

  /** The shard, if it is owned and of this kind. */
  as<Kind extends OwnedShard>(kind: new (...args: never[]) => Kind, ref: ShardRef): Kind | undefined {
    const shard = this.#all.get(ref);
    return shard instanceof kind ? shard : undefined;
  }

  inboxOf(ref: ShardRef): Inbox | undefined {
    const shard = this.#all.get(ref);
    return shard instanceof InboxShard ? shard.inbox : undefined;
  }

  /** Those of one participant, in order. The list never changes: a later one takes its place. */
  of(participant: number): readonly OwnedShard[] {
    return this.#of.get(participant) ?? NONE;
  }

  add(shard: OwnedShard): void {
    this.#all.set(shard.ref, shard);
    this.#of.set(
      shard.participant,
      [...this.of(shard.participant), shard].toSorted((a, b) => a.ref - b.ref),
    );
  }

  delete(shard: OwnedShard): void {
    this.#all.delete(shard.ref);
    this.#of.set(
      shard.participant,
      this.of(shard.participant).filter((each) => each !== shard),
    );
  }
}
