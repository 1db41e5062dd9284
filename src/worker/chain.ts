/**
 * Chains: a commit hands the records that it produces for a shard of this worker over to it while both are in the making, and
 * the receiver's commit, with what came of them, travels with it. Such records are never stored: they are consumed in the call
 * that would have appended them. The store applies the commits of a chain all or none.
 *
 * K1  What is handed over is handed over in order: only where nothing else of that sender waits, is on its way or may be unknown.
 * K2  What the receiver did not come to is appended to its inbox by the sender's commit, as if there were no chains.
 * K3  Whoever was handed records does nothing but what the same sender hands it, and is sealed in that one's chain.
 * K4  In one turn no more records are done in chains than may be in all other ways: it is bounded, however slow handlers are.
 * K5  An injector whose commit is under way hands over ahead of the next one (`ahead.ts`). Where it is lost before that, so are those that
 *     it has handed records to.
 */
import type { ShardRef } from "../key.ts";
import type { Commit } from "../store/index.ts";
import { Ahead, type Settled } from "./ahead.ts";
import { ChainedShard } from "./chained-shard.ts";
import type { Engine } from "./engine.ts";
import { InjectorShard } from "./injector-shard.ts";
import type { OwnedShard } from "./owned-shard.ts";
import type { Production } from "./parcel.ts";

export class Chain {
  readonly #engine: Engine;
  #number = 0;
  /** Of the chain in the making, in the order in which they are sealed. */
  readonly #members = new Set<OwnedShard>();
  readonly #ahead = new Map<OwnedShard, Ahead>();
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
    if (this.#members.size === 0) return 0;
    const { taken, receiver } = this.#hand(sender, target, productions, false);
    if (taken > 0) this.#members.add(receiver as ChainedShard);
    return taken;
  }

  #hand(sender: OwnedShard, target: ShardRef, productions: readonly Production[], ahead: boolean): { taken: number; receiver: ChainedShard | undefined } {
    const receiver = this.#engine.shards.get(target);
    const { domainOf, chains = true } = this.#engine.options;
    const none = { taken: 0, receiver: undefined };
    if (!chains || !(receiver instanceof ChainedShard) || receiver === sender || this.#engine.stopping) return none;
    if (domainOf(sender.ref) !== domainOf(target) || !receiver.accepts(sender, ahead)) return none;
    const offered = productions.length <= this.#left ? productions : productions.slice(0, this.#left);
    if (offered.length === 0) return none;
    for (const production of offered) production.sentBy(sender.origin);
    const taken = receiver.accept(offered);
    this.#left -= taken;
    if (taken === 0) this.#engine.wake(receiver);
    return { taken, receiver };
  }

  // ── ahead of a commit ───────────────────────────────────────────────────────────────────────────────────────────

  /** Is it not to be sealed now? `waits`: for the call under way. What an injector has for others by now it hands over meanwhile. */
  holdsBack(shard: OwnedShard, waits: boolean): boolean {
    if (shard instanceof InjectorShard && shard.inFlight !== undefined && shard.gathered.length > 0) this.#handAhead(shard, shard.inFlight);
    return waits || (shard instanceof ChainedShard && shard.pledgedTo !== undefined);
  }

  #handAhead(sender: InjectorShard, { parcels }: Commit): void {
    // Of those that the commit under way has appended to, the receivers do not know yet what.
    let appended: Set<ShardRef> | undefined;
    const ahead = this.#ahead.get(sender) ?? new Ahead();
    this.#ahead.set(sender, ahead);
    ahead.take(sender.gathered, (target, records, known) => {
      appended ??= new Set(parcels.map((parcel) => parcel.target));
      if (appended.has(target) || (known !== undefined && !this.#isThere(known))) return { taken: 0, receiver: undefined };
      const { taken, receiver } = this.#hand(sender, target, records, true);
      if (taken > 0) (receiver as ChainedShard).pledgedTo = sender;
      return { taken, receiver };
    });
  }

  /** What it has handed over ahead becomes a part of the commit that is being made; undefined: nothing. */
  claim(sender: OwnedShard): Settled | undefined {
    const claimed = this.#ahead.get(sender)?.settle((receiver) => this.#isThere(receiver));
    this.#ahead.delete(sender);
    for (const { receiver } of claimed?.handed.values() ?? []) {
      receiver.pledgedTo = undefined;
      this.#members.add(receiver);
    }
    return claimed;
  }

  /** These are lost, and with them whoever was handed records by one of them. */
  withReceivers(shards: readonly ShardRef[]): readonly ShardRef[] {
    if (this.#ahead.size === 0) return shards;
    const all = new Set(shards);
    for (const ref of shards) {
      const sender = this.#engine.shards.get(ref);
      if (sender === undefined) continue;
      for (const receiver of this.#ahead.get(sender)?.receivers ?? []) if (this.#isThere(receiver)) all.add(receiver.ref);
      this.#ahead.delete(sender);
    }
    return [...all];
  }

  #isThere(receiver: ChainedShard): boolean {
    return this.#engine.shards.get(receiver.ref) === receiver;
  }
}
