import { describe, expect, test } from "vitest";
import { type Flight, flightCodec } from "../../../examples/zeitgeist/flight.ts";
import { type FlightTable, openFlights } from "../../../examples/zeitgeist/flight-table.ts";
import { EARLIEST, LATEST, minuteOf, type Place } from "../../../examples/zeitgeist/report-order.ts";
import { type ReportedFlight, reportedFlights } from "../../../examples/zeitgeist/reported-flights.ts";
import { LATENESS } from "../../../examples/zeitgeist/streams.ts";
import { Prng } from "../../support/prng.ts";
import { flightsOf, tableOf } from "./tables.ts";

const MINUTE = 60_000;

async function read(table: FlightTable, place?: Place): Promise<ReportedFlight[]> {
  const items: ReportedFlight[] = [];
  for await (const chunk of reportedFlights(table, place)) items.push(...chunk);
  return items;
}

/** A month of made-up flights, some of them days early or late. */
function someFlights(seed: number, count: number): Omit<Flight, "row">[] {
  const random = new Prng(seed);
  return Array.from({ length: count }, () => {
    const delay = random.below(20) === 0 ? random.below(10_000) - 4_000 : random.below(90) - 30;
    return { departure: 10_000 * 86_400_000 + random.below(43_200) * MINUTE, delay, distance: 1, origin: "AAA", destination: "BBB" };
  });
}

/** The order by definition. */
function inOrder(flights: readonly Flight[]): Flight[] {
  return flights.toSorted((a, b) => minuteOf(a.departure, a.delay) - minuteOf(b.departure, b.delay) || a.row - b.row);
}

describe("made-up flights", () => {
  test.each([1, 2, 3])("come in the order of reports, whatever the row groups (seed %i)", async (seed) => {
    const flights = someFlights(seed, 5_000);
    const expected = inOrder(await flightsOf(tableOf(flights))).map(({ row }) => row);
    for (const size of [5_000, 700, 13]) {
      const items = await read(tableOf(flights, size));
      expect(items.map(({ value }) => value.row)).toEqual(expected);
    }
  });

  test("go on after any place as if they had never stopped", async () => {
    const table = tableOf(someFlights(4, 3_000), 100);
    const all = await read(table);
    for (const i of [0, 1, 17, 1_499, 2_998, 2_999]) expect(await read(table, all[i]?.position)).toEqual(all.slice(i + 1));
  });

  test("are not waited for longer than the bounds say", () => {
    const departure = 10_000 * 86_400_000;
    const [day, two] = [EARLIEST / MINUTE, LATEST / MINUTE];
    for (const delay of [-day - 1, -day, -day + 1]) expect(minuteOf(departure, delay) - departure / MINUTE).toBe(Math.max(delay, -day));
    for (const delay of [two - 1, two, two + 1]) expect(minuteOf(departure, delay) - departure / MINUTE).toBe(Math.min(delay, two));
  });
});

describe("real flights", () => {
  test("the first 300,000 come in the order of reports, and the watermark follows the reports alone", async () => {
    const table = await openFlights(undefined, 300_000);
    const items = await read(table);
    expect(items.length).toBe(300_000);
    expect(new Set(items.map(({ value }) => value.row)).size).toBe(300_000);
    let before = Number.NEGATIVE_INFINITY;
    let late = 0;
    for (const { value, timestamp, watermark } of items) {
      const report = value.departure + value.delay * MINUTE;
      if (report < before || timestamp !== value.departure || watermark !== report - LATENESS) expect.fail(`row ${value.row} comes at the wrong time`);
      if (value.departure < before - LATENESS) late++;
      before = report;
    }
    expect(late).toBeGreaterThan(0);
    const middle = items[280_000] as ReportedFlight;
    expect((await read(table, middle.position)).map(({ value }) => value.row)).toEqual(items.slice(280_001).map(({ value }) => value.row));
  });

  test("come back from their 18 bytes as they were", async () => {
    for (const flight of await flightsOf(await openFlights(undefined, 2_000))) expect(flightCodec.decode(flightCodec.encode(flight), 0)).toEqual(flight);
    const extreme = { row: 2 ** 32 - 1, departure: (2 ** 32 - 1) * MINUTE, delay: -(2 ** 15), distance: 2 ** 16 - 1, origin: "ZZZ", destination: "AAA" };
    expect(flightCodec.decode(flightCodec.encode(extreme), 0)).toEqual(extreme);
  });
});
