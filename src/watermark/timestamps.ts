/**
 * Which timestamps may enter the pipeline. Owns the sentence that goes with a refused one to the dead letters; a
 * refused timestamp never reaches a watermark policy. Pure: the caller brings the clock's reading.
 */
import { LAST_TIMER } from "../time.ts";

/**
 * Why a record with this timestamp is refused; undefined: it may enter.
 *
 * @param now the clock, ms since the epoch.
 * @param maxAhead how far ahead of `now` a timestamp may be, ms; exactly that far is still allowed. Infinity: any distance.
 */
export function refuseTimestamp(timestamp: unknown, now: number, maxAhead: number): string | undefined {
  if (typeof timestamp !== "number") {
    return `the timestamp is ${named(timestamp)}; it must be a number, integer ms since the epoch`;
  }
  if (Number.isNaN(timestamp)) return "the timestamp is NaN; it must be integer ms since the epoch";
  if (timestamp < 0) return `the timestamp ${timestamp} is negative; event time starts at the epoch`;
  if (timestamp > LAST_TIMER) return `the timestamp ${timestamp} is beyond the last possible time, ${LAST_TIMER}`;
  if (!Number.isInteger(timestamp)) return `the timestamp ${timestamp} is not an integer number of ms`;
  if (timestamp - now > maxAhead) {
    return `the timestamp ${timestamp} is ${timestamp - now} ms ahead of the clock; at most ${maxAhead} ms are allowed (maxAhead)`;
  }
  return undefined;
}

function named(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string") return `the string ${JSON.stringify(value.slice(0, 64))}`;
  if (value instanceof Date) return "a Date (give its getTime())";
  return `of type ${typeof value}`;
}
