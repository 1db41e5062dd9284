/**
 * The pipeline of the scenario `timers`: each record is a key of its own and sets a timer; all timers are due at one
 * millisecond. What fires is added up, by sums that a firing too many or too few changes.
 */
import { Computation, type Context, input, output, Pipeline, type Sink, state, stream, type StreamRecord, timer } from "../src/index.ts";
import { START } from "./load.ts";
import type { Item, Load } from "./load.ts";
import type { ChaosPipelineOptions } from "./pipeline.ts";
import { numbersOf } from "./numbers.ts";

void 0 as unknown as [Sink<never>, Load, Item, typeof START, Context, ChaosPipelineOptions, typeof Computation, typeof input, typeof output, typeof Pipeline, typeof state, typeof stream, StreamRecord<never>, typeof timer, typeof numbersOf];
export function timersPipeline(_: ChaosPipelineOptions): Pipeline {
  throw new Error("not yet");
}
