/** How far a run is, as the worker's HTTP endpoint tells anyone who asks. The counters count each effect once, whatever was killed. */
import { endpoint, type ShardView } from "../../src/inspect/index.ts";

export interface Progress {
  /** Flights that have been counted. */
  readonly flights: number;
  /** Of these, late ones. */
  readonly late: number;
  readonly duplicates: number;
  /** Of all stages. */
  readonly deadLetters: number;
  /** Low watermark of the window counter, ms; undefined: not known, or at the end. */
  readonly watermark: number | undefined;
  /** Records that wait in inboxes. */
  readonly waiting: number;
  /** Lines written. */
  readonly windows: number;
  readonly anomalies: number;
}

/** Rejects with an `EndpointError` where no worker answers. */
export async function askProgress(url: string): Promise<Progress> {
  const { shards } = await endpoint(url).shards();
  const of = (participant: string): ShardView[] => shards.filter((shard) => shard.participant === participant);
  const sum = (some: readonly ShardView[], counter: keyof ShardView["counters"]): number => some.reduce((total, { counters }) => total + counters[counter], 0);
  const marks = of("window-counter").map(({ input }) => input);
  return {
    flights: sum(of("window-counter"), "processed"),
    late: sum(of("window-counter"), "late"),
    duplicates: sum(of("flights"), "duplicates"),
    deadLetters: sum(shards, "deadLetters"),
    watermark: marks.every((mark) => typeof mark === "number") ? Math.min(...marks) : undefined,
    waiting: shards.reduce((total, { queued }) => total + queued, 0),
    windows: sum(of("windows"), "processed"),
    anomalies: sum(of("notifier"), "processed"),
  };
}
