/** When everything downstream of what was put in is committed, as a worker sees it. */
import { expect, test } from "vitest";
import { byHand, Computation, type Context, exponential, input, output, Pipeline, StoreUnavailableError, stream, type StreamRecord } from "../../src/index.ts";
import { Barrier } from "../../src/worker/barrier.ts";
import type { PlannedInjector } from "../../src/worker/plan.ts";
import { Feed, Kept } from "./feed.ts";
import { Rig } from "./rig.ts";

interface Job {
  readonly key: string;
  readonly fails: number;
}
const jobs = stream<Job>("jobs");
const halves = stream<Job>("halves");
const done = stream<string>("done");
const open = new Map<string, () => void>();

/** Fails as often as the job says; waits where its key starts with "wait". */
class First extends Computation {
  readonly jobs = input(jobs, { key: (job) => job.key });
  readonly halves = output(halves);
  readonly failed = new Map<string, number>();
  override processRecord({ value }: StreamRecord<Job>, context: Context): void {
    const failed = this.failed.get(value.key) ?? 0;
    if (failed < value.fails) {
      this.failed.set(value.key, failed + 1);
      throw new Error("again");
    }
    context.produce(this.halves, value);
  }
}
class Second extends Computation {
  readonly halves = input(halves, { key: (job) => `${job.key}!` });
  readonly done = output(done);
  override async processRecord({ value }: StreamRecord<Job>, context: Context): Promise<void> {
    if (value.key.startsWith("wait")) await new Promise<void>((resolve) => open.set(value.key, resolve));
    context.produce(this.done, value.key);
  }
}

async function start(): Promise<{ rig: Rig; feed: Feed<Job>; kept: Kept<string>; barrier: () => Barrier }> {
  const feed = new Feed<Job>({ watermark: byHand() });
  const kept = new Kept<string>();
  const pipeline = new Pipeline("p", { shards: 4 })
    .inject("feed", jobs, feed.injector)
    .compute("first", First, { attempts: 3, backoff: exponential(100, 100) })
    .compute("second", Second)
    .effect("never", done, () => new Promise<never>(() => {}))
    .sink("kept", done, kept.sink);
  const rig = await Rig.start(pipeline, { runner: { limited: false, perform: () => new Promise(() => {}), close: () => Promise.resolve() } });
  const barrier = () => new Barrier(rig.worker.engine, rig.worker.engine.options.plan.participants[0] as PlannedInjector);
  return { rig, feed, kept, barrier };
}

test("it is passed when the records are through every stage and their sinks, and not before", async () => {
  const { rig, feed, kept, barrier } = await start();
  const before = barrier();
  feed.push({ key: "a", fails: 0 }, 1).push({ key: "b", fails: 0 }, 2);
  let release = () => {};
  kept.before = () => new Promise<void>((resolve) => (release = resolve));
  await rig.turns();
  expect(before.look()).toBe("waiting");
  release();
  kept.before = () => {};
  await rig.rest();
  expect(before.look()).toBe("passed");
  expect(kept.values.sort()).toEqual(["a", "b"]);
});

test("what fails and stands aside is waited for, until it is done or parked", async () => {
  const { rig, feed, kept, barrier } = await start();
  const before = barrier();
  feed.push({ key: "a", fails: 2 }, 1).push({ key: "b", fails: 99 }, 1);
  await rig.rest();
  expect(before.look()).toBe("waiting");
  await rig.advance(100);
  expect(before.look()).toBe("waiting");
  await rig.advance(100);
  expect(before.look()).toBe("passed");
  expect(kept.values).toEqual(["a"]);
});

test("what an asynchronous handler still works on is waited for", async () => {
  const { rig, feed, barrier } = await start();
  const before = barrier();
  feed.push({ key: "wait-1", fails: 0 }, 1);
  await rig.turns();
  await rig.advance(50);
  expect(before.look()).toBe("waiting");
  open.get("wait-1")?.();
  await rig.rest();
  expect(before.look()).toBe("passed");
});

test("what stood aside before is not waited for, unless the records may be among it", async () => {
  const { rig, feed, barrier } = await start();
  feed.push({ key: "a", fails: 99 }, 1);
  await rig.rest();
  const without = barrier();
  const including = barrier();
  including.includeEarlier();
  feed.push({ key: "b", fails: 0 }, 2);
  await rig.rest();
  expect([without.look(), including.look()]).toEqual(["passed", "waiting"]);
  await rig.advance(1_000);
  expect(including.look()).toBe("passed");
});

test("records that come later hold nobody up", async () => {
  const { rig, feed, barrier } = await start();
  const before = barrier();
  feed.push({ key: "a", fails: 0 }, 1);
  await rig.rest();
  expect(before.look()).toBe("passed");
  const next = barrier();
  feed.push({ key: "wait-2", fails: 0 }, 1);
  await rig.turns();
  await rig.advance(50);
  expect([before.look(), next.look()]).toEqual(["passed", "waiting"]);
  open.get("wait-2")?.();
  await rig.rest();
});

test("a shard that is lost meanwhile makes it lost", async () => {
  const { rig, feed, barrier } = await start();
  const before = barrier();
  feed.push({ key: "wait-3", fails: 0 }, 1);
  await rig.turns();
  await rig.advance(50);
  expect(before.look()).toBe("waiting");
  rig.worker.engine.loseAll();
  expect(before.look()).toBe("lost");
  open.get("wait-3")?.();
});

test("a shard that was lost and has come back makes it lost: another may have worked on it meanwhile", async () => {
  const { rig, feed, barrier } = await start();
  const before = barrier();
  const [shard] = rig.shards("first") as [number];
  rig.worker.engine.lose([shard]);
  await rig.advance(5_000);
  expect(rig.worker.engine.shards.has(shard)).toBe(true);
  feed.push({ key: "a", fails: 0 }, 1);
  await rig.rest();
  expect(before.look()).toBe("lost");
});

test("where a commit was sent again, it waits until the ends of the inboxes are known", async () => {
  const { rig, feed, kept, barrier } = await start();
  const before = barrier();
  let lost = false;
  rig.line.onCommit = async (commits, apply) => {
    const reply = await apply(commits);
    if (lost || !commits.some(({ parcels }) => parcels.length > 0)) return reply;
    lost = true;
    throw new StoreUnavailableError("no reply");
  };
  // Nobody tells them until the test says so.
  let tell = () => {};
  const told = new Promise<void>((resolve) => (tell = resolve));
  rig.line.onCall = async (method) => (method === "readTails" || method === "readInbox" ? await told : undefined);
  feed.push({ key: "a", fails: 0 }, 1);
  await rig.turns();
  for (let i = 0; i < 20; i++) {
    rig.clock.advance(50);
    await rig.turns();
  }
  expect(rig.worker.engine.counted.resends).toBeGreaterThan(0);
  expect(before.look()).toBe("waiting");
  tell();
  await rig.advance(1_000);
  expect(before.look()).toBe("passed");
  expect(kept.values).toEqual(["a"]);
});
