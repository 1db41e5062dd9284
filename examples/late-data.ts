/**
 * Takings of each shop by the minute, told once the minute is complete. Minutes begin with the minute, whatever comes first.
 * What comes after a minute was told goes to a stream of its own, and is counted; nothing is lost in silence.
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
  seconds,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
  toCallback,
  toFile,
} from "../src/index.ts";

export interface Sale {
  readonly shop: string;
  readonly amount: number;
  readonly at: number;
}

export const sales = stream<Sale>("sales");
export const takings = stream<{ readonly shop: string; readonly minute: number; readonly amount: number }>("takings");
export const lateSales = stream<{ readonly sale: Sale; readonly lateInAll: number }>("late-sales");

// #region computation
export class MinuteTakings extends Computation {
  readonly sales = input(sales, { key: (sale) => sale.shop });
  readonly takings = output(takings);
  readonly lateSales = output(lateSales);
  readonly open = state("open", { initial: new Map<number, number>() });
  readonly lateInAll = state("late-in-all", { initial: 0 });
  readonly closing = timers<number>("closing");

  override processRecord(record: StreamRecord<Sale>, context: Context): void {
    const minute = record.timestamp - (record.timestamp % minutes(1));
    const open = context.state(this.open);
    // Late, and its minute is told. A record may be late while its minute is still open: then it counts as any other.
    if (minute + minutes(1) <= context.watermark && !open.get().has(minute)) {
      context.state(this.lateInAll).update((count) => count + 1);
      context.produce(this.lateSales, { sale: record.value, lateInAll: context.state(this.lateInAll).get() });
      return;
    }
    open.update((sums) => sums.set(minute, (sums.get(minute) ?? 0) + record.value.amount));
    context.setTimer(this.closing.for(minute), minute + minutes(1)); // when everything before that time is in
  }

  override processTimer({ tag: minute }: Timer<number>, context: Context): void {
    const open = context.state(this.open);
    context.produce(this.takings, { shop: context.key, minute, amount: open.get().get(minute) ?? 0 });
    if (open.get().size > 1) open.update((sums) => void sums.delete(minute));
    else open.delete(); // the last one: an empty map would stay
  }
}

export default new Pipeline("minute-takings")
  .inject("sale-log", sales, fromFile("sales.ndjson", { timestamp: (sale) => sale.at, watermark: boundedDisorder(seconds(30)) }))
  .compute("minute-takings", MinuteTakings)
  .sink("takings", takings, toFile("takings.ndjson"))
  .sink(
    "late-sales",
    lateSales,
    toCallback(({ value }) => console.warn(`late: ${JSON.stringify(value)}`)),
  );
// #endregion
