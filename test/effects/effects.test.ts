/** Effects in the worker's own process: what is called, how often, with which key, and what comes of it. */
import { describe, expect, test } from "vitest";
import {
  Computation,
  type Context,
  cbor,
  type EffectResult,
  exponential,
  fromIterable,
  input,
  MemoryStore,
  output,
  Pipeline,
  run,
  stream,
  type StreamRecord,
} from "../../src/index.ts";
import { PipelineTester } from "../../src/testing/index.ts";

interface Order {
  readonly id: string;
  readonly total: number;
}
const orders = stream<Order>("orders", { codec: cbor() });
const mails = stream<Order>("mails");
const sent = stream<EffectResult<Order, string>>("sent");

/** Produces a mail an order; throws after it did where the total is negative. */
class Mailer extends Computation {
  readonly orders = input(orders, { key: (order) => order.id });
  readonly mails = output(mails);
  override processRecord(record: StreamRecord<Order>, context: Context): void {
    context.produce(this.mails, record.value);
    if (record.value.total < 0) throw new Error("not an order");
  }
}

const nothing = fromIterable<Order>(() => []);
type Options = Parameters<typeof withEffect>[1];
function withEffect(
  perform: (
    record: StreamRecord<Order>,
    call: { readonly idempotencyKey: string; readonly attempt: number; readonly signal: AbortSignal },
  ) => string | Promise<string>,
  options: NonNullable<Parameters<Pipeline["effect"]>[3]> = {},
): Pipeline {
  return new Pipeline("shop", { shards: 4 })
    .inject("orders", orders, nothing)
    .compute("mailer", Mailer, { attempts: 1 })
    .effect("mail", mails, perform, { results: sent, ...options } as never);
}

