/** A dead letter that is tried again while something else goes on: a call of its key, or a change of its shard's owner. */
import { expect, test } from "vitest";
import { Computation, type Context, exponential, input, Pipeline, state, stream, type StreamRecord } from "../../src/index.ts";
import { apply, DeadLetters } from "../../src/worker/dead-letters.ts";
import { Feed } from "./feed.ts";
import { Rig } from "./rig.ts";

interface Job {
  readonly name: string;
  readonly fails: boolean;
}
const jobs = stream<Job>("jobs");

test.each([
  { name: "and succeeds", failures: 0 },
  { name: "and is tried again", failures: 1 },
])("what runs $name is done once, before what came back, and what came later of its key behind that", async ({ failures }) => {
  let broken = true;
  let left = failures;
  const settle: (() => void)[] = [];
  class Work extends Computation {
    readonly jobs = input(jobs, { key: () => "k" });
    readonly done = state("done", { initial: [] as string[] });
    override async processRecord({ value }: StreamRecord<Job>, context: Context): Promise<void> {
      if (value.fails && broken) throw new Error("broken");
      if (!value.fails) await new Promise<void>((resolve) => settle.push(resolve));
      if (!value.fails && left-- > 0) throw new Error("not yet");
      context.state(this.done).update((done) => [...done, value.name]);
    }
  }
  const feed = new Feed<Job>({});
  const pipeline = new Pipeline("p", { shards: 1 }).inject("feed", jobs, feed.injector).compute("work", Work, { attempts: 2, backoff: exponential(10, 10) });
  const rig = await Rig.start(pipeline);
  feed.push({ name: "letter", fails: true }, 1);
  await rig.advance(100);
  feed.push({ name: "long", fails: false }, 2);
  await rig.rest();
  expect(settle.length).toBe(1);
  feed.push({ name: "next", fails: true }, 3);
  await rig.rest();

  broken = false;
  const [shard] = rig.shards("work") as [number];
  const [letter] = await rig.line.store.readDeadLetters(shard, 10);
  const owner = rig.worker.engine.computation(shard);
  expect(letter !== undefined && owner !== undefined && apply("retry", owner, letter)).toBe(undefined);
  rig.worker.driver.kick();
  feed.push({ name: "later", fails: true }, 4);
  // The batch is sealed without what runs.
  await rig.advance(100);
  for (let i = 0; i < 5; i++) {
    settle.shift()?.();
    await rig.advance(100);
  }
  expect(await rig.state("work", "done", "k")).toEqual(["long", "next", "letter", "later"]);
  expect(await rig.stored("work")).toMatchObject({ held: 0, dead: 0 });
});

test("what came back while a call of its key ran is tried when that is done, though nothing else stood aside", async () => {
  let broken = true;
  const settle: (() => void)[] = [];
  class Work extends Computation {
    readonly jobs = input(jobs, { key: () => "k" });
    readonly done = state("done", { initial: [] as string[] });
    override async processRecord({ value }: StreamRecord<Job>, context: Context): Promise<void> {
      if (value.fails && broken) throw new Error("broken");
      if (!value.fails) await new Promise<void>((resolve) => settle.push(resolve));
      context.state(this.done).update((done) => [...done, value.name]);
    }
  }
  const feed = new Feed<Job>({});
  const pipeline = new Pipeline("p", { shards: 1 }).inject("feed", jobs, feed.injector).compute("work", Work, { attempts: 1 });
  const rig = await Rig.start(pipeline);
  feed.push({ name: "letter", fails: true }, 1);
  await rig.advance(100);
  feed.push({ name: "short", fails: false }, 2);
  await rig.rest();
  broken = false;
  const [shard] = rig.shards("work") as [number];
  const [letter] = await rig.line.store.readDeadLetters(shard, 10);
  const owner = rig.worker.engine.computation(shard);
  expect(letter !== undefined && owner !== undefined && apply("retry", owner, letter)).toBe(undefined);
  rig.worker.driver.kick();
  await rig.rest();
  settle.shift()?.();
  await rig.advance(1_000);
  expect(await rig.state("work", "done", "k")).toEqual(["short", "letter"]);
  expect(await rig.stored("work")).toMatchObject({ held: 0, dead: 0 });
});

test("a letter that was read before its shard was given up and came back is left alone: it may have been tried again there", async () => {
  class Never extends Computation {
    readonly jobs = input(jobs, { key: () => "k" });
    override processRecord(): void {
      throw new Error("never");
    }
  }
  const feed = new Feed<Job>({});
  const pipeline = new Pipeline("p", { shards: 1 }).inject("feed", jobs, feed.injector).compute("never", Never, { attempts: 1 });
  const rig = await Rig.start(pipeline);
  feed.push({ name: "letter", fails: true }, 1);
  await rig.rest();
  const [shard] = rig.shards("never") as [number];
  const [letter] = await rig.line.store.readDeadLetters(shard, 10);
  let lost = false;
  rig.line.after = async (method) => {
    if (method !== "readDeadLetters" || lost) return;
    lost = true;
    rig.worker.engine.lose([shard]);
    rig.worker.driver.kick();
    await rig.turns();
    rig.clock.advance(5_000);
    await rig.turns(100);
    expect(rig.worker.engine.shards.has(shard)).toBe(true);
  };
  const outcome = await new DeadLetters(rig.worker, rig.line.store, rig.clock).act("retry", { shard, id: letter?.id ?? -1 });
  expect(outcome).toEqual({ kind: "elsewhere" });
  expect((await rig.stored("never")).dead).toBe(1);
});
