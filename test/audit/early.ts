/** A pipeline whose timers go by a percentile watermark, run and stopped again. */
import { byHand, Computation, type Context, input, output, Pipeline, run, type Store, stream, type StreamRecord, type Timer, timers } from "../../src/index.ts";
import { expect } from "vitest";
import { Feed, Kept } from "../worker/feed.ts";

const SIZE = 100;
const PERCENTILE = 50;
const readings = stream<string>("readings");
const told = stream<string>("told");

class Counter extends Computation {
  readonly readings = input(readings, { key: (reading) => reading });
  readonly told = output(told);
  readonly early = timers<number>("early", { percentile: PERCENTILE });
  readonly closing = timers<number>("closing");

  processRecord({ timestamp }: StreamRecord<string>, context: Context) {
    const start = timestamp - (timestamp % SIZE);
    context.setTimer(this.early.for(start), start + SIZE);
    context.setTimer(this.closing.for(start), start + SIZE);
  }

  override processTimer(timer: Timer<number>, context: Context) {
    context.produce(this.told, `${context.key} ${timer.is(this.early) ? "early" : "final"} ${timer.tag}`);
  }
}

export class Early {
  readonly feed = new Feed<string>({ watermark: byHand() });
  readonly kept = new Kept<string>();

  /** Runs until all of these have been told. */
  async run(store: Store, shards: number, expected: readonly string[]): Promise<void> {
    const pipeline = new Pipeline("early", { shards })
      .inject("feed", readings, this.feed.injector)
      .compute("counter", Counter)
      .sink("kept", told, this.kept.sink);
    const running = await run(pipeline, { store, log: () => {} });
    await expect.poll(() => this.kept.values.toSorted(), { interval: 5 }).toEqual(expected.toSorted());
    await running.stop();
  }
}
