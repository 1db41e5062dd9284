/** What flows between the stages: five streams and their values. */
import { hours, stream } from "../../src/index.ts";
import { type Flight, flightCodec } from "./flight.ts";

/** Flights that departed, or will, from `airport` in the quarter hour that begins at `start`, ms. The last one for a window holds. */
export interface WindowCount {
  readonly airport: string;
  readonly start: number;
  readonly count: number;
}

/** A day of an airport, once nearly everything about it has been reported. */
export interface DayCounts {
  readonly airport: string;
  /** From the epoch. */
  readonly day: number;
  /** Flights in each of its 96 quarter hours. */
  readonly counts: readonly number[];
}

/**
 * What an airport does on a weekday, for each of its 96 quarter hours. In hundredths of flights: integers take a third
 * of the bytes of fractions.
 */
export interface DayModel {
  readonly airport: string;
  /** The last day that it was learned from. */
  readonly day: number;
  /** Days that it was learned from. */
  readonly weeks: number;
  readonly expected: readonly number[];
  /** Mean distance from what was expected. */
  readonly spread: readonly number[];
}

/** A window unlike its model. The last one for a window holds. */
export interface Anomaly {
  readonly kind: "spike" | "dip";
  readonly airport: string;
  readonly start: number;
  /** When it was seen; a spike may grow afterwards, a dip be filled by late flights. */
  readonly count: number;
  readonly expected: number;
  /** How far it is from what was expected, in units of what is usual there. */
  readonly score: number;
  /** The low watermark when it was seen: before the window's end for spikes in time, never for dips. */
  readonly watermark: number;
}

export const flights = stream<Flight>("flights", { codec: flightCodec });
export const windows = stream<WindowCount>("windows");
/** Windows that are still open and already large: what spikes are seen by, without waiting. */
export const growing = stream<WindowCount>("growing");
export const dayCounts = stream<DayCounts>("day-counts");
export const dayModels = stream<DayModel>("day-models");
export const anomalies = stream<Anomaly>("anomalies");

/**
 * How far the watermark stays behind the reports. 1.4% of all flights are reported later than this and correct a
 * window that was closed without them.
 */
export const LATENESS = hours(2);
