/**
 * Puts flights, read in the order of their scheduled departure, into the order in which they were reported: by the
 * minute of the report, then by row number. Pure.
 *
 * R1  The order is a function of the table alone, so a position in it, (minute, row), means the same after a restart.
 * R2  Memory is bounded: only flights that depart less than EARLIEST before and LATEST after one another wait for their
 *     turn. One reported even earlier is injected EARLIEST before its departure, one even later LATEST after it (in
 *     this file: none; the extremes are 18.6 hours early and 28.1 late). More than WAITING_ROWS waiting is refused.
 */
import { days, hours } from "../../src/index.ts";
import { MINUTE } from "./flight.ts";

/** How long before its departure a flight's report is waited for, ms: how far the table is read ahead of the reports. */
export const EARLIEST = hours(24);
/** How long after its departure a flight's report is waited for, ms. */
export const LATEST = days(2);
/** Rows that may wait: about ten times what three days of this file have. */
const WAITING_ROWS = 1 << 19;

/** A place in the order of reports; plain data, kept in the injector's checkpoint. */
export type Place = readonly [minute: number, row: number];

/** The minute, from the epoch, in which a flight is injected. */
export function minuteOf(departure: number, delay: number): number {
  return Math.floor(Math.min(Math.max(departure + delay * MINUTE, departure - EARLIEST), departure + LATEST) / MINUTE);
}

/** May a table whose departures all lie before `latest` still have flights after this place? */
export const hasFlightsAfter = (place: Place, latest: number): boolean => latest + LATEST >= place[0] * MINUTE;

/** The rows of one minute, in ascending order. */
export interface Reported {
  readonly minute: number;
  readonly rows: readonly number[];
}

/** Minutes are queues of row numbers; rows come in ascending order, so nothing has to be sorted. */
export class ReportOrder {
  readonly #minutes = new Map<number, number[]>();
  readonly #after: Place;
  /** The first minute that may have rows waiting. */
  #next = 0;
  /** Minutes before this one have been taken. */
  #taken: number;
  #waiting = 0;

  /** What is at `after` or before it has been taken already; undefined: nothing has. */
  constructor(after: Place | undefined) {
    this.#after = after ?? [Number.NEGATIVE_INFINITY, 0];
    this.#taken = this.#after[0];
  }

  /** Rows must come in ascending order, by number and by departure. */
  add(row: number, departure: number, delay: number): void {
    const minute = minuteOf(departure, delay);
    const [lastMinute, lastRow] = this.#after;
    if (minute < lastMinute || (minute === lastMinute && row <= lastRow)) return;
    if (minute < this.#taken) throw new RangeError(`row ${row} belongs to minute ${minute}, which has been taken: rows must come sorted by departure`);
    if (this.#waiting === 0 || minute < this.#next) this.#next = minute;
    const rows = this.#minutes.get(minute);
    if (rows === undefined) this.#minutes.set(minute, [row]);
    else rows.push(row);
    if (++this.#waiting > WAITING_ROWS) throw new RangeError(`more than ${WAITING_ROWS} flights depart within three days: the reorder buffer ends here`);
  }

  /** Takes, in order, the minutes to which no flight that departs at `departure` or later can belong. */
  take(departure: number): Generator<Reported> {
    return this.#takeBefore(Math.floor((departure - EARLIEST) / MINUTE));
  }

  /** Takes the rest, after the last row. */
  takeAll(): Generator<Reported> {
    return this.#takeBefore(Number.POSITIVE_INFINITY);
  }

  *#takeBefore(end: number): Generator<Reported> {
    this.#taken = Math.max(this.#taken, end);
    for (; this.#next < end && this.#waiting > 0; this.#next++) {
      const rows = this.#minutes.get(this.#next);
      if (rows === undefined) continue;
      this.#minutes.delete(this.#next);
      this.#waiting -= rows.length;
      yield { minute: this.#next, rows };
    }
  }
}
