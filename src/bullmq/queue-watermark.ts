/**
 * How far event time has come in a BullMQ queue: nothing that waits in it is older. Owns the looking; who promises what it
 * finds to the engine is `job-reader.ts`.
 *
 * W1  A job that is in the queue and has not been read holds the watermark at its time, wherever it stands: waiting, put
 *     off, behind its children, or with a worker that may have died. Of jobs that wait out of order (by priority, put off), the first few count.
 * W2  Where Redis does not answer, nothing is promised.
 */
import type { BullMqQueue, HandledJob } from "./bullmq-module.ts";

/** Jobs looked at of those that do not wait in the order of their times. */
const SAMPLE = 9;

/**
 * When what a job says happened: the time at which it was added, or for which it was put off then. At latest now: a job
 * that an operator has started early is not in the future. It does not change when the job is tried again.
 */
export function timeOf(job: { readonly timestamp: number; readonly opts: { readonly delay?: number | undefined } }, now: number): number {
  const due = job.timestamp + (job.opts.delay ?? 0);
  return Math.floor(Math.min(due, Math.max(job.timestamp, now)));
}

/**
 * No job that is in the queue and not among `mine` is older than this; jobs that are added later may be.
 *
 * @param mine ids of jobs that have been read.
 */
export async function oldestUnread(queue: BullMqQueue, mine: ReadonlySet<string>, now: () => number): Promise<number> {
  const asked = now();
  // A job goes from waiting to taken, or back where its worker died: so those that are taken are asked for before and after.
  const before = await taken(queue, mine);
  const waiting = await Promise.all([
    queue.getJobs(["wait"], 0, 0, true),
    queue.getJobs(["paused"], 0, 0, true),
    queue.getJobs(["prioritized"], 0, SAMPLE, true),
    queue.getJobs(["delayed"], 0, SAMPLE, true),
    queue.getJobs(["waiting-children"], 0, SAMPLE, true),
  ]);
  const after = await taken(queue, mine);
  let oldest = asked;
  for (const job of [...before, ...waiting.flat(), ...after]) if (job) oldest = Math.min(oldest, timeOf(job, Number.POSITIVE_INFINITY));
  return oldest;
}

async function taken(queue: BullMqQueue, mine: ReadonlySet<string>): Promise<readonly (HandledJob | undefined | null)[]> {
  const known = new Set(mine);
  const ids = await queue.getRanges(["active"], 0, -1);
  return Promise.all(ids.filter((id) => !known.has(id) && !mine.has(id)).map((id) => queue.getJob(id)));
}
