import { expect, test } from "vitest";
import { Bench, Gate } from "./probe.ts";

test("a sink writes nothing before the commit that holds where its target stood is applied, whatever comes for it meanwhile", async () => {
  const anchored = new Gate();
  let first = true;
  const bench = await Bench.start(
    { onRecord: (record, context, self) => context.produce(self.results, record.value.do) },
    {
      mortal: true,
      onLine: (line) => {
        // Nobody else has anything to commit yet.
        line.onCommit = async (commits, apply) => {
          if (first) {
            first = false;
            await anchored.promise;
          }
          return await apply(commits);
        };
      },
    },
  );
  const { rig, feed, kept } = bench;
  const [sink] = rig.shards("kept");
  expect(rig.line.commits.map(({ shard }) => shard)).toEqual([sink]);
  feed.pushAll(
    ["a", "b"].map((what) => ({ key: "k", do: what })),
    (_, i) => i,
  );
  const arrived = () => rig.line.commits.some(({ parcels }) => parcels.some(({ target }) => target === sink));
  while (!arrived()) await rig.turns(1);
  await rig.turns();
  expect(kept.writes).toBe(0);
  anchored.open();
  await rig.rest();
  expect(kept.values).toEqual(["a", "b"]);
  await rig.kill();
});
