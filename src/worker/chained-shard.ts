/** A computation's shard that takes records from a commit in the making (`chain.ts`): does them at once, so that they need no place in its inbox. */
import { ComputationShard } from "./computation-shard.ts";
import type { OwnedShard } from "./owned-shard.ts";
import type { Production } from "./parcel.ts";

export class ChainedShard extends ComputationShard {
  /** Could it do what this one sends at once? Not where earlier records of that sender may still come, or its batch cannot be sealed next. */
  accepts(sender: OwnedShard): boolean {
    if (this.asynchronous || this.leaving || this.outbox.full || this.inFlight !== undefined || !this.inbox.drained) return false;
    return sender.met.has(this) && this.mayStart();
  }

  /** Does what can be done now of the records, and gives how many it has taken, the first ones: they are in the open batch, which has to be sealed next. */
  accept(records: readonly Production[]): number {
    this.inbox.hand(records, this.input);
    this.sealsNext = true;
    // Twice as much: timers that are due come first.
    this.pump(2 * records.length);
    this.sealsNext = false;
    return records.length - this.inbox.handBack();
  }
}
