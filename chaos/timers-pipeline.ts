/**
 * The pipeline of the scenario `timers`: each key sets a timer, all for one millisecond. What fires says how many records
 * the key has had by then, and is added up by sums that a firing too many, too few or too early changes.
 */
import { Computation, type Context, input, output, Pipeline, state, stream, type StreamRecord, type Timer, timer } from "../src/index.ts";
import { type Item, START } from "./load.ts";
import { numbersOf } from "./numbers.ts";
import type { ChaosPipelineOptions, Line } from "./pipeline.ts";

/** When all timers are due, event time; the sums are told after it. */
const DUE = START + 10_000;
const TOLD = DUE + 10_000;
const BUCKETS = 1_000;

/** The sum that a key's firing is added to. */
export const bucketOf = (key: string): string => `bucket ${Number(key.slice(1)) % BUCKETS}`;

interface Fired {
  readonly key: string;
  readonly records: number;
}
const numbers = stream<Item>("numbers");
const fired = stream<Fired>("fired");
const lines = stream<Line>("lines");

class Waiter extends Computation {
  readonly numbers = input(numbers, { key: ({ key }) => key });
  readonly fired = output(fired);
  readonly records = state("records", { initial: 0 });
  readonly due = timer("due");

  override processRecord(_: StreamRecord<Item>, context: Context): void {
    const records = context.state(this.records).get() + 1;
    context.state(this.records).set(records);
    context.setTimer(this.due, DUE);
  }
  override processTimer(_: Timer, context: Context): void {
    context.produce(this.fired, { key: context.key, records: context.watermark < DUE ? -1 : context.state(this.records).get() });
  }
}

class Tally extends Computation {
  readonly fired = input(fired, { key: ({ key }) => bucketOf(key) });
  readonly lines = output(lines);
  readonly tally = state("tally", { initial: { fired: 0, keys: 0, records: 0, early: 0 } });
  readonly telling = timer("telling");

  override processRecord({ value }: StreamRecord<Fired>, context: Context): void {
    context.state(this.tally).update((tally) => {
      tally.fired++;
      tally.keys += Number(value.key.slice(1));
      tally.records += value.records;
      if (value.records < 0) tally.early++;
    });
    context.setTimer(this.telling, TOLD);
  }
  override processTimer(_: Timer, context: Context): void {
    const { fired: count, keys, records, early } = context.state(this.tally).get();
    const wrong = early === 0 ? undefined : `${early} timers fired early`;
    context.produce(this.lines, { kind: "window", key: context.key, start: records, count, sum: keys, wrong });
  }
}

export function timersPipeline({ load, shards, throttle, sink }: ChaosPipelineOptions): Pipeline {
  return new Pipeline("timers", { shards })
    .inject("numbers", numbers, numbersOf(load, throttle))
    .compute("waiter", Waiter)
    .compute("tally", Tally)
    .sink("lines", lines, sink);
}
