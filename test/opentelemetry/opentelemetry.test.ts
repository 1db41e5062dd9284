/** Spans of the calls of handlers, by OpenTelemetry's API, over several computations and workers. */
import { trace } from "@opentelemetry/api";
import { expect, onTestFinished, test } from "vitest";
import {
  Computation,
  type Context,
  fromIterable,
  input,
  MemoryStore,
  output,
  Pipeline,
  run,
  type RunOptions,
  type StreamRecord,
  stream,
  timer,
  type Timer,
  toCallback,
} from "../../src/index.ts";
import { openTelemetry } from "../../src/opentelemetry/index.ts";
import { workerOf } from "../../src/run.ts";
import { type KeptSpan, keepSpans } from "./spans.ts";

const spans = keepSpans();

const names = stream<string>("names");
const second = stream<string>("second");
const third = stream<string>("third");
const done = stream<string>("done");

/** What a call of the second computation does, besides passing the record on. */
type During = (name: string) => Promise<void> | void;

class First extends Computation {
  readonly names = input(names, { key: (name) => name });
  readonly second = output(second);
  override processRecord(record: StreamRecord<string>, context: Context): void {
    context.produce(this.second, record.value);
  }
}

class Second extends Computation {
  readonly second = input(second, { key: (name) => name });
  readonly third = output(third);
  readonly #during: During;
  constructor(during: During) {
    super();
    this.#during = during;
  }
  override async processRecord(record: StreamRecord<string>, context: Context): Promise<void> {
    await this.#during(record.value);
    context.produce(this.third, record.value);
  }
}

class Third extends Computation {
  readonly third = input(third, { key: (name) => name });
  readonly done = output(done);
  readonly later = timer("later");
  override processRecord(record: StreamRecord<string>, context: Context): void {
    context.produce(this.done, record.value);
    context.setTimer(this.later, record.timestamp + 1);
  }
  override processTimer(_timer: Timer, context: Context): void {
    context.produce(this.done, `${context.key} later`);
  }
}

interface Began {
  readonly during?: During;
  readonly store: MemoryStore;
  readonly tracing?: RunOptions["tracing"];
}

/** Two records through three computations. */
async function begin({ during = () => {}, store, tracing }: Began) {
  const values: string[] = [];
  const pipeline = new Pipeline("traced", { shards: 2 })
    .inject(
      "names",
      names,
      fromIterable((position?: number) =>
        [
          { value: "ann", position: 1, timestamp: 1 },
          { value: "bob", position: 2, timestamp: 2 },
        ].slice(position ?? 0),
      ),
    )
    .compute("first", First)
    .compute("second", () => new Second(during), { attempts: Number.POSITIVE_INFINITY })
    .compute("third", Third)
    .sink(
      "done",
      done,
      toCallback(({ value }) => void values.push(value)),
    );
  const running = await run(pipeline, { store, tracing, log: () => {} });
  onTestFinished(() => running.stop());
  return { running, values };
}

const ofTrace = (traceId: string | undefined): KeptSpan[] => spans.filter((span) => span.traceId === traceId);
const shown = ({ name, parent, failed }: KeptSpan) => [name, spans.find(({ spanId }) => spanId === parent?.spanId)?.name, failed];

test("one record's spans are one trace over three computations, a failed try and another worker", async () => {
  const store = new MemoryStore();
  const active: unknown[] = [];
  let broken = true;
  const during: During = async (name) => {
    await Promise.resolve();
    active.push(trace.getActiveSpan()?.spanContext().spanId);
    if (broken && name === "ann") throw new Error("not today");
  };
  const one = await begin({ store, during, tracing: openTelemetry() });
  await expect.poll(() => one.values, { timeout: 20_000 }).toContain("bob");
  await expect.poll(() => spans.some(({ failed }) => failed), { timeout: 20_000 }).toBe(true);
  await one.running.stop();
  broken = false;
  const two = await begin({ store, during, tracing: openTelemetry({ keys: true }) });
  await two.running.finished;
  expect([...one.values, ...two.values].toSorted()).toEqual(["ann", "ann later", "bob", "bob later"]);

  expect(spans.filter(({ ended }) => !ended)).toEqual([]);
  const ann = ofTrace(spans.find(({ attributes }) => attributes["millrace.key"] === "ann" && attributes["millrace.computation"] === "third")?.traceId);
  const tries = ann.filter(({ name }) => name === "second record");
  expect(ann.filter((span) => !tries.includes(span)).map(shown)).toEqual([
    ["first record", undefined, false],
    ["third record", "second record", false],
  ]);
  expect(ann.at(-1)?.parent).toMatchObject({ spanId: tries.at(-1)?.spanId, isRemote: true });
  expect(tries.length).toBeGreaterThanOrEqual(2);
  expect(tries.map(shown)).toEqual(tries.map((_, n) => ["second record", "first record", n < tries.length - 1]));
  expect(tries.map(({ attributes }) => attributes["millrace.attempt"])).toEqual(tries.map((_, n) => n + 1));
  expect(spans.filter(({ name }) => name === "third timer").map(({ parent }) => parent)).toEqual([undefined, undefined]);
  // What a handler does after an await is within its span.
  const seconds = spans.filter(({ name }) => name === "second record").map(({ spanId }) => spanId);
  expect(new Set(active)).toEqual(new Set(seconds));
});

test("keys and ids of records are in spans only where that was asked for", async () => {
  const from = spans.length;
  await (await begin({ store: new MemoryStore(), tracing: openTelemetry() })).running.finished;
  const asked = spans.length;
  await (await begin({ store: new MemoryStore(), tracing: openTelemetry({ keys: true }) })).running.finished;
  expect(JSON.stringify(spans.slice(from, asked))).not.toMatch(/ann|millrace\.(key|record)/);
  expect(spans[asked]?.attributes).toMatchObject({ "millrace.key": "ann", "millrace.record.id": expect.stringMatching(/^1\.0\./) });
});

test("without tracing nothing stands around handlers, no span is made, and what was traced before is read", async () => {
  const store = new MemoryStore();
  let broken = true;
  const during: During = () => {
    if (broken) throw new Error("not today");
  };
  const one = await begin({ store, during, tracing: openTelemetry() });
  await expect.poll(() => ofTrace(spans.at(-1)?.traceId).some(({ failed }) => failed), { timeout: 20_000 }).toBe(true);
  await one.running.stop();
  broken = false;
  const before = spans.length;
  const two = await begin({ store });
  for (const { instance } of workerOf(two.running).engine.options.instances.values()) expect(Object.keys(instance)).not.toContain("processRecord");
  await two.running.finished;
  expect(two.values.toSorted()).toEqual(["ann", "ann later", "bob", "bob later"]);
  expect(spans).toHaveLength(before);
});

test("what is no option is refused", async () => {
  expect(() => openTelemetry({ key: true } as object)).toThrow(/there is no option "key"/);
  expect(() => openTelemetry({ keys: "yes" } as object)).toThrow(/keys is true or false/);
  await expect(begin({ store: new MemoryStore(), tracing: {} as never })).rejects.toThrow(/tracing is made by openTelemetry\(\)/);
});
