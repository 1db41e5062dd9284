/**
 * Learns what an airport does in each quarter hour of a weekday: a mean and a mean deviation, in which the last weeks
 * weigh most. It is fed with whole days that have settled, each once, so corrections of windows, which come before,
 * are learned as part of their day and never twice; a flight later than that corrects its window but not the model.
 */
import { Computation, type Context, input, output, state, type StreamRecord } from "../../src/index.ts";
import { weekdayOf } from "./calendar.ts";
import { type DayCounts, dayCounts, dayModels } from "./streams.ts";

interface Model {
  weeks: number;
  expected: number[];
  spread: number[];
}

/** Weight of a new week once there are several; before, all weeks weigh the same. */
const LEARNING = 1 / 4;

export class ModelCalculator extends Computation {
  readonly dayCounts = input(dayCounts, { key: ({ airport, day }) => `${airport} ${weekdayOf(day)}` });
  readonly dayModels = output(dayModels);
  readonly model = state<Model>("model", { initial: { weeks: 0, expected: [], spread: [] } });

  processRecord(record: StreamRecord<DayCounts>, context: Context) {
    const { airport, day, counts } = record.value;
    const model = context.state(this.model);
    model.update((learned) => learn(learned, counts));
    context.produce(this.dayModels, { airport, day, ...model.get() });
  }
}

/** Changes `model` by one more day. All in hundredths of flights. */
export function learn(model: Model, counts: readonly number[]): void {
  model.weeks++;
  const weight = Math.max(1 / model.weeks, LEARNING);
  // What was expected is first known in the second week, and so is how far off it was.
  const weightOfSpread = model.weeks === 1 ? 0 : Math.max(1 / (model.weeks - 1), LEARNING);
  for (let i = 0; i < counts.length; i++) {
    const expected = model.expected[i] ?? 0;
    const spread = model.spread[i] ?? 0;
    const error = 100 * (counts[i] as number) - expected;
    model.expected[i] = Math.round(expected + weight * error);
    model.spread[i] = Math.round(spread + weightOfSpread * (Math.abs(error) - spread));
  }
}
