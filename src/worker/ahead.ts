/**
 * What one injector has handed over of its open batch while its commit before was under way (`chain.ts`, K5): the store works on
 * one chain while the next is worked on here. Only an injector's, for what it has put into a batch it never takes out again.
 *
 * A1  Of what is for one receiver, the first records are handed over, in order; once one was not taken, no later one is, in this batch.
 * A2  A receiver that is not there any more has taken nothing: what it was handed goes before all else that is for its successor.
 */
import type { ShardRef } from "../key.ts";
import type { ChainedShard } from "./chained-shard.ts";
import type { Production } from "./parcel.ts";

interface Pledge {
  readonly receiver: ChainedShard;
  readonly records: Production[];
}

/** Hands records for one target over, to the one that has taken earlier ones if there is one: how many, the first ones, and to whom. */
type Hand = (
  target: ShardRef,
  records: readonly Production[],
  known: ChainedShard | undefined,
) => { readonly taken: number; readonly receiver: ChainedShard | undefined };

export interface Settled {
  readonly handed: ReadonlyMap<ShardRef, Pledge>;
  readonly returned: ReadonlyMap<ShardRef, Production[]>;
}

export class Ahead {
  readonly #pledges = new Map<ShardRef, Pledge>();
  /** Those that have not taken all. */
  readonly #closed = new Set<ShardRef>();
  /** Of the batch's productions, those before are looked through: they stay. */
  #from = 0;

  get receivers(): ChainedShard[] {
    return Array.from(this.#pledges.values(), ({ receiver }) => receiver);
  }

  /** Takes what is handed over out of the productions. */
  take(productions: Production[], hand: Hand): void {
    if (this.#from === productions.length) return;
    const byTarget = new Map<ShardRef, Production[]>();
    for (let i = this.#from; i < productions.length; i++) {
      const production = productions[i] as Production;
      if (production.entry !== undefined || this.#closed.has(production.target)) continue;
      const known = byTarget.get(production.target);
      if (known === undefined) byTarget.set(production.target, [production]);
      else known.push(production);
    }
    const gone: Production[] = [];
    for (const [target, records] of byTarget) {
      const pledge = this.#pledges.get(target);
      const { taken, receiver } = hand(target, records, pledge?.receiver);
      if (taken < records.length) this.#closed.add(target);
      if (taken === 0 || receiver === undefined) continue;
      const handed = taken === records.length ? records : records.slice(0, taken);
      if (pledge === undefined) this.#pledges.set(target, { receiver, records: handed });
      else pledge.records.push(...handed);
      for (const record of handed) gone.push(record);
    }
    if (gone.length === productions.length - this.#from) productions.length = this.#from;
    else if (gone.length > 0) {
      const handed = new Set(gone);
      for (const production of productions.splice(this.#from)) if (!handed.has(production)) productions.push(production);
    }
    this.#from = productions.length;
  }

  /** What was handed to those that are still there, by target; and what is to be appended, for its receiver is gone. */
  settle(isThere: (receiver: ChainedShard) => boolean): Settled {
    const handed = new Map<ShardRef, Pledge>();
    const returned = new Map<ShardRef, Production[]>();
    for (const [target, pledge] of this.#pledges) {
      if (isThere(pledge.receiver)) handed.set(target, pledge);
      else returned.set(target, pledge.records);
    }
    return { handed, returned };
  }
}
