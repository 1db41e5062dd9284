import { describe, expect, test } from "vitest";
import { explain } from "../../sim/explain.ts";
import { runSeeds } from "../../sim/run-seeds.ts";
import { run } from "../../sim/schedule.ts";
import { shrink } from "../../src/testing/simulation/shrink.ts";
import { tapeOfText, textOfTape } from "../../src/testing/simulation/tape-text.ts";
import { Tape } from "../../src/testing/simulation/tape.ts";
import { sized } from "../support/size.ts";
import { wrongs } from "./wrongs.ts";

/** Schedules within which a wrong is found. */
const SOON = 3_000;
/** ms for all schedules, on a slow machine: each takes about 8, and three times that before the engine is compiled. */
const LIMIT = 600_000;

test("the same seed makes the same run, step by step", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const first = await run(Tape.seeded(seed));
    const again = await run(Tape.seeded(seed), { recording: true });
    expect([again.hash, again.steps, again.faults]).toEqual([first.hash, first.steps, first.faults]);
  }
});

test("what was read of a tape makes the run again that read it, also from its text", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const tape = Tape.seeded(seed);
    const { hash } = await run(tape);
    expect((await run(Tape.of(tape.read()))).hash).toBe(hash);
    expect((await run(Tape.of(tapeOfText(textOfTape(tape.read()))))).hash).toBe(hash);
  }
});

test("a text that is no tape is refused, with what may be wrong with it", () => {
  expect(() => tapeOfText("not a tape!")).toThrow(/as a violation prints it/);
  const tape = Tape.seeded(1);
  for (let i = 0; i < 100; i++) tape.choose(1_000);
  const text = textOfTape(tape.read());
  expect(tapeOfText(text)).toEqual(tape.read());
  for (const length of [1, text.length >> 1, text.length - 4]) {
    expect(() => tapeOfText(text.slice(0, length))).toThrow(expect.objectContaining({ name: "SyntaxError", message: expect.stringMatching(/cut off/) }));
  }
});

test("a tape of zeros is a run in order, without a fault", async () => {
  const { violation, faults, workers, workload, found, strategy } = await run(Tape.of(new Uint32Array(0)));
  expect(violation).toBeUndefined();
  expect([faults, workers, workload.shape.name, workload.variant.shards, strategy]).toEqual([0, 1, "one stage", 1, "walk"]);
  expect(found?.counted.get("A")).toEqual({ processed: 4, late: 0, produced: 0, duplicates: 0, deadLetters: 0, timersFired: 0, droppedTimers: 0 });
});

/** The seed to begin with, where the first that finds it comes late: so as not to run those before it each time. */
const FROM: Readonly<Record<string, number>> = {
  "a store that takes the commit of an owner that has lost the shard": 75,
  "a store that takes reports from whoever reports": 365,
  "an engine that takes `fenced` for committed": 335,
  "an engine that takes an unknown outcome for committed": 105,
};

describe("a wrong is found, and shown in at most 30 events", () => {
  test.each(Object.keys(wrongs))(
    "%s",
    async (name) => {
      const wrong = wrongs[name];
      const { violations } = await runSeeds(FROM[name] ?? 1, SOON, { wrong });
      const [failing] = violations;
      expect(failing, `nothing is found in ${SOON} schedules`).toBeDefined();
      const { cells, rule } = failing as NonNullable<typeof failing>;
      const plain = await shrink(cells, rule, (tape) => run(tape, { wrong }), sized(10, 25));
      expect(plain.cells.length).toBeLessThanOrEqual(cells.length);
      const shown = await explain(Tape.of(plain.cells), "again", { wrong });
      expect(shown).toContain(rule);
      const [, events = ""] = shown.split(/, trace .*\n/);
      expect(events.split("\n").filter((line) => !line.includes("lines before")).length).toBeLessThanOrEqual(30);
    },
    LIMIT,
  );
});
