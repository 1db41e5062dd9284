/** Many schedules on several threads: hands out seeds, adds up, stops at the first violation. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { addTotals, noTotals, type Totals } from "./totals.ts";

export interface CampaignOptions {
  readonly seed: number;
  readonly schedules: number;
  readonly threads: number;
  /** ms after which no more are begun than `least`. */
  readonly within: number;
  /** Default: 0. */
  readonly least?: number;
  readonly progress: (schedules: number) => void;
}

/** MB for what is garbage before long, which is nearly all: the less often it is collected, the faster. */
const YOUNG = 64;
/** Seeds handed out at once: a fraction of a second's work. */
const CHUNK = 25;

export async function campaign({ seed, schedules, threads, within, least = 0, progress }: CampaignOptions): Promise<Totals> {
  const totals = noTotals();
  const until = performance.now() + within;
  let next = seed;
  const end = seed + schedules;
  const over = () => next >= end || totals.violations.length > 0 || (next >= seed + least && performance.now() > until);
  await Promise.all(
    Array.from({ length: threads }, async () => {
      const thread = new Worker(new URL("./campaign-thread.js", import.meta.url), { resourceLimits: { maxYoungGenerationSizeMb: YOUNG } });
      try {
        while (!over()) {
          const from = next;
          const count = Math.min(CHUNK, end - from);
          next += count;
          addTotals(totals, await answerOf(thread, { from, count }));
          progress(totals.steps.length);
        }
      } finally {
        await thread.terminate();
      }
    }),
  );
  return totals;
}

async function answerOf(thread: Worker, chunk: { readonly from: number; readonly count: number }): Promise<Totals> {
  thread.postMessage(chunk);
  // Rejects when the thread has failed.
  const [totals] = (await once(thread, "message")) as [Totals];
  return totals;
}
