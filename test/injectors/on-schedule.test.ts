/** One record a tick, exactly once each, on a clock that the test moves. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  Computation,
  type Context,
  fromIterable,
  hours,
  input,
  LmdbStore,
  minutes,
  output,
  Pipeline,
  run,
  type Schedule,
  seconds,
  stream,
  type StreamRecord,
  type Tick,
  type Timer,
  timer,
} from "../../src/index.ts";
import { ticksOf } from "../../src/injectors/schedule.ts";
import { PipelineTester } from "../../src/testing/index.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const ticks = stream<Tick>("ticks");
const MIDNIGHT = Date.UTC(2026, 0, 1);
const quarters = (options = {}) => new Pipeline("clockwork", { shards: 2 }).every("quarters", ticks, { every: minutes(15) }, (tick) => tick, options);
const start = (pipeline: Pipeline) => PipelineTester.start(pipeline, { now: MIDNIGHT });

describe("a schedule", () => {
  test("gives one record a tick, with the tick's time, from its first start on", async () => {
    const tester = await start(quarters());
    expect(tester.values(ticks)).toEqual([]);
    await tester.advanceClock(minutes(14));
    expect(tester.values(ticks)).toEqual([]);
    await tester.advanceClock(minutes(31));
    expect(tester.records(ticks).map(({ timestamp, value, late }) => [timestamp, value.time, late])).toEqual(
      [15, 30, 45].map((minute) => [MIDNIGHT + minutes(minute), MIDNIGHT + minutes(minute), false]),
    );
  });

  test("gives each tick once, though the worker crashes before and after the commit that holds it", async () => {
    const tester = await start(quarters());
    for (const at of ["before-commit", "after-commit", "now"] as const) {
      // To the last moment before the tick, so that the commit at which it crashes is the tick's.
      await tester.advanceClock(minutes(15) - 1);
      await tester.crash({ at });
      await tester.advanceClock(1);
    }
    expect(tester.values(ticks).map(({ time }) => time - MIDNIGHT)).toEqual([15, 30, 45].map(minutes));
  });

  test("ends with the test, and everything after it", async () => {
    const tester = await start(quarters());
    await tester.advanceClock(minutes(15));
    await tester.finish();
    await tester.advanceClock(hours(1));
    expect(tester.values(ticks).length).toBe(1);
  });

  test("takes no records by hand", async () => {
    const tester = await start(quarters());
    await expect(tester.push(ticks, { time: 1, missed: 0 }, { at: 1 })).rejects.toThrow("goes by the clock alone");
  });

  test("moves event time on between its ticks, and never past the next", async () => {
    const rung = stream<number>("rung");
    class Bell extends Computation {
      readonly ticks = input(ticks, { key: () => "bell" });
      readonly rung = output(rung);
      readonly ring = timer("ring");
      override processRecord(record: StreamRecord<Tick>, context: Context): void {
        context.setTimer(this.ring, record.timestamp + minutes(5));
      }
      override processTimer({ time }: Timer<undefined>, context: Context): void {
        context.produce(this.rung, time - MIDNIGHT);
      }
    }
    const tester = await start(quarters().compute("bell", Bell));
    await tester.advanceClock(minutes(19));
    expect(tester.values(rung)).toEqual([]);
    await tester.advanceClock(minutes(1) + seconds(1));
    expect(tester.values(rung)).toEqual([minutes(20)]);
    expect(tester.watermark(Bell).input).toBeLessThanOrEqual(MIDNIGHT + minutes(30));
  });
});

test.each<["all" | "latest", readonly Tick[]]>([
  ["all", [1_000, 2_000, 3_000, 4_000].map((time) => ({ time, missed: 0 }))],
  ["latest", [{ time: 4_000, missed: 3 }]],
])("ticks that fell due while nothing ran: missed %s", async (missed, expected) => {
  const { onSchedule } = await import("../../src/injectors/on-schedule.ts");
  const clock = { now: () => 4_500, after: () => () => {}, soon: () => {} };
  const reader = await onSchedule({ every: 1_000 }, (tick) => tick, { missed }).open(
    { partition: 0, signal: new AbortController().signal, clock, warn: () => {} },
    500,
  );
  expect((await reader.pull(100)).items.map(({ value }) => value)).toEqual(expected);
});

test("on a real store and clock each tick comes once, over restarts", async () => {
  const directory = temporaryDirectory()("data");
  const seen: number[] = [];
  const from = Date.now();
  for (let starts = 0; starts < 3; starts++) {
    const before = seen.length;
    const pipeline = new Pipeline("clockwork", { shards: 1 })
      .every("fast", ticks, { every: 50 }, (tick) => tick)
      .compute(
        "watch",
        class extends Computation {
          readonly ticks = input(ticks, { key: () => "all" });
          override processRecord(record: StreamRecord<Tick>): void {
            seen.push(record.value.time);
          }
        },
      );
    const running = await run(pipeline, { store: new LmdbStore(directory) });
    await expect.poll(() => seen.length).toBeGreaterThanOrEqual(before + 4);
    await running.stop();
  }
  const distinct = [...new Set(seen)];
  expect(distinct.every((time, i) => i === 0 || time === (distinct[i - 1] as number) + 50)).toBe(true);
  expect(distinct[0]).toBeGreaterThan(from);
});

describe("when ticks are due", () => {
  const at = (schedule: Schedule, after: string) => new Date(ticksOf("test", schedule).after(Date.parse(after)) as number).toISOString();

  test("a period counts from the epoch", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 0, max: 1e13 }), (every, time) => {
        const next = ticksOf("test", { every }).after(time) as number;
        expect(next % every).toBe(0);
        expect(next - time).toBeGreaterThan(0);
        expect(next - time).toBeLessThanOrEqual(every);
      }),
    );
  });

  test("a cron pattern goes by its time zone, over the change to summer time and back", () => {
    const nightly = { cron: "30 2 * * *", timezone: "Europe/Berlin" };
    expect(at(nightly, "2026-01-10T12:00:00Z")).toBe("2026-01-11T01:30:00.000Z");
    expect(at(nightly, "2026-07-10T12:00:00Z")).toBe("2026-07-11T00:30:00.000Z");
    expect(at({ cron: "*/10 * * * * *" }, "2026-07-10T12:00:05Z")).toBe("2026-07-10T12:00:10.000Z");
  });

  test.each<[unknown, string]>([
    [{ every: 0 }, "every, ms,"],
    [{}, "either every or cron, not neither"],
    [{ every: 1, cron: "* * * * *" }, "not both"],
    [{ every: 1, timezone: "UTC" }, "a time zone goes with cron"],
    [{ cron: "61 * * * *" }, 'cron "61 * * * *"'],
    [{ cron: "* * * * *", timezone: "Mars/Olympus" }, "Mars/Olympus"],
    ["hourly", "give a schedule"],
  ])("%j is a ConfigError that names the injector", (schedule, text) => {
    const build = () => new Pipeline("p").every("nightly", ticks, schedule as never, (tick) => tick);
    expect(build).toThrow(/injector "nightly"/);
    expect(build).toThrow(text);
  });
});

test("two injectors of one stream may be a schedule and another", async () => {
  const pipeline = quarters().inject(
    "by-hand",
    ticks,
    fromIterable<Tick>(() => []),
  );
  expect(() => pipeline.graph()).not.toThrow();
});
