/** How much of an input one commit of an injector brings in, by how many shards it feeds. */
import { expect, test } from "vitest";
import type { ParcelAppend } from "../../src/store/commit.ts";
import { Bench, Gate } from "./probe.ts";

const RECORDS = 20_000;
const recordsOf = (parcels: readonly ParcelAppend[]) => parcels.reduce((sum, { records }) => sum + records, 0);

test.each([
  ["few shards", 4, 2_048],
  ["256 shards", 256, 4_096],
  ["1,024 shards", 1_024, 8_192],
])("where there is more than enough, one commit of an injector that feeds %s brings in the more, the more they are", async (_, shards, most) => {
  let done = 0;
  const bench = await Bench.start({ onRecord: () => void done++, shards });
  const [injector] = bench.rig.shards("feed");
  const sizes: number[] = [];
  const gate = new Gate();
  bench.rig.line.onCommit = async (commits, apply) => {
    for (const { shard, handed = [], parcels } of commits) if (shard === injector) sizes.push(recordsOf([...handed, ...parcels]));
    if (sizes.length === 1) await gate.promise;
    return await apply(commits);
  };
  bench.feed.pushAll(
    Array.from({ length: RECORDS }, (_, n) => ({ key: `k${n}`, do: "" })),
    () => 1,
  );
  await bench.rig.turns(50);
  gate.open();
  await bench.rig.rest();
  expect(done).toBe(RECORDS);
  expect(Math.max(...sizes)).toBe(most);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(RECORDS);
});

test("small batches make an injector's commits small too", async () => {
  const bench = await Bench.start({ onRecord: () => {}, shards: 256 }, { batchRecords: 4 });
  bench.feed.pushAll(
    Array.from({ length: 1_000 }, (_, n) => ({ key: `k${n}`, do: "" })),
    () => 1,
  );
  await bench.rig.rest();
  const [injector] = bench.rig.shards("feed");
  const commits = bench.rig.line.commits.filter(({ shard }) => shard === injector);
  expect(commits.length).toBeGreaterThanOrEqual(1_000 / 128);
});
