import { expect, test } from "vitest";
import { crashPairs, runPairs } from "../../sim/crash-pairs.ts";
import { ACTIONS, crashPoints, PLACES, SUBJECTS } from "../../sim/crash-points.ts";
import { wrongs } from "./wrongs.ts";

const LIMIT = 300_000;

test.each(SUBJECTS)(
  "a worker that is killed, stands still, fails or is busy at any place changes nothing: %s",
  async (subject) => {
    const cases = await crashPoints({}, [subject]);
    expect(cases).toHaveLength(PLACES.length * ACTIONS.length);
    expect(cases.filter(({ violation }) => violation !== undefined)).toEqual([]);
    expect(
      cases.filter(({ runs }) => runs === 0),
      "places that were never reached",
    ).toEqual([]);
  },
  LIMIT,
);

/** One of so many pairs. */
const SAMPLED = 661;

test(
  "two crash points in one run change nothing: a sample of what `npm run sim -- --crash-pairs` runs all of",
  async () => {
    const all = crashPairs();
    expect(all).toHaveLength(SUBJECTS.length * PLACES.length ** 2 * 4);
    const { runs, both, violations } = await runPairs(all.filter((_, i) => i % SAMPLED === 0));
    expect(violations).toEqual([]);
    expect(both).toBeGreaterThan(runs / 2);
  },
  LIMIT,
);

test(
  "an engine that takes an unknown outcome for committed is found at K3 or K4",
  async () => {
    const cases = await crashPoints({ wrong: wrongs["an engine that takes an unknown outcome for committed"] }, ["record"]);
    expect(cases.filter(({ violation }) => violation !== undefined).map(({ place }) => place)).toContain("K4");
  },
  LIMIT,
);
