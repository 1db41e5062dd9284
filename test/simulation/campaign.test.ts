/** The campaign of `npm test`. Runs after all other tests, alone (`vitest.config.ts`): on all cores, and it starves nobody. */
import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { campaign } from "../../sim/campaign.ts";
import { explain } from "../../sim/explain.ts";
import { RARE_EVENTS } from "../../sim/rare-events.ts";
import { run } from "../../sim/schedule.ts";
import { median, type Totals } from "../../sim/totals.ts";
import { shrink } from "../../src/testing/simulation/shrink.ts";
import { textOfTape } from "../../src/testing/simulation/tape-text.ts";
import { Tape } from "../../src/testing/simulation/tape.ts";
import { thorough } from "../support/size.ts";

const MINUTE = 60_000;
/** So many at least, however late it is. */
const LEAST = 1_200;
/** Longer runs are for who looks for what nobody has seen yet: `npm run sim`. */
const MOST = 100_000;
/** Of `npm test`, by when it is to be over; what is left is for a machine on which the last of it takes longer. */
const OVER_BY = 11 * MINUTE;
/** ms for all schedules, on a slow machine: each takes about 8, and three times that before the engine is compiled. */
const LIMIT = 15 * MINUTE;

/** ms after which no more than `LEAST` are begun. `began`: when `npm test` did; undefined: someone runs this file by itself. */
function within(began: string | undefined): number {
  if (thorough) return 10 * MINUTE;
  return began === undefined ? MINUTE : Math.max(0, Math.min(5 * MINUTE, Number(began) + OVER_BY - Date.now()));
}

async function told({ violations }: Totals): Promise<string> {
  const [failing] = violations;
  if (failing === undefined) return "";
  const { cells } = await shrink(failing.cells, failing.rule, (tape) => run(tape), 300);
  return await explain(Tape.of(cells), `npm run sim -- --tape ${textOfTape(cells)}`);
}

test(
  `${LEAST} random schedules and all that fit in the time, up to ${MOST}: workers that crash, stall, lose replies and their store's tail do what a plain fold does`,
  async () => {
    const start = performance.now();
    const options = { seed: 1, schedules: MOST, least: LEAST, within: within(process.env["TEST_BEGAN"]), threads: availableParallelism() };
    const totals = await campaign({ ...options, progress: () => {} });
    expect(await told(totals)).toBe("");
    const schedules = totals.steps.length;
    const seconds = (performance.now() - start) / 1_000;
    const rate = Math.round(schedules / seconds);
    console.log(`${schedules} schedules in ${Math.round(seconds)} s, ${rate} a second, ${median(totals.steps)} steps in the median`);
    expect(schedules).toBeGreaterThanOrEqual(LEAST);
    expect([...RARE_EVENTS.keys()].filter((event) => !totals.seen.has(event))).toEqual([]);
    expect(median(totals.steps)).toBeGreaterThanOrEqual(200);
    expect(median(totals.workers)).toBeGreaterThanOrEqual(2);
    expect(median(totals.faults)).toBeGreaterThanOrEqual(3);
    expect([...totals.strategies.keys()].sort()).toEqual(["adversary", "priorities", "walk"]);
  },
  LIMIT,
);
