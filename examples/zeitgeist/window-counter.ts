/**
 * Counts the flights of each airport in windows of a quarter hour, and closes windows by an event-time timer. A flight
 * that comes after its window was closed is late, and corrects it at once.
 *
 * Keyed by airport *and day*, so a key's state is 96 small numbers that are soon written for the last time. They stay
 * in the store for good (about 150 bytes a day of an airport; 6 MB for half a year), and this is why a flight of any
 * lateness, days or months, still corrects its window exactly: there is no horizon after which a count would be lost.
 *
 * C1  While a key has an open window with flights, its timer is set to the end of the first of these (`closing`).
 */
import { Computation, type Context, hours, input, output, state, type StreamRecord, type Timer, timer } from "../../src/index.ts";
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

/** The windows of one airport on one day. */
interface Day {
  /** Flights in each of its 96 windows; empty before the first flight. */
  counts: number[];
  /** When the timer is due, ms; 0: it is not set. */
  closing: number;
}

export class WindowCounter extends Computation {
  readonly flights = input(flights, { key: (flight) => `${flight.origin} ${dayOf(flight.departure)}` });
  readonly windows = output(windows);
  readonly growing = output(growing);
  readonly dayCounts = output(dayCounts);
  readonly day = state<Day>("day", { initial: { counts: [], closing: 0 } });
  readonly closing = timer("closing");
  readonly settling = timer("settling");

  processRecord(record: StreamRecord<Flight>, context: Context) {
    const { origin: airport, departure } = record.value;
    const start = startOfBucket(departure);
    const end = start + BUCKET;
    const open = end > context.watermark;
    let count = 0;
    context.state(this.day).update((day) => {
      if (day.counts.length === 0) this.#begin(day, dayOf(departure), context);
      const bucket = bucketOf(departure);
      count = (day.counts[bucket] as number) + 1;
      day.counts[bucket] = count;
      if (open && (day.closing === 0 || end < day.closing)) this.#close(day, end, context);
    });
    if (!open) context.produce(this.windows, { airport, start, count });
    else if (STEPS.has(count)) context.produce(this.growing, { airport, start, count });
  }

  override processTimer(timer: Timer, context: Context) {
    const [airport, date] = context.key.split(" ") as [string, string];
    if (timer.is(this.settling)) {
      context.produce(this.dayCounts, { airport, day: Number(date), counts: context.state(this.day).get().counts });
      return;
    }
    context.state(this.day).update((day) => {
      day.closing = 0;
      for (let start = timer.time - BUCKET; start < (Number(date) + 1) * DAY; start += BUCKET) {
        const count = day.counts[bucketOf(start)] as number;
        if (count === 0) continue;
        const end = start + BUCKET;
        if (end > context.watermark) {
          this.#close(day, end, context);
          return;
        }
        // The watermark may have passed the ends of several windows at once.
        context.produce(this.windows, { airport, start, count }, { timestamp: end });
      }
    });
  }

  #begin(day: Day, date: number, context: Context): void {
    for (let bucket = 0; bucket < BUCKETS_A_DAY; bucket++) day.counts.push(0);
    const settled = (date + 1) * DAY + SETTLING;
    // A day whose first flight comes after that is not learned: one flight says nothing of it.
    if (context.watermark < settled) context.setTimer(this.settling, settled);
  }

  #close(day: Day, end: number, context: Context): void {
    day.closing = end;
    context.setTimer(this.closing, end);
  }
}
