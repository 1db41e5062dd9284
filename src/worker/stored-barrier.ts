/**
 * The barrier over shards that several workers own: goes by what is stored alone, so it does not matter who owns what, or
 * who takes over meanwhile. Pure: it says which shards it wants to hear of, and is told how far they are. A worker that
 * owns all of them looks into its own memory instead (`barrier.ts`), which asks the store nothing.
 *
 * B1  Stages are looked at in the order of the graph, the injector first. A read that was asked for after all that feeds a
 *     stage was through fixes how far its shards have to come: what it says holds all that comes of the records.
 * B2  A shard is through when its inbox is consumed to there, then nothing that stood aside then stands aside, and then
 *     nothing is undelivered that was then. Whatever is under way, or sent again, is not in the store, and not believed.
 * B3  What was set aside before the barrier was set is not waited for. What was being processed then may be, if it is set
 *     aside later: it can be told from the rest only by its owner.
 * B4  Where the store has lost a tail, or is another, meanwhile, nothing can be told: `lost`.
 */
import type { ShardRef } from "../key.ts";
import { shardRef } from "../key.ts";
import type { ShardProgress } from "../store/index.ts";
import { type BarrierState, downstreamOf } from "./barrier.ts";
import { decodeImage } from "./image.ts";
import type { PlannedInjector, PlannedParticipant } from "./plan.ts";

/** One shard on its way through. */
interface Passage {
  readonly tail: number;
  /** What stood aside once it was consumed to `tail`, and still does. */
  held: ReadonlySet<number> | undefined;
  /** What was undelivered once nothing of that stood aside any more, and still is. */
  outbox: ReadonlySet<string> | undefined;
}

export class StoredBarrier {
  readonly #stages: readonly (readonly ShardRef[])[];
  /** Of the store that was asked first. */
  readonly #generation: number;
  #before: ReadonlyMap<ShardRef, ShardProgress>;
  #stage = 0;
  /** Of the present stage, those that are not through; undefined: no read has told yet how far they have to come. */
  #passages: Map<ShardRef, Passage> | undefined;
  #state: BarrierState = "waiting";

  /** `before`: of `stagesOf`, as read before the records were put in; nothing: all that stands aside is waited for. */
  constructor(participants: readonly PlannedParticipant[], injector: PlannedInjector, generation: number, before: readonly ShardProgress[] = []) {
    this.#stages = [injector, ...downstreamOf(participants, injector)].map(shardsOf);
    this.#generation = generation;
    this.#before = new Map(before.map((each) => [each.shard, each]));
  }

  /** All shards that it will ask about. */
  static shards(participants: readonly PlannedParticipant[], injector: PlannedInjector): readonly ShardRef[] {
    return [injector, ...downstreamOf(participants, injector)].flatMap(shardsOf);
  }

  /** Some of the records were put in before, by an earlier request: whatever stands aside may come of them. */
  includeEarlier(): void {
    this.#before = new Map();
  }

  get state(): BarrierState {
    return this.#state;
  }

  /** Which shards it wants to be told of: as they are at this moment, or later. */
  wants(): readonly ShardRef[] {
    if (this.#state !== "waiting") return [];
    return this.#passages === undefined ? (this.#stages[this.#stage] ?? []) : [...this.#passages.keys()];
  }

  /**
   * How far all those are that it wanted when the store was asked, and perhaps others; `generation`: of the store that told.
   * True: a stage is through, so it wants to hear of others now.
   */
  tell(told: ReadonlyMap<ShardRef, ShardProgress>, generation: number): boolean {
    if (this.#state !== "waiting") return false;
    if (generation !== this.#generation) {
      this.#state = "lost";
      return false;
    }
    this.#passages ??= this.#entered(told);
    for (const [shard, passage] of this.#passages) {
      const progress = told.get(shard);
      if (progress === undefined) continue;
      if (progress.tail < passage.tail) this.#state = "lost";
      else if (isThrough(passage, progress, this.#firstHeld(shard))) this.#passages.delete(shard);
    }
    if (this.#passages.size > 0) return false;
    // How far the next ones have to come says a read that is asked for from now on.
    this.#passages = undefined;
    this.#stage += 1;
    if (this.#stage === this.#stages.length && this.#state === "waiting") this.#state = "passed";
    return true;
  }

  #entered(told: ReadonlyMap<ShardRef, ShardProgress>): Map<ShardRef, Passage> {
    const passages = new Map<ShardRef, Passage>();
    for (const shard of this.#stages[this.#stage] ?? []) {
      const { tail, image } = told.get(shard) as ShardProgress;
      const before = this.#before.get(shard);
      // Where nothing has come since, also not in a chain, nothing of what is waited for has; an injector has no inbox.
      if (before === undefined || tail > before.tail || Buffer.compare(image ?? NONE, before.image ?? NONE) !== 0 || this.#stage === 0)
        passages.set(shard, { tail, held: undefined, outbox: undefined });
    }
    return passages;
  }

  #firstHeld(shard: ShardRef): number {
    const before = this.#before.get(shard);
    if (before === undefined) return 0;
    return before.image === undefined ? 1 : decodeImage(before.image).nextHeld;
  }
}

function isThrough(passage: Passage, { position, held, outbox }: ShardProgress, firstHeld: number): boolean {
  if (position < passage.tail) return false;
  const aside = passage.held;
  passage.held = new Set(aside === undefined ? held.filter((id) => id >= firstHeld) : held.filter((id) => aside.has(id)));
  if (passage.held.size > 0) return false;
  const undelivered = passage.outbox;
  // A note, of place 0, only keeps a channel's last place: it is nothing that is to be delivered.
  const entries = outbox.filter((name) => !name.endsWith(".0"));
  passage.outbox = new Set(undelivered === undefined ? entries : entries.filter((name) => undelivered.has(name)));
  return passage.outbox.size === 0;
}

/** Of a shard that nothing was committed to. */
const NONE = new Uint8Array(0);

const shardsOf = ({ id, shards }: PlannedParticipant): ShardRef[] => Array.from({ length: shards }, (_, index) => shardRef(id, index));
