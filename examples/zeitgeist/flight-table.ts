/**
 * The flights of `flights-3m.parquet`, one row group (272,727 rows) in memory at a time, as columns. Rows are numbered
 * from 0 and sorted by scheduled departure; both are relied upon, so the second is checked while reading.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { asyncBufferFromFile, type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetRead } from "hyparquet";
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
  readonly origins: readonly string[];
  readonly destinations: readonly string[];
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

interface Group { readonly first: number; readonly end: number; readonly earliest: number; readonly latest: number; readonly rows: FlightRows | undefined }

export function flightAt(rows: FlightRows, i: number): Flight {
  return {
    row: rows.first + i,
    departure: rows.departures[i] as number,
    delay: rows.delays[i] as number,
    distance: rows.distances[i] as number,
    origin: rows.origins[i] as string,
    destination: rows.destinations[i] as string,
  };
}

/** Path of the file in the npm package `vega-datasets`, which exports only its program but ships its data beside it. */
export function flightsFile(): string {
  const program = createRequire(import.meta.url).resolve("vega-datasets");
  return join(program, "../../data/flights-3m.parquet");
}

/** The first `limit` rows of a parquet file. Throws where the file is not what is described above. */
export async function openFlights(path: string = flightsFile(), limit = Number.POSITIVE_INFINITY): Promise<FlightTable> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const groups: Group[] = [];
  let first = 0;
  for (const { num_rows: count, columns } of metadata.row_groups) {
    const end = Math.min(first + Number(count), limit);
    if (first >= end) break;
    const statistics = columns[0]?.meta_data?.statistics;
    const whole = end === first + Number(count) && statistics?.min_value instanceof Date && statistics.max_value instanceof Date;
    // The statistics are those of the whole group: where it is cut, its rows have to be read to know when they depart.
    const rows = whole ? undefined : await readRows(file, metadata, first, end);
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
      return wanted.rows ?? (await readRows(file, metadata, wanted.first, wanted.end));
    },
  };
}

async function readRows(file: AsyncBuffer, metadata: FileMetaData, first: number, end: number): Promise<FlightRows> {
  const length = end - first;
  const rows = {
    first,
    length,
    departures: new Float64Array(length),
    delays: new Int16Array(length),
    distances: new Uint16Array(length),
    origins: new Array<string>(length),
    destinations: new Array<string>(length),
  };
  const columns: Record<string, { [i: number]: number } | string[]> = {
    date: rows.departures, delay: rows.delays, distance: rows.distances, origin: rows.origins, destination: rows.destinations,
  };
  await parquetRead({
    file, metadata, compressors, columns: Object.keys(columns), rowStart: first, rowEnd: end,
    onChunk: ({ columnName, columnData, rowStart }) => copy(columnName, columnData, columns[columnName] as never, rowStart - first, length),
  });
  check(rows);
  return rows;
}

/** A chunk may reach beyond the rows that were asked for. Dates and 64-bit integers become numbers here. */
function copy(name: string, from: ArrayLike<unknown>, into: { [i: number]: unknown }, offset: number, length: number): void {
  const text = name === "origin" || name === "destination";
  for (let i = Math.max(0, -offset); i < from.length && offset + i < length; i++) {
    const value = text ? from[i] : from[i] === null ? undefined : Number(from[i]);
    into[offset + i] = value;
    if (into[offset + i] !== value || value === null) throw new Error(`${name} is ${String(from[i])}, ${offset + i} rows into a row group: this demo cannot hold that`);
  }
}

/** Refuses what the order of reports (sorted rows) or the bytes of a flight (whole minutes, three letters) rely upon. */
function check(rows: FlightRows): void {
  let before = 0;
  for (let i = 0; i < rows.length; i++) {
    const departure = rows.departures[i] as number;
    if (departure < before) throw new Error(`row ${rows.first + i} departs before the row above it: the file must be sorted by departure`);
    if (departure % MINUTE !== 0) throw new Error(`row ${rows.first + i} departs at ${departure}, which is not a whole minute`);
    if (rows.origins[i]?.length !== 3 || rows.destinations[i]?.length !== 3) throw new Error(`row ${rows.first + i} has an airport code that is not three letters`);
    before = departure;
  }
}
