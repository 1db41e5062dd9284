/**
 * Ticks at a steady pace from a thread of its own, so that the generator of an open-loop benchmark neither spins nor
 * rounds to whole milliseconds; and measures how late that thread itself was woken, which is what the machine adds to
 * every latency, whoever is measured on it.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/** Lateness is counted in buckets of this many ms; the last one has all that is later. */
const BUCKET = 0.05;
const BUCKETS = 4_000;

interface Shared {
  readonly perSecond: number;
  readonly late: Uint32Array;
}

export class Metronome {
  readonly #late = new Uint32Array(new SharedArrayBuffer(4 * BUCKETS));
  readonly #thread: Worker;
  #waiting: (() => void)[] = [];

  constructor(perSecond: number) {
    this.#thread = new Worker(new URL(import.meta.url), { workerData: { perSecond, late: this.#late } satisfies Shared });
    this.#thread.on("message", () => {
      for (const tick of this.#waiting.splice(0)) tick();
    });
  }

  tick(): Promise<void> {
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }

  /** Begins to count lateness anew. */
  reset(): void {
    this.#late.fill(0);
  }

  /** ms by which the thread was late, at a quantile. */
  late(quantile: number): number {
    // The thread goes on counting.
    const late = this.#late.slice();
    const total = late.reduce((sum, count) => sum + count, 0);
    let seen = 0;
    const bucket = late.findIndex((count) => (seen += count) >= total * quantile && seen > 0);
    return Number(((bucket + 1) * BUCKET).toFixed(2));
  }

  async stop(): Promise<void> {
    await this.#thread.terminate();
  }
}

function tickForEver({ perSecond, late }: Shared): never {
  const cell = new Int32Array(new SharedArrayBuffer(4));
  for (let next = performance.now() + 1_000 / perSecond; ; next += 1_000 / perSecond) {
    const wait = next - performance.now();
    if (wait > 0) Atomics.wait(cell, 0, 0, wait);
    const bucket = Math.min(Math.max(0, Math.floor((performance.now() - next) / BUCKET)), BUCKETS - 1);
    late[bucket] = (late[bucket] ?? 0) + 1;
    parentPort?.postMessage(0);
  }
}

if (!isMainThread) tickForEver(workerData as Shared);
