import { describe, expect, test } from "vitest";
import { Tape } from "../../src/testing/simulation/tape.ts";
import { explain } from "./explain.ts";
import type { Found } from "./fold-input.ts";
import { run, type Run } from "./run.ts";
import { wrongs } from "./wrongs.ts";

/** `SEED=7` runs this one alone; `SEEDS=20000` as many as that. */
const ONE = process.env["SEED"];
const SEEDS = Number(process.env["SEEDS"] ?? 600);
/** ms for all seeds, on a slow machine: each takes about 15. */
const LIMIT = 60_000 + 200 * SEEDS;

const seeds = ONE === undefined ? Array.from({ length: SEEDS }, (_, i) => i + 1) : [Number(ONE)];

test(
  `${seeds.length === 1 ? `seed ${ONE}` : `${SEEDS} random schedules`}: workers that crash, stall, lose replies and their store's tail do what a plain fold does`,
  async () => {
    const totals = new Totals();
    const start = performance.now();
    for (const seed of seeds) {
      const outcome = await run(Tape.seeded(seed));
      if (outcome.violation !== undefined) expect.fail(await explain(seed, Tape.seeded(seed)));
      totals.add(outcome);
    }
    const seconds = (performance.now() - start) / 1_000;
    console.log(`${seeds.length} schedules, ${totals.steps} steps, ${Math.round(seeds.length / seconds)} schedules a second`);
    if (seeds.length >= 300) expect(totals.never()).toEqual([]);
  },
  LIMIT,
);

/** What has to have happened in some hundred runs: a simulation in which it does not shows nothing. */
const SEEN = [
  ...["crash", "stall", "join", "leave", "break", "time-out", "delay", "skew", "store-clock", "tail lost", "store is another"],
  ...["held", "unanswered commit", "already", "fenced", "stray commit", "report refused", "edge failed"],
];
const COUNTED = ["processed", "late", "produced", "duplicates", "deadLetters", "timersFired"] as const;

class Totals {
  steps = 0;
  readonly #seen = new Map<string, number>();

  add({ steps, seen, found }: Run): void {
    this.steps += steps;
    for (const [what, times] of seen) this.#add(what, times);
    for (const counted of (found as Found).counted.values()) for (const name of COUNTED) this.#add(name, counted[name]);
  }

  #add(what: string, times: number): void {
    this.#seen.set(what, (this.#seen.get(what) ?? 0) + times);
  }

  /** What has not happened at all. */
  never(): string[] {
    return [...SEEN, ...COUNTED].filter((what) => (this.#seen.get(what) ?? 0) === 0);
  }
}

test("the same seed makes the same run, step by step", async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const first = await run(Tape.seeded(seed));
    const again = await run(Tape.seeded(seed), { recording: true });
    expect([again.hash, again.steps, again.faults]).toEqual([first.hash, first.steps, first.faults]);
  }
});

test("what was read of a tape makes the run again that read it", async () => {
  const tape = Tape.seeded(3);
  const { hash } = await run(tape);
  expect((await run(Tape.of(tape.read()))).hash).toBe(hash);
});

test("a tape of zeros is a run in order, without a fault", async () => {
  const { violation, faults, workers, workload, found } = await run(Tape.of(new Uint32Array(0)));
  expect(violation).toBeUndefined();
  expect([faults, workers, workload.shape.name, workload.variant.shards]).toEqual([0, 1, "one stage", 1]);
  expect(found?.counted.get("A")).toEqual({ processed: 20, late: 0, produced: 0, duplicates: 0, deadLetters: 0, timersFired: 0 });
});

describe("a wrong is found", () => {
  test.each(Object.keys(wrongs))(
    "%s",
    async (name) => {
      let seed = 0;
      let outcome: Run;
      do outcome = await run(Tape.seeded(++seed), { wrong: wrongs[name] });
      while (outcome.violation === undefined && seed < 3_000);
      expect(outcome.violation, `nothing is found in ${seed} runs`).toBeDefined();
      const told = await explain(seed, Tape.seeded(seed), { wrong: wrongs[name] });
      expect(told).toContain(outcome.violation?.rule);
    },
    LIMIT,
  );
});
