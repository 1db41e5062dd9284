/** Pipelines that a test can hold up at one place, and a run of them that is stopped whatever happens. */
import { onTestFinished } from "vitest";
import { sink } from "../../src/computation/edges.ts";
import { Computation } from "../../src/computation/computation.ts";
import type { Context } from "../../src/computation/context.ts";
import { input } from "../../src/computation/input.ts";
import { output } from "../../src/computation/output.ts";
import { Pipeline } from "../../src/computation/pipeline.ts";
import { state } from "../../src/computation/state.ts";
import { stream } from "../../src/computation/stream.ts";
import { type Timer, timers } from "../../src/computation/timer.ts";
import { type Endpoint, endpoint } from "../../src/inspect/endpoint.ts";
import type { HolderView, ParticipantWatermarks } from "../../src/inspect/views.ts";
import type { StreamRecord } from "../../src/record.ts";
import { run, type RunningPipeline, type RunOptions, workerOf } from "../../src/run.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import type { Store } from "../../src/store/store.ts";
import type { Item } from "./feed.ts";

export const items = stream<Item>("items");
export const counts = stream<number>("counts");

/** Counts a key's items; `during` is what a test makes of one call. */
export class Counter extends Computation {
  readonly items = input(items, { key: (item) => item.key });
  readonly counts = output(counts);
  readonly count = state("count", { initial: 0 });
  readonly closing = timers<string>("closing");
  readonly #during: During;

  constructor(during: During) {
    super();
    this.#during = during;
  }

  override processRecord(record: StreamRecord<Item>, context: Context): void | Promise<void> {
    const count = context.state(this.count).get() + 1;
    context.state(this.count).set(count);
    context.produce(this.counts, count);
    return this.#during(record, context, this);
  }

  override processTimer(_timer: Timer<string>, context: Context): void {
    context.produce(this.counts, -1);
  }
}

export type During = (record: StreamRecord<Item>, context: Context, counter: Counter) => void | Promise<void>;

/** A sink that keeps what it is given; `writing` is what each write waits for. */
export function kept(values: unknown[], writing: () => Promise<void> = async () => {}) {
  return sink<number>({
    kind: "sink",
    description: "a list",
    attempts: 3,
    open: async () => ({
      write: async (records) => {
        await writing();
        values.push(...records.map(({ value }) => value));
        return values.length;
      },
      close: async () => {},
    }),
  });
}

/** One shard, so that there is one holder at a time. */
export const onePipeline = (): Pipeline => new Pipeline("held", { shards: 1 });

export interface Inspected {
  readonly running: RunningPipeline;
  readonly endpoint: Endpoint;
  /** Ends the worker as a crash would. */
  crash(): Promise<void>;
}

/** Runs the pipeline until the end of the test, with its endpoint at any free port. */
export async function inspected(pipeline: Pipeline, store: Store = new MemoryStore(), options: Partial<RunOptions> = {}): Promise<Inspected> {
  const running = await run(pipeline, { store, http: { port: 0 }, log: () => {}, ...options });
  const stop = async () => running.stop();
  onTestFinished(stop);
  return { running, endpoint: endpoint(running.url ?? ""), crash: async () => workerOf(running).driver.halt() };
}

export async function watermarksOf(inspection: Inspected, name: string): Promise<ParticipantWatermarks> {
  const { participants } = await inspection.endpoint.watermarks();
  const found = participants.find((participant) => participant.name === name);
  if (found === undefined) throw new Error(`there is no participant ${name}`);
  return found;
}

export async function holderOf(inspection: Inspected, name: string): Promise<HolderView | null> {
  return (await watermarksOf(inspection, name)).heldBy;
}
