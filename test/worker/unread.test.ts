/** A watermark never rises past what its inbox holds unread (R5). */
import { expect, test } from "vitest";
import { Computation, type Context, input, output, Pipeline, type StreamRecord, stream, type Timer, timers } from "../../src/index.ts";
import { InboxShard } from "../../src/worker/owned-shard.ts";
import { Feed, Kept } from "./feed.ts";
import { Gate } from "./probe.ts";
import { Rig } from "./rig.ts";

/** Of each side. Both sides send at once, which takes the inbox beyond its soft bound, and beyond what is read ahead. */
const EACH = 4_090;

const left = stream<number>("left");
const right = stream<number>("right");
const told = stream<string>("told");

test("a record beyond what is read ahead, older than all before it, is on time however far its input has promised", async () => {
  const gate = new Gate();
  class Meeting extends Computation {
    readonly left = input(left, { key: String });
    readonly right = input(right, { key: String });
    readonly told = output(told);
    readonly due = timers<string>("due");

    override async processRecord(record: StreamRecord<number>, context: Context): Promise<void> {
      await gate.promise;
      if (record.value === 0) context.setTimer(this.due.for("first"), 600);
      if (record.timestamp === 400) context.produce(this.told, `${record.late ? "late" : "on time"}, watermark ${context.watermark}`);
    }
    override processTimer(timer: Timer<string>, context: Context): void {
      context.produce(this.told, `timer at ${timer.time}`);
    }
  }
  const [lefts, rights, kept] = [new Feed<number>(), new Feed<number>(), new Kept<string>()];
  const rig = await Rig.start(
    new Pipeline("meeting", { shards: 1 })
      .inject("lefts", left, lefts.injector)
      .inject("rights", right, rights.injector)
      .compute("meeting", Meeting)
      .sink("kept", told, kept.sink),
  );
  const numbers = Array.from({ length: EACH }, (_, i) => i);
  for (const feed of [lefts, rights]) feed.pushAll(numbers, (_, i) => (i === EACH - 1 ? 400 : 1_000)).promise(800);
  await rig.turns(500);

  expect([rig.watermark("lefts").output, rig.watermark("rights").output]).toEqual([800, 800]);
  const [meeting] = rig.worker.engine.shardsOf(rig.planned("meeting")) as InboxShard[];
  expect(meeting!.inbox.reached(meeting!.inbox.tail)).toBe(false);
  expect(meeting!.inbox.smallestHold).toBe(1_000);
  expect(rig.watermark("meeting").input).toBe(-1);

  gate.open();
  await rig.rest();
  expect(kept.values).toEqual(["on time, watermark 400", "on time, watermark 400", "timer at 600"]);
  expect(rig.watermark("meeting")).toMatchObject({ input: 800, output: 800 });
});
