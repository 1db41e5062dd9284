/** Which of a worker's shards does what one does at a time, as work alone (`guarded-shard.ts`), and which of the others wait for that. */
import type { OwnedShard } from "./owned-shard.ts";

export class LoneWork {
  #shard: OwnedShard | undefined = undefined;
  #waiting = new Set<OwnedShard>();

  readonly #suspected = new Set<number>();

  /** Is this the first shard of its participant that does work alone? */
  suspect(participant: number): boolean {
    const known = this.#suspected.has(participant);
    this.#suspected.add(participant);
    return !known;
  }

  /** May this shard begin work alone? If not, it is told by `leave`. */
  free(shard: OwnedShard): boolean {
    if (this.#shard === undefined || this.#shard === shard) return true;
    this.#waiting.add(shard);
    return false;
  }

  /** Until it leaves, no other may. */
  claim(shard: OwnedShard): void {
    this.#shard = shard;
  }

  /** Gives the shards that waited for this one. */
  leave(shard: OwnedShard): Iterable<OwnedShard> {
    this.#waiting.delete(shard);
    if (this.#shard !== shard) return [];
    const waiting = this.#waiting;
    this.#shard = undefined;
    this.#waiting = new Set();
    return waiting;
  }
}
