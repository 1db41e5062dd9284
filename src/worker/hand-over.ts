/**
 * Shards on their way to another worker: nothing new is begun in them, what is open is committed, and then they are
 * given up. Who is to have them is `membership.ts`.
 *
 * H1  A shard is given up only when none of its commits is under way or left to be sealed: the next owner finds all that was done.
 * H2  Calls of user code are waited for for a while; then their work is the next owner's to do, as after a loss.
 * H3  A sink's target is never left amid a write or while it is being opened: the next owner's would meet it there.
 */
import type { ShardRef } from "../key.ts";
import type { Engine } from "./engine.ts";
import type { OwnedShard } from "./owned-shard.ts";

/** ms that calls of user code are waited for. */
const PATIENCE = 200;

export class HandOver {
  readonly #engine: Engine;
  /** With the time when it began. */
  readonly #leaving = new Map<OwnedShard, number>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  begin(shard: OwnedShard): void {
    if (shard.leaving) return;
    shard.leaving = true;
    this.#leaving.set(shard, this.#engine.now);
    this.#engine.wake(shard);
  }

  /** It stays after all. */
  cancel(shard: OwnedShard): void {
    if (!shard.leaving) return;
    shard.leaving = false;
    this.#leaving.delete(shard);
    this.#engine.wake(shard);
  }

  /** It is not ours any more. */
  forget(shard: OwnedShard): void {
    this.#leaving.delete(shard);
  }

  /** Gives up what can be given up now. */
  tick(): void {
    const ready: ShardRef[] = [];
    for (const [shard, since] of this.#leaving) if (this.#isReady(shard, since)) ready.push(shard.ref);
    if (ready.length > 0) this.#engine.give(ready);
  }

  #isReady(shard: OwnedShard, since: number): boolean {
    if (shard.inFlight !== undefined) return false;
    if (!shard.busy) return shard.readyAt() === Number.POSITIVE_INFINITY;
    // A batch in which nothing is done yet is not ready to be sealed, however long its calls take.
    const { now } = this.#engine;
    return shard.kind === "computation" && now >= since + PATIENCE && shard.readyAt() > now;
  }

  /** Is it a sink's, whose target is amid a write or being opened (H3)? */
  touches(ref: ShardRef): boolean {
    const shard = this.#engine.shards.get(ref);
    return shard?.kind === "sink" && shard.busy;
  }

  wakeAt(): number {
    let at = Number.POSITIVE_INFINITY;
    // One whose time has passed waits for an answer.
    for (const since of this.#leaving.values()) if (since + PATIENCE > this.#engine.now) at = Math.min(at, since + PATIENCE);
    return at;
  }
}
