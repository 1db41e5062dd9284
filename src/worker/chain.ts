/**
 * Chains: a commit hands the records that it produces for a shard of this worker over to it while both are in the making, and
 * the receiver's commit, with what came of them, travels with it. Such records are never stored: they are consumed in the call
 * that would have appended them. The store applies the commits of a chain all or none.
 *
 * K1  What is handed over is handed over in order: only where nothing else of that sender waits, is on its way or may be unknown.
 * K2  What the receiver did not come to is appended to its inbox by the sender's commit, as if there were no chains.
 * K3  Whoever was handed records is sealed before anything else happens.
 * K4  In one turn no more records are done in chains than may be in all other ways: it is bounded, however slow handlers are.
 */
import type { ShardRef } from "../key.ts";
import type { Commit } from "../store/index.ts";
import { ChainedShard } from "./chained-shard.ts";
import type { Engine } from "./engine.ts";
import type { OwnedShard } from "./owned-shard.ts";
import type { Production } from "./parcel.ts";

export class Chain {
  readonly #engine: Engine;
  #number = 0;
  /** Of the chain in the making, in the order in which they are sealed. */
  readonly #members = new Set<OwnedShard>();
  /** Records that may still be done in this turn. */
  #left = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** A turn begins, in which so many records may be done in chains, and as many in all other ways. */
  begin(records: number): number {
    this.#left = records;
    return records;
  }

  /** Seals the shard's batch, and those of the shards that it hands records to. */
  seal(shard: OwnedShard, commits: Commit[]): void {
    this.#number++;
    this.#members.add(shard);
    for (const member of this.#members) commits.push(member.seal());
    this.#members.clear();
  }

  /** The number of the chain that the commit that is being made is of; undefined: of none. */
  get current(): number | undefined {
    return this.#members.size > 1 ? this.#number : undefined;
  }

  /** Gives how many of the productions their receiver has taken, the first ones. */
  offer(sender: OwnedShard, target: ShardRef, productions: readonly Production[]): number {
    const receiver = this.#engine.shards.get(target);
    const { domainOf, chains = true } = this.#engine.options;
    if (!chains || !(receiver instanceof ChainedShard) || receiver === sender || this.#members.size === 0 || this.#engine.stopping) return 0;
    if (domainOf(sender.ref) !== domainOf(target) || !receiver.accepts(sender)) return 0;
    const offered = productions.length <= this.#left ? productions : productions.slice(0, this.#left);
    if (offered.length === 0) return 0;
    for (const production of offered) production.sentBy(sender.origin);
    const taken = receiver.accept(offered);
    this.#left -= taken;
    if (taken > 0) this.#members.add(receiver);
    else this.#engine.wake(receiver);
    return taken;
  }
}
