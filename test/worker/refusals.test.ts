/** What a call may not do: refused where it is done, with nothing of it stored; and whose fault it is. */
import { describe, expect, test } from "vitest";
import {
  type Codec,
  Computation,
  type Context,
  exponential,
  InvalidUseError,
  input,
  LAST_TIMER,
  LimitExceededError,
  output,
  Pipeline,
  state,
  stream,
  type StreamRecord,
  timer,
} from "../../src/index.ts";
import { CALL_PRODUCTIONS, RECORD_BYTES, STATE_BYTES } from "../../src/limits.ts";
import { Feed, Kept } from "./feed.ts";
import { Bench, type Probe, type Probing, results, type Step, steps } from "./probe.ts";
import { Rig } from "./rig.ts";

/** Runs `attempt` in a handler for a record at 100 and gives what it threw; the handler goes on. */
async function refusal(attempt: (context: Context, self: Probe, record: StreamRecord<Step>) => void): Promise<unknown> {
  let thrown: unknown;
  const bench = await Bench.start({
    onRecord(record, context, self) {
      try {
        attempt(context, self, record);
      } catch (error) {
        thrown = error;
      }
      context.produce(self.results, "went on");
    },
  });
  await bench.give("k:a@100");
  await bench.promise(1_000);
  expect(bench.kept.values).toEqual(["went on"]);
  expect(await bench.rig.stored("probe")).toMatchObject({ timers: 0, held: 0, dead: 0 });
  return thrown;
}

const strayTimer = timer("stray");
const strayState = state("stray", { initial: 0 });
const stray = output(stream<string>("stray"));

describe("a call is refused, and nothing of what was refused is stored:", () => {
  const refused: readonly (readonly [string, RegExp, (context: Context, self: Probe) => void])[] = [
    ["a production before its record", /before its record at 100/, (context, self) => context.produce(self.results, "x", { timestamp: 99 })],
    ["a production at NaN", /integer ms/, (context, self) => context.produce(self.results, "x", { timestamp: Number.NaN })],
    ["a production at a fraction", /integer ms/, (context, self) => context.produce(self.results, "x", { timestamp: 100.5 })],
    ["a production after the last time", /integer ms/, (context, self) => context.produce(self.results, "x", { timestamp: LAST_TIMER + 1 })],
    ["a timer at NaN", /"event" is set for NaN/, (context, self) => context.setTimer(self.event.for("x"), Number.NaN)],
    ["a timer before time began", /set for -1/, (context, self) => context.setTimer(self.event.for("x"), -1)],
    ["a timer after the last time", /a time is integer ms/, (context, self) => context.setTimer(self.event.for("x"), LAST_TIMER + 1)],
    ["a timer whose output is before its record", /output timestamp 99/, (context, self) => context.setTimer(self.event.for("x"), 200, { output: 99 })],
    ["a timer whose output is after its time", /output timestamp 201/, (context, self) => context.setTimer(self.event.for("x"), 200, { output: 201 })],
    ["a family without a tag", /needs a tag/, (context, self) => context.setTimer(self.event as never, 200)],
    ["a tag that is half a character", /not well-formed/, (context, self) => context.setTimer(self.event.for("\ud83d"), 200)],
    ["a tag of 300 bytes", /longer than 256 bytes/, (context, self) => context.setTimer(self.event.for("é".repeat(150)), 200)],
    ["a hold at a fraction", /a hold is integer ms/, (context) => context.hold(0.5)],
    ["an output that is not declared", /"stray" that is not a field/, (context) => context.produce(stray, "x")],
    [
      "a production to the stream of an output",
      /^probe produces to the stream "results" itself, where its output field is expected: give this\.results$/,
      (context) => context.produce(results as never, "x" as never),
    ],
    [
      "a production to a stream without an output",
      /the stream "stray" itself, .*: declare a field with output\(stray\) and give that$/,
      (context) => context.produce(stream<string>("stray") as never, "x" as never),
    ],
    ["a production to nothing", /^probe uses undefined as output: give a field of its class$/, (context) => context.produce(undefined as never, "x" as never)],
    ["a state that is not declared", /"stray" that is not a field/, (context) => context.state(strayState)],
    ["a timer that is not declared", /"stray" that is not a field/, (context) => context.setTimer(strayTimer, 200)],
    ["a deletion of a timer that is not declared", /"stray" that is not a field/, (context) => context.deleteTimer(strayTimer)],
    ["a record that is too large", /more than 1048576/, (context, self) => context.produce(self.results, "x".repeat(RECORD_BYTES + 1))],
    ["a value that its codec cannot encode", /cannot encode/, (context, self) => context.produce(self.results, (() => {}) as never)],
  ];

  test.each(refused)("%s", async (_what, message, attempt) => {
    const thrown = await refusal(attempt);
    expect((thrown as Error | undefined)?.message).toMatch(message);
    expect(thrown instanceof InvalidUseError || thrown instanceof LimitExceededError).toBe(true);
  });
});

