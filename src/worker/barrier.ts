/**
 * When everything downstream of what an injector has committed so far is committed too. Not a watermark: it goes by
 * records, so it needs no event time to pass, and it waits for no timer.
 *
 * W1  Participants are looked at in the order of the graph. Once all that feed one are through, its inboxes hold all that
 *     comes of those records, up to their tails of that moment; it is through when these are consumed, nothing that was
 *     set aside since the beginning stands aside, the commits that say so have been acknowledged, and what they stored for
 *     other atomic domains has been delivered.
 * W2  It sees only what this worker owns from the beginning on. Where another owns a shard, or one is lost meanwhile, even
 *     if it comes back, it cannot tell: `lost`. Where a commit had to be sent again, it waits until the ends of the
 *     inboxes are known again.
 * W3  Effects are not waited for, nor what comes of their results alone: they may take days.
 */
import type { ShardRef } from "../key.ts";
import { ChainedShard } from "./chained-shard.ts";
import { ComputationShard } from "./computation-shard.ts";
import type { Engine } from "./engine.ts";
import { InboxShard, type OwnedShard } from "./owned-shard.ts";
import type { PlannedInjector, PlannedParticipant } from "./plan.ts";
import type { Work } from "./work.ts";

export type BarrierState = "waiting" | "passed" | "lost";

/** What was there of a shard when the barrier was set: it is not waited for, though it may stand aside later. */
interface Before {
  readonly tail: number;
  /** Of its last sealed commit. */
  readonly number: number;
  readonly nextHeld: number;
  readonly underWay: ReadonlySet<Work>;
}
const NOTHING: Before = { tail: 0, number: 0, nextHeld: 0, underWay: new Set() };

/** One shard on its way through. */
interface Passage {
  readonly shard: InboxShard;
  readonly tail: number;
  readonly before: Before;
  /** Exclusive, known once the inbox is consumed to `tail`. */
  lastHeld: number | undefined;
  /** The commit that has to be acknowledged, known once nothing stands aside. */
  number: number | undefined;
}

export class Barrier {
  readonly #engine: Engine;
  readonly #stages: readonly PlannedParticipant[];
  readonly #injector: PlannedInjector;
  /** Commits of the injector's shards that have to be delivered, known when it is looked at for the first time. */
  #injected: readonly (readonly [shard: OwnedShard, number: number])[] | undefined = undefined;
  /** All that were owned when the barrier was set. */
  readonly #owned: readonly (readonly OwnedShard[])[];
  readonly #before = new Map<ShardRef, Before>();
  #stage = -1;
  #passages: Passage[] = [];
  #state: BarrierState = "waiting";

  /** Set it before the records are put in: what was set aside before that does not come of them. */
  constructor(engine: Engine, injector: PlannedInjector) {
    this.#engine = engine;
    this.#injector = injector;
    this.#stages = downstreamOf(engine.options.plan.participants, injector);
    this.#owned = this.#stages.map((stage) => engine.shardsOf(stage));
    for (const shards of this.#owned) for (const shard of shards) this.#before.set(shard.ref, beforeOf(shard));
  }

  /** Some of the records were put in before, by an earlier request: whatever stands aside may come of them. */
  includeEarlier(): void {
    this.#before.clear();
  }

  /** Looks again. Only after the commit with the records has been acknowledged; to be called now and then, between turns of the engine. */
  look(): BarrierState {
    while (this.#state === "waiting") {
      if (!this.#ownsRest()) {
        this.#state = "lost";
        return this.#state;
      }
      this.#passages = this.#passages.filter((passage) => !isThrough(passage));
      if (this.#passages.length > 0) break;
      if (!this.#isInjected()) break;
      const next = this.#stages[this.#stage + 1];
      if (next === undefined) this.#state = "passed";
      else if (!this.#enter(next)) break;
    }
    return this.#state;
  }

  /** Is what was put in where it is for? A shard of the injector that is lost meanwhile can tell no more. */
  #isInjected(): boolean {
    this.#injected ??= this.#engine.shardsOf(this.#injector).map((shard) => [shard, shard.acknowledged]);
    const lost = this.#injected.some(([shard]) => this.#engine.shards.get(shard.ref) !== shard && !shard.outbox.empty);
    if (lost) this.#state = "lost";
    return !lost && this.#injected.every(([shard, number]) => shard.outbox.deliveredTo(number));
  }

  /** What another has owned meanwhile it may have emptied, and appended further down what no one here was told of. */
  #ownsRest(): boolean {
    for (let stage = Math.max(this.#stage, 0); stage < this.#stages.length; stage++) {
      const owned = this.#owned[stage] ?? [];
      if (owned.length < (this.#stages[stage]?.shards ?? 0)) return false;
      for (const shard of owned) if (this.#engine.shards.get(shard.ref) !== shard) return false;
    }
    return true;
  }

  /** False: how far the inboxes reach is not known now. */
  #enter(stage: PlannedParticipant): boolean {
    const shards = this.#engine.shardsOf(stage).filter((shard) => shard instanceof InboxShard);
    if (!shards.every(({ inbox }) => inbox.tailKnown)) return false;
    for (const shard of shards) {
      const before = this.#before.get(shard.ref) ?? NOTHING;
      const { tail } = shard.inbox;
      // Where nothing has come since, also not in a chain, nothing of what is waited for has.
      if (tail > before.tail || shard.number > before.number || before === NOTHING)
        this.#passages.push({ shard, tail, before, lastHeld: undefined, number: undefined });
    }
    this.#stage += 1;
    return true;
  }
}

function isThrough(passage: Passage): boolean {
  const { shard, tail, before } = passage;
  if (passage.number === undefined) {
    if (!shard.inbox.consumedTo(tail)) return false;
    passage.lastHeld ??= shard.image.nextHeld;
    if (shard instanceof ComputationShard && shard.holdsAny(before.nextHeld, passage.lastHeld, before.underWay)) return false;
    // What is open or sealed now may be what was waited for: it counts when it is acknowledged.
    passage.number = shard.number + (hasOpen(shard) ? 1 : 0);
  }
  return shard.acknowledged >= passage.number && shard.outbox.deliveredTo(passage.number);
}

function beforeOf(shard: OwnedShard): Before {
  const tail = shard instanceof InboxShard ? shard.inbox.tail : 0;
  // What it was handed ahead is injected from here on: what stands aside of its open batch may come of that.
  if (shard instanceof ChainedShard && shard.pledgedTo !== undefined)
    return { ...NOTHING, tail, number: shard.number, nextHeld: Math.min(shard.image.nextHeld, ...shard.open.heldPuts.keys()) };
  return { tail, number: shard.number, nextHeld: shard.image.nextHeld, underWay: shard instanceof ComputationShard ? shard.underWay : NOTHING.underWay };
}

/** Has it done anything that is not sealed? A computation may have, and not be ready to seal it. */
const hasOpen = (shard: InboxShard): boolean => (shard instanceof ComputationShard ? !shard.open.empty : shard.readyAt() < Number.POSITIVE_INFINITY);

/** In the order of the graph. */
export function downstreamOf(participants: readonly PlannedParticipant[], injector: PlannedInjector): readonly PlannedParticipant[] {
  const reached = new Set([injector.id]);
  return participants.filter((participant) => {
    const isEffect = participant.kind === "computation" && participant.node.effect !== undefined;
    if (isEffect || !participant.upstream.some((upstream) => reached.has(upstream))) return false;
    reached.add(participant.id);
    return true;
  });
}
