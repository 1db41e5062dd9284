/** What the last calls of a key did: kept with the commits themselves, shown over HTTP, and gone without a trace where it is off. */
import { expect, test } from "vitest";
import {
  Computation,
  type ComputeOptions,
  type Context,
  ConfigError,
  days,
  fromHttp,
  input,
  MemoryStore,
  minutes,
  output,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
  toCallback,
} from "../../src/index.ts";
import type { ExplainView } from "../../src/inspect/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";
import { workerOf } from "../../src/run.ts";
import { ask, MASTER, POLL, Posting } from "./posting.ts";

interface Order {
  readonly id: string;
  readonly total: number;
}
const orders = stream<Order>("orders");
const sums = stream<number>("sums");
const AT = 1_700_000_000_000;
const FAR = 1_000_000_000_000;

class Summing extends Computation {
  readonly orders = input(orders, { key: ({ id }) => id });
  readonly sums = output(sums);
  readonly sum = state("sum", { initial: { total: 0 } });
  readonly note = state<string>("note");
  readonly closing = timers<string>("closing");
  #failed = false;

  override async processRecord({ value, timestamp }: StreamRecord<Order>, context: Context): Promise<void> {
    // Changed in place: what was before has to be known all the same.
    context.state(this.sum).update((sum) => {
      sum.total += value.total;
    });
    context.produce(this.sums, context.state(this.sum).get().total);
    context.setTimer(this.closing.for("late"), timestamp + FAR);
    await Promise.resolve();
    if (value.total < 0 && !this.#failed) {
      this.#failed = true;
      throw new Error("not yet");
    }
  }

  override processTimer(timer: Timer<string>, context: Context): void {
    context.state(this.note).set(`closed ${timer.tag}`);
  }
}

const pipeline = (explain: ComputeOptions["explain"]) =>
  new Pipeline("explained", { shards: 2 })
    .inject("in", orders, fromHttp({ timestamp: () => AT, id: ({ total }) => String(total), idRetention: 10 ** 15 }))
    .compute("summing", Summing, { explain })
    .sink(
      "out",
      sums,
      toCallback(() => {}),
    );

const post = async (posting: Posting, ...totals: number[]) =>
  posting.post(JSON.stringify(totals.map((total) => ({ id: "a", total }))), { "content-type": "application/json" }, "?wait=effects", "orders");
const explanation = async (posting: Posting): Promise<ExplainView> => (await posting.get("/v1/computations/summing/explain/a")).json as ExplainView;
const sumOf = async (posting: Posting): Promise<unknown> => (await posting.get("/v1/computations/summing/state/a")).json.cells;

test("the last calls of a key are told with record, state before and after, productions and timers, as of a commit", async () => {
  const posting = await Posting.start(pipeline(3), new MemoryStore(), [MASTER]);
  expect(await explanation(posting)).toMatchObject({ computation: "summing", key: "a", calls: [] });
  for (const total of [1, 2, -3, 4]) expect((await post(posting, total)).json.complete).toBe(true);
  const { calls, commit } = await explanation(posting);
  // Three of four; the one that failed at first is there once, by the call that succeeded.
  expect(calls.map(({ record }) => JSON.parse(record?.value.text ?? ""))).toEqual([2, -3, 4].map((total) => ({ id: "a", total })));
  const text = (value: unknown) => ({ text: JSON.stringify(value), cut: false });
  expect(calls[0]).toEqual({
    commit: calls[0]?.commit,
    at: expect.any(Number),
    watermark: expect.any(Number),
    record: { stream: "orders", id: "2", timestamp: AT, late: true, value: text({ id: "a", total: 2 }) },
    timer: null,
    state: [
      { cell: "sum", changed: true, before: text({ total: 1 }), after: text({ total: 3 }) },
      { cell: "note", changed: false, before: null, after: null },
    ],
    produced: [{ stream: "sums", timestamp: null, value: text(3) }],
    producedInAll: 1,
    timers: [{ name: "closing", tag: "late", time: AT + FAR }],
    cleared: false,
  });
  expect(calls.map((call) => call.commit)).toEqual(calls.map((call) => call.commit).toSorted((a, b) => a - b));
  expect(calls.at(-1)?.commit).toBeLessThanOrEqual(commit);
  // It is no state of the user's.
  expect(((await sumOf(posting)) as { name: string }[]).map(({ name }) => name)).toEqual(["sum", "note"]);
  const { status } = await ask(posting.url, "GET", "/v1/computations/summing/explain/a", undefined, {});
  expect(status).toBe(401);
});

