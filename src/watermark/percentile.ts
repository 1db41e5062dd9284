/**
 * Percentile watermarks: event time by which so many percent of the records are in. A participant that follows some has
 * one track for each, beside the one of its low watermark, and the authority keeps each track as it keeps the low
 * watermarks, under an id of its own. Owns those ids; what moves a track is the engine's. Pure.
 *
 * P1  The id of a low watermark's track is its participant's; others are told by what is above 65,535.
 */
import { ConfigError } from "../errors.ts";

/** One watermark of one participant, as the authority knows it. */
export interface Track {
  readonly id: number;
  /** undefined: the low watermark itself. */
  readonly percentile: number | undefined;
}

const PARTICIPANTS = 65_536;
const PARTS = 100;
const LEAST = 50;
const MOST = 99.99;

export const trackOf = (participant: number, percentile: number): number => Math.round(percentile * PARTS) * PARTICIPANTS + participant;
export const participantOfTrack = (id: number): number => id % PARTICIPANTS;
export const isPercentileTrack = (id: number): boolean => id >= PARTICIPANTS;
/** Of a track that is no low watermark. */
export const percentileOfTrack = (id: number): number => Math.floor(id / PARTICIPANTS) / PARTS;

/** The percentiles among a participant's tracks. */
export const percentilesOf = (tracks: readonly Track[]): number[] => tracks.flatMap(({ percentile }) => percentile ?? []);

/** From now on `values` has a watermark for each of these percentiles, `least` or above, and none that no one follows any more. */
export function follow(percentiles: readonly number[], values: Map<number, number>, least: number): void {
  for (const known of values.keys()) if (!percentiles.includes(known)) values.delete(known);
  for (const percentile of percentiles) values.set(percentile, Math.max(values.get(percentile) ?? least, least));
}

/** The share of records that may come after a percentile watermark has passed them. */
export const shareBehind = (percentile: number): number => Number((1 - percentile / 100).toFixed(6));

/** May timers go by it? */
export const isPercentile = (percentile: number): boolean => percentile >= LEAST && percentile <= MOST && Math.round(percentile * PARTS) / PARTS === percentile;

/** `percentile` of the options, checked; ConfigError if it is none. */
export function checkPercentile(where: string, percentile: number | undefined): number | undefined {
  if (percentile === undefined) return undefined;
  if (typeof percentile === "number" && isPercentile(percentile)) return percentile;
  throw new ConfigError(`${where}: percentile is ${percentile}; give a number from ${LEAST} to ${MOST} with at most two decimals, such as 99 or 99.5`);
}
