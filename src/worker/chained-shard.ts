/** A computation's shard that takes records from a commit in the making (`chain.ts`): does them at once, so that they need no place in its inbox. */
import { ComputationShard } from "./computation-shard.ts";
import type { OwnedShard } from "./owned-shard.ts";
import type { PackedParcel } from "./parcel.ts";

export class ChainedShard extends ComputationShard {
  /**
   * Does what can be done now of records that `sender` produces, and gives how many of them it has taken, the first ones: they are in
   * the open batch, which has to be sealed next. None where earlier ones of that sender may still come, or the batch cannot be sealed.
   */
  accept(sender: OwnedShard, parcel: PackedParcel): number {
    if (this.asynchronous || this.leaving || this.inFlight !== undefined || !this.mayStart()) return 0;
    if (!this.inbox.drained || !sender.met.has(this)) return 0;
    this.inbox.hand(parcel, this.input);
    this.sealsNext = true;
    // Twice as much: timers that are due come first.
    this.pump(2 * parcel.records);
    this.sealsNext = false;
    return parcel.records - this.inbox.handBack();
  }
}
