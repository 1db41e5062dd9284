/**
 * Spikes and dips of real flights: Chicago and Atlanta on the first five Thursdays of 2001, with and without two hours
 * of Chicago deleted and an hour of Atlanta tripled on the last one. Models are per weekday, so no other day matters.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { AnomalyDetector, nextWithTraffic } from "../../../examples/zeitgeist/anomaly-detector.ts";
import { BUCKET, DAY, dayOf, weekdayOf } from "../../../examples/zeitgeist/calendar.ts";
import type { Flight } from "../../../examples/zeitgeist/flight.ts";
import { openFlights } from "../../../examples/zeitgeist/flight-table.ts";
import { learn } from "../../../examples/zeitgeist/model-calculator.ts";
import { zeitgeist } from "../../../examples/zeitgeist/pipeline.ts";
import { flightsOf as injectorOf } from "../../../examples/zeitgeist/reported-flights.ts";
import { type Anomaly, anomalies, type DayModel, dayModels, flights, growing, type WindowCount, windows } from "../../../examples/zeitgeist/streams.ts";
import { byHand, fromIterable, hours, Pipeline, toFile } from "../../../src/index.ts";
import { PipelineTester } from "../../../src/testing/index.ts";
import { flightsOf, planted, tableOf } from "./tables.ts";

/** Thursday of the fifth week. */
const DAY_TESTED = Date.UTC(2001, 1, 1);
const DELETED = [DAY_TESTED + hours(13), DAY_TESTED + hours(15)] as const;
const TRIPLED = [DAY_TESTED + hours(12), DAY_TESTED + hours(13)] as const;

let clean: Flight[];
let copy: Flight[];

beforeAll(async () => {
  const all = await flightsOf(await openFlights(undefined, 545_454));
  clean = all.filter(
    ({ origin, departure }) => (origin === "ORD" || origin === "ATL") && weekdayOf(dayOf(departure)) === "Thu" && departure < DAY_TESTED + DAY,
  );
  copy = planted(clean, DELETED, TRIPLED);
});

async function started(input: readonly Flight[]): Promise<PipelineTester> {
  const table = tableOf(input);
  return await PipelineTester.start(zeitgeist({ name: "planted", flights: injectorOf(table), until: table.until, windows: "unused", anomalies: "unused" }));
}

/** Pushes the flights that depart before `to` and not before `from`, in that order. */
async function push(tester: PipelineTester, input: readonly Flight[], from: number, to: number): Promise<void> {
  await Promise.all(
    input.filter(({ departure }) => departure >= from && departure < to).map((flight) => tester.push(flights, flight, { at: flight.departure })),
  );
}

/** The four Thursdays before the day that is looked at. */
async function learned(input: readonly Flight[]): Promise<PipelineTester> {
  const tester = await started(input);
  for (let day = DAY_TESTED - 28 * DAY; day < DAY_TESTED; day += 7 * DAY) {
    await push(tester, input, day, day + DAY);
    await tester.advanceWatermark(day + 7 * DAY);
  }
  return tester;
}

const inside = ({ start }: Anomaly, [from, to]: readonly [number, number]): boolean => start >= from && start < to;
const seen = (tester: PipelineTester, kind: Anomaly["kind"], airport: string): Anomaly[] =>
  tester.values(anomalies).filter((anomaly) => anomaly.kind === kind && anomaly.airport === airport && anomaly.start >= DAY_TESTED);

describe("planted in a copy of real flights", () => {
  test("two hours without ORD are a dip as soon as the watermark has passed, and never before", async () => {
    const tester = await learned(copy);
    await push(tester, copy, DAY_TESTED, DAY_TESTED + DAY);
    const first = DELETED[0] + BUCKET;
    await tester.advanceWatermark(first);
    expect(seen(tester, "dip", "ORD")).toEqual([]);
    await tester.advanceWatermark(first + 1);
    expect(seen(tester, "dip", "ORD")).toMatchObject([{ start: DELETED[0], count: 0, watermark: first + 1 }]);
    await tester.advanceWatermark(DAY_TESTED + DAY);
    const dips = seen(tester, "dip", "ORD").filter((dip) => inside(dip, DELETED));
    expect(dips.length).toBeGreaterThanOrEqual(5);
    for (const dip of dips) expect(dip.watermark).toBeGreaterThan(dip.start + BUCKET);
    expect(tester.deadLetters()).toEqual([]);
  });

  test("three times ATL is a spike at once, while its windows are still open", async () => {
    const tester = await learned(copy);
    await push(tester, copy, DAY_TESTED, TRIPLED[0]);
    await tester.advanceWatermark(TRIPLED[0]);
    expect(seen(tester, "spike", "ATL")).toEqual([]);
    await push(tester, copy, TRIPLED[0], TRIPLED[1]);
    const spikes = seen(tester, "spike", "ATL");
    expect(new Set(spikes.map(({ start }) => start)).size).toBeGreaterThanOrEqual(3);
    for (const spike of spikes) expect(spike.watermark).toBe(TRIPLED[0]);
  });

  test("neither is in the flights as they were", async () => {
    const tester = await learned(clean);
    await push(tester, clean, DAY_TESTED, DAY_TESTED + DAY);
    await tester.finish();
    expect(seen(tester, "dip", "ORD").filter((dip) => inside(dip, DELETED))).toEqual([]);
    expect(seen(tester, "spike", "ATL").filter((spike) => inside(spike, TRIPLED))).toEqual([]);
  });

  test("the end of the input is not taken for silence", async () => {
    const until = DAY_TESTED + hours(10);
    const cut = clean.filter(({ departure }) => departure < until);
    const tester = await learned(cut);
    await push(tester, cut, DAY_TESTED, until);
    await tester.finish();
    expect(tester.values(anomalies).filter(({ kind, start }) => kind === "dip" && start + BUCKET > until)).toEqual([]);
  });
});

