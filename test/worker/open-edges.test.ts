/** Edges that take their time to open while their shard is lost and acquired again. */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { Computation, type Context, input, MemoryStore, Pipeline, output, sink, stream, type StreamRecord, toFile } from "../../src/index.ts";
import type { SinkWriter } from "../../src/sinks/sink.ts";
import { reconcile } from "../../src/worker/reconcile.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { Feed } from "./feed.ts";
import { Gate } from "./probe.ts";
import { Rig } from "./rig.ts";

const fresh = temporaryDirectory();
const words = stream<string>("words");
const results = stream<string>("results");

class Echo extends Computation {
  readonly words = input(words, { key: (word) => word });
  readonly results = output(results);
  processRecord(record: StreamRecord<string>, context: Context): void {
    context.produce(this.results, record.value);
  }
}

const pipeline = (feed: Feed<string>, target: ReturnType<typeof sink<string>>) =>
  new Pipeline("edges", { shards: 1 }).inject("feed", words, feed.injector).compute("echo", Echo).sink("kept", results, target);

/** Loses every shard and acquires it again. */
async function reacquire(rig: Rig): Promise<void> {
  rig.line.generation++;
  for (let i = 0; i < 60; i++) {
    rig.clock.advance(50);
    await new Promise<void>((resolve) => systemClock.soon(resolve));
    await new Promise<void>((resolve) => systemClock.soon(resolve));
  }
}

test("a sink that is opened for a shard which was lost meanwhile is closed, and its later opening is the one that is written to", async () => {
  const written: string[] = [];
  const closed: number[] = [];
  const gate = new Gate();
  let opened = 0;
  const target = sink<string>({
    kind: "sink",
    description: "slow",
    attempts: Number.POSITIVE_INFINITY,
    open: async (checkpoint) => {
      const nth = ++opened;
      let at = (checkpoint as number | undefined) ?? 0;
      if (nth === 2) await gate.promise;
      const writer: SinkWriter = {
        initial: 0,
        write: async (records) => {
          for (const record of records) written.push(`${nth}:${String(record.value)}@${at++}`);
          return at;
        },
        close: async () => void closed.push(nth),
      };
      return writer;
    },
  });
  const feed = new Feed<string>();
  const rig = await Rig.start(pipeline(feed, target));
  feed.push("a", 1);
  await rig.rest();
  await reacquire(rig);
  expect(opened).toBe(2);
  await reacquire(rig);
  expect(opened).toBe(3);
  gate.open();
  await rig.rest();
  feed.push("b", 2);
  await rig.rest();
  expect(written).toEqual(["1:a@0", "3:b@1"]);
  expect(closed).toEqual([1, 2]);
  await rig.kill();
});

test("a store that lost even where a file stood at first costs no line twice: what this worker wrote is cut back to there (R29)", async () => {
  const path = fresh("lost.ndjson");
  writeFileSync(path, '"before"\n');
  const feed = new Feed<string>();
  const edges = pipeline(feed, toFile<string>(path));
  const rig = await Rig.start(edges);
  feed.push("a", 1).push("b", 2);
  await rig.rest();
  expect(readFileSync(path, "utf8")).toBe('"before"\n"a"\n"b"\n');
  // Twice, for the second loss meets a file that was opened at what the first one left.
  for (let losses = 1; losses <= 2; losses++) {
    const emptied = await new MemoryStore().open({ pipeline: edges.name, clock: rig.clock, random: { id: () => `lost-${losses}` } });
    await reconcile(emptied, edges.graph(), []);
    rig.line.lead(emptied);
    rig.line.generation++;
    await rig.advance(2_000);
    expect(readFileSync(path, "utf8")).toBe('"before"\n"a"\n"b"\n');
  }
  feed.push("c", 3);
  await rig.rest();
  expect(readFileSync(path, "utf8")).toBe('"before"\n"a"\n"b"\n"c"\n');
  await rig.kill();
});
