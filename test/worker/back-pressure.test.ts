/** Inboxes have soft bounds: what is over them is committed all the same, and pauses those who feed them (R12). */
import { expect, test } from "vitest";
import { Computation, type Context, input, output, Pipeline, sink, stream, type StreamRecord } from "../../src/index.ts";
import { Feed } from "./feed.ts";
import { Gate } from "./probe.ts";
import { Rig } from "./rig.ts";

/** Records waiting in an inbox above which its senders pause. */
const HIGH = 4_096;
const WIDE = 3_000;
const THIN = 20_000;

const items = stream<number>("items");
const copies = stream<number>("copies");

class Fan extends Computation {
  readonly items = input(items, { key: (item) => `k${item % 7}` });
  readonly copies = output(copies);
  override processRecord(record: StreamRecord<number>, context: Context) {
    for (let i = 0; i < (record.value < 3 ? WIDE : 1); i++) context.produce(this.copies, record.value);
  }
}

test("a record that fans out beyond the bound is committed, the overshoot is what was under way, pulls stop, and no sender starves", async () => {
  const gate = new Gate();
  const feed = new Feed<number>();
  const counted = new Map<number, number>();
  const slow = sink<number>({
    kind: "sink",
    description: "slow",
    attempts: 1,
    open: async () => ({
      write: async (records) => {
        await gate.promise;
        for (const { value } of records) counted.set(value as number, (counted.get(value as number) ?? 0) + 1);
        return undefined;
      },
      close: async () => {},
    }),
  });
  const rig = await Rig.start(new Pipeline("fan", { shards: 1 }).inject("feed", items, feed.injector).compute("fan", Fan).sink("slow", copies, slow), {
    batchRecords: 1,
  });
  feed.most = 100;
  feed.pushAll(
    Array.from({ length: 3 + THIN }, (_, i) => i),
    (_, i) => i,
  );
  feed.promise(3 + THIN);
  await rig.turns(3_000);
  const queued = async (name: string) => (await rig.stored(name)).queued;
  expect(await queued("slow")).toBeGreaterThan(HIGH);
  expect(await queued("slow")).toBeLessThanOrEqual(HIGH + 2 * WIDE);
  expect(await queued("fan")).toBeGreaterThan(HIGH);
  expect(feed.given).toBeLessThan(THIN);
  const stopped = { given: feed.given, queued: await queued("fan") };
  rig.clock.advance(1_000);
  await rig.turns(500);
  expect({ given: feed.given, queued: await queued("fan") }).toEqual(stopped);
  expect(rig.watermark("fan").status).toBe("back-pressured");
  expect(rig.watermark("feed").status).toBe("back-pressured");
  gate.open();
  await rig.rest();
  expect(counted.size).toBe(3 + THIN);
  for (const [item, times] of counted) expect({ item, times }).toEqual({ item, times: item < 3 ? WIDE : 1 });
  expect(rig.watermark("slow").status).toBe("live");
  expect(rig.watermark("fan")).toMatchObject({ status: "live", output: 3 + THIN });
});
