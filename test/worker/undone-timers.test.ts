/** A timer that falls due in the batch that sets it, and whose setting is done again because it fails. */
import { expect, test } from "vitest";
import { END, exponential } from "../../src/index.ts";
import type { CommitReply } from "../../src/store/index.ts";
import { Bench, Gate } from "./probe.ts";
import { giveUpWaiting, hearNothingOf } from "./unheard.ts";

/** Commits of the computation are held up, and those of the injector are not. */
const APART = { chains: false };

test("a firing does not outlive its setting: done again at another time, it sets the timer for that time and fires once", async () => {
  let failures = 2;
  const bench = await Bench.start(
    {
      onRecord(record, context, self) {
        if (record.value.do === "set") context.setTimer(self.wall.for("t"), context.now() - 5);
        self.see(context, `${record.value.do} ${context.now()}`);
      },
      onTimer(timer, context, self) {
        if (failures-- > 0) throw new Error("not yet");
        self.see(context, `fired ${timer.time}`);
      },
      compute: { backoff: exponential(50, 50), attempts: 10 },
    },
    APART,
  );
  await bench.give("other:x@1");
  // The outcome of the commit of "other" is unknown for long, so the next batch stays open while the timer is tried again and again.
  const hear = hearNothingOf(bench.rig, "probe");
  bench.feed.push({ key: "other", do: "y" }, 2);
  await bench.rig.turns(3);
  await giveUpWaiting(bench.rig);
  bench.feed.push({ key: "k", do: "set" }, 3);
  for (let i = 0; i < 30; i++) {
    bench.rig.clock.advance(50);
    await bench.rig.turns(3);
  }
  expect(failures).toBeLessThan(2);
  hear();
  await bench.rig.advance(2_000);
  const [set, fired, ...more] = (await bench.seen("k")) as string[];
  expect(more).toEqual([]);
  expect(fired).toBe(`fired ${Number(set?.split(" ")[1]) - 5}`);
});

test("a firing that fails does not go before an earlier timer that is set again because its batch is done again", async () => {
  let failures = 1;
  const fired: string[] = [];
  const bench = await Bench.start(
    {
      onRecord(_, context, self) {
        if (context.key === "other") return;
        for (const [tag, time] of [
          ["first", 10],
          ["second", 30],
          ["third", 40],
        ] as const)
          context.setTimer(self.event.for(tag), time);
      },
      onTimer(timer, context, self) {
        // Moved on its first run, not when it is done again at a later watermark.
        if (timer.tag === "first" && context.watermark === 20) context.setTimer(self.event.for("second"), 100);
        if (timer.tag === "third" && failures-- > 0) throw new Error("not yet");
        fired.push(String(timer.tag));
        self.see(context, String(timer.tag));
      },
      compute: { backoff: exponential(50, 50) },
    },
    APART,
  );
  await bench.give("k:x@1");
  // The outcome of a commit of the shard is unknown for long, so the batch in which "first" fires stays open until "third" is due.
  const hear = hearNothingOf(bench.rig, "probe");
  bench.feed.push({ key: "other", do: "y" }, 1_000);
  await bench.rig.turns(3);
  await giveUpWaiting(bench.rig);
  bench.feed.promise(20);
  await bench.rig.turns(10);
  expect(fired).toEqual(["first"]);
  bench.feed.promise(50);
  await bench.rig.turns(10);
  expect(fired.slice(0, 2)).toEqual(["first", "first"]);
  hear();
  await bench.rig.advance(500);
  expect(await bench.seen("k")).toEqual(["first", "second", "third"]);
});

test("a firing that stood aside holds the output at its time until the commit of its second try has been acknowledged", async () => {
  let failures = 1;
  const bench = await Bench.start(
    {
      onRecord: (_, context, self) => context.setTimer(self.event.for("t"), 100),
      onTimer(timer, context, self) {
        if (failures-- > 0) throw new Error("not yet");
        context.produce(self.results, `at ${timer.time}`);
      },
      compute: { backoff: exponential(50, 50) },
    },
    APART,
  );
  await bench.give("k:x@1");
  await bench.promise(200);
  const [ref] = bench.rig.shards("probe");
  const shard = bench.rig.worker.engine.computation(ref as number);
  expect([shard?.input, shard?.output]).toEqual([200, 100]);
  const gate = new Gate();
  bench.rig.line.onCommit = async (commits, apply): Promise<CommitReply> => {
    if (commits.some((commit) => commit.shard === ref)) await gate.promise;
    return apply(commits);
  };
  bench.rig.clock.advance(50);
  await bench.rig.turns(3);
  expect(failures).toBe(-1);
  expect(shard?.output).toBe(100);
  gate.open();
  await bench.rig.rest();
  expect(shard?.output).toBe(200);
  expect(bench.kept.values).toEqual(["at 100"]);
});

test("a firing that was parked is parked once, however often its key's work of the batch is done again", async () => {
  const bench = await Bench.start(
    {
      onRecord(_, context, self) {
        for (const [tag, time] of [
          ["poison", 10],
          ["fine", 15],
          ["failing", 20],
        ] as const)
          context.setTimer(self.event.for(tag), time);
      },
      onTimer(timer, context, self) {
        self.see(context, String(timer.tag));
        if (timer.tag !== "fine") throw new Error("no");
      },
      compute: { attempts: 1 },
    },
    APART,
  );
  await bench.give("k:x@1");
  await bench.promise(30);
  await bench.rig.advance(1_000);
  expect(await bench.seen("k")).toEqual(["fine"]);
  const letters = await bench.rig.line.store.readDeadLetters(bench.rig.shards("probe")[0] as number, 100);
  expect(letters).toHaveLength(2);
});

test("a time for which a timer was set by work that is done again at the end of time is not known: a firing that sets it then is the last", async () => {
  let failures = 1;
  const bench = await Bench.start({
    onRecord(record, context, self) {
      context.setTimer(self.event.for("t"), Number(record.value.do));
    },
    onTimer(timer, context, self) {
      self.see(context, `${timer.time} at ${context.watermark === END ? "the end" : context.watermark}`);
      if (timer.time === 10) context.setTimer(self.event.for("t"), 5_000);
      if (timer.time === 5_000 && failures-- > 0) throw new Error("not yet");
    },
    compute: { backoff: exponential(50, 50) },
  });
  await bench.give("other:9@1 k:10@2");
  // The outcome of the commit of the firing of "other" is unknown for long: it holds no input watermark, and the next batch stays open.
  const hear = hearNothingOf(bench.rig, "probe");
  bench.feed.promise(9);
  await bench.rig.turns(10);
  await giveUpWaiting(bench.rig);
  bench.feed.promise(10);
  await bench.rig.turns(10);
  bench.feed.end();
  await bench.rig.turns(10);
  hear();
  await bench.rig.advance(1_000);
  expect(await bench.seen("k")).toEqual(["10 at the end"]);
  expect(failures).toBe(0);
  expect(bench.rig.outcome).toBe("finished");
});
