/**
 * Time. Event times and processing times are integer milliseconds since the epoch; durations are integer
 * milliseconds. Windows are half-open, [start, end).
 */

/** The end of time: the low watermark of an input that has finished (2^53 - 1). */
export const END: number = Number.MAX_SAFE_INTEGER;

/** The low watermark before anything is known: every timestamp is later. */
export const BEGINNING: number = -1;

/** No timer may be set later than this; `END` itself is reserved for the end of input. */
export const LAST_TIMER: number = END - 86_400_000;

/** Durations, in ms. */
export const seconds = (n: number): number => n * 1_000;
export const minutes = (n: number): number => n * 60_000;
export const hours = (n: number): number => n * 3_600_000;
export const days = (n: number): number => n * 86_400_000;

/** Is `time` what a record's timestamp may be: an integer from 0 up to the last timer's time? */
export function isTimestamp(time: unknown): time is number {
  return typeof time === "number" && Number.isInteger(time) && time >= 0 && time <= LAST_TIMER;
}
