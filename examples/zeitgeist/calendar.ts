/**
 * Days, weeks and buckets. The file has local wall times without a zone; they are read as if they were UTC, so "this
 * hour of the week" is the airport's own. Days and buckets are half-open and numbered from the epoch.
 */
import { days, minutes } from "../../src/index.ts";

/** Length of a window, ms. */
export const BUCKET = minutes(15);
export const DAY = days(1);
export const BUCKETS_A_DAY = DAY / BUCKET;

const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] as const;

/** Days from the epoch to the day of `time`. */
export const dayOf = (time: number): number => Math.floor(time / DAY);

/** Index of the bucket of `time` in its day, 0 to 95. */
export const bucketOf = (time: number): number => Math.floor((time % DAY) / BUCKET);

export const startOfBucket = (time: number): number => time - (time % BUCKET);

/** Name of the weekday of a day; day 0 was a Thursday. */
export const weekdayOf = (day: number): string => WEEKDAYS[(day + 3) % 7] as string;

/** "Thu 2001-06-14 20:45". */
export function timeText(time: number): string {
  const iso = new Date(time).toISOString();
  return `${weekdayOf(dayOf(time))} ${iso.slice(0, 10)} ${iso.slice(11, 16)}`;
}
