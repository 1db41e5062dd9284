/** `register` and `report` beside the model, through histories that no sane worker makes: outputs that fall, ends taken back. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { MemoryData } from "../../../src/store/memory-data.ts";
import type { Status } from "../../../src/store/store.ts";
import { END } from "../../../src/time.ts";
import { Prng } from "../../support/prng.ts";
import { COUNTER, GRAPH, JOINER } from "../conformance/values.ts";
import { startHarness, type Harness } from "./harness.ts";

const STEPS = 300;
const WORKERS = ["w1", "w 2", "w/3;", "wörk"];
const STATUSES: readonly Status[] = ["live", "live", "idle", "back-pressured", "finished"];
const TIMES = [-1, 0, 1, 50, 51, 1_700_000_000_123, 1_700_000_000_124, END - 1, END];

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.dispose());

test.each([1, 2, 3, 4, 5])("a random walk of registrations and reports answers as the model does (seed %d)", async (seed) => {
  const random = new Prng(seed);
  const one = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const model = new MemoryData();
  model.init(GRAPH, undefined);
  const store = await harness.open(`walk-${seed}`);
  await store.init(GRAPH, undefined);
  const granted = new Map<string, number>();
  for (let step = 0; step < STEPS; step++) {
    const worker = one(WORKERS);
    if (one([0, 1, 2, 3, 4, 5]) === 0) {
      const intervals = [COUNTER, JOINER].map((participant) => ({ participant, shards: [0, 1, 2, 3].filter(() => one([true, false])), of: 4 }));
      const registrations = await store.register(worker, intervals);
      expect(registrations).toEqual(model.register(worker, intervals));
      for (const { participant, generation } of registrations) granted.set(`${worker}:${participant}`, generation);
      continue;
    }
    const reports = [COUNTER, JOINER, 99]
      .filter(() => one([true, true, false]))
      .map((participant) => {
        const generation = (granted.get(`${worker}:${participant}`) ?? 0) + one([0, 0, 0, 0, 1]);
        return { participant, generation, number: step + one([1, 1, 1, -5, 0]), output: one(TIMES), status: one(STATUSES), last: one(TIMES) };
      });
    const { now: _, ...reply } = await store.report(worker, reports);
    const { now: __, ...expected } = model.report(worker, reports, 0);
    expect(reply).toEqual(expected);
  }
});

test("a published watermark does not fall when an end is taken back, or a worker reports less than before", async () => {
  const store = await harness.open("falls");
  await store.init(GRAPH, undefined);
  const [registration] = await store.register("w", [{ participant: COUNTER, shards: [0, 1, 2, 3], of: 4 }]);
  let number = 0;
  const published = async (output: number, status: Status): Promise<number | undefined> => {
    const { watermarks } = await store.report("w", [
      { participant: COUNTER, generation: registration!.generation, number: ++number, output, status, last: -1 },
    ]);
    return watermarks.find(({ participant }) => participant === COUNTER)?.output;
  };
  expect([await published(50, "live"), await published(40, "live"), await published(60, "finished"), await published(70, "live")]).toEqual([50, 50, END, END]);
});
