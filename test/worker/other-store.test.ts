/** What a worker does when its store turns out to be another than before: a restart, a fail-over, a tail that was lost. */
import { expect, test } from "vitest";
import { StoreUnavailableError } from "../../src/index.ts";
import { Bench } from "./probe.ts";

const WRITES = new Set(["acquire", "register", "renew", "release", "report"]);

test("the first thing that another store hears is that its shards are acquired anew, also if the worker was at rest when it changed (R1)", async () => {
  const bench = await Bench.start({ onRecord: (record, context, self) => self.see(context, record.value.do) });
  await bench.give("a:x@1");
  const heard: string[] = [];
  bench.rig.line.onCall = (method) => {
    if (WRITES.has(method)) heard.push(method);
  };
  bench.rig.line.onCommit = (commits, apply) => {
    heard.push("commit");
    return apply(commits);
  };
  bench.rig.line.generation++;
  await bench.rig.advance(2_000);
  expect(heard.slice(0, 3)).toEqual(["acquire", "register", "report"]);
  expect(bench.rig.worker.engine.ownership.complete).toBe(true);
});

test("a store that refuses at once is asked again a few times a second, not as fast as the processor can", async () => {
  const bench = await Bench.start({ onRecord: (record, context, self) => self.see(context, record.value.do) }, { cacheBytes: 0 });
  await bench.give("a:x@1 b:x@1");
  await bench.give("b:y@2");
  const asked = bench.rig.line.count("readState");
  let away = true;
  bench.rig.line.onCall = (method) => {
    if (away && method === "readState") throw new StoreUnavailableError("away");
  };
  await bench.give("a:y@3");
  expect(bench.rig.line.count("readState")).toBe(asked + 1);
  await bench.rig.advance(1_000);
  expect(bench.rig.line.count("readState")).toBeLessThan(asked + 60);
  away = false;
  await bench.rig.advance(100);
  expect(await bench.seen("a")).toEqual(["x", "y"]);
});