const model = (day: number, expected: readonly number[]): DayModel => ({ airport: "ORD", day, weeks: 9, expected, spread: [] });
const quiet = Array.from({ length: 96 }, () => 599);
const busyIn = (...buckets: number[]): number[] => quiet.map((count, bucket) => (buckets.includes(bucket) ? 900 : count));
const end = (day: number, bucket: number): number => day * DAY + (bucket + 1) * BUCKET;

describe("where the watermark leaps", () => {
  const day = 11_000;

  test("what is known of later days comes before the timers of this one, which are not put off by it and judge by their own day", async () => {
    const none = <T>() => fromIterable<T, number>(() => [], { watermark: byHand() });
    const tester = await PipelineTester.start(
      new Pipeline("leap")
        .inject("models", dayModels, none<DayModel>())
        .inject("counts", windows, none<WindowCount>())
        .inject("open-counts", growing, none<WindowCount>())
        .compute("anomaly-detector", () => new AnomalyDetector({ until: end(day + 8, 0) }))
        .sink("notifier", anomalies, toFile("unused")),
    );
    const learned = (of: DayModel) => tester.push(dayModels, of, { at: (of.day + 1) * DAY });
    const counted = (of: number, bucket: number, count: number) =>
      tester.push(windows, { airport: "ORD", start: end(of, bucket) - BUCKET, count }, { at: end(of, bucket) });
    await learned(model(day - 7, busyIn(40, 41, 42)));
    await tester.advanceWatermark(day * DAY);
    await counted(day, 40, 9);
    await counted(day, 42, 9);
    await learned(model(day, busyIn(42)));
    await counted(day + 7, 41, 9);
    await learned(model(day + 7, quiet));
    expect(tester.values(anomalies)).toEqual([]);
    await tester.advanceWatermark(end(day + 8, 0));
    expect(tester.values(anomalies)).toMatchObject([
      { kind: "dip", start: end(day, 40), count: 0, expected: 9 },
      { kind: "dip", start: end(day + 7, 41), count: 0, expected: 9 },
    ]);
    expect(tester.deadLetters()).toEqual([]);
  });
});

describe("the looping timer", () => {
  const day = 11_000;

  test("goes from one quarter hour with traffic to the next, and then to the next week", () => {
    const models = [model(day - 7, busyIn(40, 41))];
    const [first, second] = [end(day, 40), end(day, 41)];
    expect(nextWithTraffic(models, 0)).toBe(first);
    expect(nextWithTraffic(models, first)).toBe(first);
    expect(nextWithTraffic(models, first + 1)).toBe(second);
    expect(nextWithTraffic(models, second)).toBe(second);
    expect(nextWithTraffic(models, second + 1)).toBe(first + 7 * DAY);
    expect(nextWithTraffic(models, first + 700 * DAY + 1)).toBe(second + 700 * DAY);
    expect(nextWithTraffic(models, day * DAY + 20 * DAY)).toBe(first + 21 * DAY);
  });

  test("is not set where there is never any traffic", () => {
    expect(nextWithTraffic([model(day, quiet)], 0)).toBeUndefined();
  });

  test("goes by the last model before each day, also over weeks without traffic", () => {
    const models = [model(day, busyIn(40)), model(day + 7, quiet), model(day + 28, busyIn(10))];
    expect(nextWithTraffic(models, 0)).toBe(end(day + 7, 40));
    expect(nextWithTraffic(models, end(day + 7, 40) + 1)).toBe(end(day + 35, 10));
  });
});

test("a model is the mean of its first weeks and follows later ones", () => {
  const model = { weeks: 0, expected: [] as number[], spread: [] as number[] };
  for (const count of [10, 14]) learn(model, [count]);
  expect(model).toEqual({ weeks: 2, expected: [1_200], spread: [400] });
  for (let week = 0; week < 40; week++) learn(model, [20]);
  expect(model.expected[0]).toBeGreaterThan(1_990);
  expect(model.spread[0]).toBeLessThan(10);
});
