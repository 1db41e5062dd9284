/** What the engine promises, on each of the three stores, through a stop and a start: one compact scenario for each of its parts. */
import { afterEach, describe, expect, test } from "vitest";
import {
  cbor,
  type Codec,
  Computation,
  type ComputeOptions,
  type Context,
  exponential,
  IncompatibleDataError,
  input,
  output,
  Pipeline,
  NewerDataError,
  state,
  stream,
  type StreamRecord,
  type Timer,
  timers,
} from "../../src/index.ts";
import { audit } from "../../src/inspect/index.ts";
import { Feed, Kept } from "./feed.ts";
import { Bench, Gate, type Probing, results, type Step, steps } from "./probe.ts";
import type { PipelineStore, Store } from "../../src/store/store.ts";
import { realStores, STORES, Trial, until } from "./real-stores.ts";

const storeOf = realStores();
const backoff = exponential(5, 20);
let trial: Trial;
afterEach(() => trial.stop());

/** One record "key:do@at" each. */
function push(feed: Feed<Step>, text: string): void {
  for (const each of text.split(" ")) {
    const [, key = "", what = "", at] = /^([^:]*):([^@]*)@(\d+)$/.exec(each) ?? [];
    feed.push({ key, do: what }, Number(at));
  }
}

/** Does as the record says, and tells what the key has seen. */
const telling: Probing["onRecord"] = (record, context, self) => {
  self.see(context, record.value.do);
  if (record.value.do === "bad") throw new Error("poison");
  context.produce(self.results, `${context.key}:${context.state(self.seen).get().join("")}`);
};

