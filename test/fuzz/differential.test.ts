import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startContestants, type Contestants } from "../../fuzz/differential/contestants.ts";
import { differential, report } from "../../fuzz/differential/differential.ts";
import { historyOf } from "../../fuzz/differential/history.ts";
import { wronged, wrongMemory, wrongs } from "./wrong-stores.ts";

const HISTORIES = 20;
/** As many as a wrong may need. */
const WRONG_HISTORIES = 300;

let contestants: Contestants;
beforeAll(async () => {
  contestants = await startContestants(3);
});
afterAll(() => contestants.dispose());

describe("the three stores", () => {
  test(`${HISTORIES} random histories are answered alike, and leave the same behind`, async () => {
    const { histories, operations, differences } = await differential({ histories: HISTORIES, seed: 1, lanes: contestants.lanes.slice(0, 2) });
    expect(differences.map(report)).toEqual([]);
    expect(histories).toBe(HISTORIES);
    expect(operations).toBeGreaterThan(HISTORIES * 50);
  });
});

describe("a store that is wrong is found, and the history shrunk", () => {
  test.each(Object.entries(wrongs))("one that %s", async (_, wrong) => {
    const lanes = [[{ name: "wrong", store: wrongMemory(wrong) }]];
    const { differences } = await differential({ histories: WRONG_HISTORIES, seed: 1, lanes });
    expect(differences).toHaveLength(1);
    const [{ history, seed, n }] = differences as [(typeof differences)[0]];
    expect(history.length).toBeLessThan(historyOf(seed, n).length / 2);
    expect(history.length).toBeLessThanOrEqual(8);
    expect(report(differences[0]!)).toContain("wrong: ");
  });

  test("a Redis that is wrong too, with the calls that it takes", async () => {
    const redis = contestants.lanes[2]!.find(({ name }) => name === "redis")!;
    const wrong = { ...redis, store: wronged(redis.store, wrongs["keeps timers that a commit deletes"]!) };
    const { differences } = await differential({ histories: WRONG_HISTORIES, seed: 1, lanes: [[wrong]] });
    const [found] = differences;
    expect(found?.history.length).toBeLessThanOrEqual(4);
    expect(report(found!)).toContain("timerDeletes");
  });
});

test("a history is the same for the same seed and number", () => {
  expect(historyOf(3, 4)).toEqual(historyOf(3, 4));
  expect(historyOf(3, 4)).not.toEqual(historyOf(3, 5));
});
