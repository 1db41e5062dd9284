/**
 * Which shards want to be pumped at some time although nothing happens until then, and which have wall timers. Only a
 * pump makes a shard want it, so the engine looks at a shard after it has pumped it, and at no other shard.
 */
import { ComputationShard } from "./computation-shard.ts";
import type { OwnedShard } from "./owned-shard.ts";

export class WakeUps {
  readonly #shards = new Set<OwnedShard>();
  readonly #wall = new Set<ComputationShard>();

  /** The shard has been pumped. */
  look(shard: OwnedShard): void {
    if (shard.wakeAt() < Number.POSITIVE_INFINITY) this.#shards.add(shard);
    if (!(shard instanceof ComputationShard)) return;
    if (shard.wall.bound < Number.POSITIVE_INFINITY) this.#wall.add(shard);
    else this.#wall.delete(shard);
  }

  delete(shard: OwnedShard): void {
    this.#shards.delete(shard);
    if (shard instanceof ComputationShard) this.#wall.delete(shard);
  }

  /** Those that wait for the store's clock. */
  get withWallTimers(): Iterable<ComputationShard> {
    return this.#wall;
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
