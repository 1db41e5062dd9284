/** How times and durations are shown: as JSON, and in sentences. */
import { END } from "../time.ts";
import type { EventTime } from "./views.ts";

/** What `Date` can hold; timers may be set far beyond it. */
const LAST_DATE = 8_640_000_000_000_000;

export function eventTime(watermark: number): EventTime {
  if (watermark === END) return "end";
  return watermark < 0 ? null : watermark;
}

/** Null where `time` is no date. */
export function isoOf(time: number | undefined): string | null {
  return time === undefined || !(time >= 0 && time <= LAST_DATE) ? null : new Date(time).toISOString();
}

/** A time in a sentence. */
export function timeText(time: number): string {
  if (time === END) return "the end of time";
  return time < 0 ? "the beginning" : (isoOf(time) ?? String(time));
}

/** A duration in a sentence, with two units at most: "850 ms", "3.2 s", "4 min 10 s", "2 h 5 min", "3 d 4 h". */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1_000)} s`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ${Math.floor((ms % 3_600_000) / 60_000)} min`;
  return `${Math.floor(ms / 86_400_000)} d ${Math.floor((ms % 86_400_000) / 3_600_000)} h`;
}
