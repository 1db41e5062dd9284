/** The injectors that a pipeline names are those that its watermarks wait for: one that is missing holds, one that is dropped does not. */
import { expect, test } from "vitest";
import { Computation, input, Pipeline, stream } from "../../src/index.ts";
import { Feed } from "./feed.ts";
import { Rig } from "./rig.ts";

const items = stream<number>("items");

class Ignore extends Computation {
  readonly items = input(items, { key: () => "all" });
  override processRecord() {}
}

test("an injector that has promised nothing holds what it feeds, also over a crash; one that is dropped does not", async () => {
  const [feed, other] = [new Feed<number>(), new Feed<number>()];
  const one = () => new Pipeline("declared", { shards: 2 }).inject("feed", items, feed.injector).compute("ignore", Ignore);
  const rig = await Rig.start(one().inject("other", items, other.injector));
  feed.push(0, 0).promise(5);
  other.promise(3);
  await rig.rest();
  expect(rig.watermark("ignore").output).toBe(3);
  await rig.crash();
  await rig.advance(5_000);
  expect(rig.watermark("ignore").output).toBe(3);
  await rig.crash(one(), ["other"]);
  await rig.advance(5_000);
  expect(rig.watermark("ignore").output).toBe(5);
  await rig.kill();
});
