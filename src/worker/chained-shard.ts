/** A computation's shard that takes records from a commit in the making (`chain.ts`): does them at once, so that they need no place in its inbox. */
import { ComputationShard } from "./computation-shard.ts";
import type { OwnedShard } from "./owned-shard.ts";
import type { Production } from "./parcel.ts";

export class ChainedShard extends ComputationShard {
  /** Whose open batch the records are of that it was handed ahead. Until that is sealed, and this one with it, it does nothing else. */
  pledgedTo: OwnedShard | undefined = undefined;

  /**
   * Could it do what this one sends at once? Not where earlier records of that sender may still come, or its batch cannot be sealed with
   * that one's: next, or `ahead`, once the chain is answered that both are in.
   */
  accepts(sender: OwnedShard, ahead: boolean): boolean {
    if (this.asynchronous || this.leaving || this.outbox.full || !this.inbox.drained) return false;
    if (this.inFlight !== undefined && !(ahead && this.#answeredWith(sender))) return false;
    if (this.pledgedTo !== undefined && this.pledgedTo !== sender) return false;
    return sender.met.has(this) && this.mayStart();
  }

  #answeredWith({ inFlight }: OwnedShard): boolean {
    return inFlight?.chain !== undefined && inFlight.chain === this.inFlight?.chain;
  }

  /** Does what can be done now of the records, and gives how many it has taken, the first ones: they are in the open batch. */
  accept(records: readonly Production[]): number {
    this.inbox.hand(records, this.input);
    this.sealsNext = true;
    // Twice as much: timers that are due come first.
    this.pump(2 * records.length);
    this.sealsNext = false;
    return records.length - this.inbox.handBack();
  }

  override pump(budget: number): number {
    return this.pledgedTo === undefined || this.sealsNext ? super.pump(budget) : 0;
  }
}
