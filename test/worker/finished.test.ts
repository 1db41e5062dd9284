/** When a pipeline is finished: not before every record is done, whatever its timestamp. */
import { expect, test } from "vitest";
import { Computation, type Context, exponential, input, output, Pipeline, stream, type StreamRecord, type Timer, timers } from "../../src/index.ts";
import { Feed, Kept } from "./feed.ts";
import { Rig } from "./rig.ts";

const words = stream<string>("words");
const reminders = stream<string>("reminders");
const results = stream<string>("results");

class Reminder extends Computation {
  readonly words = input(words, { key: (word) => word });
  readonly reminders = output(reminders);
  readonly due = timers<string>("due", { clock: "wall" });

  processRecord(record: StreamRecord<string>, context: Context): void {
    context.setTimer(this.due.for("free"), context.now() + 10, { output: "none" });
    context.setTimer(this.due.for("holding"), context.now() + 20);
    void record;
  }

  override processTimer(timer: Timer<string>, context: Context): void {
    context.produce(this.reminders, timer.tag);
  }
}

test("a record at the end of time, as a wall timer that holds nothing may produce it, is done before the pipeline is finished", async () => {
  let failures = 1;
  class Shy extends Computation {
    readonly reminders = input(reminders, { key: (reminder) => reminder });
    readonly results = output(results);
    processRecord(record: StreamRecord<string>, context: Context): void {
      if (record.value === "free" && failures-- > 0) throw new Error("not yet");
      context.produce(this.results, record.value);
    }
  }
  const feed = new Feed<string>();
  const kept = new Kept<string>();
  const pipeline = new Pipeline("reminders", { shards: 1 })
    .inject("feed", words, feed.injector)
    .compute("reminder", Reminder)
    .compute("shy", Shy, { backoff: exponential(100, 100) })
    .sink("kept", results, kept.sink);
  const rig = await Rig.start(pipeline);
  feed.push("a", 5).end();
  await rig.rest();
  await rig.advance(60);
  expect(kept.values).toEqual(["holding"]);
  expect(rig.outcome).toBeUndefined();
  await rig.advance(200);
  expect(kept.values).toEqual(["holding", "free"]);
  expect(rig.outcome).toBe("finished");
});
