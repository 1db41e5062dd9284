/**
 * Searches of each term by the minute, told twice: early, when 99% of the searches of that minute are in, and for good when
 * all are, however long the last of them take. Where one comes in between, the early count is told again.
 */
import {
  boundedDisorder,
  Computation,
  type Context,
  fromFile,
  input,
  minutes,
  output,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
  toFile,
} from "../src/index.ts";

export interface Search {
  readonly text: string;
  readonly at: number;
}
export interface MinuteCount {
  readonly text: string;
  readonly minute: number;
  readonly count: number;
  readonly final: boolean;
}

export const searches = stream<Search>("searches");
export const counts = stream<MinuteCount>("counts");

// #region computation
export class MinuteCounter extends Computation {
  readonly searches = input(searches, { key: (search) => search.text });
  readonly counts = output(counts);
  readonly minutes = state("minutes", { initial: new Map<number, number>() });
  readonly early = timers<number>("early", { percentile: 99 }); // fires when 99% of what is before its time is in
  readonly closing = timers<number>("closing"); // fires when all is

  override processRecord(record: StreamRecord<Search>, context: Context): void {
    if (record.late) return;
    const minute = record.timestamp - (record.timestamp % minutes(1));
    context.state(this.minutes).update((counted) => counted.set(minute, (counted.get(minute) ?? 0) + 1));
    context.setTimer(this.early.for(minute), minute + minutes(1)); // at once, for one of the last 1%: a correction
    context.setTimer(this.closing.for(minute), minute + minutes(1));
  }

  override processTimer(timer: Timer<number>, context: Context): void {
    const minute = timer.tag;
    const count = context.state(this.minutes).get().get(minute) ?? 0;
    const final = timer.is(this.closing);
    context.produce(this.counts, { text: context.key, minute, count, final });
    if (!final) return;
    const open = context.state(this.minutes);
    if (open.get().size > 1) open.update((counted) => void counted.delete(minute));
    else open.delete(); // a key of which nothing is stored takes no room
  }
}
// #endregion

export default new Pipeline("early-counts")
  .inject("search-log", searches, fromFile("searches.ndjson", { timestamp: (search) => search.at, watermark: boundedDisorder(minutes(30)) }))
  .compute("minute-counter", MinuteCounter)
  .sink("counts", counts, toFile("counts.ndjson"));