test("a call that produces too many records is refused the one too many, and keeps the others if it goes on", async () => {
  let error: unknown;
  const bench = await Bench.start({
    onRecord(_record, context, self) {
      for (let i = 0; i < CALL_PRODUCTIONS; i++) context.produce(self.results, "x");
      try {
        context.produce(self.results, "one too many");
      } catch (thrown) {
        error = thrown;
      }
    },
  });
  await bench.give("k:a@1");
  expect(error).toBeInstanceOf(LimitExceededError);
  expect(bench.kept.values.length).toBe(CALL_PRODUCTIONS);
  expect(bench.kept.values.indexOf("one too many")).toBe(-1);
});

/** Refuses "bad", as a codec may refuse what it cannot keep. */
const picky: Codec<string[]> = {
  id: "picky",
  version: 0,
  encode(value) {
    if (value.includes("bad")) throw new Error("picky refuses");
    return Buffer.from(value.join(","));
  },
  decode: (bytes) => {
    const text = Buffer.from(bytes).toString();
    return text === "" ? [] : text.split(",");
  },
};

class Picky extends Computation {
  readonly steps = input(steps, { key: (step) => step.key });
  readonly results = output(results);
  readonly seen = state("seen", { codec: picky, initial: [] as string[] });
  readonly other = state("other", { initial: 0 });
  readonly #wait: boolean;

  constructor(wait: boolean) {
    super();
    this.#wait = wait;
  }

  processRecord(record: StreamRecord<Step>, context: Context): void | Promise<void> {
    context.state(this.other).update((n) => n + 1);
    context.state(this.seen).update((seen) => {
      seen.push(record.value.do === "large" ? "x".repeat(STATE_BYTES) : record.value.do);
    });
    context.produce(this.results, `${record.key}:${record.value.do}`);
    if (this.#wait) return Promise.resolve();
  }
}

describe.each([
  { handlers: "synchronous", wait: false },
  { handlers: "asynchronous", wait: true },
])("with $handlers handlers", ({ wait }) => {
  test.each(["bad", "large"])(
    "state that cannot be stored (%s) is the fault of the record that wrote it, and of no other of its key or batch",
    async (fault) => {
      const feed = new Feed<Step>();
      const kept = new Kept<string>();
      const pipeline = new Pipeline("picky", { shards: 1 })
        .inject("feed", steps, feed.injector)
        .compute("picky", () => new Picky(wait), { attempts: 2, backoff: exponential(100, 100) })
        .sink("kept", results, kept.sink);
      const rig = await Rig.start(pipeline);
      feed.pushAll(
        ["a", "b", fault, "c"].flatMap((what) => [
          { key: "k", do: what },
          { key: "other", do: what === fault ? "fine" : what },
        ]),
        (_, i) => i,
      );
      await rig.rest();
      await rig.advance(5_000);
      expect(await rig.state("picky", "seen", "k")).toEqual(["a", "b", "c"]);
      expect(await rig.state("picky", "other", "k")).toBe(3);
      expect(await rig.state("picky", "seen", "other")).toEqual(["a", "b", "fine", "c"]);
      expect(kept.values.filter((value) => value.startsWith("k"))).toEqual(["k:a", "k:b", "k:c"]);
      expect(await rig.deadLetters("picky")).toMatchObject([
        { key: "k", timestamp: 4, attempts: 2, reason: fault === "bad" ? expect.stringContaining("picky refuses") : expect.stringContaining("8388608") },
      ]);
      expect(rig.outcome).toBeUndefined();
    },
  );
});

describe("a key extractor", () => {
  class Other extends Computation {
    readonly steps = input(steps, {
      key: (step) => {
        if (step.do === "throws") throw new Error("no key here");
        return step.do === "empty"
          ? ""
          : step.do === "long"
            ? "k".repeat(600)
            : step.do === "half"
              ? "k\udc00"
              : step.do === "number"
                ? (7 as never)
                : step.key;
      },
    });
    readonly results = output(results);
    processRecord(record: StreamRecord<Step>, context: Context) {
      context.produce(this.results, `other ${record.value.do}`);
    }
  }
  const plain: Probing["onRecord"] = (record, context, self) => context.produce(self.results, `probe ${record.value.do}`);

  test.each([
    ["throws", /no key here/],
    ["empty", /empty string/],
    ["long", /600 bytes/],
    ["number", /it gave 7/],
    ["half", /not well-formed/],
  ])("that gives no key (%s) sends that one delivery to its own dead letters, in the same commit; other consumers get theirs (R14)", async (what, reason) => {
    const bench = new Bench({ onRecord: plain });
    bench.pipeline.compute("other", Other);
    bench.rig = await Rig.start(bench.pipeline);
    await bench.give(`k:a@1 k:${what}@2 k:b@3`);
    expect([...bench.kept.values].sort()).toEqual(["other a", "other b", "probe a", "probe b", `probe ${what}`].sort());
    const letters = await bench.rig.deadLetters("other");
    expect(letters).toMatchObject([{ kind: "record", timestamp: 2 }]);
    expect(letters[0]?.reason).toMatch(reason);
    expect(letters[0]?.value).toBeDefined();
    expect(await bench.rig.deadLetters("probe")).toEqual([]);
    await bench.promise(10);
    expect(bench.rig.watermark("other").output).toBe(10);
  });
});
