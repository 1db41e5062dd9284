/** Flight tables for the tests: made up ones, and edited copies of real ones. */
import type { Flight } from "../../../examples/zeitgeist/flight.ts";
import { flightAt, type FlightRows, type FlightTable } from "../../../examples/zeitgeist/flight-table.ts";

/** Flights, sorted by departure, as a table of groups of `size` rows. They are numbered anew. */
export function tableOf(flights: readonly Omit<Flight, "row">[], size = flights.length): FlightTable {
  const sorted = flights.toSorted((a, b) => a.departure - b.departure);
  const groups: FlightRows[] = [];
  for (let first = 0; first < sorted.length; first += size) groups.push(rowsOf(first, sorted.slice(first, first + size)));
  return {
    rows: sorted.length,
    until: (sorted.at(-1) as Flight).departure,
    groups: groups.map(({ departures }) => ({ earliest: departures[0] as number, latest: departures.at(-1) as number })),
    read: async (group) => groups[group] as FlightRows,
  };
}

function rowsOf(first: number, flights: readonly Omit<Flight, "row">[]): FlightRows {
  return {
    first,
    length: flights.length,
    departures: Float64Array.from(flights, (flight) => flight.departure),
    delays: Int16Array.from(flights, (flight) => flight.delay),
    distances: Uint16Array.from(flights, (flight) => flight.distance),
    origins: flights.map((flight) => flight.origin),
    destinations: flights.map((flight) => flight.destination),
  };
}

/** All flights of a table. */
export async function flightsOf(table: FlightTable): Promise<Flight[]> {
  const flights: Flight[] = [];
  for (let group = 0; group < table.groups.length; group++) {
    const rows = await table.read(group);
    for (let i = 0; i < rows.length; i++) flights.push(flightAt(rows, i));
  }
  return flights;
}

/** A copy with ORD's departures of [from, to) deleted and ATL's of [again, until) tripled. */
export function planted(flights: readonly Flight[], deleted: readonly [from: number, to: number], tripled: readonly [again: number, until: number]): Flight[] {
  return flights.flatMap((flight) => {
    const { origin, departure } = flight;
    if (origin === "ORD" && departure >= deleted[0] && departure < deleted[1]) return [];
    if (origin === "ATL" && departure >= tripled[0] && departure < tripled[1]) return [flight, flight, flight];
    return [flight];
  });
}
