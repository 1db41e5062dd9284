/** Answers that come in one piece are told in the order of their calls: what a report's says is compared with what the commits before it have appended. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { counter } from "../conformance/values.ts";
import { startHarness, type Harness } from "./harness.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.dispose());

test("a commit is answered before the report that was called after it, and that before the next commit", async () => {
  const bench = await harness.bench();
  const owner = await bench.acquire(counter);
  const first = owner.seal();
  owner.number += 1;
  const answered: string[] = [];
  const told = (what: string) => () => void answered.push(what);
  await Promise.all([
    bench.store.commit([first]).then(told("commit")),
    bench.store.report("w1", []).then(told("report")),
    bench.store.commit([owner.seal()]).then(told("next commit")),
    bench.store.readTails([counter]).then(told("read")),
  ]);
  expect(answered).toEqual(["commit", "report", "next commit", "read"]);
});
