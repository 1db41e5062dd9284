/** The asynchronous calls of one shard that have not settled. */
import type { Batch } from "./batch.ts";
import type { Call } from "./call.ts";
import type { Gate } from "./gate.ts";
import type { Work } from "./work.ts";

interface RunningCall {
  readonly call: Call;
  readonly since: number;
  /** The batch that cannot be sealed before this call has ended. */
  readonly pinned: Batch | undefined;
}

const NONE: readonly never[] = [];

export class RunningCalls {
  readonly #calls = new Map<Work, RunningCall>();
  readonly #gate: Gate | undefined;

  constructor(gate: Gate | undefined) {
    this.#gate = gate;
  }

  get size(): number {
    return this.#calls.size;
  }
  /** The oldest. */
  get first(): Work | undefined {
    return this.#calls.keys().next().value;
  }
  since(work: Work): number | undefined {
    return this.#calls.get(work)?.since;
  }

  begin(work: Work, call: Call, now: number, pinned: Batch | undefined): void {
    if (pinned !== undefined) pinned.pinned++;
    this.#gate?.enter(now);
    this.#calls.set(work, { call, since: now, pinned });
  }

  end(work: Work): void {
    const running = this.#calls.get(work);
    if (running === undefined) return;
    if (running.pinned !== undefined) running.pinned.pinned--;
    this.#calls.delete(work);
    this.#gate?.leave();
  }

  /** Those that began `limit` ms ago or earlier. */
  expired(now: number, limit: number): readonly (readonly [Work, Call])[] {
    if (this.#calls.size === 0) return NONE;
    return [...this.#calls].filter(([, { since }]) => now - since >= limit).map(([work, { call }]) => [work, call]);
  }

  /** When the next of them will have run for `limit` ms. */
  expiresAt(limit: number): number {
    let at = Number.POSITIVE_INFINITY;
    for (const { since } of this.#calls.values()) at = Math.min(at, since + limit);
    return at;
  }

  /** None of them counts any more. */
  closeAll(reason: string): void {
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { call } of calls) {
      call.close(reason);
      this.#gate?.leave();
    }
  }
}

export function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
