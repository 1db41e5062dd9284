/** The whole pipeline in this process, on real injectors and files, with input that comes twice. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { BUCKET, DAY, dayOf, weekdayOf } from "../../../examples/zeitgeist/calendar.ts";
import type { Flight } from "../../../examples/zeitgeist/flight.ts";
import { type FlightTable, openFlights } from "../../../examples/zeitgeist/flight-table.ts";
import { zeitgeist } from "../../../examples/zeitgeist/pipeline.ts";
import { askProgress, type Progress } from "../../../examples/zeitgeist/progress.ts";
import { flightsOf as injectorOf, type ReportedFlight, reportedFlights } from "../../../examples/zeitgeist/reported-flights.ts";
import { type Counts, readAnomalies, readWindows } from "../../../examples/zeitgeist/results.ts";
import type { Anomaly } from "../../../examples/zeitgeist/streams.ts";
import { byHand, days, fromIterable, hours, type Injector, MemoryStore, run } from "../../../src/index.ts";
import { ALL_ROWS, difference, flightsOf, planted, plainCounts, tableOf } from "./tables.ts";
import { sized, thorough } from "../../support/size.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "zeitgeist-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Result {
  readonly counts: Counts;
  readonly anomalies: readonly Anomaly[];
  readonly progress: Progress;
}

async function ran(table: FlightTable, flights: Injector<Flight>): Promise<Result> {
  const [windows, anomalies] = [join(folder, "windows.ndjson"), join(folder, "anomalies.ndjson")];
  const running = await run(zeitgeist({ name: "test", flights, until: table.until, windows, anomalies }), { store: new MemoryStore(), http: { port: 0 } });
  try {
    await running.finished;
    return { counts: (await readWindows(windows)).counts, anomalies: await readAnomalies(anomalies), progress: await askProgress(running.url as string) };
  } finally {
    await running.stop();
  }
}

describe("every hundredth row delivered twice", () => {
  const ROWS = sized(15_000, ALL_ROWS);
  const LATER = 3_000;

  /** The flights in the order of their reports, each hundredth once more after the next 3,000. A position is an index. */
  async function redelivered(table: FlightTable): Promise<ReportedFlight[]> {
    const once: ReportedFlight[] = [];
    for await (const chunk of reportedFlights(table, undefined)) once.push(...chunk);
    const again = (i: number): ReportedFlight[] => [once[i - LATER]].filter((item) => item !== undefined && item.value.row % 100 === 0) as ReportedFlight[];
    return Array.from({ length: ROWS + LATER }, (_, i) => [...once.slice(i, i + 1), ...again(i)]).flat();
  }

  test("is counted once where the injector knows records by their row number", async () => {
    const table = await openFlights(undefined, ROWS);
    const twice = await redelivered(table);
    expect(twice.length).toBe(ROWS + ROWS / 100);
    const items = twice.map((item, index) => ({ ...item, position: index }));
    const open = (position: number | undefined) => [items.slice((position ?? -1) + 1)];
    const flights = fromIterable<Flight, number>(open, { watermark: byHand(), id: (flight) => String(flight.row), idRetention: days(2) });
    const { counts, progress } = await ran(table, flights);
    expect(progress).toMatchObject({ flights: ROWS, duplicates: ROWS / 100, deadLetters: 0 });
    expect(difference(counts, await plainCounts(ROWS))).toBeUndefined();
  });

  test("twins, equal in all but the row number, are two flights", async () => {
    const [flight] = await flightsOf(await openFlights(undefined, 1));
    const table = tableOf([flight as Flight, flight as Flight]);
    const { counts, progress } = await ran(table, injectorOf(table, { id: ({ row }) => String(row) }));
    expect(progress).toMatchObject({ flights: 2, duplicates: 0 });
    expect([...(counts.get((flight as Flight).origin) as Map<number, number>).values()]).toEqual([2]);
  });
});

describe("a copy with two hours of ORD deleted and an hour of ATL tripled, in the order of its reports", () => {
  const tested = Date.UTC(2001, 1, 1);
  const deleted = [tested + hours(13), tested + hours(15)] as const;
  const tripled = [tested + hours(12), tested + hours(13)] as const;

  /** Models are per airport and weekday: for a quick look the Thursdays of both airports will do. */
  const matters = ({ origin, departure }: Flight): boolean =>
    thorough || ((origin === "ORD" || origin === "ATL") && weekdayOf(dayOf(departure)) === "Thu" && departure < tested + DAY);
  let real: readonly Flight[];

  beforeAll(async () => {
    real = (await flightsOf(await openFlights(undefined, sized(545_454, ALL_ROWS)))).filter(matters);
  });

  async function anomaliesOf(flights: readonly Flight[]): Promise<{ dips: Anomaly[]; spikes: Anomaly[] }> {
    const table = tableOf(flights);
    const { anomalies } = await ran(table, injectorOf(table));
    const of = (kind: string, airport: string, [from, to]: readonly [number, number]) =>
      anomalies.filter((anomaly) => anomaly.kind === kind && anomaly.airport === airport && anomaly.start >= from && anomaly.start < to);
    return { dips: of("dip", "ORD", deleted), spikes: of("spike", "ATL", tripled) };
  }

  test("has that dip, after the watermark, and that spike", async () => {
    const { dips, spikes } = await anomaliesOf(planted(real, deleted, tripled));
    expect(dips.length).toBeGreaterThanOrEqual(5);
    for (const dip of dips) expect(dip.watermark).toBeGreaterThan(dip.start + BUCKET);
    expect(spikes.length).toBeGreaterThanOrEqual(3);
  });

  test("and neither is there without", async () => {
    expect(await anomaliesOf(real)).toEqual({ dips: [], spikes: [] });
  });
});
