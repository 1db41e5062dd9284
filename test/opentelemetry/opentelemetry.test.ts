/** Spans of the calls of handlers, by OpenTelemetry's API, over several computations and workers. */
import { context, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { expect, onTestFinished, test } from "vitest";
import {
  ascending,
  Computation,
  type Context,
  fromHttp,
  fromIterable,
  injector,
  type InjectorSource,
  input,
  MemoryStore,
  output,
  Pipeline,
  run,
  type RunningPipeline,
  type RunOptions,
  sink,
  type SinkTarget,
  type SinkWriter,
  type SourceContext,
  type SourceReader,
  type StreamRecord,
  stream,
  timer,
  type Timer,
  toCallback,
} from "../../src/index.ts";
import { traceparent, traceparentOf } from "../../src/computation/trace-context.ts";
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
    ["names inject", undefined, false],
    ["first record", "names inject", false],
    ["third record", "second record", false],
    ["done write", "third record", false],
  ]);
  expect(ann.find(({ name }) => name === "third record")?.parent).toMatchObject({ spanId: tries.at(-1)?.spanId, isRemote: true });
  expect(tries.length).toBeGreaterThanOrEqual(2);
  expect(tries.map(shown)).toEqual(tries.map((_, n) => ["second record", "first record", n < tries.length - 1]));
  expect(tries.map(({ attributes }) => attributes["millrace.attempt"])).toEqual(tries.map((_, n) => n + 1));
  expect(spans.filter(({ name }) => name === "third timer").map(({ parent }) => parent)).toEqual([undefined, undefined]);
  // What a timer produced is written as a part of its trace.
  expect(spans.filter(({ name }) => name === "done write").map((span) => shown(span)[1])).toEqual(
    expect.arrayContaining(["third record", "third record", "third timer", "third timer"]),
  );
  // What a handler does after an await is within its span.
  const seconds = spans.filter(({ name }) => name === "second record").map(({ spanId }) => spanId);
  expect(new Set(active)).toEqual(new Set(seconds));
});

/** A user's own source and target, as classes whose methods and getters need their private fields. */
class PrivateSource implements InjectorSource {
  readonly kind = "injector";
  readonly partitions = 1;
  readonly idRetention = 1_000;
  readonly maxAhead = Number.POSITIVE_INFINITY;
  readonly watermark = ascending();
  readonly #names: readonly string[];
  constructor(names: readonly string[]) {
    this.#names = names;
  }
  get description(): string {
    return `${this.#names.length} names`;
  }
  timestamp(name: string): number {
    return this.#names.indexOf(name);
  }
  id(name: string): string {
    return `${name} of ${this.#names.length}`;
  }
  async open(_context: SourceContext, position: unknown): Promise<SourceReader> {
    const items = this.#names.map((value, at) => ({ value, position: at + 1 })).slice(Number(position ?? 0));
    return { pull: async () => ({ items, done: true }), close: async () => {} };
  }
}

class PrivateTarget implements SinkTarget {
  readonly kind = "sink";
  readonly #seen: unknown[];
  constructor(seen: unknown[]) {
    this.#seen = seen;
  }
  get description(): string {
    return `${this.#seen.length} seen`;
  }
  get attempts(): number {
    return this.#seen.length + 1;
  }
  async open(): Promise<SinkWriter> {
    const write = async (records: readonly StreamRecord<unknown>[]) => void this.#seen.push(...records.map(({ id, timestamp }) => [id, timestamp]));
    return { write, close: async () => {} };
  }
}

test("a source and a target whose own methods need private fields work as without tracing", async () => {
  const seen: unknown[] = [];
  const pipeline = new Pipeline("private", { shards: 1 })
    .inject("names", names, injector<string>(new PrivateSource(["ann", "bob"])))
    .sink("seen", names, sink<string>(new PrivateTarget(seen)));
  const running = await run(pipeline, { store: new MemoryStore(), tracing: openTelemetry(), log: () => {} });
  onTestFinished(() => running.stop());
  await running.finished;
  expect(seen).toEqual([
    ["ann of 2", 0],
    ["bob of 2", 1],
  ]);
});

