/**
 * Requests that wait until everything downstream of their records is committed, and the replies to them. All barriers of
 * a worker are looked at by one clock, and read for by one reader, for as long as there is one.
 */
import type { Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { ReplyView } from "../inspect/views.ts";
import { isoOf } from "../inspect/times.ts";
import { jsonLine } from "../sinks/json-line.ts";
import type { PipelineStore } from "../store/store.ts";
import { Barrier, type BarrierState, downstreamOf } from "../worker/barrier.ts";
import type { PlannedInjector } from "../worker/plan.ts";
import { repliesTo } from "../worker/replies.ts";
import { StoredBarrier } from "../worker/stored-barrier.ts";
import type { Worker } from "../worker/worker.ts";

/** ms between looks at what this worker remembers, and between reads of the store, while nothing moves on. */
const LOOK = 2;
const LOOK_STORED = 5;

export interface DownstreamOptions {
  readonly worker: Worker;
  readonly store: PipelineStore;
  readonly clock: Clock;
}

interface Waiting<B> {
  readonly barrier: B;
  readonly until: number;
  readonly settle: (state: BarrierState) => void;
}

export class Downstream {
  readonly #worker: Worker;
  readonly #store: PipelineStore;
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting<Barrier>>();
  readonly #stored = new Set<Waiting<StoredBarrier>>();
  #looking = false;
  #reading = false;

  constructor({ worker, store, clock }: DownstreamOptions) {
    this.#worker = worker;
    this.#store = store;
    this.#clock = clock;
  }

  /** Before the records are handed in: by what this worker remembers, where it owns everything; else by what is stored. */
  async barrier(injector: PlannedInjector): Promise<Barrier | StoredBarrier> {
    const { engine } = this.#worker;
    const { participants } = engine.options.plan;
    if (downstreamOf(participants, injector).every((stage) => engine.shardsOf(stage).length === stage.shards)) return new Barrier(engine, injector);
    const { generation } = this.#store;
    return new StoredBarrier(participants, injector, generation, await this.#store.readProgress(StoredBarrier.shards(participants, injector)));
  }

  /** After their commit; `waiting` of the answer means that it took longer than `patience` ms, `lost` that no one can tell. */
  async passed(barrier: Barrier | StoredBarrier, injector: PlannedInjector, patience: number): Promise<BarrierState> {
    const until = this.#clock.now() + patience;
    if (barrier instanceof StoredBarrier) return await this.#passedStored(barrier, until);
    const state = await new Promise<BarrierState>((settle) => {
      this.#waiting.add({ barrier, until, settle });
      this.#look();
    });
    if (state !== "lost") return state;
    // Another has come to own a part of it: what is stored says the same, for whoever set it aside.
    return await this.#passedStored(new StoredBarrier(this.#worker.engine.options.plan.participants, injector, this.#store.generation), until);
  }

  #look(): void {
    const now = this.#clock.now();
    for (const each of this.#waiting) {
      const state = each.barrier.look();
      if (state === "waiting" && now < each.until) continue;
      this.#waiting.delete(each);
      each.settle(state);
    }
    if (this.#looking || this.#waiting.size === 0) return;
    this.#looking = true;
    this.#clock.after(LOOK, () => {
      this.#looking = false;
      this.#look();
    });
  }

  #passedStored(barrier: StoredBarrier, until: number): Promise<BarrierState> {
    return new Promise<BarrierState>((settle) => {
      this.#stored.add({ barrier, until, settle });
      void this.#readOn();
    });
  }

  /** Reads for all that wait, one read at a time: who joins while one is under way is told by the next. */
  async #readOn(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    while (this.#stored.size > 0) {
      const moved = await this.#readOnce();
      if (!moved) await new Promise<void>((resolve) => void this.#clock.after(LOOK_STORED, resolve));
    }
    this.#reading = false;
  }

  /** True: one of them has come on, and wants to hear more at once. */
  async #readOnce(): Promise<boolean> {
    const asking = [...this.#stored];
    const wanted = new Set(asking.flatMap(({ barrier }) => barrier.wants()));
    let moved = false;
    try {
      const told = new Map((await this.#store.readProgress([...wanted])).map((each) => [each.shard, each]));
      for (const { barrier } of asking) moved = barrier.tell(told, this.#store.generation) || moved;
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) this.#fail(asking);
    }
    const now = this.#clock.now();
    for (const each of asking) {
      if (each.barrier.state === "waiting" && now < each.until) continue;
      this.#stored.delete(each);
      each.settle(each.barrier.state);
    }
    return moved;
  }

  /** It can never be told, as when the worker is about to end: what was taken is taken. */
  #fail(asking: readonly Waiting<StoredBarrier>[]): void {
    for (const each of asking) {
      this.#stored.delete(each);
      each.settle("lost");
    }
  }

  /** What is committed as replies to the records with these ids, in their order. */
  async replies(requests: readonly string[]): Promise<ReplyView[]> {
    const { plan } = this.#worker.engine.options;
    const now = this.#clock.now();
    const found = await Promise.all(requests.map(async (to) => (await repliesTo(this.#store, plan, to, now)).map((reply) => ({ to, reply }))));
    return found.flat().map(({ to, reply: { name, id, timestamp, value } }) => ({
      to,
      name,
      id,
      timestamp,
      timestampIso: isoOf(timestamp),
      value: JSON.parse(jsonLine(value)) as unknown,
    }));
  }
}
