/** Handlers that return promises: one slow key adds nothing to the others, and one that never ends changes nothing. */
import { describe, expect, test } from "vitest";
import { type Context, exponential, InvalidUseError } from "../../src/index.ts";
import { Bench, Gate, type Probing } from "./probe.ts";

const backoff = exponential(100, 1_000);

/** "slow" waits for the gate in the middle; everything else is done at once, but in an async function. */
function waiting(gate: Gate): Probing["onRecord"] {
  return async (record, context, self) => {
    self.see(context, `${record.value.do}-begun`);
    if (record.value.do === "slow") await gate.promise;
    self.see(context, record.value.do);
    context.produce(self.results, `${record.key}:${context.state(self.seen).get().join(",")}`);
  };
}

describe.each([{ batchRecords: 256 }, { batchRecords: 1 }])("with $batchRecords records a batch", (options) => {
  test("a handler of ten seconds adds nothing to other keys, and the later records of its key keep their order behind it", async () => {
    const gate = new Gate();
    const bench = await Bench.start({ onRecord: waiting(gate) }, options);
    await bench.give("k:slow@1 k:b@2 other:x@3");
    await bench.rig.advance(100);
    await bench.give("other:y@4 k:c@5");
    await bench.rig.advance(10_000);
    expect(bench.kept.values).toEqual(["other:x-begun,x", "other:x-begun,x,y-begun,y"]);
    expect(await bench.rig.stored("probe")).toMatchObject({ queued: 0, held: 3 });
    gate.open();
    await bench.rig.rest();
    expect(bench.kept.values.filter((value) => value.startsWith("k"))).toEqual([
      "k:slow-begun,slow",
      "k:slow-begun,slow,b-begun,b",
      "k:slow-begun,slow,b-begun,b,c-begun,c",
    ]);
    expect(await bench.rig.stored("probe")).toMatchObject({ queued: 0, held: 0 });
  });

  test("a crash in the middle of a slow handler runs it and what stands behind it again, once each", async () => {
    const gate = new Gate();
    const bench = await Bench.start({ onRecord: waiting(gate) }, options);
    await bench.give("k:a@1 k:slow@2 k:b@3");
    await bench.rig.advance(1_000);
    expect(await bench.seen("k")).toEqual(["a-begun", "a"]);
    await bench.rig.crash();
    gate.open();
    await bench.rig.advance(1_000);
    expect(await bench.seen("k")).toEqual(["a-begun", "a", "slow-begun", "slow", "b-begun", "b"]);
    expect(bench.kept.values).toHaveLength(3);
  });
});

test.each(["record", "timer"])(
  "a %s that waits behind a call of its key and rejects at once is a failure like any other, and no unhandled rejection",
  async (kind) => {
    const unhandled: unknown[] = [];
    const listener = (reason: unknown) => void unhandled.push(reason);
    process.on("unhandledRejection", listener);
    const gate = new Gate();
    const bench = await Bench.start({
      onRecord: async (record, context, self) => {
        if (record.value.do === "poison") throw new Error("poison");
        await gate.promise;
        self.see(context, record.value.do);
        if (kind === "timer") context.setTimer(self.event.for("poison"), 2);
      },
      onTimer: async () => {
        throw new Error("poison");
      },
      compute: { attempts: 2, backoff },
    });
    await bench.give(`k:a@1 k:${kind === "record" ? "poison" : "b"}@2 k:c@3 other:x@3`);
    await bench.promise(3);
    gate.open();
    await bench.rig.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("unhandledRejection", listener);
    expect(unhandled).toEqual([]);
    expect(await bench.seen("k")).toEqual(kind === "record" ? ["a", "c"] : ["a", "b", "c"]);
    expect(await bench.seen("other")).toEqual(["x"]);
    expect((await bench.rig.deadLetters("probe")).every(({ reason, attempts }) => /poison/.test(reason) && attempts === 2)).toBe(true);
    expect((await bench.rig.deadLetters("probe")).length).toBe(kind === "record" ? 1 : 2);
  },
);

