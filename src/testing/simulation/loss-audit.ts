/**
 * What workers owe when the store has gone back: an account of what they knew to be committed and the store has no more.
 * It goes by what workers were told and by the commits that were applied, not by what an engine remembers.
 *
 * L1  A worker that lives through a loss accounts for each shard of its that lost commits acknowledged to it, before it owns
 *     anything again: from the first lost commit on where no one has been granted the shard since, and up to the last
 *     acknowledged one; also of one that it has handed over, as long as nobody was granted it. It is excused only where another
 *     has committed past that.
 * L2  It accounts for nothing that was not lost.
 * L3  The records that were confirmed to a source and are lost are all named, and none that is there. Where another has been granted
 *     the shard since, nobody can tell which commits up to where that one stands are lost (L3 of `worker/lost-tails.ts`): those
 *     before need not be named.
 * L4  Where the store loses nothing that it has confirmed, nobody has anything to account for (`simulated-worker.ts`).
 */
import { indexOf, participantOf, type ShardRef } from "../../key.ts";
import type { CommitReply, Lease, ShardSummary } from "../../store/store.ts";
import type { Engine } from "../../worker/engine.ts";
import type { LostTail } from "../../worker/lost-tails.ts";
import type { StoreAudit } from "./store-audit.ts";
import { name, type StoreEffect } from "./store-request.ts";
import { check } from "./violation.ts";

interface Fallen {
  /** Numbers of the shard's last commit: before all falls that are not accounted for, and after them. */
  before: number;
  after: number;
}
interface Owed {
  from: number;
  readonly to: number;
}
interface Told {
  readonly sequencer: string;
  readonly records: { readonly id: string; readonly number: number }[];
}

/** What one worker was told, and owes. */
class Dues {
  readonly acknowledged = new Map<ShardRef, number>();
  readonly owed = new Map<ShardRef, Owed>();
  /** Ids that a source was told of, of the ownership that is or was the last. */
  readonly told = new Map<ShardRef, Told>();
  /** Losses that it has accounted for. */
  losses = 0;
}

export class LossAudit {
  readonly #dues = new Map<string, Dues>();
  readonly #fallen = new Map<ShardRef, Fallen>();
  /** By the request: the records of the injector's shards that were there when it was carried out. */
  readonly #there = new WeakMap<StoreEffect, ReadonlyMap<ShardRef, ReadonlySet<string>>>();

  /** Records that were injected for somebody. */
  readonly #taken = new Set<string>();
  readonly #injected: (shard: ShardRef) => readonly string[];

  /** `injected`: the records that are there of an injector's shard. */
  constructor(injected: (shard: ShardRef) => readonly string[]) {
    this.#injected = injected;
  }

