/**
 * How far a run is: what this process has counted, its rates, and the watermarks with what holds them. Plain data; how
 * it is shown is `progress-text.ts`.
 */
import { countedOf } from "../inspect/metrics.ts";
import { watermarksView } from "../inspect/watermarks-view.ts";
import type { ParticipantWatermarks } from "../inspect/views.ts";
import type { Counters } from "../worker/image.ts";
import type { Worker } from "../worker/worker.ts";

export interface Progress {
  /** ms since the epoch. */
  readonly at: number;
  /** Workers that are alive, as far as this one has heard; the shards of the pipeline, and how many of them this one owns. */
  readonly workers: number;
  readonly shards: number;
  readonly owned: number;
  readonly participants: readonly ParticipantProgress[];
}

export interface ParticipantProgress {
  readonly watermarks: ParticipantWatermarks;
  /** Since the start of this process. */
  readonly counters: Counters;
  /** Records processed a second, lately. */
  readonly rate: number;
  /** Records waiting in its inboxes. */
  readonly queued: number;
}

/** Rates are of the time since the earlier progress; all over the whole run without one. */
export function progressOf(worker: Worker, now: number, earlier: Progress | undefined, startedAt: number): Progress {
  const { engine } = worker;
  const { participants } = watermarksView(worker, now);
  const seconds = Math.max(now - (earlier?.at ?? startedAt), 1) / 1_000;
  return {
    at: now,
    workers: engine.ownership.membership.workers.length,
    shards: engine.options.plan.participants.reduce((total, { shards }) => total + shards, 0),
    owned: engine.shards.size,
    participants: engine.options.plan.participants.map((participant, at): ParticipantProgress => {
      const counters = countedOf(engine, participant);
      const before = earlier?.participants[at]?.counters.processed ?? 0;
      return {
        watermarks: participants[at] as ParticipantWatermarks,
        counters,
        rate: (counters.processed - before) / seconds,
        queued: engine.shardsOf(participant).reduce((total, { ref }) => total + engine.queuedOf(ref), 0),
      };
    }),
  };
}

/** The participants that feed no other: the whole is as far as they are. */
export function lastOf(worker: Worker, { participants }: Progress): ParticipantProgress[] {
  const feeding = new Set(worker.engine.options.plan.participants.flatMap(({ node }) => node.upstream));
  return participants.filter(({ watermarks }) => !feeding.has(watermarks.name));
}
