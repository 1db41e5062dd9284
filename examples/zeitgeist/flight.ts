/** A flight as the file has it, and its bytes on the way: 18, where the default codec would write 75. */
import type { Codec } from "../../src/index.ts";

export interface Flight {
  /** Number of its row in the file: its identity, for 191 rows equal another one in all that follows. */
  readonly row: number;
  /** Scheduled, ms since the epoch: the event time. */
  readonly departure: number;
  /** Minutes after the schedule at which it was reported; below 0: before. */
  readonly delay: number;
  /** Miles. */
  readonly distance: number;
  /** Three-letter codes of airports. */
  readonly origin: string;
  readonly destination: string;
}

export const MINUTE = 60_000;

/** When it was reported, ms since the epoch. */
export const reportOf = (departure: number, delay: number): number => departure + delay * MINUTE;

/**
 *   0        4                 8            10        12       15            18
 *   | row    | departure, min  | delay, min | miles   | origin | destination |
 *   | uint32 | uint32          | int16      | uint16  | ASCII  | ASCII       |
 *
 * Little-endian. That it fits is checked where the file is read (`flight-table.ts`), not for each record here.
 */
export const flightCodec: Codec<Flight> = {
  id: "flight",
  version: 0,
  encode({ row, departure, delay, distance, origin, destination }) {
    const bytes = Buffer.allocUnsafe(18);
    const minute = departure / MINUTE;
    bytes[0] = row;
    bytes[1] = row >>> 8;
    bytes[2] = row >>> 16;
    bytes[3] = row >>> 24;
    bytes[4] = minute;
    bytes[5] = minute >>> 8;
    bytes[6] = minute >>> 16;
    bytes[7] = minute >>> 24;
    bytes[8] = delay;
    bytes[9] = delay >> 8;
    bytes[10] = distance;
    bytes[11] = distance >> 8;
    for (let i = 0; i < 3; i++) {
      bytes[12 + i] = origin.charCodeAt(i);
      bytes[15 + i] = destination.charCodeAt(i);
    }
    return bytes;
  },
  decode(bytes) {
    const at = (i: number): number => bytes[i] as number;
    return {
      row: (at(0) | (at(1) << 8) | (at(2) << 16) | (at(3) << 24)) >>> 0,
      departure: ((at(4) | (at(5) << 8) | (at(6) << 16) | (at(7) << 24)) >>> 0) * MINUTE,
      delay: ((at(8) | (at(9) << 8)) << 16) >> 16,
      distance: at(10) | (at(11) << 8),
      origin: String.fromCharCode(at(12), at(13), at(14)),
      destination: String.fromCharCode(at(15), at(16), at(17)),
    };
  },
};
