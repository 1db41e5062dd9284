/**
 * The flights of `flights-3m.parquet`, one row group (272,727 rows) in memory at a time, as columns. Rows are numbered
 * from 0 and sorted by scheduled departure; both are relied upon, so the second is checked while reading.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { type Flight, MINUTE } from "./flight.ts";

/** Columns of consecutive rows; `first` is the number of the first one. */
export interface FlightRows {
  readonly first: number;
  readonly length: number;
  /** ms since the epoch, ascending. */
  readonly departures: Float64Array;
  /** Minutes. */
  readonly delays: Int16Array;
  /** Miles. */
  readonly distances: Uint16Array;
  /** Indexes in `airports`. */
  readonly origins: Uint16Array;
  readonly destinations: Uint16Array;
  readonly airports: readonly string[];
}

/** Rows that can be read group by group, from any group on. The tests make their own, with flights deleted or repeated. */
export interface FlightTable {
  readonly rows: number;
  /** Scheduled departure of the last row, ms: what the table says nothing about begins there. */
  readonly until: number;
  /** Scheduled departures of the first and last row of each group, ms. */
  readonly groups: readonly { readonly earliest: number; readonly latest: number }[];
  read(group: number): Promise<FlightRows>;
}

interface Group {
  readonly first: number;
  readonly end: number;
  readonly earliest: number;
  readonly latest: number;
  readonly rows: FlightRows | undefined;
}

export function flightAt(rows: FlightRows, i: number): Flight {
  return {
    row: rows.first + i,
    departure: rows.departures[i] as number,
    delay: rows.delays[i] as number,
    distance: rows.distances[i] as number,
    origin: rows.airports[rows.origins[i] as number] as string,
    destination: rows.airports[rows.destinations[i] as number] as string,
  };
}

/** Path of the file in the npm package `vega-datasets`, which exports only its program but ships its data beside it. */
export function flightsFile(): string {
  const program = createRequire(import.meta.url).resolve("vega-datasets");
  return join(program, "../../data/flights-3m.parquet");
}

/** Reads the rows `first` to `end` (without it) of a file, which are those of one row group or its first ones. */
export type ReadRows = (path: string, first: number, end: number) => Promise<FlightRows>;

/** The first `limit` rows of a parquet file. Throws where the file is not what is described above. */
export async function openFlights(path: string = flightsFile(), limit = Number.POSITIVE_INFINITY, read: ReadRows = readRows): Promise<FlightTable> {
  const metadata = await parquetMetadataAsync(await asyncBufferFromFile(path));
  const groups: Group[] = [];
  let first = 0;
  for (const { num_rows: count, columns } of metadata.row_groups) {
    const end = Math.min(first + Number(count), limit);
    if (first >= end) break;
    const statistics = columns[0]?.meta_data?.statistics;
    const whole = end === first + Number(count) && statistics?.min_value instanceof Date && statistics.max_value instanceof Date;
    // The statistics are those of the whole group: where it is cut, its rows have to be read to know when they depart.
    const rows = whole ? undefined : await read(path, first, end);
    const earliest = rows === undefined ? Number(statistics?.min_value) : (rows.departures[0] as number);
    const latest = rows === undefined ? Number(statistics?.max_value) : (rows.departures[rows.length - 1] as number);
    groups.push({ first, end, earliest, latest, rows });
    first += Number(count);
  }
  const last = groups.at(-1);
  if (last === undefined) throw new Error(`${path} has no rows`);
  return {
    rows: last.end,
    until: last.latest,
    groups,
    async read(group) {
      const wanted = groups[group];
      if (wanted === undefined) throw new RangeError(`there is no row group ${group}`);
      return wanted.rows ?? (await read(path, wanted.first, wanted.end));
    },
  };
}

/** In this thread: about 300 ms of work for a row group. */
export const readRows: ReadRows = async (path, first, end) => {
  const length = end - first;
  const airports = new Map<string, number>();
  const rows = {
    first,
    length,
    departures: new Float64Array(length),
    delays: new Int16Array(length),
    distances: new Uint16Array(length),
    origins: new Uint16Array(length),
    destinations: new Uint16Array(length),
    airports: [] as string[],
  };
  const columns: Record<string, Column> = {
    date: rows.departures,
    delay: rows.delays,
    distance: rows.distances,
    origin: rows.origins,
    destination: rows.destinations,
  };
  await parquetRead({
    file: await asyncBufferFromFile(path),
    compressors,
    columns: Object.keys(columns),
    rowStart: first,
    rowEnd: end,
    onChunk: ({ columnName, columnData, rowStart }) => copy(columnName, columnData, columns[columnName] as Column, rowStart - first, airports),
  });
  rows.airports.push(...airports.keys());
  check(rows);
  return rows;
};

type Column = Float64Array | Int16Array | Uint16Array;

/** A chunk may reach beyond the rows that were asked for. Dates and 64-bit integers become numbers here, airports their index. */
function copy(name: string, from: ArrayLike<unknown>, into: Column, offset: number, airports: Map<string, number>): void {
  const text = name === "origin" || name === "destination";
  for (let i = Math.max(0, -offset); i < from.length && offset + i < into.length; i++) {
    const value = text ? indexOf(from[i], airports) : from[i] === null ? Number.NaN : Number(from[i]);
    into[offset + i] = value;
    if (into[offset + i] !== value) throw new Error(`${name} is ${String(from[i])}, ${offset + i} rows into a row group: this demo cannot hold that`);
  }
}

/** Index of an airport, a new one where it is new; NaN for what the bytes of a flight cannot hold. */
function indexOf(airport: unknown, airports: Map<string, number>): number {
  if (typeof airport !== "string" || airport.length !== 3) return Number.NaN;
  let index = airports.get(airport);
  if (index === undefined) airports.set(airport, (index = airports.size));
  return index;
}

/** Refuses what the order of reports (sorted rows) and the bytes of a flight (whole minutes) rely upon. */
function check({ first, departures }: FlightRows): void {
  let before = 0;
  departures.forEach((departure, i) => {
    if (departure < before) throw new Error(`row ${first + i} departs before the row above it: the file must be sorted by departure`);
    if (departure % MINUTE !== 0) throw new Error(`row ${first + i} departs at ${departure}, which is not a whole minute`);
    before = departure;
  });
}
