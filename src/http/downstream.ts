/**
 * Requests that wait until everything downstream of their records is committed, and the replies to them. All barriers of
 * a worker are looked at by one clock, for as long as there is one.
 */
import type { Clock } from "../clock.ts";
import type { ReplyView } from "../inspect/views.ts";
import { isoOf } from "../inspect/times.ts";
import { jsonLine } from "../sinks/json-line.ts";
import type { PipelineStore } from "../store/store.ts";
import { Barrier, type BarrierState } from "../worker/barrier.ts";
import type { PlannedInjector } from "../worker/plan.ts";
import { repliesTo } from "../worker/replies.ts";
import type { Worker } from "../worker/worker.ts";

/** ms between looks. */
const LOOK = 2;

export interface DownstreamOptions {
  readonly worker: Worker;
  readonly store: PipelineStore;
  readonly clock: Clock;
}

interface Waiting {
  readonly barrier: Barrier;
  readonly until: number;
  readonly settle: (state: BarrierState) => void;
}

export class Downstream {
  readonly #worker: Worker;
  readonly #store: PipelineStore;
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #looking = false;

  constructor({ worker, store, clock }: DownstreamOptions) {
    this.#worker = worker;
    this.#store = store;
    this.#clock = clock;
  }

  /** Before the records are handed in. */
  barrier(injector: PlannedInjector): Barrier {
    return new Barrier(this.#worker.engine, injector);
  }

  /** After their commit; `waiting` of the answer means that it took longer than `patience` ms. */
  passed(barrier: Barrier, patience: number): Promise<BarrierState> {
    return new Promise((settle) => {
      this.#waiting.add({ barrier, until: this.#clock.now() + patience, settle });
      this.#look();
    });
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