test("a schema that is a function, as arktype's are, refuses and changes values as without tracing", async () => {
  const validate = (value: unknown) => (value === "bob" ? { issues: [{ message: "not he" }] } : { value: String(value).toUpperCase() });
  const schema = Object.assign(() => {}, { "~standard": { version: 1, vendor: "test", validate } as const });
  const seen: string[] = [];
  const source: InjectorSource = {
    kind: "injector",
    description: "two names",
    partitions: 1,
    id: undefined,
    idRetention: 1_000,
    maxAhead: Number.POSITIVE_INFINITY,
    watermark: ascending(),
    timestamp: () => 0,
    open: async (_context, position) => ({
      pull: async () => ({ items: ["ann", "bob"].map((value, at) => ({ value, position: at + 1 })).slice(Number(position ?? 0)), done: true }),
      close: async () => {},
    }),
  };
  const pipeline = new Pipeline("function", { shards: 1 }).inject("names", names, injector<string>({ ...source, schema })).sink(
    "seen",
    names,
    toCallback(({ value }) => void seen.push(value)),
  );
  const running = await run(pipeline, { store: new MemoryStore(), tracing: openTelemetry(), log: () => {} });
  onTestFinished(() => running.stop());
  await running.finished;
  expect(seen).toEqual(["ANN"]);
});

