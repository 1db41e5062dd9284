/**
 * Two feeds tell of the same readings, each of them sometimes twice. The first copy of a reading goes on, every other is
 * dropped, for an hour of event time; then its id is forgotten, so that state does not grow for ever.
 *
 * Where one source repeats itself, `id` of its injector does the same without a computation.
 */
import {
  boundedDisorder,
  Computation,
  type Context,
  fromFile,
  hours,
  input,
  minutes,
  output,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timer,
  toFile,
} from "../src/index.ts";

export interface Reading {
  readonly id: string;
  readonly celsius: number;
  readonly at: number;
}

export const east = stream<Reading>("east");
export const west = stream<Reading>("west");
export const readings = stream<Reading>("readings");

export class FirstSeen extends Computation {
  readonly east = input(east, { key: (reading) => reading.id });
  readonly west = input(west, { key: (reading) => reading.id });
  readonly first = output(readings);
  readonly seen = state("seen", { initial: false });
  readonly forget = timer("forget");

  override processRecord(record: StreamRecord<Reading>, context: Context): void {
    if (context.state(this.seen).get()) return;
    context.state(this.seen).set(true);
    context.setTimer(this.forget, record.timestamp + hours(1));
    context.produce(this.first, record.value);
  }

  override processTimer(_timer: Timer, context: Context): void {
    context.clear();
  }
}

const feed = { timestamp: (reading: Reading) => reading.at, watermark: boundedDisorder(minutes(1)) };

export default new Pipeline("deduplication")
  .inject("east-feed", east, fromFile("east.ndjson", feed))
  .inject("west-feed", west, fromFile("west.ndjson", feed))
  .compute("first-seen", FirstSeen)
  .sink("readings", readings, toFile("readings.ndjson"));
