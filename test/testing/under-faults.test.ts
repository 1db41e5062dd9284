/** Users' pipelines under the simulator: what holds passes, and what only luck upholds is found and shown. */
import { describe, expect, test } from "vitest";
import {
  Computation,
  type Context,
  input,
  output,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timer,
  timers,
  byHand,
  fromIterable,
} from "../../src/index.ts";
import { sized } from "../support/size.ts";
import { PipelineTester, ScheduleError, type Tester, underFaults } from "../../src/testing/index.ts";

interface Sale {
  readonly shop: string;
  readonly amount: number;
}
const sales = stream<Sale>("sales");
const totals = stream<string>("totals");
const nothing = fromIterable<Sale, number>(() => [], { watermark: byHand() });

const HOUR = 3_600_000;

/** Sums up the sales of each hour, by shop. */
class Hourly extends Computation {
  readonly sales = input(sales, { key: (sale) => sale.shop });
  readonly totals = output(totals);
  readonly sums = state("sums", { initial: new Map<number, number>() });
  readonly hour = timers<number>("hour");
  override processRecord(record: StreamRecord<Sale>, context: Context): void | Promise<void> {
    const hour = Math.floor(record.timestamp / HOUR) + 1;
    context.state(this.sums).update((sums) => sums.set(hour, (sums.get(hour) ?? 0) + record.value.amount));
    context.setTimer(this.hour.for(hour), hour * HOUR);
  }
  override processTimer(fired: Timer<number>, context: Context): void | Promise<void> {
    context.produce(this.totals, `${context.key} ${fired.tag}: ${context.state(this.sums).get().get(fired.tag)}`);
    context.state(this.sums).update((sums) => void sums.delete(fired.tag));
  }
}

const pipelineOf = (make: new () => Hourly): Pipeline => new Pipeline("shops", { shards: 2 }).inject("sales", sales, nothing).compute("hourly", make);

const DAY = 24 * 3_600_000;
async function aDay(tester: Tester): Promise<void> {
  for (const hour of [0, 1, 2]) {
    await Promise.all(["a", "b", "c"].map((shop, i) => tester.push(sales, { shop, amount: i + 1 }, { at: hour * HOUR + i })));
    await tester.push(sales, { shop: "a", amount: 10 }, { at: hour * HOUR + 9 });
    await tester.advanceWatermark((hour + 1) * HOUR);
  }
  await tester.finish();
  expect(tester.values(totals).toSorted()).toEqual(["a 1: 11", "a 2: 11", "a 3: 11", "b 1: 2", "b 2: 2", "b 3: 2", "c 1: 3", "c 2: 3", "c 3: 3"]);
  expect(tester.state(Hourly, "a").sums.size).toBe(0);
  expect(tester.deadLetters()).toEqual([]);
}

async function failure(run: Promise<void>): Promise<ScheduleError> {
  const error: unknown = await run.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ScheduleError);
  return error as ScheduleError;
}

const eventsOf = ({ message }: ScheduleError): string[] => message.split("\n\n")[1]?.split("\n") ?? [];

test("the body of a PipelineTester test holds on schedules with faults", async () => {
  await aDay(await PipelineTester.start(pipelineOf(Hourly)));
  await underFaults(pipelineOf(Hourly), { schedules: sized(8, 30) }, aDay);
  await underFaults(pipelineOf(Hourly), { schedules: sized(5, 15), lostTail: true }, aDay);
});

test("so does a pipeline with asynchronous handlers", async () => {
  class Later extends Hourly {
    override async processRecord(record: StreamRecord<Sale>, context: Context): Promise<void> {
      await Promise.resolve();
      await super.processRecord(record, context);
    }
  }
  await underFaults(pipelineOf(Later), { schedules: sized(8, 40) }, aDay);
});