test("a handler that is slower than its limit fails, and its late settlement changes nothing (R4)", async () => {
  const gate = new Gate();
  const late: { context?: Context; error?: unknown; aborted?: boolean } = {};
  let calls = 0;
  const bench = await Bench.start({
    async onRecord(record, context, self) {
      self.see(context, "begun");
      calls++;
      if (record.value.do === "slow" && calls === 1) {
        context.signal.addEventListener("abort", () => (late.aborted = true));
        await gate.promise;
        try {
          self.see(context, "late");
        } catch (error) {
          late.error = error;
        }
        context.produce(self.results, "late");
      }
      context.produce(self.results, `call ${calls}`);
    },
    compute: { timeLimit: 500, backoff },
  });
  await bench.give("k:slow@1");
  await bench.rig.advance(500);
  expect(late.aborted).toBe(true);
  await bench.rig.advance(1_000);
  expect(bench.kept.values).toEqual(["call 2"]);
  gate.open();
  await bench.rig.rest();
  await bench.rig.advance(1_000);
  expect(late.error).toBeInstanceOf(InvalidUseError);
  expect(bench.kept.values).toEqual(["call 2"]);
  expect(await bench.seen("k")).toEqual(["begun"]);
  expect(bench.rig.counters("probe")).toMatchObject({ processed: 1, failures: 1 });
});

test("a handler that never settles is parked after its attempts, each within its limit", async () => {
  const bench = await Bench.start({
    onRecord: (record, context, self) => (record.value.do === "never" ? new Promise<void>(() => {}) : context.produce(self.results, record.value.do)),
    compute: { timeLimit: 500, attempts: 3, backoff },
  });
  await bench.give("k:never@1 k:b@2 other:x@3");
  await bench.rig.advance(10_000);
  expect([...bench.kept.values].sort()).toEqual(["b", "x"]);
  expect(await bench.rig.deadLetters("probe")).toMatchObject([{ key: "k", attempts: 3, reason: expect.stringContaining("500 ms") }]);
});

test("a rejected promise fails the call like a throw", async () => {
  const bench = await Bench.start({
    onRecord: async (record, context, self) => {
      self.see(context, record.value.do);
      await Promise.resolve();
      if (record.value.do === "bad") throw new Error("rejected");
    },
    compute: { attempts: 2, backoff },
  });
  await bench.give("k:a@1 k:bad@2 k:c@3");
  await bench.rig.advance(5_000);
  expect(await bench.seen("k")).toEqual(["a", "c"]);
  expect(await bench.rig.deadLetters("probe")).toMatchObject([{ reason: "rejected", attempts: 2 }]);
});

test("a handler that is synchronous for most records and returns a promise for one loses nothing of either", async () => {
  const gate = new Gate();
  const bench = await Bench.start({
    onRecord(record, context, self) {
      self.see(context, record.value.do);
      context.produce(self.results, `${record.key}:${context.state(self.seen).get().join("")}`);
      if (record.value.do === "S") return gate.promise.then(() => self.see(context, "s"));
    },
  });
  await bench.give("k:a@1 k:S@2 k:b@3 other:x@4");
  await bench.give("other:y@5");
  gate.open();
  await bench.rig.advance(1_000);
  expect(await bench.seen("k")).toEqual(["a", "S", "s", "b"]);
  expect(await bench.seen("other")).toEqual(["x", "y"]);
  expect(bench.kept.values.filter((value) => value.startsWith("k"))).toEqual(["k:a", "k:aS", "k:aSsb"]);
});

test("a first promise, from a function that is not marked async, does not keep other keys waiting for ten seconds", async () => {
  const gate = new Gate();
  const bench = await Bench.start({
    onRecord(record, context, self) {
      self.see(context, record.value.do);
      context.produce(self.results, record.value.do);
      if (record.value.do === "slow") return gate.promise;
    },
  });
  await bench.give("k:slow@1 other:x@2");
  await bench.rig.advance(1_000);
  await bench.give("other:y@3");
  await bench.rig.advance(1_000);
  expect(bench.kept.values).toEqual(["x", "y"]);
  await bench.rig.crash();
  gate.open();
  await bench.rig.advance(1_000);
  expect(await bench.seen("k")).toEqual(["slow"]);
});

