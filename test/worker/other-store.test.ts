/** What a worker does when its store turns out to be another than before (a restart, a fail-over, a lost tail), is away, or has a clock of its own. */
import { expect, test } from "vitest";
import { MemoryStore, type Store, StoreUnavailableError } from "../../src/index.ts";
import { Inbox } from "../../src/worker/inbox.ts";
import { packParcel, Production, whole } from "../../src/worker/parcel.ts";
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
  expect(heard.slice(0, 4)).toEqual(["acquire", "register", "renew", "report"]);
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

test("a store that becomes another while shards are being acquired costs nothing but to acquire them again", async () => {
  const bench = await Bench.start({ onRecord: (record, context, self) => self.see(context, record.value.do) });
  await bench.give("a:x@1");
  let registered = false;
  bench.rig.line.onCall = (method) => {
    if (method === "register") registered = true;
    // The shards are recovered and registered; the report that lets them begin never reaches this store.
    if (method !== "report" || !registered) return;
    bench.rig.line.onCall = () => {};
    bench.rig.line.generation++;
    throw new StoreUnavailableError("restarted");
  };
  bench.rig.line.generation++;
  await bench.rig.advance(2_000);
  expect(registered).toBe(true);
  await bench.give("a:y@2");
  await bench.promise(5);
  expect(await bench.seen("a")).toEqual(["x", "y"]);
  expect(bench.rig.worker.engine.reporter.published(bench.rig.planned("probe").id).output).toBe(5);
});

test("an inbox whose next parcel another owner has consumed says so, and takes nothing in its place", () => {
  const inbox = new Inbox(65_536, 3, 0, 6);
  const parcel = packParcel(131_072, 1, [new Production(65_536, 1, { place: 1, timestamp: 1, id: undefined }, "a", undefined, whole(new Uint8Array(1)))]);
  expect(inbox.wants()).toMatchObject({ from: 3 });
  expect(inbox.read(4, [parcel], 0)).toBe(false);
  expect(inbox.size).toBe(0);
});

test("a wall timer whose store's clock falls behind is asked for when it may be due there, not all the time", async () => {
  const memory = new MemoryStore();
  let behind = 0;
  const store: Store = {
    kind: "store",
    open: (options) =>
      memory.open({
        ...options,
        clock: { now: () => options.clock.now() - behind, after: (delay, wake) => options.clock.after(delay, wake), soon: (wake) => options.clock.soon(wake) },
      }),
  };
  const fired: number[] = [];
  const bench = await Bench.start(
    { onRecord: (_, context, self) => context.setTimer(self.wall.for("t"), context.now() + 1_000), onTimer: (_, context) => void fired.push(context.now()) },
    { store },
  );
  await bench.give("a:x@1");
  behind = 2_500;
  const reports = bench.rig.line.count("report");
  await bench.rig.advance(3_400);
  expect(fired).toEqual([]);
  await bench.rig.advance(200);
  expect(fired).toEqual([1_001_000]);
  expect(bench.rig.line.count("report") - reports).toBeLessThan(20);
});
