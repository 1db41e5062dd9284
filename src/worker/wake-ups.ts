/**
 * Which shards want to be pumped at some time although nothing happens until then. Only a pump makes a shard want it,
 * so the engine looks at a shard after it has pumped it, and at no other shard.
 */
import type { OwnedShard } from "./owned-shard.ts";

export class WakeUps {
  readonly #shards = new Set<OwnedShard>();

  /** The shard has been pumped. */
  look(shard: OwnedShard): void {
    if (shard.wakeAt() < Number.POSITIVE_INFINITY) this.#shards.add(shard);
  }

  delete(shard: OwnedShard): void {
    this.#shards.delete(shard);
  }

  /** Adds the shards whose time has come. They stay: what they wanted may have to wait for something else. */
  ring(now: number, runnable: Set<OwnedShard>): void {
    for (const shard of this.#shards) {
      const at = shard.wakeAt();
      if (at <= now) runnable.add(shard);
      else if (at === Number.POSITIVE_INFINITY) this.#shards.delete(shard);
    }
  }

  /** The next time that has not come yet. */
  next(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const shard of this.#shards) {
      const at = shard.wakeAt();
      if (at > now && at < next) next = at;
    }
    return next;
  }
}
