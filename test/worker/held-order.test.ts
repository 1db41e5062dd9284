/** What stands aside of a key keeps its order, however often the key's earlier work of the batch has to be done again. */
import { expect, test } from "vitest";
import { type Codec, Computation, type Context, exponential, input, output, Pipeline, state, type StreamRecord } from "../../src/index.ts";
import { Prng } from "../support/prng.ts";
import { Feed, Kept } from "./feed.ts";
import { Bench, results, type Step, steps } from "./probe.ts";
import { Rig } from "./rig.ts";
import { giveUpWaiting, hearNothingOf } from "./unheard.ts";

const backoff = exponential(100, 100);
/** Commits of the computation are held up, and those of the injector are not. */
const APART = { chains: false };

test("a record done before one that fails stays before it, though its call is repeated while the batch is open", async () => {
  let failures = 3;
  const bench = await Bench.start(
    {
      onRecord(record, context, self) {
        self.see(context, record.value.do);
        if (record.value.do === "shy" && failures-- > 0) throw new Error("not yet");
        context.produce(self.results, context.state(self.seen).get().join(" "));
      },
      compute: { backoff, attempts: 10 },
    },
    APART,
  );
  await bench.give("other:x@1");
  const hear = hearNothingOf(bench.rig, "probe");
  bench.feed.push({ key: "k", do: "first" }, 2);
  await bench.rig.turns(5);
  await giveUpWaiting(bench.rig);
  bench.feed.pushAll(
    ["a", "shy", "b"].map((what) => ({ key: "k", do: what })),
    (_, i) => 3 + i,
  );
  for (let i = 0; i < 8; i++) {
    bench.rig.clock.advance(50);
    await bench.rig.turns(3);
  }
  expect(failures).toBeLessThan(3);
  hear();
  await bench.rig.advance(2_000);
  expect(await bench.seen("k")).toEqual(["first", "a", "shy", "b"]);
  expect(bench.kept.values.at(-1)).toBe("first a shy b");
  expect(await bench.rig.stored("probe")).toMatchObject({ held: 0, queued: 0, dead: 0 });
});

/** Refuses a list whose last entry says so, the first `times` times it sees it. */
class Moody extends Computation {
  readonly steps = input(steps, { key: (step) => step.key });
  readonly results = output(results);
  readonly seen;
  readonly #fails: (what: string) => boolean;

  constructor(fails: (what: string) => boolean) {
    super();
    this.#fails = fails;
    const codec: Codec<string[]> = {
      id: "moody",
      version: 0,
      encode(value) {
        if (fails(`encode ${value.at(-1)}`)) throw new Error("moody codec");
        return Buffer.from(JSON.stringify(value));
      },
      decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()) as string[],
    };
    this.seen = state<string[]>("seen", { codec });
  }

  processRecord(record: StreamRecord<Step>, context: Context): void | Promise<void> {
    const cell = context.state(this.seen);
    cell.set([...(cell.get() ?? []), record.value.do]);
    context.produce(this.results, `${record.key} ${record.value.do}`);
    if (this.#fails(`call ${record.value.do}`)) throw new Error("moody handler");
    if (this.#fails(`promise ${record.value.do}`)) return Promise.resolve();
  }
}

test.each([1, 2, 88, 118, 136, 149, 152, 203])(
  "handlers, codecs and workers that fail at random lose, double and reorder nothing of any key (seed %i)",
  async (seed) => {
    const prng = new Prng(seed);
    let calm = false;
    const fails = (what: string) => !calm && prng.next() < (what.startsWith("call") ? 0.15 : what.startsWith("encode") ? 0.05 : seed % 2 === 0 ? 0.02 : 0);
    const feed = new Feed<Step>();
    const kept = new Kept<string>();
    const pipeline = new Pipeline("moody", { shards: 1 })
      .inject("feed", steps, feed.injector)
      .compute("moody", () => new Moody(fails), { attempts: Number.POSITIVE_INFINITY, backoff })
      .sink("kept", results, kept.sink);
    const rig = await Rig.start(pipeline, { ...APART, batchRecords: [1, 3, 256][seed % 3] as number });
    const given = new Map<string, string[]>();
    let n = 0;
    for (let round = 0; round < 25; round++) {
      const hear = prng.next() < 0.4 ? hearNothingOf(rig, "moody") : undefined;
      const batch: Step[] = Array.from({ length: 1 + prng.below(8) }, () => ({ key: `k${prng.below(3)}`, do: String(n++) }));
      for (const { key, do: what } of batch) given.set(key, [...(given.get(key) ?? []), what]);
      feed.pushAll(batch, () => round);
      if (hear === undefined) await rig.rest();
      for (let i = prng.below(6); i > 0; i--) {
        rig.clock.advance(50);
        await rig.turns(1);
      }
      hear?.();
      if (prng.next() < 0.2) await rig.crash();
      await rig.advance(prng.below(200));
    }
    calm = true;
    await rig.advance(5_000);
    for (const [key, all] of given) {
      expect({ key, seen: await rig.state("moody", "seen", key) }).toEqual({ key, seen: all });
      expect({ key, kept: kept.values.filter((value) => value.startsWith(key)) }).toEqual({ key, kept: all.map((what) => `${key} ${what}`) });
    }
    expect(await rig.stored("moody")).toMatchObject({ held: 0, queued: 0, dead: 0 });
  },
);