test("processing time stands still until the test moves it, whatever has to heal meanwhile", async () => {
  const seen: number[] = [];
  class Clocked extends Hourly {
    readonly alarm = timer("alarm", { clock: "wall" });
    override processRecord(_: StreamRecord<Sale>, context: Context): void {
      seen.push(context.now());
      context.setTimer(this.alarm, context.now() + 1_000);
    }
    override processTimer(_: Timer<unknown>, context: Context): void {
      context.produce(this.totals, `${context.now()}`);
    }
  }
  await underFaults(pipelineOf(Clocked), { schedules: sized(8, 30), now: DAY }, async (tester) => {
    await tester.push(sales, { shop: "a", amount: 1 }, { at: 5 });
    expect(tester.values(totals)).toEqual([]);
    await tester.advanceClock(999);
    expect(tester.values(totals)).toEqual([]);
    await tester.advanceClock(500);
    expect(tester.values(totals)).toEqual([`${DAY + 1_000}`]);
  });
  expect(new Set(seen)).toEqual(new Set([DAY]));
});

test("a crash that the test asks for changes no result, wherever it happens", async () => {
  for (const at of ["now", "before-commit", "after-commit"] as const) {
    await underFaults(pipelineOf(Hourly), { schedules: sized(6, 20) }, async (tester) => {
      await tester.crash({ at });
      await aDay(tester);
    });
  }
});

test.each([
  ["before-commit", "twice", 2],
  ["after-commit", "once", 1],
] as const)("a crash %s is at the commit that comes next: what that commits is called %s", async (at, _, times) => {
  const calls: { readonly amount: number; readonly by: Computation }[] = [];
  let tester: Tester | undefined;
  class Struck extends Hourly {
    override processRecord(record: StreamRecord<Sale>, context: Context): void {
      // The commit that comes next is that of this call.
      if (calls.push({ amount: record.value.amount, by: this }) === 1) void tester?.crash({ at });
      void super.processRecord(record, context);
    }
  }
  await underFaults(pipelineOf(Struck), { schedules: 1 }, async (given) => {
    tester = given;
    await given.push(sales, { shop: "a", amount: 1 }, { at: 0 });
    await given.push(sales, { shop: "a", amount: 2 }, { at: 1 });
    await given.finish();
    expect(given.values(totals)).toEqual(["a 1: 3"]);
  });
  expect(calls.map(({ amount }) => amount)).toEqual([...Array<number>(times).fill(1), 2]);
  expect(new Set(calls.map(({ by }) => by)).size).toBe(2);
});

test("a pipeline that counts on records and watermarks not to overtake one another is found: a replay brings them at once", async () => {
  class Hasty extends Hourly {
    readonly sum = state("sum", { initial: 0 });
    override processRecord(record: StreamRecord<Sale>, context: Context): void {
      context.state(this.sum).update((sum) => sum + record.value.amount);
      context.setTimer(this.hour.for(0), Math.floor(record.timestamp / HOUR + 1) * HOUR);
    }
    override processTimer(fired: Timer<number>, context: Context): void {
      context.produce(this.totals, `${context.key} ${fired.time / HOUR}: ${context.state(this.sum).get()}`);
      context.state(this.sum).set(0);
    }
  }
  const sums = async (tester: Tester) => {
    for (const hour of [0, 1]) {
      await tester.push(sales, { shop: "a", amount: 1 }, { at: hour * HOUR });
      await tester.advanceWatermark((hour + 1) * HOUR);
    }
    expect(tester.values(totals)).toEqual(["a 1: 1", "a 2: 1"]);
  };
  await sums(await PipelineTester.start(pipelineOf(Hasty)));
  expect((await failure(underFaults(pipelineOf(Hasty), { schedules: 300, lostTail: true }, sums))).message).toContain(
    "FAULT the store restarts, without its last commits",
  );
});

