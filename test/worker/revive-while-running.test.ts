/** A dead letter that is tried again while another call of its key runs. */
import { expect, test } from "vitest";
import { Computation, type Context, exponential, input, Pipeline, state, stream, type StreamRecord } from "../../src/index.ts";
import { apply } from "../../src/worker/dead-letters.ts";
import { Feed } from "./feed.ts";
import { Rig } from "./rig.ts";

interface Job {
  readonly name: string;
  readonly fails: boolean;
}
const jobs = stream<Job>("jobs");

test("what runs is done once, though it stands aside behind what came back", async () => {
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
  const pipeline = new Pipeline("p", { shards: 1 }).inject("feed", jobs, feed.injector).compute("work", Work, { attempts: 1, backoff: exponential(10, 10) });
  const rig = await Rig.start(pipeline);
  feed.push({ name: "letter", fails: true }, 1);
  await rig.rest();
  feed.push({ name: "long", fails: false }, 2);
  await rig.rest();
  expect(settle.length).toBe(1);

  broken = false;
  const [shard] = rig.shards("work") as [number];
  const [letter] = await rig.line.store.readDeadLetters(shard, 10);
  const owner = rig.worker.engine.computation(shard);
  expect(letter !== undefined && owner !== undefined && apply("retry", owner, letter)).toBe(undefined);
  rig.worker.driver.kick();
  // The batch is sealed without what runs.
  await rig.advance(100);
  settle.shift()?.();
  await rig.advance(100);
  for (const each of settle) each();
  await rig.advance(100);
  expect(await rig.state("work", "done", "k")).toEqual(["long", "letter"]);
  expect(settle).toEqual([]);
  expect(await rig.stored("work")).toMatchObject({ held: 0, dead: 0 });
});
