import { expect, test } from "vitest";
import { StoreUnavailableError } from "../../src/index.ts";
import { Bench } from "./probe.ts";

test("a sink writes nothing before the commit that holds where its target stood is applied, whatever comes for it meanwhile", async () => {
  let away = true;
  let anchor: string | undefined;
  const bench = await Bench.start(
    { onRecord: (record, context, self) => context.produce(self.results, record.value.do) },
    {
      mortal: true,
      onLine: (line) => {
        line.onCommit = async (commits, apply) => {
          // Nobody else has anything to commit yet. While this call waits to be sent again, others go.
          anchor ??= commits[0]?.id;
          if (away && commits[0]?.id === anchor) throw new StoreUnavailableError("not now");
          return await apply(commits);
        };
      },
    },
  );
  const { rig, feed, kept } = bench;
  const [sink] = rig.shards("kept");
  expect(rig.line.commits.map(({ shard }) => shard)).toEqual([sink]);
  rig.clock.advance(20);
  await rig.turns();
  feed.pushAll(
    ["a", "b"].map((what) => ({ key: "k", do: what })),
    (_, i) => i,
  );
  const arrived = () => rig.line.commits.some(({ parcels }) => parcels.some(({ target }) => target === sink));
  while (!arrived()) await rig.turns(1);
  await rig.turns();
  expect(kept.writes).toBe(0);
  away = false;
  await rig.advance(1_000);
  expect(kept.values).toEqual(["a", "b"]);
  await rig.kill();
});