test("keys and ids of records are in spans only where that was asked for", async () => {
  const from = spans.length;
  await (await begin({ store: new MemoryStore(), tracing: openTelemetry() })).running.finished;
  const asked = spans.length;
  await (await begin({ store: new MemoryStore(), tracing: openTelemetry({ keys: true }) })).running.finished;
  expect(JSON.stringify(spans.slice(from, asked))).not.toMatch(/ann|millrace\.(key|record)/);
  const first = spans.slice(asked).find(({ name }) => name === "first record");
  expect(first?.attributes).toMatchObject({ "millrace.key": "ann", "millrace.record.id": expect.stringMatching(/^1\.0\./) });
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

/** Records posted to `names` go through one computation to a sink that may fail. */
const posted = (store: MemoryStore, tracing: RunOptions["tracing"], write: () => void = () => {}) =>
  run(
    new Pipeline("posted", { shards: 2 })
      .inject("names", names, fromHttp())
      .compute("first", First, { explain: 3 })
      .sink(
        "second",
        second,
        toCallback(() => write(), { attempts: 3 }),
      ),
    { store, tracing, http: { port: 0 }, log: () => {} },
  );

const CALLER = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331" };

async function post(url: string | undefined, traceparent: string): Promise<void> {
  const path = `${url}/v1/streams/names/records?wait=effects`;
  const send = () => fetch(path, { method: "POST", headers: { "content-type": "application/json", traceparent }, body: '["ann"]' });
  await expect.poll(async () => (await send()).status, { timeout: 20_000 }).toBe(200);
}

test("a posted record goes on with its caller's trace, to the sink that fails to write it and tries again", async () => {
  const from = spans.length;
  let failing = 1;
  const running = await posted(new MemoryStore(), openTelemetry(), () => {
    if (failing-- > 0) throw new Error("not yet");
  });
  onTestFinished(() => running.stop());
  await post(running.url, `00-${CALLER.traceId}-${CALLER.spanId}-01`);
  expect(ofTrace(CALLER.traceId).map(shown)).toEqual([
    ["names inject", undefined, false],
    ["first record", "names inject", false],
    ["second write", "first record", true],
    ["second write", "first record", false],
  ]);
  expect(ofTrace(CALLER.traceId)[0]?.parent).toMatchObject({ ...CALLER, traceFlags: 1, isRemote: true });
  await post(running.url, `00-${CALLER.traceId}-0000000000000000-01`);
  expect(ofTrace(CALLER.traceId)).toHaveLength(4);
  expect(spans.slice(from).map(({ attributes }) => attributes["millrace.injector"] ?? attributes["millrace.sink"])).toContain("names");
});

test("a caller's trace goes on whichever worker is asked", async () => {
  const store = new MemoryStore({ exclusive: false });
  const both = [await posted(store, openTelemetry()), await posted(store, openTelemetry())];
  onTestFinished(async () => {
    for (const running of both) await running.stop();
  });
  // A push while its injector's shard changes hands may have to be sent again.
  const settled = (): boolean => both.map(workerOf).every(({ engine }) => engine.ownership.complete && engine.shards.size > 0);
  await expect.poll(settled).toBe(true);
  for (const [at, running] of both.entries()) {
    const traceId = at.toString(16).padStart(32, "f");
    await post(running.url, `00-${traceId}-${CALLER.spanId}-01`);
    // More than one of each where the worker that owns the injector was not ready, and the record was posted again.
    await expect.poll(() => [...new Set(ofTrace(traceId).map(({ name }) => name))]).toEqual(["names inject", "first record", "second write"]);
  }
});

/** Pushes in a span of a trace, and waits for all that comes of it. */
const pushed = (running: RunningPipeline, traceId: string, name: string) =>
  context.with(trace.setSpanContext(ROOT_CONTEXT, { ...CALLER, traceId, traceFlags: 3 }), () => running.push(names, name, { wait: 20_000 }));

test("a record that is pushed within a span goes on with its trace; one that is pushed outside of any begins its own", async () => {
  const running = await posted(new MemoryStore(), openTelemetry());
  onTestFinished(() => running.stop());
  const traceId = "ab".repeat(16);
  expect(await pushed(running, traceId, "ann")).toMatchObject({ complete: true });
  expect(ofTrace(traceId).map(shown)).toEqual([
    ["names inject", undefined, false],
    ["first record", "names inject", false],
    ["second write", "first record", false],
  ]);
  expect(ofTrace(traceId)[0]?.parent).toMatchObject({ traceId, spanId: CALLER.spanId, traceFlags: 1, isRemote: true });
  const from = spans.length;
  await running.push(names, "bob", { wait: 20_000 });
  expect(spans[from]).toMatchObject({ name: "names inject", parent: undefined });
});

test("a push's trace goes on whichever worker owns the injector", async () => {
  const store = new MemoryStore({ exclusive: false });
  const both = [await posted(store, openTelemetry()), await posted(store, openTelemetry())];
  onTestFinished(async () => {
    for (const running of both) await running.stop();
  });
  for (const [at, running] of both.entries()) {
    const traceId = at.toString(16).padStart(32, "e");
    await pushed(running, traceId, `name ${at}`);
    await expect
      .poll(() => ofTrace(traceId).map(({ name, parent }) => [name, name.startsWith("names") ? parent?.traceFlags : undefined]))
      .toEqual([
        ["names inject", 1],
        ["first record", undefined],
        ["second write", undefined],
      ]);
  }
});

test("without tracing a caller's trace is not stored", async () => {
  const from = spans.length;
  const running = await posted(new MemoryStore(), undefined);
  onTestFinished(() => running.stop());
  await post(running.url, `00-${CALLER.traceId}-${CALLER.spanId}-01`);
  await pushed(running, CALLER.traceId, "bob");
  expect(workerOf(running).engine.options.plan.participants.some(({ node }) => "source" in node && !Object.hasOwn(node.source, "door"))).toBe(false);
  expect(spans).toHaveLength(from);
});

test.each([
  [`00-${CALLER.traceId}-${CALLER.spanId}-01`, { ...CALLER, flags: 1 }],
  [`00-${CALLER.traceId}-${CALLER.spanId}-02`, { ...CALLER, flags: 0 }],
  [`01-${CALLER.traceId}-${CALLER.spanId}-01-more`, { ...CALLER, flags: 1 }],
  [`00-${CALLER.traceId}-${CALLER.spanId}-01-more`, undefined],
  [`ff-${CALLER.traceId}-${CALLER.spanId}-01`, undefined],
  [`00-${"0".repeat(32)}-${CALLER.spanId}-01`, undefined],
  [`00-${CALLER.traceId.toUpperCase()}-${CALLER.spanId}-01`, undefined],
  [["a", "b"], undefined],
  [undefined, undefined],
])("the header traceparent %j says %j", (header, said) => {
  expect(traceparentOf(header)).toEqual(said);
  if (said !== undefined) expect(traceparentOf(traceparent(said))).toEqual(said);
});

test("what is no option is refused", async () => {
  expect(() => openTelemetry({ key: true } as object)).toThrow(/there is no option "key"/);
  expect(() => openTelemetry({ keys: "yes" } as object)).toThrow(/keys is true or false/);
  await expect(begin({ store: new MemoryStore(), tracing: {} as never })).rejects.toThrow(/tracing is made by openTelemetry\(\)/);
});
