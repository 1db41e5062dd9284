/**
 * Flights in the order of their reports, from any place in that order on, with the watermark that the reports allow.
 * At most the row groups of three days, usually two, are in memory.
 */
import { byHand, fromIterable, type Injector, type IterableOptions, type PositionedValue } from "../../src/index.ts";
import { type Flight, MINUTE } from "./flight.ts";
import { flightAt, type FlightRows, type FlightTable } from "./flight-table.ts";
import { LATEST, type Place, ReportOrder, type Reported } from "./report-order.ts";
import { LATENESS } from "./streams.ts";

/** Items that are handed over at once. */
const CHUNK = 2_048;

export type ReportedFlight = PositionedValue<Flight, Place>;

/**
 * The injector of a table. A place in the order of reports is its position, so it needs no ids to be exactly once; the
 * records have one all the same, the row number, and with `options.id` the injector checks it. `handed` is told how
 * many flights the engine has been given since the start of this process.
 */
export function flightsOf(table: FlightTable, options: IterableOptions<Flight> = {}, handed: (flights: number) => void = () => {}): Injector<Flight> {
  const open = async function* (place: Place | undefined) {
    for await (const chunk of reportedFlights(table, place)) {
      handed(chunk.length);
      yield chunk;
    }
  };
  return fromIterable<Flight, Place>(open, { description: `${table.rows} flights`, watermark: byHand(), ...options });
}

/** What comes after `place`, in chunks; undefined: everything. */
export async function* reportedFlights(table: FlightTable, place: Place | undefined): AsyncGenerator<readonly ReportedFlight[]> {
  const order = new ReportOrder(place);
  const held: FlightRows[] = [];
  let chunk: ReportedFlight[] = [];
  const flush = (): readonly ReportedFlight[] => {
    const full = chunk;
    chunk = [];
    return full;
  };
  for await (const rows of rowGroups(table, firstGroup(table, place))) {
    held.push(rows);
    for (let i = 0; i < rows.length; i++) {
      const departure = rows.departures[i] as number;
      // One look at the queues for each departure time, of which there are about ten flights.
      if (i === 0 || departure !== rows.departures[i - 1]) {
        for (const reported of order.take(departure)) append(chunk, reported, held);
        if (chunk.length >= CHUNK) yield flush();
      }
      order.add(rows.first + i, departure, rows.delays[i] as number);
    }
  }
  for (const reported of order.takeAll()) {
    append(chunk, reported, held);
    if (chunk.length >= CHUNK) yield flush();
  }
  if (chunk.length > 0) yield chunk;
}

/** The row groups from one on; while one is in use, the next is read. */
async function* rowGroups(table: FlightTable, first: number): AsyncGenerator<FlightRows> {
  let next = first < table.groups.length ? table.read(first) : undefined;
  for (let group = first + 1; next !== undefined; group++) {
    const rows = await next;
    next = group < table.groups.length ? table.read(group) : undefined;
    // It may fail before anyone waits for it; whoever does is told.
    next?.catch(() => {});
    yield rows;
  }
}

/** The first row group that may have a flight after `place`. */
function firstGroup(table: FlightTable, place: Place | undefined): number {
  if (place === undefined) return 0;
  const group = table.groups.findIndex(({ latest }) => latest + LATEST >= place[0] * MINUTE);
  return group === -1 ? table.groups.length : group;
}

/** The watermark: when this was reported less a bound. Never from departures: one flight is reported 18 hours before its own. */
function append(chunk: ReportedFlight[], { minute, rows }: Reported, held: FlightRows[]): void {
  while (held.length > 1 && departsLast(held[0] as FlightRows) + LATEST < minute * MINUTE) held.shift();
  const watermark = minute * MINUTE - LATENESS;
  for (const row of rows) {
    const from = held.findLast(({ first }) => first <= row) as FlightRows;
    const value = flightAt(from, row - from.first);
    chunk.push({ value, timestamp: value.departure, id: String(row), position: [minute, row], watermark });
  }
}

const departsLast = (rows: FlightRows): number => rows.departures[rows.length - 1] as number;
