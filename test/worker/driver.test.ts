/** The way between the engine and its store: what waits for a turn, and what does not. */
import { expect, test } from "vitest";
import { MemoryStore } from "../../src/index.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { Bench, Gate } from "./probe.ts";

/** Its worker's turns wait once it is told to hold them. */
class HoldingClock extends VirtualClock {
  readonly waiting: (() => void)[] = [];
  holding = false;

  override soon(wake: () => void): void {
    if (this.holding) this.waiting.push(wake);
    else super.soon(wake);
  }

  release(): void {
    this.holding = false;
    for (const wake of this.waiting.splice(0)) super.soon(wake);
  }
}

test("what an answer of the store asks for goes out before the next turn: one that takes shards over comes to its first work without one", async () => {
  const clock = new HoldingClock(1_000_000);
  const calls: string[] = [];
  const bench = await Bench.start(
    { onRecord: (record, context, self) => self.see(context, record.value.do) },
    {
      store: new MemoryStore({ exclusive: false }),
      clock,
      mortal: true,
      onLine: (line) => {
        line.onCall = (method) => {
          calls.push(method);
          if (method === "acquire") clock.holding = true;
        };
      },
    },
  );
  expect(clock.waiting).toHaveLength(1);
  expect(calls.slice(calls.indexOf("acquire"))).toEqual(["acquire", "recover", "register", "renew"]);
  clock.release();
  await bench.give("k:a@1");
  expect(await bench.seen("k")).toEqual(["a"]);
  await bench.rig.kill();
});

/** Its store has bytes of calls to send until the gate is opened; a record has come meanwhile. */
async function sending() {
  const bench = await Bench.start({ onRecord: (record, context, self) => self.see(context, record.value.do) });
  const { line } = bench.rig;
  const gate = new Gate();
  line.sent = () => gate.promise;
  const before = line.count("commit");
  bench.feed.pushAll([{ key: "k", do: "a" }], () => 1);
  await bench.rig.turns();
  const commits = () => line.count("commit") - before;
  return { bench, gate, commits };
}

test("the engine works on nothing while bytes of calls are to be sent, and goes on when they are", async () => {
  const { bench, gate, commits } = await sending();
  expect(commits()).toBe(0);
  bench.rig.line.sent = () => undefined;
  gate.open();
  await bench.rig.rest();
  expect(commits()).toBeGreaterThan(0);
  expect(await bench.seen("k")).toEqual(["a"]);
});

test("bytes that cannot be sent keep the engine back for 5 ms a turn, and no longer", async () => {
  const { bench, commits } = await sending();
  bench.rig.clock.advance(4);
  await bench.rig.turns();
  expect(commits()).toBe(0);
  bench.rig.clock.advance(1);
  await bench.rig.turns();
  expect(commits()).toBe(1);
});
