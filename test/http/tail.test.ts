/** A look at what a stream carries: a sample, for who may read, and nothing of it where nobody looks. */
import { expect, onTestFinished, test } from "vitest";
import { Computation, type Context, fromIterable, input, MemoryStore, output, Pipeline, stream, type StreamRecord, toCallback } from "../../src/index.ts";
import { endpoint } from "../../src/inspect/index.ts";
import type { PipelineStore, Store } from "../../src/store/store.ts";
import { ask, MASTER, Posting } from "./posting.ts";

const words = stream<string>("words");
const shouted = stream<{ text: string }>("shouted");
class Shout extends Computation {
  readonly words = input(words, { key: (word) => word });
  readonly shouted = output(shouted);
  override processRecord({ value }: StreamRecord<string>, context: Context): void {
    context.produce(this.shouted, { text: value.toUpperCase() });
  }
}

async function* feeding(every: number) {
  for (let position = 0; ; position++) {
    yield Array.from({ length: 10 }, (_, at) => ({ value: `word-${at}`, position: position * 10 + at, timestamp: 1_000 + position }));
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}

async function running(): Promise<{ readonly posting: Posting; readonly opened: PipelineStore[] }> {
  const opened: PipelineStore[] = [];
  const inner = new MemoryStore();
  const store: Store = { kind: "store", open: async (options) => (opened.push(await inner.open(options)), opened.at(-1) as PipelineStore) };
  const pipeline = new Pipeline("tailed", { shards: 4 })
    .inject(
      "in",
      words,
      fromIterable(() => feeding(5)),
    )
    .compute("shout", Shout)
    // A second consumer: what it gets is no second record.
    .sink(
      "out",
      shouted,
      toCallback(() => {}),
    )
    .sink(
      "too",
      shouted,
      toCallback(() => {}),
    );
  return { posting: await Posting.ready(pipeline, store, [MASTER]), opened };
}

test("a sample of a stream is told with keys, times and values, at most at the rate, and the store is left as it was", async () => {
  const { posting, opened } = await running();
  const [store] = opened;
  const asked = endpoint(posting.url.href, { token: MASTER.token });
  expect(Object.hasOwn(store as object, "commit")).toBe(false);
  let samples = 0;
  for await (const view of asked.tail("shouted", { rate: 8 })) {
    expect(Object.hasOwn(store as object, "commit")).toBe(true);
    expect(view.stream).toBe("shouted");
    expect(view.records.length).toBeLessThanOrEqual(2);
    expect(view.seen).toBeGreaterThanOrEqual(view.records.length);
    for (const { id, key, timestamp, value } of view.records) {
      expect([typeof id, key?.startsWith("word-")]).toEqual(["string", true]);
      expect(timestamp).toBeGreaterThanOrEqual(1_000);
      expect(value).toEqual({ text: key?.toUpperCase() });
    }
    if ((samples += 1) === 3) break;
  }
  await expect.poll(() => Object.hasOwn(store as object, "commit"), { timeout: 15_000 }).toBe(false);
  // What an injector brings in is told with the key of its consumer.
  for await (const { records } of asked.tail("words")) {
    expect(records.map(({ key }) => key)).toEqual(records.map(({ value }) => value));
    break;
  }
});

test("a stream that is not there, a rate that cannot be, and who may not read, are refused", async () => {
  const { posting } = await running();
  expect((await posting.get("/v1/streams/none/tail")).json.error).toMatchObject({ code: "not-found", message: expect.stringContaining("words, shouted") });
  expect((await posting.get("/v1/streams/words/tail?rate=0")).status).toBe(400);
  expect((await ask(posting.url, "GET", "/v1/streams/words/tail", undefined, {})).status).toBe(401);
  onTestFinished(() => posting.running.stop());
});