test("a first promise that never settles, behind synchronous work of its key in the same batch, holds its shard for one time limit at most", async () => {
  const bench = await Bench.start({
    onRecord(record, context, self) {
      self.see(context, record.value.do);
      context.produce(self.results, record.value.do);
      if (record.value.do === "never") return new Promise<void>(() => {});
    },
    compute: { timeLimit: 500, attempts: 2, backoff },
  });
  await bench.give("k:a@1 k:never@2 other:x@3");
  await bench.rig.advance(5_000);
  await bench.give("k:b@4");
  await bench.rig.advance(1_000);
  expect(await bench.seen("k")).toEqual(["a", "b"]);
  expect(await bench.seen("other")).toEqual(["x"]);
  expect([...bench.kept.values].sort()).toEqual(["a", "b", "x"]);
});

test("handlers of two keys that produce in one order and end in the other are committed in one parcel", async () => {
  const gates = { a: new Gate(), b: new Gate() };
  const bench = await Bench.start({
    async onRecord(record, context, self) {
      context.produce(self.results, record.key);
      await gates[record.key as "a" | "b"].promise;
    },
  });
  await bench.give("a:x@1 b:y@2");
  gates.b.open();
  await Promise.resolve();
  gates.a.open();
  await bench.rig.rest();
  await bench.rig.advance(1_000);
  expect([...bench.kept.values].sort()).toEqual(["a", "b"]);
  expect(new Set(bench.kept.records.map((record) => record.id)).size).toBe(2);
  expect(bench.rig.outcome).toBeUndefined();
});

test("more slow keys than may run at once leave the others waiting no longer than until one has ended", async () => {
  const gates = Array.from({ length: 70 }, () => new Gate());
  const bench = await Bench.start({
    async onRecord(record, context, self) {
      const gate = gates[Number(record.value.do)];
      if (gate !== undefined) await gate.promise;
      context.produce(self.results, record.key);
    },
  });
  await bench.give(gates.map((_, i) => `slow${i}:${i}@${i}`).join(" "));
  await bench.rig.advance(1_000);
  expect(bench.kept.values).toEqual([]);
  gates[0]?.open();
  await bench.give("quick:none@100");
  await bench.rig.advance(1_000);
  for (const gate of gates) gate.open();
  await bench.rig.advance(1_000);
  expect(new Set(bench.kept.values).size).toBe(71);
});

test("a context that is used after its call throws and changes nothing", async () => {
  const kept: { context?: Context; self?: { readonly seen: never; readonly results: never } } = {};
  const bench = await Bench.start({
    onRecord(record, context, self) {
      if (record.value.do === "keep") Object.assign(kept, { context, self });
      self.see(context, record.value.do);
    },
  });
  await bench.give("k:keep@1");
  const { context, self } = kept as Required<typeof kept>;
  expect(() => context.produce(self.results, "late" as never)).toThrow(InvalidUseError);
  expect(() => context.state(self.seen)).toThrow(/after its call had ended/);
  expect(() => context.clear()).toThrow(InvalidUseError);
  expect(() => context.hold(1)).toThrow(InvalidUseError);
  await bench.give("k:b@2");
  expect(await bench.seen("k")).toEqual(["keep", "b"]);
  expect(bench.kept.values).toEqual([]);
});

test("an accessor that is kept beyond its call is as dead as its context", async () => {
  let accessor: { get(): unknown; set(value: readonly string[]): void } | undefined;
  const bench = await Bench.start({
    onRecord(_record, context, self) {
      accessor = context.state(self.seen);
      self.see(context, "a");
    },
  });
  await bench.give("k:a@1");
  expect(() => accessor?.get()).toThrow(InvalidUseError);
  expect(() => accessor?.set(["b"])).toThrow(InvalidUseError);
  expect(await bench.seen("k")).toEqual(["a"]);
});