test("what is kept is exactly what is committed, when the worker dies and when the option is taken away", async () => {
  const store = new MemoryStore();
  const first = await Posting.start(pipeline(100), store, [MASTER]);
  await post(first, ...Array.from({ length: 20 }, (_, at) => at + 1));
  void post(first, 100, 101, 102);
  await workerOf(first.running).driver.halt();
  const second = await Posting.start(pipeline(100), store, [MASTER]);
  await post(second, 100, 101, 102);
  const { calls } = await explanation(second);
  const records = calls.filter(({ record }) => record !== null);
  expect(records.map(({ record }) => record?.id)).toEqual([...Array.from({ length: 20 }, (_, at) => String(at + 1)), "100", "101", "102"]);
  // Each begins where the one before it ended.
  records.slice(1).forEach(({ state: [sum] }, at) => expect(sum?.before).toEqual(records[at]?.state[0]?.after));
  await second.running.stop();

  const without = await Posting.start(pipeline(undefined), store, [MASTER]);
  expect((await without.get("/v1/computations/summing/explain/a")).json.error).toMatchObject({ code: "not-explained" });
  await post(without, 1_000);
  await expect.poll(async () => JSON.stringify(await sumOf(without)), POLL).toContain('"total":1513');
});

test("timers, cleared keys, many productions and large values are told within bounds, and handlers see no difference", async () => {
  class Large extends Computation {
    readonly orders = input(orders, { key: ({ id }) => id });
    readonly sums = output(sums);
    readonly text = state("text", { initial: "" });
    readonly once = timers<number>("once");
    override processRecord(record: StreamRecord<Order>, context: Context): void {
      if (!record.is(this.orders)) throw new Error("a record of another input");
      context.clear();
      context.state(this.text).set("x".repeat(10_000));
      for (let i = 0; i < 50; i++) context.produce(this.sums, i);
      context.setTimer(this.once.for(7), record.timestamp);
    }
    override processTimer(timer: Timer<number>, context: Context): void {
      context.hold(undefined);
      context.state(this.text).set(`fired ${timer.tag}`);
    }
  }
  const tester = await PipelineTester.start(
    new Pipeline("large")
      .inject("in", orders, fromHttp())
      .compute("large", Large, { explain: 1_000 })
      .sink(
        "out",
        sums,
        toCallback(() => {}),
      ),
    { now: AT },
  );
  for (let i = 0; i < 100; i++) await tester.push(orders, { id: "a", total: i }, { at: AT + i });
  await tester.advanceWatermark(AT + 1_000);
  expect(tester.deadLetters()).toEqual([]);
  expect(tester.values(sums)).toHaveLength(5_000);
  expect(tester.state(Large, "a")).toEqual({ text: "fired 7" });
});

test("what is kept is gone a day after the key's last call, unless the option says another time", () => {
  const ttlOf = (explain: ComputeOptions["explain"]) => {
    const [node] = pipeline(explain)
      .graph()
      .participants.filter(({ kind }) => kind === "computation");
    return node?.kind === "computation" ? node.cells.find(({ name }) => name === "millrace.explain")?.ttl : undefined;
  };
  expect([ttlOf(5), ttlOf({ calls: 5 }), ttlOf({ calls: 5, ttl: 7 })]).toEqual([days(1), days(1), 7]);
});

test("a handler that a test makes fail leaves no entry, and one that is async stays so", async () => {
  const tester = await PipelineTester.start(pipeline(5), { now: AT });
  const instance = pipeline(5)
    .graph()
    .participants.flatMap((node) => (node.kind === "computation" ? [node.make()] : []))[0] as Summing;
  expect([instance.processRecord.constructor.name, instance.processTimer.constructor.name]).toEqual(["AsyncFunction", "Function"]);
  tester.fail(Summing, { times: 1 });
  await tester.push(orders, { id: "a", total: 1 }, { at: AT });
  await tester.advanceClock(minutes(1));
  expect(tester.state(Summing, "a")).toMatchObject({ sum: { total: 1 } });
});

test.each([0, 1.5, 1_001, "20", null, {}, { calls: 0 }, { calls: 1, ttl: 0 }, { calls: 1, keep: 1 }])("explain: %j is refused", (explain) => {
  expect(() => pipeline(explain as never)).toThrow(ConfigError);
});
