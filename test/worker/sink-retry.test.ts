/** A sink's record that failed is tried again by itself, whatever else happens or does not happen. */
import { expect, test } from "vitest";
import { Bench } from "./probe.ts";

test("a lone record that its sink refused is written after the back-off, though nothing else comes", async () => {
  const bench = await Bench.start({ onRecord: (record, context, self) => context.produce(self.results, record.value.do) });
  let refusals = 2;
  bench.kept.before = () => {
    if (refusals-- > 0) throw new Error("not yet");
  };
  await bench.give("a:x@1");
  await bench.rig.advance(99);
  expect(bench.kept.values).toEqual([]);
  await bench.rig.advance(500);
  expect(bench.kept.values).toEqual(["x"]);
});
