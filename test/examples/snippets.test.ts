/** What README.md and the pages of docs show of a pipeline in a program of one's own: run as it is shown, on a small pipeline. */
// #region import-read-file
import { readFile } from "node:fs/promises";
// #endregion
import { expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
// #region import-run
import { LmdbStore, run } from "../../src/index.ts";
// #endregion
// #region import-audit
import { audit } from "../../src/inspect/index.ts";
// #endregion
// #region import-endpoint
import { endpoint } from "../../src/inspect/index.ts";
// #endregion
import {
  Computation,
  type Context,
  fromFile,
  fromIterable,
  fromPush,
  input,
  output,
  Pipeline,
  RedisStore,
  state,
  stream,
  toCallback,
  toFile,
} from "../../src/index.ts";
import type { StreamRecord } from "../../src/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const fresh = temporaryDirectory();
const words = stream<string>("words");
const totals = stream<string>("totals");

class WordCount extends Computation {
  readonly words = input(words, { key: (word) => word });
  readonly totals = output(totals);
  readonly count = state("count", { initial: 0 });
  override processRecord(_record: StreamRecord<string>, context: Context): void {
    context.state(this.count).update((count) => count + 1);
    context.produce(this.totals, `${context.key} ${context.state(this.count).get()}`);
  }
}

test("a pipeline runs in one's own process, is asked what holds it, and is audited", async () => {
  const directory = fresh("data");
  const [port, told]: [number, string[]] = [0, []];
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  async function* source() {
    yield { value: "tea", position: 1, timestamp: 1 };
    await ended;
  }
  const pipeline = new Pipeline("word-count", { shards: 2 })
    .inject(
      "words",
      words,
      fromIterable(() => source()),
    )
    .compute("word-count", WordCount)
    .sink(
      "totals",
      totals,
      toCallback(({ value }) => void told.push(value)),
    );
  vi.spyOn(console, "log").mockImplementation((text: string) => void told.push(text));
  onTestFinished(() => void vi.restoreAllMocks());
  const handled = process.listeners("SIGTERM");
  // #region run
  const running = await run(pipeline, { store: new LmdbStore(directory), http: { port } }); // or new RedisStore(url)
  process.once("SIGTERM", () => void running.stop()); // commits what was begun and hands the shards over
  // #endregion
  onTestFinished(async () => {
    for (const each of process.listeners("SIGTERM")) if (!handled.includes(each)) process.off("SIGTERM", each);
    await running.stop();
  });
  await expect.poll(() => told).toEqual(["tea 1"]);
  const url = running.url ?? "";
  // #region endpoint
  const { participants } = await endpoint(url).watermarks();
  for (const { name, heldBy } of participants) if (heldBy !== null) console.log(`${name}: ${heldBy.text}`);
  // #endregion
  expect(told.slice(1).map((text) => text.slice(0, text.indexOf(":")))).toEqual(["words", "word-count", "totals"]);
  end();
  // #region finished
  await running.finished; // when all inputs have ended and everything they caused is done
  // #endregion
  await running.stop();
  const store = new LmdbStore(directory);
  // #region audit
  const report = await audit(store, { pipeline: "word-count" });
  if (report.violations > 0) console.error(report.invariants.filter(({ violations }) => violations > 0));
  // #endregion
  expect(report.violations).toBe(0);
});

test("a program pushes records itself, reads state, and reads of a file what is committed", async () => {
  const path = fresh("totals.ndjson");
  // #region push
  const pipeline = new Pipeline("word-count").inject("words", words, fromPush<string>()).compute("word-count", WordCount).sink("totals", totals, toFile(path));
  const running = await run(pipeline, { store: new LmdbStore(fresh("data")), http: { port: 0 } });

  // In a route of your own server: it answers when the record is durable, and the same request sent again counts once.
  const { duplicate } = await running.push(words, "tea", { id: "request-17" });
  // #endregion
  onTestFinished(() => running.stop());
  expect(duplicate).toBe(false);
  expect((await running.push(words, "tea", { wait: 10_000 })).complete).toBe(true);
  // #region state
  const stored = await running.state("word-count", "tea");
  const count = stored?.cells.find(({ name }) => name === "count")?.value;
  // #endregion
  expect(count).toBe(2);
  const { url } = running as { url: string };
  // #region file-bytes
  const { shards } = await endpoint(url).shards({ participant: "totals" });
  const committed = (await readFile(path)).subarray(0, shards[0]?.fileBytes ?? 0);
  // #endregion
  expect(committed.toString()).toBe('"tea 1"\n"tea 2"\n');
});

test("a schema of zod checks, types and transforms what comes in", async () => {
  // #region zod
  const Order = z.object({ id: z.string(), total: z.coerce.number(), at: z.iso.datetime().transform((text) => Date.parse(text)) });
  const orders = stream<z.infer<typeof Order>>("orders");
  const pipeline = new Pipeline("orders").inject("orders", orders, fromFile("orders.ndjson", { schema: Order, timestamp: (order) => order.at }));
  // #endregion
  const nowhere = toCallback(() => {});
  const t = await PipelineTester.start(pipeline.sink("nowhere", orders, nowhere));
  await t.push(orders, { id: "a", total: "5", at: "2026-11-01T09:00:00Z" } as never, { at: 1 });
  await t.push(orders, { id: 7 } as never, { at: 1 });
  expect(t.values(orders)).toEqual([{ id: "a", total: 5, at: Date.UTC(2026, 10, 1, 9) }]);
  expect(t.deadLetters()).toHaveLength(1);
});

test("a Redis store says what its commits wait for", () => {
  const url = "redis://127.0.0.1:6379/0";
  const stores = [
    // #region durability
    // The primary has applied it:
    new RedisStore(url),
    // and a replica has it, which is strict mode:
    new RedisStore(url, { durability: { replicas: 1 } }),
    // and both disks have it (Redis >= 7.2, Valkey):
    new RedisStore(url, { durability: { replicas: 1, fsynced: true } }),
    // and the primary's disk has it (Redis >= 7.2, Valkey):
    new RedisStore(url, { durability: "fsynced" }),
    // Whoever the Sentinels say is the primary:
    new RedisStore({ sentinels: [{ host: "a", port: 26379 }], name: "main" }),
    // #endregion
  ];
  expect(stores.every(({ kind }) => kind === "store")).toBe(true);
});