describe.each(STORES)("on the store %s", (name) => {
  async function begin(probing: Probing, options: Parameters<Trial["start"]>[1] = {}): Promise<Bench> {
    trial = new Trial(storeOf(name));
    const bench = new Bench(probing);
    await trial.start(bench.pipeline, options);
    return bench;
  }

  test("a record that fails is tried again in its place, and after its last try parked; its key and others go on, also after a start", async () => {
    let shy = 2;
    const onRecord: Probing["onRecord"] = (record, context, self) => {
      void telling(record, context, self);
      if (record.value.do === "s" && shy-- > 0) throw new Error("not yet");
    };
    const bench = await begin({ onRecord, shards: 2, compute: { backoff, attempts: 3 } });
    push(bench.feed, "k:a@1 k:s@2 k:bad@3 k:c@4 o:x@5");
    await until(() => bench.kept.values.filter((value) => value.startsWith("k")), ["k:a", "k:as", "k:asc"]);
    await until(() => trial.counted("probe", "deadLetters"), 1);
    expect(trial.counted("probe", "failures")).toBe(5);
    await trial.start(bench.pipeline);
    push(bench.feed, "k:d@6 o:y@7");
    await until(() => [...bench.kept.values].sort(), ["k:a", "k:as", "k:asc", "k:ascd", "o:x", "o:xy"]);
    expect(trial.counted("probe", "deadLetters")).toBe(1);
  });

  test("a key that halts waits with all that follows and holds the watermark, also after a start; others go on", async () => {
    const bench = await begin({ onRecord: telling, compute: { backoff, attempts: 2, onFailure: "halt-key" } });
    push(bench.feed, "k:a@1 k:bad@10 k:c@11 o:x@12");
    bench.feed.promise(100);
    await until(() => trial.halted("probe"), ["k"]);
    await until(() => trial.output("probe"), 10);
    await trial.start(bench.pipeline);
    push(bench.feed, "k:d@101 o:y@102");
    await until(() => [...bench.kept.values].sort(), ["k:a", "o:x", "o:xy"]);
    await until(() => trial.output("probe"), 10);
    expect(trial.halted("probe")).toEqual(["k"]);
  });

  test("timers: in order, set again and deleted in one batch, in the past, of the wall clock, and those that were set before a start", async () => {
    const onRecord: Probing["onRecord"] = (record, context, self) => {
      if (record.value.do === "past") context.setTimer(self.event.for("past"), 5);
      if (record.value.do !== "set") return;
      for (const [tag, time] of [
        ["late", 30],
        ["gone", 15],
        ["moved", 10],
        ["again", 12],
        ["far", 1_000],
      ] as const)
        context.setTimer(self.event.for(tag), time);
      context.deleteTimer(self.event.for("gone"));
      context.deleteTimer(self.event.for("again"));
      context.setTimer(self.event.for("again"), 20);
      context.setTimer(self.event.for("moved"), 25);
    };
    const onTimer: Probing["onTimer"] = (timer, context, self) => {
      if (timer.is(self.wall)) expect(context.now()).toBeGreaterThanOrEqual(timer.time);
      context.produce(self.results, timer.is(self.wall) ? `wall ${timer.tag}` : `${timer.tag}@${timer.time}`);
    };
    const bench = await begin({
      onRecord(record, context, self) {
        void onRecord(record, context, self);
        if (record.value.do === "wall") for (const wait of [40, 20]) context.setTimer(self.wall.for(String(wait)), context.now() + wait, { output: "none" });
      },
      onTimer,
    });
    push(bench.feed, "k:set@1");
    bench.feed.promise(50);
    await until(() => bench.kept.values, ["again@20", "moved@25", "late@30"]);
    push(bench.feed, "k:past@50 k:wall@51");
    await until(() => bench.kept.values.slice(3), ["past@5", "wall 20", "wall 40"]);
    await trial.start(bench.pipeline);
    bench.feed.promise(2_000);
    await until(() => bench.kept.values.slice(6), ["far@1000"]);
    await until(() => trial.output("probe"), 2_000);
  });

  test("state with a ttl is gone when it has run out, in memory and where it is read again", async () => {
    class Aged extends Computation {
      readonly steps = input(steps, { key: (step) => step.key });
      readonly results = output(results);
      readonly last = state<string>("last", { ttl: 300 });
      override processRecord(record: StreamRecord<Step>, context: Context): void {
        const cell = context.state(this.last);
        context.produce(this.results, `${context.key} ${cell.get() ?? "none"}`);
        if (record.value.do !== "look") cell.set(record.value.do);
      }
    }
    const feed = new Feed<Step>();
    const kept = new Kept<string>();
    const pipeline = new Pipeline("aged", { shards: 1 }).inject("feed", steps, feed.injector).compute("aged", Aged).sink("kept", results, kept.sink);
    trial = new Trial(storeOf(name));
    await trial.start(pipeline);
    const give = (...keys: string[]) =>
      feed.pushAll(
        keys.map((text) => ({ key: text.slice(0, 1), do: text.slice(2) })),
        () => 1,
      );
    give("k a", "k look", "r b");
    await until(() => kept.values, ["k none", "k a", "r none"]);
    // It can only be looked at by work, and what only looks lets it run out.
    const gone = async (text: string): Promise<void> => {
      await expect
        .poll(
          () => {
            const value = kept.values.at(-1);
            if (value !== `${text.slice(0, 1)} none`) give(text);
            return value;
          },
          { interval: 30, timeout: 10_000 },
        )
        .toBe(`${text.slice(0, 1)} none`);
    };
    await gone("k look");
    await trial.start(pipeline);
    await gone("r look");
  });

  test("what explain has kept of a key is gone after its ttl, and of a key that is gone nothing is left", async () => {
    class Passing extends Computation {
      readonly steps = input(steps, { key: (step) => step.key });
      override processRecord(): void {}
    }
    const feed = new Feed<Step>();
    const pipeline = new Pipeline("passing", { shards: 1 })
      .inject("feed", steps, feed.injector)
      .compute("brief", Passing, { explain: { calls: 3, ttl: 50 } })
      .compute("daily", Passing, { explain: 3 });
    let opened: PipelineStore | undefined;
    const open: Store["open"] = async (options) => (opened = await storeOf(name)().open(options));
    trial = new Trial(() => ({ kind: "store", open }) as Store);
    await trial.start(pipeline);
    push(feed, "k:a@1 k:b@2 l:c@3");
    await until(() => trial.counted("brief", "processed") + trial.counted("daily", "processed"), 6);
    const kept = async (computation: string): Promise<readonly number[]> => {
      const found = trial.worker.engine.options.plan.participants.find((each) => each.name === computation);
      const { state, timers: set } = (await opened?.countEntries(found?.id ?? 0, 1)) ?? { state: -1, timers: -1 };
      return [state, set];
    };
    await until(() => kept("brief"), [0, 0]);
    expect(await kept("daily")).toEqual([2, 2]);
  });

  test("a hold keeps the output where the key says, also after a start, until the key lets go", async () => {
    const bench = await begin({ onRecord: (record, context) => context.hold(record.value.do === "hold" ? record.timestamp : undefined) });
    push(bench.feed, "k:hold@5");
    bench.feed.promise(50);
    await until(() => trial.output("probe"), 5);
    await trial.start(bench.pipeline);
    bench.feed.promise(60);
    await until(() => trial.output("feed"), 60);
    await until(() => trial.output("probe"), 5);
    push(bench.feed, "k:release@61");
    await until(() => trial.output("probe"), 60);
  });

  test("with no memory for state every key is read again, and none forgets anything", async () => {
    const bench = await begin(
      {
        onRecord: (record, context, self) => (
          self.see(context, record.value.do), context.produce(self.results, `${context.key} ${context.state(self.seen).get().join("")}`)
        ),
        shards: 2,
      },
      { cacheBytes: 0, batchRecords: 16 },
    );
    for (let round = 0; round < 4; round++) {
      if (round === 2) await trial.start(bench.pipeline, { cacheBytes: 0 });
      bench.feed.pushAll(
        Array.from({ length: 100 }, (_, i) => ({ key: `k${i % 50}`, do: String(round) })),
        () => round,
      );
      await until(() => bench.kept.values.length, 100 * (round + 1));
    }
    for (let key = 0; key < 50; key++) {
      const of = bench.kept.values.filter((value) => value.startsWith(`k${key} `));
      expect(of).toEqual(Array.from({ length: 8 }, (_, i) => `k${key} ${"00112233".slice(0, i + 1)}`));
    }
  });

  test("a name that the code lost is refused with what is behind it, taken over where it is renamed, and deleted where it is dropped", async () => {
    const feed = new Feed<Step>();
    const kept = new Kept<string>();
    const named = (names: { cell?: string; timer?: string; computation?: string }, renamed: boolean): Pipeline => {
      const from = (now: string | undefined, before: string) => (renamed && now !== undefined ? { renamedFrom: before } : {});
      class Calc extends Computation {
        readonly steps = input(steps, { key: (step) => step.key });
        readonly results = output(results);
        readonly seen = state(names.cell ?? "seen", { initial: "", ...from(names.cell, "seen") });
        readonly due = timers<string>(names.timer ?? "due", from(names.timer, "due"));
        override processRecord(record: StreamRecord<Step>, context: Context): void {
          context.state(this.seen).update((seen) => seen + record.value.do);
          context.setTimer(this.due.for(record.value.do), 1_000);
          context.produce(this.results, context.state(this.seen).get());
        }
        override processTimer(timer: Timer<string>, context: Context): void {
          context.produce(this.results, `due ${timer.tag}`);
        }
      }
      const compute: ComputeOptions = from(names.computation, "calc");
      return new Pipeline("named", { shards: 2 })
        .inject("feed", steps, feed.injector)
        .compute(names.computation ?? "calc", Calc, compute)
        .sink("kept", results, kept.sink);
    };
    const store = storeOf(name);
    trial = new Trial(store);
    await trial.start(named({}, false));
    push(feed, "k:a@1 k:b@2");
    await until(() => kept.values, ["a", "ab"]);
    const gone = { cell: "seen2", timer: "due2" };
    const refusal: unknown = await trial.start(named(gone, false)).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(IncompatibleDataError);
    expect((refusal as Error).message).toMatch(
      /state "seen" of computation "calc".* 1 entries of state[^]*timer "due" of computation "calc".* 2 timers[^]*renamedFrom/,
    );

    await trial.start(named({ ...gone, computation: "calc2" }, true));
    push(feed, "k:c@3");
    await until(() => kept.values, ["a", "ab", "abc"]);
    await trial.start(named({ computation: "calc2" }, false), { drop: ["calc2/seen2", "calc2/due2"] });
    push(feed, "k:d@4");
    await until(() => kept.values, ["a", "ab", "abc", "d"]);
    feed.promise(2_000);
    await until(() => kept.values.slice(4), ["due d"]);
    await until(() => trial.output("calc2"), 2_000);
    await until(() => trial.quiet("calc2"), true);
    await trial.stop();
    expect(await audit(store(), { pipeline: "named" })).toMatchObject({ violations: 0, notes: [], entries: { state: 1, watermark: 0, holds: 0 } });
  });

  test("what version 1 of a codec wrote is read by version 2, in a cell and in records that wait; version 1 refuses what 2 wrote", async () => {
    interface Money {
      readonly amount: number;
      readonly currency: string;
    }
    const plain = cbor<number | Money>();
    const codec = (version: number): Codec<Money> => ({
      id: "money",
      version,
      encode: (money) => plain.encode(version === 1 ? money.amount : money),
      decode: (bytes, written) => {
        const value = plain.decode(bytes, 0);
        return written === 1 ? { amount: value as number, currency: "EUR" } : (value as Money);
      },
    });
    const feed = new Feed<Money>();
    const kept = new Kept<string>();
    let wait: Promise<void> | undefined;
    const program = (version: number): Pipeline => {
      const payments = stream<Money>("payments", { codec: codec(version) });
      const doubled = stream<Money>("doubled", { codec: codec(version) });
      class Sum extends Computation {
        readonly payments = input(payments, { key: () => "all" });
        readonly doubled = output(doubled);
        readonly sum = state("sum", { initial: { amount: 0, currency: "none" }, codec: codec(version) });
        override processRecord(record: StreamRecord<Money>, context: Context): void {
          const { amount, currency } = record.value;
          const before = context.state(this.sum).get();
          context.state(this.sum).set({ amount: before.amount + amount, currency });
          context.produce(this.doubled, { amount: before.amount + amount, currency: before.currency });
        }
      }
      class Tell extends Computation {
        readonly doubled = input(doubled, { key: () => "all" });
        readonly results = output(results);
        override async processRecord(record: StreamRecord<Money>, context: Context): Promise<void> {
          await wait;
          context.produce(this.results, `${record.value.amount} ${record.value.currency}`);
        }
      }
      const compute: ComputeOptions = { attempts: 1, onFailure: "stop" };
      return new Pipeline("money", { shards: 1 })
        .inject("feed", payments, feed.injector)
        .compute("sum", Sum, compute)
        .compute("tell", Tell, { timeLimit: 600_000, onFailure: "stop" })
        .sink("kept", results, kept.sink);
    };
    trial = new Trial(storeOf(name));
    const gate = new Gate();
    wait = gate.promise;
    await trial.start(program(1));
    for (const amount of [1, 2, 3]) feed.push({ amount, currency: "EUR" }, amount);
    await until(() => trial.counted("sum", "processed"), 3);
    // Nothing of "doubled" has been worked on: its records wait as version 1 wrote them.
    wait = undefined;
    await trial.start(program(2));
    await until(() => kept.values, ["1 EUR", "3 EUR", "6 EUR"]);
    feed.push({ amount: 4, currency: "USD" }, 4).push({ amount: 5, currency: "CHF" }, 5);
    await until(() => kept.values.slice(3), ["10 EUR", "15 USD"]);
    await trial.start(program(1));
    feed.push({ amount: 6, currency: "EUR" }, 6);
    // Where others could have the newer code, it is left to them; where none can, the pipeline ends. Nothing is lost either way.
    if (name !== "redis") {
      await until(() => trial.failure instanceof NewerDataError, true);
      expect((trial.failure as Error).message).toMatch(/version 2 of codec "money"/);
    }
    await trial.start(program(2));
    await until(() => kept.values.slice(5), ["21 CHF"]);
    gate.open();
  });
});
