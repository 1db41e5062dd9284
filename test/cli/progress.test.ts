import { expect, test } from "vitest";
import { endingOf, UsageError } from "../../src/cli/exit.ts";
import { progressOf } from "../../src/cli/progress.ts";
import { lagText, progressLine, progressTable, summaryTable, watermarkText } from "../../src/cli/progress-text.ts";
import { countText, tableLines } from "../../src/cli/table.ts";
import { IncompatibleDataError, StoreRefusedError, StoreUnavailableError } from "../../src/errors.ts";
import { EndpointError } from "../../src/inspect/endpoint.ts";
import { workerOf } from "../../src/run.ts";
import { LAST_TIMER } from "../../src/time.ts";
import { Feed } from "../inspect/feed.ts";
import { counts, Counter, inspected, items, kept, onePipeline } from "../inspect/pipelines.ts";

const NOON = Date.UTC(2026, 2, 1, 12);

async function counted() {
  const feed = new Feed();
  const pipeline = onePipeline()
    .inject("feed", items, feed.injector())
    .compute("counter", () => new Counter(() => {}))
    .sink("list", counts, kept([]));
  const { running } = await inspected(pipeline);
  const worker = workerOf(running);
  feed.push("a", NOON);
  feed.promise(NOON + 1_000);
  await expect.poll(() => progressOf(worker, NOON, undefined, 0).participants.at(-1)?.watermarks.output, { interval: 5, timeout: 10_000 }).toBe(NOON + 1_000);
  feed.push("b", NOON);
  feed.push("a", NOON + 2_000);
  feed.promise(NOON + 3_000);
  await expect.poll(() => progressOf(worker, NOON, undefined, 0).participants.at(-1)?.watermarks.output, { interval: 5, timeout: 10_000 }).toBe(NOON + 3_000);
  return worker;
}

test("progress has the records, rates, watermarks, lag, late records and dead letters of each participant", async () => {
  const worker = await counted();
  const progress = progressOf(worker, NOON + 5_000, undefined, NOON + 2_000);
  expect(progressTable(progress)).toEqual([
    "         watermark              lag  records  per s  late  dead  waiting  status",
    "feed     2026-03-01 12:00:03  2.0 s        3      1           0           live",
    "counter  2026-03-01 12:00:03  2.0 s        3      1     1     0        0  live",
    "list     2026-03-01 12:00:03  2.0 s        3      1     1     0        0  live",
  ]);
  expect(summaryTable(progress)).toEqual([
    "         records  late  timers fired  produced  duplicates  dead letters",
    "feed           3                             3",
    "counter        3     1                       3",
    "list           3     1",
  ]);
});

test("on one line it is the whole pipeline, and says what holds it", async () => {
  const worker = await counted();
  const line = progressLine(worker, progressOf(worker, NOON + 5_000, undefined, NOON + 2_000), NOON + 2_000);
  expect(line).toContain(
    '3.0 s: 3 in (1/s), 3 out, watermark 2026-03-01 12:00:03, lag 2.0 s, late 1, dead letters 0, held by injector "feed" (by hand) promises',
  );
});

test("on one line it says what this worker has of the shards, where it is not alone", async () => {
  const worker = await counted();
  const alone = progressOf(worker, NOON, undefined, 0);
  expect(progressLine(worker, alone, 0)).not.toContain("shards");
  expect(progressLine(worker, { ...alone, workers: 2, owned: 17, shards: 34 }, 0)).toContain(", 17 of 34 shards, beside 1 other worker, held by");
  expect(progressLine(worker, { ...alone, workers: 4 }, 0)).toContain("beside 3 other workers");
});

test("a rate is that of the time since the earlier progress", async () => {
  const worker = await counted();
  const first = progressOf(worker, NOON, undefined, NOON - 1_000);
  expect(first.participants.map(({ rate }) => rate)).toEqual([3, 3, 3]);
  expect(progressOf(worker, NOON + 500, first, NOON - 1_000).participants.map(({ rate }) => rate)).toEqual([0, 0, 0]);
});

test("a watermark is a date, a word, or ms where it is no date", () => {
  expect([null, "end" as const, 0, LAST_TIMER].map(watermarkText)).toEqual(["-", "end", "1970-01-01 00:00:00", String(LAST_TIMER)]);
  expect([null, 0, 61_000].map((clock) => lagText({ clock, inputs: null }))).toEqual(["-", "0 ms", "1 min 1 s"]);
});

test("columns are as wide as their widest cell", () => {
  expect(
    tableLines(
      [{ title: "" }, { title: "n", right: true }, { title: "end" }],
      [
        ["a", "1", ""],
        ["bc", "234", "x"],
      ],
    ),
  ).toEqual(["      n  end", "a     1", "bc  234  x"]);
  expect([0, 999, 1_234_567.4].map(countText)).toEqual(["0", "999", "1,234,567"]);
});

test("on a narrow terminal names are cut first, then columns are left out, and a status is always whole", async () => {
  const progress = progressOf(await counted(), NOON + 5_000, undefined, NOON + 2_000);
  const pressed = {
    ...progress,
    participants: progress.participants.map((each) => ({
      ...each,
      counters: { ...each.counters, processed: 12_345_678 },
      watermarks: { ...each.watermarks, name: `a-very-long-${each.watermarks.name}`, status: "back-pressured" as const },
    })),
  };
  const [, , counter80] = progressTable(pressed, 79);
  expect(counter80).toBe("a-very-lo…  2026-03-01 12:00:03  2.0 s  12,345,678      1     0  back-pressured");
  const [, , counter60] = progressTable(pressed, 59);
  expect(counter60).toBe("a-very-long-co…  2026-03-01 12:00:03  2.0 s  back-pressured");
  for (let columns = 30; columns < 130; columns++) {
    for (const line of progressTable(pressed, columns)) {
      expect(line.length).toBeLessThanOrEqual(columns);
      expect(line).toMatch(/  (status|back-pressured)$/);
    }
  }
  expect(progressTable(progress, 82)).toEqual(progressTable(progress));
});

test("a mistake ends with 2 and a failure with 1; a stack is shown only where code may be at fault", () => {
  const foreign = Object.assign(new Error("from another copy"), { code: "config" });
  for (const mistake of [new UsageError("x"), new IncompatibleDataError("x"), new StoreRefusedError("x"), new EndpointError("x", 404), foreign]) {
    expect(endingOf(mistake)).toEqual({ code: 2, text: mistake.message });
  }
  for (const failure of [new StoreUnavailableError("x"), new EndpointError("x", undefined), new EndpointError("x", 503)])
    expect(endingOf(failure)).toEqual({ code: 1, text: "x" });
  expect(endingOf(new StoreUnavailableError("x", { cause: new Error("ECONNREFUSED") }))).toEqual({ code: 1, text: "x\n  caused by: ECONNREFUSED" });
  expect(endingOf(new TypeError("x")).text).toMatch(/^TypeError: x\n +at /);
  expect(endingOf("thrown")).toEqual({ code: 1, text: "thrown" });
});
