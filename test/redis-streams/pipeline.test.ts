import { afterEach, expect, test } from "vitest";
import {
  Computation,
  type Context,
  type Injector,
  input,
  MemoryStore,
  output,
  Pipeline,
  run,
  type RunningPipeline,
  type Sink,
  stream,
  type StreamRecord,
  type Timer,
  timer,
  toCallback,
} from "../../src/index.ts";
import { fromRedisStream, toRedisStream } from "../../src/redis-streams/index.ts";
import { useStreams } from "./streams.ts";

const streams = useStreams();
const words = stream<string>("words");
const results = stream<string>("results");

/** Passes each word on, and says 500 ms of event time later that it was the last. */
class Last extends Computation {
  readonly words = input(words, { key: () => "all" });
  readonly results = output(results);
  readonly quiet = timer("quiet");
  override processRecord(record: StreamRecord<string>, context: Context): void {
    context.produce(this.results, record.value);
    context.setTimer(this.quiet, record.timestamp + 500);
  }
  override processTimer(_: Timer, context: Context): void {
    context.produce(this.results, "quiet");
  }
}

const open: RunningPipeline[] = [];
afterEach(async () => {
  for (const running of open.splice(0)) await running.stop();
});

async function started(from: Injector<string>, to: Sink<string>): Promise<{ readonly running: RunningPipeline; readonly log: string[] }> {
  const log: string[] = [];
  const pipeline = new Pipeline("words", { shards: 1 }).inject("from", words, from).compute("last", Last).sink("to", results, to);
  const running = await run(pipeline, { store: new MemoryStore(), log: (_, text) => void log.push(text) });
  running.finished.catch(() => {});
  open.push(running);
  return { running, log };
}

const kept = (): { seen: string[]; sink: Sink<string> } => {
  const seen: string[] = [];
  return { seen, sink: toCallback<string>(({ value }) => void seen.push(value)) };
};

test("a timer fires while nothing arrives, by the clock of Redis", async () => {
  const key = streams.fresh();
  await streams.admin.xadd(key, "*", "body", '"a"');
  const { seen, sink } = kept();
  await started(fromRedisStream<string>(key, { connection: streams.server.url, json: "body" }), sink);
  await expect.poll(() => seen).toEqual(["a", "quiet"]);
});

test("an entry that does not parse goes to dead letters, and those after it are taken", async () => {
  const key = streams.fresh();
  for (const body of ['"a"', "{garbage", '"b"']) await streams.admin.xadd(key, "*", "body", body);
  const { seen, sink } = kept();
  const { log } = await started(fromRedisStream<string>(key, { connection: streams.server.url, json: "body" }), sink);
  await expect.poll(() => seen.slice(0, 2)).toEqual(["a", "b"]);
  expect(log.filter((line) => line.includes("dead letters"))).toHaveLength(1);
});

test("a stream that was trimmed too far, or is none, stops the pipeline with a sentence", async () => {
  const [trimmed, text] = [streams.fresh(), streams.fresh()];
  const injector = (key: string): Injector<string> => fromRedisStream<string>(key, { connection: streams.server.url, json: "body", start: "0-1" });
  await streams.admin.xadd(trimmed, "1-0", "body", '"a"');
  await streams.admin.xadd(trimmed, "2-0", "body", '"b"');
  await streams.admin.xtrim(trimmed, "MAXLEN", 1);
  await streams.admin.set(text, "x");
  const first = await started(injector(trimmed), kept().sink);
  await expect(first.running.finished).rejects.toThrow(/entries after it may be gone/);
  const second = await started(injector(text), kept().sink);
  await expect(second.running.finished).rejects.toThrow(/not a stream/);
  const third = await started(injector(streams.fresh()), toRedisStream<string>(text, { connection: streams.server.url }));
  await expect(third.running.finished).rejects.toThrow(/not a stream/);
});

test("entries that were trimmed unread are one dead letter where they are to be passed over", async () => {
  const key = streams.fresh();
  for (const id of ["1-0", "2-0", "3-0"]) await streams.admin.xadd(key, id, "body", '"a"');
  await streams.admin.xtrim(key, "MAXLEN", 1);
  const { seen, sink } = kept();
  const { log } = await started(
    fromRedisStream<string>(key, { connection: streams.server.url, json: "body", start: "1-0", onTrimmed: "skip", timestamp: () => 5 }),
    sink,
  );
  await expect.poll(() => seen).toEqual(["a"]);
  expect(log.filter((line) => line.includes("dead letters") && line.includes("passed over"))).toHaveLength(1);
});
