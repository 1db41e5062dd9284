/** Flight tables for the tests: made up ones, and edited copies of real ones. */
import { asyncBufferFromFile, parquetRead } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { Flight } from "../../../examples/zeitgeist/flight.ts";
import { flightAt, type FlightRows, flightsFile, type FlightTable } from "../../../examples/zeitgeist/flight-table.ts";
import type { Counts } from "../../../examples/zeitgeist/results.ts";

/** Every row that there is. */
export const ALL_ROWS = 3_000_000;

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
  const airports = [...new Set(flights.flatMap(({ origin, destination }) => [origin, destination]))];
  return {
    first,
    length: flights.length,
    departures: Float64Array.from(flights, (flight) => flight.departure),
    delays: Int16Array.from(flights, (flight) => flight.delay),
    distances: Uint16Array.from(flights, (flight) => flight.distance),
    origins: Uint16Array.from(flights, (flight) => airports.indexOf(flight.origin)),
    destinations: Uint16Array.from(flights, (flight) => airports.indexOf(flight.destination)),
    airports,
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

/** Flights in each window, by airport and number of the quarter hour, from the file itself and by none of the demo's code. */
export async function plainCounts(limit: number): Promise<Counts> {
  const columns: Record<string, unknown[]> = { date: [], origin: [] };
  await parquetRead({
    file: await asyncBufferFromFile(flightsFile()),
    compressors,
    columns: Object.keys(columns),
    rowEnd: limit,
    onChunk({ columnName, columnData, rowStart }) {
      for (let i = 0; i < columnData.length; i++) (columns[columnName] as unknown[])[rowStart + i] = columnData[i];
    },
  });
  const counts: Counts = new Map();
  for (let row = 0; row < limit; row++) {
    const airport = columns["origin"]?.[row] as string;
    const bucket = Math.floor(Number(columns["date"]?.[row]) / (15 * 60_000));
    const buckets = counts.get(airport) ?? new Map<number, number>();
    counts.set(airport, buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1));
  }
  return counts;
}

/** The first difference between what was counted and what is right; undefined: there is none. */
export function difference(counted: Counts, right: Counts): string | undefined {
  for (const airport of new Set([...counted.keys(), ...right.keys()])) {
    const a = counted.get(airport) ?? new Map<number, number>();
    const b = right.get(airport) ?? new Map<number, number>();
    for (const bucket of new Set([...a.keys(), ...b.keys()])) {
      if (a.get(bucket) !== b.get(bucket)) return `${airport} ${bucket}: counted ${a.get(bucket)}, right is ${b.get(bucket)}`;
    }
  }
  return undefined;
}