  #of(worker: string): Dues {
    let dues = this.#dues.get(worker);
    if (dues === undefined) this.#dues.set(worker, (dues = new Dues()));
    return dues;
  }

  /** The worker is gone: nobody knows what it knew. */
  gone(worker: string): void {
    this.#dues.delete(worker);
  }

  /** The worker hands shards over: whoever has them next knows their ids, it still knows their commits. */
  gave(worker: string, leases: readonly Lease[]): void {
    for (const { shard } of leases) this.#of(worker).told.delete(shard);
  }

  /** The store goes back. */
  fell(from: StoreAudit, to: StoreAudit): void {
    for (const [shard, before] of from.numbers()) {
      const after = to.ledger(shard).number;
      if (after >= before) continue;
      const fallen = this.#fallen.get(shard);
      this.#fallen.set(shard, { before: Math.max(before, fallen?.before ?? 0), after: Math.min(after, fallen?.after ?? after) });
    }
    for (const [worker, { acknowledged, owed }] of this.#dues) {
      for (const [shard, number] of acknowledged) {
        const after = to.ledger(shard).number;
        if (number <= after || from.ledger(shard).owner !== worker) continue;
        owed.set(shard, { from: Math.min(after + 1, owed.get(shard)?.from ?? after + 1), to: Math.max(number, owed.get(shard)?.to ?? 0) });
      }
      for (const shard of acknowledged.keys()) acknowledged.set(shard, Math.min(acknowledged.get(shard) as number, to.ledger(shard).number));
    }
  }

  /** The worker is about to be told an answer. */
  answering(worker: string, engine: Engine, effect: StoreEffect, answer: unknown): void {
    if (answer === undefined || effect.kind !== "commit") return;
    effect.commits.forEach((commit, i) => {
      const outcome = (answer as CommitReply).outcomes[i];
      if (outcome !== "committed" && outcome !== "already") return;
      if (engine.shards.get(commit.shard)?.inFlight === commit) this.#of(worker).acknowledged.set(commit.shard, commit.number);
      for (const id of this.#injected(commit.shard)) this.#taken.add(id);
    });
  }

  /** A source has been told that its records are committed. */
  confirmed(worker: string, shard: ShardRef, sequencer: string, ids: readonly string[]): void {
    const { told, acknowledged } = this.#of(worker);
    if (told.get(shard)?.sequencer !== sequencer) told.set(shard, { sequencer, records: [] });
    // They are confirmed when the commit that holds them is acknowledged, before the next one is.
    const number = acknowledged.get(shard) ?? 0;
    // What every filter passes over is nowhere, and nothing is lost of it.
    told.get(shard)?.records.push(...ids.filter((id) => this.#taken.has(id)).map((id) => ({ id, number })));
  }

  /** A request to know where shards stand is carried out. */
  looked(effect: StoreEffect & { readonly kind: "read-heads" }, audit: StoreAudit): void {
    this.#there.set(effect, new Map(effect.shards.map((shard) => [shard, new Set(audit.ledger(shard).injected)])));
  }

  /** The worker has been told where its shards stand, and has accounted for what is lost. */
  accounted(worker: string, engine: Engine, effect: StoreEffect & { readonly kind: "read-heads" }, heads: readonly ShardSummary[]): void {
    if (engine.lostTails.looking) return;
    const dues = this.#of(worker);
    const isNew = engine.lostTails.counted.tails > dues.losses;
    dues.losses = engine.lostTails.counted.tails;
    const loss = isNew ? engine.lostTails.found.at(-1) : undefined;
    this.#checkTrue(worker, engine, loss);
    for (const head of heads) {
      const owed = dues.owed.get(head.shard);
      dues.owed.delete(head.shard);
      const found = accountOf(engine, loss, head.shard);
      if (owed !== undefined && (found !== undefined || head.number < owed.to))
        check(
          found !== undefined && found.to >= owed.to && (!found.exact || found.from === owed.from),
          "L1 loss not accounted for",
          () => `${worker} tells ${JSON.stringify(found)} of ${name(head.shard)}, which has lost #${owed.from} to #${owed.to}`,
        );
      const told = dues.told.get(head.shard);
      dues.told.delete(head.shard);
      const there = this.#there.get(effect)?.get(head.shard);
      if (told === undefined || there === undefined) continue;
      const named = new Set(loss?.confirmed.find(({ participant }) => participant === nameOf(engine, head.shard))?.ids);
      const isTellable = (number: number): boolean => head.sequencer === told.sequencer || number > head.number;
      const missing = told.records.filter(({ id, number }) => !there.has(id) && !named.has(id) && isTellable(number));
      check(missing.length === 0, "L3 lost and not named", () => `${worker} does not name ${idsOf(missing)} of ${name(head.shard)}`);
      const kept = found?.exact === true ? told.records.filter(({ id }) => there.has(id) && named.has(id)) : [];
      check(kept.length === 0, "L3 named and not lost", () => `${worker} names ${idsOf(kept)} of ${name(head.shard)}`);
    }
  }

  #checkTrue(worker: string, engine: Engine, loss: LostTail | undefined): void {
    for (const { participant, shard, from, to } of loss?.shards ?? []) {
      const ref = [...this.#fallen.keys()].find((each) => nameOf(engine, each) === participant && indexOf(each) === shard);
      const fallen = ref === undefined ? undefined : this.#fallen.get(ref);
      const isTrue = fallen !== undefined && from > fallen.after && to <= fallen.before && from <= to;
      check(isTrue, "L2 nothing lost", () => `${worker} tells that ${participant}.${shard} lost #${from} to #${to}; it lost ${JSON.stringify(fallen)}`);
    }
  }

  /** The worker knows of the latest loss and goes on. */
  goesOn(worker: string): void {
    const owed = this.#dues.get(worker)?.owed;
    const knows = owed === undefined || owed.size === 0;
    check(knows, "L1 loss not accounted for", () => `${worker} goes on without a word of ${[...(owed?.keys() ?? [])].map(name).join()}`);
  }
}

const nameOf = (engine: Engine, shard: ShardRef): string | undefined => engine.participant(participantOf(shard))?.name;

const idsOf = (records: Told["records"]): string => records.map(({ id }) => id).join();

const accountOf = (engine: Engine, loss: LostTail | undefined, shard: ShardRef) =>
  loss?.shards.find((lost) => lost.participant === nameOf(engine, shard) && lost.shard === indexOf(shard));
