import { expect, test } from "vitest";
import { StoreUnavailableError } from "../../src/index.ts";
import { Outage } from "../../src/worker/outage.ts";
import { Bench } from "./probe.ts";

test("the first call that is not answered is told at once, the others every 5 s with the time it lasts, and its end", () => {
  const outage = new Outage();
  const lines: string[] = [];
  const say = (line: string | undefined) => line !== undefined && lines.push(line);
  say(outage.answered(0));
  for (let now = 1_000; now < 12_500; now += 20) say(outage.missed(now, "refused"));
  say(outage.answered(12_500));
  say(outage.answered(12_520));
  expect(lines).toEqual([
    "the store did not answer: refused",
    "the store has not answered for 5.0 s: refused",
    "the store has not answered for 10.0 s: refused",
    "the store answers again, after 11.5 s",
  ]);
});

test("a store that answers now and then is not told of at each turn", () => {
  const outage = new Outage();
  const lines: (string | undefined)[] = [];
  for (let now = 0; now < 10_000; now += 100) lines.push(outage.missed(now, "refused"), outage.answered(now + 50));
  expect(lines.filter((line) => line !== undefined)).toEqual([
    "the store did not answer: refused",
    "the store answers again, after 0.1 s",
    "the store did not answer: refused",
    "the store answers again, after 0.1 s",
  ]);
});

test("a clock that is set back silences nothing", () => {
  const outage = new Outage();
  outage.missed(1_000_000, "refused");
  expect(outage.missed(500, "refused")).toBe("the store did not answer: refused");
});

test("a worker whose store is away for 12 s says so three times, and once that it is back", async () => {
  const bench = await Bench.start({ onRecord: (_record, context, self) => context.produce(self.results, "seen") });
  const { line, logged } = bench.rig;
  const away = () => {
    throw new StoreUnavailableError("connect ECONNREFUSED");
  };
  line.onCall = away;
  line.onCommit = away;
  await bench.give("k:a@1");
  await bench.rig.advance(12_000);
  line.onCall = () => {};
  line.onCommit = (commits, apply) => apply(commits);
  await bench.rig.advance(4_000);
  const told = logged.filter((text) => text.includes("the store"));
  expect(told.map((text) => text.replace(/\d+\.\d s/, "N s"))).toEqual([
    "warn: the store did not answer: connect ECONNREFUSED",
    "warn: the store has not answered for N s: connect ECONNREFUSED",
    "warn: the store has not answered for N s: connect ECONNREFUSED",
    "warn: the store answers again, after N s",
  ]);
  await bench.rig.advance(4_000);
  expect(bench.kept.values).toEqual(["seen"]);
});
