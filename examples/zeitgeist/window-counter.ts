/**
 * Counts the flights of each airport in windows of a quarter hour, and closes a window by an event-time timer. A late
 * flight re-opens its window: the timer, set in the past, fires at once and produces the corrected count.
 *
 * Keyed by airport *and day*, so a key's state is 96 small numbers that are soon written for the last time. They stay
 * in the store for good (about 150 bytes a day of an airport; 6 MB for half a year), and this is why a flight of any
 * lateness, days or months, still corrects its window exactly: there is no horizon after which a count would be lost.
 */
import { Computation, type Context, hours, input, output, state, type StreamRecord, type Timer, timer, timers } from "../../src/index.ts";
import { BUCKET, bucketOf, BUCKETS_A_DAY, DAY, dayOf, startOfBucket } from "./calendar.ts";
import type { Flight } from "./flight.ts";
import { dayCounts, flights, growing, windows } from "./streams.ts";

/** How long after a day's end its counts are taken for final by the model. The latest flight of all is 28 hours late. */
const SETTLING = hours(36);
/** Counts at which an open window is produced as well: 8, 10, 13, 17, ... So a spike is seen at most a quarter too late. */
const STEPS: ReadonlySet<number> = stepsFrom(8);

function stepsFrom(first: number): Set<number> {
  const steps = new Set<number>();
  for (let step = first; step < 10_000; step = Math.ceil(step * 1.25)) steps.add(step);
  return steps;
}

export class WindowCounter extends Computation {
  readonly flights = input(flights, { key: (flight) => `${flight.origin} ${dayOf(flight.departure)}` });
  readonly windows = output(windows);
  readonly growing = output(growing);
  readonly dayCounts = output(dayCounts);
  readonly counts = state<number[]>("counts", { initial: [] });
  readonly closing = timers<number>("closing");
  readonly settling = timer("settling");

  processRecord(record: StreamRecord<Flight>, context: Context) {
    const { origin: airport, departure } = record.value;
    const start = startOfBucket(departure);
    const end = start + BUCKET;
    const count = this.#count(bucketOf(departure), dayOf(departure), context);
    // The timer of an open window has been set by its first flight; that of a closed one has fired.
    if (count === 1 || context.watermark >= end) context.setTimer(this.closing.for(start), end);
    else if (STEPS.has(count)) context.produce(this.growing, { airport, start, count });
  }

  #count(bucket: number, day: number, context: Context): number {
    let count = 0;
    context.state(this.counts).update((counts) => {
      if (counts.length === 0) {
        for (let i = 0; i < BUCKETS_A_DAY; i++) counts.push(0);
        const settled = (day + 1) * DAY + SETTLING;
        // A day whose first flight comes after that was never learned, and one flight says nothing of it.
        if (context.watermark < settled) context.setTimer(this.settling, settled);
      }
      count = (counts[bucket] as number) + 1;
      counts[bucket] = count;
    });
    return count;
  }

  override processTimer(timer: Timer<number | undefined>, context: Context) {
    const counts = context.state(this.counts).get();
    const [airport, day] = context.key.split(" ") as [string, string];
    if (timer.is(this.closing)) context.produce(this.windows, { airport, start: timer.tag, count: counts[bucketOf(timer.tag)] ?? 0 });
    else context.produce(this.dayCounts, { airport, day: Number(day), counts });
  }
}