describe("what only luck upholds is found in seconds, and shown in at most 30 events", () => {
  test("an effect outside before the commit", async () => {
    const mails: string[] = [];
    class Mailing extends Hourly {
      override processTimer(fired: Timer<number>, context: Context): void {
        mails.push(`${context.key} ${fired.time}`);
        void super.processTimer(fired, context);
      }
    }
    const scenario = async (tester: Tester) => {
      mails.length = 0;
      await tester.push(sales, { shop: "a", amount: 1 }, { at: 0 });
      await tester.finish();
      expect(mails).toEqual(["a 3600000"]);
    };
    const error = await failure(underFaults(pipelineOf(Mailing), { schedules: 300 }, scenario));
    expect(error.message).toMatch(/fails on schedule \d+ of 300/);
    expect(eventsOf(error).length).toBeLessThanOrEqual(30);
    expect(error.message).toContain('"hourly" is called by a timer for 3600000 of key "a"');
    const again = await failure(underFaults(pipelineOf(Mailing), { tape: error.tape }, scenario));
    expect(eventsOf(again)).toEqual(eventsOf(error));
  });

  test("state in a field", async () => {
    class Remembering extends Hourly {
      count = 0;
      override processRecord(record: StreamRecord<Sale>, context: Context): void {
        this.count++;
        void super.processRecord(record, context);
      }
    }
    const error = await failure(underFaults(pipelineOf(Remembering), {}, aDay));
    expect(error.message).toContain('computation "hourly" keeps state in its field "count"');
    await underFaults(pipelineOf(Remembering), { schedules: 3, ignoreFields: ["hourly.count"] }, aDay);
  });

  test("state in a private field, by what comes of it", async () => {
    class Hiding extends Hourly {
      readonly #sums = new Map<string, number>();
      override processRecord(record: StreamRecord<Sale>, context: Context): void {
        this.#sums.set(context.key, (this.#sums.get(context.key) ?? 0) + record.value.amount);
        context.setTimer(this.hour.for(1), HOUR);
      }
      override processTimer(_: Timer<number>, context: Context): void {
        context.produce(this.totals, `${context.key} ${this.#sums.get(context.key)}`);
      }
    }
    const error = await failure(
      underFaults(pipelineOf(Hiding), { schedules: 300 }, async (tester) => {
        await tester.push(sales, { shop: "a", amount: 1 }, { at: 0 });
        await tester.push(sales, { shop: "a", amount: 2 }, { at: 1 });
        await tester.finish();
        expect(tester.values(totals)).toEqual(["a 3"]);
      }),
    );
    expect(eventsOf(error).some((line) => line.includes("FAULT"))).toBe(true);
  });

  test("a record that is changed in place", async () => {
    class Changing extends Hourly {
      override processRecord(record: StreamRecord<Sale>, context: Context): void {
        (record.value as { amount: number }).amount += 1;
        void super.processRecord(record, context);
      }
    }
    const error = await failure(underFaults(pipelineOf(Changing), {}, aDay));
    expect(error.message).toContain('computation "hourly" changes a record, or state that it was given to read, in place');
  });

  test("a key that is not the same twice", async () => {
    let n = 0;
    class Rolling extends Hourly {
      override readonly sales = input(sales, { key: (sale) => `${sale.shop}${n++ % 2}` });
    }
    const error = await failure(underFaults(pipelineOf(Rolling), {}, aDay));
    expect(error.message).toContain('the key of input "sales" of "hourly" is not the same twice for the same record');
  });

  test("a filter that does not say the same twice", async () => {
    let n = 0;
    class Sampling extends Hourly {
      override readonly sales = input(sales, { key: (sale) => sale.shop, where: () => n++ % 2 === 0 });
    }
    const error = await failure(underFaults(pipelineOf(Sampling), {}, aDay));
    expect(error.message).toContain('the filter of input "sales" of "hourly" does not say the same twice of the same record');
  });

  test("a scenario that is wrong without any fault says so, with its own error as the cause", async () => {
    const error = await failure(underFaults(pipelineOf(Hourly), {}, () => expect(1).toBe(2)));
    expect(error.message).toMatch(/fails on the schedule without any fault/);
    expect((error.cause as Error).message).toMatch(/expected 1 to be 2/);
  });
});

test("options that are wrong are refused", async () => {
  const pipeline = pipelineOf(Hourly);
  await expect(underFaults(pipeline, { schedules: 0 }, aDay)).rejects.toThrow(/schedules/);
  await expect(underFaults(pipeline, { tape: "?" }, aDay)).rejects.toThrow(/tape/);
  await expect(underFaults(pipeline, { shedules: 3 } as object, aDay)).rejects.toThrow(/shedules/);
  await expect(underFaults({} as Pipeline, {}, aDay)).rejects.toThrow(/the first argument is a Pipeline/);
});