describe("an effect", () => {
  test("is performed once for each committed production, with one key that names pipeline, effect and record", async () => {
    const tester = await PipelineTester.start(
      withEffect(() => "ok"),
      { effects: "perform" },
    );
    for (const id of ["a", "b", "c"]) await tester.push(orders, { id, total: 1 }, { at: 1_000 });
    const calls = tester.effects<Order>("mail");
    expect(calls.map(({ value, timestamp, calls: times }) => [value.id, timestamp, times])).toEqual([
      ["a", 1_000, 1],
      ["b", 1_000, 1],
      ["c", 1_000, 1],
    ]);
    expect(new Set(calls.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(3);
    for (const { idempotencyKey } of calls) expect(idempotencyKey).toMatch(/^shop\/mail\/[^/]+$/);
  });

  test("is not performed for what a handler produced before it threw", async () => {
    const tester = await PipelineTester.start(
      withEffect(() => "ok"),
      { effects: "perform" },
    );
    await tester.push(orders, { id: "a", total: -1 }, { at: 1_000 });
    expect(tester.effects("mail")).toEqual([]);
    expect(tester.deadLetters().map(({ computation }) => computation)).toEqual(["mailer"]);
  });

  test("sees the record as it was produced: value, timestamp, and the key of its producer", async () => {
    const seen: unknown[] = [];
    const tester = await PipelineTester.start(
      withEffect(({ key, value, timestamp, late, id }) => {
        seen.push([key, value, timestamp, late, id.length > 0]);
        return "ok";
      }),
      { effects: "perform" },
    );
    await tester.push(orders, { id: "a#1", total: 2 }, { at: 1_000 });
    expect(seen).toEqual([["a#1", { id: "a#1", total: 2 }, 1_000, false, true]]);
  });

  test("is tried again under the same key until it succeeds, and gives one result with the record's timestamp", async () => {
    const attempts: [string, number][] = [];
    const tester = await PipelineTester.start(
      withEffect(
        (_record, { idempotencyKey, attempt }) => {
          attempts.push([idempotencyKey, attempt]);
          if (attempt < 3) throw new Error("503");
          return `after ${attempt}`;
        },
        { attempts: 4, backoff: exponential(1_000, 60_000) },
      ),
      { effects: "perform" },
    );
    await tester.push(orders, { id: "a", total: 2 }, { at: 1_000 });
    expect(attempts.length).toBe(1);
    await tester.advanceClock(1_000);
    expect(attempts.length).toBe(2);
    await tester.advanceClock(2_000);
    expect(attempts.map(([, attempt]) => attempt)).toEqual([1, 2, 3]);
    expect(new Set(attempts.map(([key]) => key)).size).toBe(1);
    const [result] = tester.records(sent);
    expect(tester.records(sent).length).toBe(1);
    expect(result?.timestamp).toBe(1_000);
    expect(result?.value).toEqual({ ok: true, idempotencyKey: attempts[0]?.[0], attempts: 3, input: { id: "a", total: 2 }, value: "after 3" });
  });

  test("holds the watermark of its results until the last attempt, and no other record", async () => {
    let fails = true;
    const tester = await PipelineTester.start(
      withEffect(({ value }) => {
        if (value.id === "a" && fails) throw new Error("503");
        return "ok";
      }),
      { effects: "perform" },
    );
    await tester.push(orders, { id: "a", total: 1 }, { at: 1_000 });
    await tester.push(orders, { id: "b", total: 1 }, { at: 1_500 });
    await tester.advanceWatermark(5_000);
    expect(tester.values(sent).map(({ input: { id } }) => id)).toEqual(["b"]);
    fails = false;
    await tester.advanceClock(10_000);
    expect(tester.records(sent).map(({ value: { input: order }, timestamp, late }) => [order.id, timestamp, late])).toEqual([
      ["b", 1_500, false],
      ["a", 1_000, false],
    ]);
  });

  test("that fails for the last time gives a failure as its result, and a dead letter", async () => {
    const fail = () => Promise.reject(new Error("gone for good"));
    const tester = await PipelineTester.start(withEffect(fail, { attempts: 2 }), { effects: "perform" });
    await tester.push(orders, { id: "a", total: 1 }, { at: 1_000 });
    await tester.advanceClock(60_000);
    expect(tester.values(sent)).toMatchObject([{ ok: false, attempts: 2, input: { id: "a" }, error: "gone for good" }]);
    expect(tester.deadLetters()).toMatchObject([{ computation: "mail", reason: "gone for good", attempts: 2 }]);
    expect(tester.effects("mail")).toMatchObject([{ calls: 2 }]);
  });

  test("that takes longer than its time limit has failed, and is told by its signal", async () => {
    const signals: AbortSignal[] = [];
    const hang = (_record: unknown, { signal }: { readonly signal: AbortSignal }) => {
      signals.push(signal);
      return new Promise<string>(() => {});
    };
    const tester = await PipelineTester.start(withEffect(hang, { attempts: 1, timeLimit: 500 }), { effects: "perform" });
    await tester.push(orders, { id: "a", total: 1 }, { at: 1_000 });
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    await tester.advanceClock(500);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    expect(tester.values(sent)).toMatchObject([{ ok: false, error: 'effect "mail" took longer than its timeLimit of 500 ms' }]);
  });

  test("is called for again after a crash between the call and its commit, under the same key, with one result", async () => {
    let crashed = false;
    const crashOnce = async () => {
      // The next commit is this call's own.
      if (!crashed) await tester.crash({ at: "before-commit" });
      crashed = true;
      return "ok";
    };
    const tester: PipelineTester = await PipelineTester.start(withEffect(crashOnce), { effects: "perform" });
    await tester.push(orders, { id: "a", total: 1 }, { at: 1_000 });
    expect(tester.effects("mail")).toMatchObject([{ value: { id: "a" }, calls: 2 }]);
    expect(tester.values(sent)).toMatchObject([{ ok: true, input: { id: "a" } }]);
  });
});

describe("the limits of an effect", () => {
  test("at most `concurrency` calls run at a time, over all shards", async () => {
    let running = 0;
    let most = 0;
    const settle: (() => void)[] = [];
    const perform = () => {
      most = Math.max(most, (running += 1));
      return new Promise<string>((resolve) =>
        settle.push(() => {
          running -= 1;
          resolve("ok");
        }),
      );
    };
    const tester = await PipelineTester.start(withEffect(perform, { concurrency: 3 }), { effects: "perform" });
    for (let i = 0; i < 20; i++) await tester.push(orders, { id: `${i}`, total: 1 }, { at: 1_000 + i });
    expect(running).toBe(3);
    while (settle.length > 0) {
      for (const each of settle.splice(0)) each();
      await tester.advanceClock(1);
    }
    expect(most).toBe(3);
    expect(tester.values(sent).length).toBe(20);
  });

  test("at most `max` calls begin in any `per` ms", async () => {
    const begun: number[] = [];
    let now = 0;
    const perform = () => {
      begun.push(now);
      return "ok";
    };
    const tester = await PipelineTester.start(withEffect(perform, { rateLimit: { max: 4, per: 1_000 } }), { effects: "perform" });
    for (let i = 0; i < 14; i++) await tester.push(orders, { id: `${i}`, total: 1 }, { at: 1_000 + i });
    expect(begun.length).toBe(4);
    for (; now < 4_000; ) {
      now += 100;
      await tester.advanceClock(100);
    }
    expect(begun.length).toBe(14);
    begun.forEach((at, i) => i >= 4 && expect(at - (begun[i - 4] as number)).toBeGreaterThanOrEqual(900));
  });
});

describe("in a test", () => {
  test("effects are recorded and none is performed, unless the test says so", async () => {
    const never = () => {
      throw new Error("performed");
    };
    const tester = await PipelineTester.start(withEffect(never));
    await tester.push(orders, { id: "a", total: 1 }, { at: 1_000 });
    await tester.finish();
    expect(tester.effects<Order>("mail")).toMatchObject([{ value: { id: "a" }, calls: 1 }]);
    expect(tester.values(sent)).toEqual([]);
    expect(() => tester.effects("male")).toThrow('the pipeline has no effect "male"; it has mail');
  });

  test("a function may stand in for one effect", async () => {
    const tester = await PipelineTester.start(
      withEffect(() => "real"),
      { effects: { mail: () => "stand-in" } },
    );
    await tester.push(orders, { id: "a", total: 1 }, { at: 1_000 });
    expect(tester.values(sent)).toMatchObject([{ ok: true, value: "stand-in" }]);
    await expect(
      PipelineTester.start(
        withEffect(() => "real"),
        { effects: { male: () => "" } },
      ),
    ).rejects.toThrow('the pipeline has no effect "male"');
  });
});

test("run performs effects in its own process and finishes when all are performed", async () => {
  const performed: string[] = [];
  const source = fromIterable<Order>(() => Array.from({ length: 500 }, (_, i) => ({ value: { id: `${i}`, total: i }, position: i + 1, timestamp: i })));
  const results: string[] = [];
  class Count extends Computation {
    readonly sent = input(sent, { key: (result) => result.input.id });
    override processRecord(record: StreamRecord<EffectResult<Order, string>>): void {
      results.push(record.value.input.id);
    }
  }
  const pipeline = new Pipeline("shop", { shards: 4 })
    .inject("orders", orders, source)
    .compute("mailer", Mailer)
    .effect(
      "mail",
      mails,
      async ({ value }) => {
        await new Promise<void>((resolve) => setImmediate(resolve));
        performed.push(value.id);
        return "sent";
      },
      { results: sent },
    )
    .compute("count", Count);
  const running = await run(pipeline, { store: new MemoryStore() });
  await running.finished;
  await running.stop();
  expect(new Set(performed).size).toBe(500);
  expect(results.length).toBe(500);
});

test.each<[string, Options, string]>([
  ["no attempts", { attempts: 0 }, "attempts is an integer"],
  ["a misspelt option", { retries: 3 } as never, 'there is no option "retries"'],
  ["a rate without a period", { rateLimit: { max: 3 } as never }, "rateLimit.per"],
  ["a back-off by hand", { backoff: { first: 1, most: 2 } as never }, "backoff is made by exponential"],
])("%s is a ConfigError that names the effect", (_, options, text) => {
  expect(() => withEffect(() => "ok", options)).toThrow(/effect "mail"/);
  expect(() => withEffect(() => "ok", options)).toThrow(text);
});
