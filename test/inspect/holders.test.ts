import { expect, test } from "vitest";
import { exponential } from "../../src/computation/backoff.ts";
import { MemoryStore } from "../../src/store/memory-store.ts";
import { ascending } from "../../src/watermark/ascending.ts";
import { byHand } from "../../src/watermark/by-hand.ts";
import { Feed } from "./feed.ts";
import { GatedStore } from "./gated-store.ts";
import { counts, Counter, type During, holderOf, type Inspected, inspected, items, kept, onePipeline, watermarksOf } from "./pipelines.ts";
import { workerOf } from "../../src/run.ts";

const POLL = { interval: 5, timeout: 10_000 };

function counting(feed: Feed, during: During = () => {}) {
  return onePipeline()
    .inject("feed", items, feed.injector())
    .compute("counter", () => new Counter(during));
}

/** The computation's holder becomes this one. */
async function expectHolder(inspection: Inspected, expected: object, name = "counter"): Promise<void> {
  await expect.poll(() => holderOf(inspection, name), POLL).toMatchObject(expected);
}

/** The computation's output watermark comes to this. */
async function expectOutput(inspection: Inspected, output: number | "end", name = "counter"): Promise<void> {
  await expect.poll(async () => (await watermarksOf(inspection, name)).output, POLL).toBe(output);
}

function gate(): { readonly passed: Promise<void>; readonly pass: () => void } {
  let pass = () => {};
  const passed = new Promise<void>((resolve) => {
    pass = resolve;
  });
  return { passed, pass };
}

test("an injector's promise holds what it feeds, until it promises more", async () => {
  const feed = new Feed();
  const inspection = await inspected(counting(feed));
  feed.promise(100);
  await expectHolder(inspection, {
    kind: "promise",
    participant: "feed",
    path: ["counter", "feed"],
    at: 100,
    atIso: "1970-01-01T00:00:00.100Z",
    detail: "by hand",
  });
  feed.promise(200);
  await expectHolder(inspection, { kind: "promise", at: 200 });
});

test("before the first promise nothing is known, and the injector holds", async () => {
  const inspection = await inspected(counting(new Feed()));
  await expectHolder(inspection, { kind: "promise", participant: "feed", at: null, atIso: null });
});

test("an injector that has gone idle holds where no other is live, until its next record", async () => {
  const feed = new Feed();
  const inspection = await inspected(
    onePipeline()
      .inject("feed", items, feed.injector({ watermark: byHand({ idleAfter: 100 }) }))
      .compute("counter", () => new Counter(() => {})),
  );
  feed.promise(100);
  await expectHolder(inspection, { kind: "idle", participant: "feed", path: ["counter", "feed"], at: 100 });
  feed.push("a", 150);
  feed.promise(160);
  await expectOutput(inspection, 160, "feed");
});

test("an idle injector does not hold while another is live", async () => {
  const [quiet, lively] = [new Feed(), new Feed()];
  const pipeline = onePipeline()
    .inject("quiet", items, quiet.injector({ watermark: byHand({ idleAfter: 100 }) }))
    .inject("lively", items, lively.injector())
    .compute("counter", () => new Counter(() => {}));
  const inspection = await inspected(pipeline);
  quiet.promise(100);
  lively.promise(500);
  await expectHolder(inspection, { kind: "promise", participant: "lively", at: 500 });
});

test("a call that runs holds, with its key, its record and since when, until it settles", async () => {
  const feed = new Feed();
  const { passed, pass } = gate();
  const inspection = await inspected(counting(feed, () => passed));
  const before = Date.now();
  feed.push("slow", 100);
  feed.promise(900);
  await expectHolder(inspection, { kind: "running", participant: "counter", shard: 0, key: "slow", time: 100, attempts: 0 });
  expect((await holderOf(inspection, "counter"))?.since).toBeGreaterThanOrEqual(before);
  pass();
  await expectHolder(inspection, { kind: "promise", at: 900 });
});

test("a record behind a running call of its key is held by that call", async () => {
  const feed = new Feed();
  const { passed, pass } = gate();
  const inspection = await inspected(counting(feed, (record) => (record.timestamp === 300 ? passed : undefined)));
  feed.push("slow", 300);
  feed.push("slow", 200);
  feed.promise(900);
  await expectHolder(inspection, { kind: "running", key: "slow", time: 300 });
  pass();
  await expectHolder(inspection, { kind: "promise", at: 900 });
});

test("a record that failed holds, with its tries and when it is tried again, until it succeeds", async () => {
  const feed = new Feed();
  let failing = true;
  const during = () => {
    if (failing) throw new Error("not now");
  };
  const pipeline = onePipeline()
    .inject("feed", items, feed.injector())
    .compute("counter", () => new Counter(during), { attempts: 1_000, backoff: exponential(50, 50) });
  const inspection = await inspected(pipeline);
  feed.push("bad", 100);
  feed.promise(900);
  await expectHolder(inspection, { kind: "held", participant: "counter", key: "bad", time: 100 });
  const holder = await holderOf(inspection, "counter");
  expect(holder?.attempts).toBeGreaterThanOrEqual(1);
  expect(holder?.retryAt).toBeGreaterThan(0);
  failing = false;
  await expectHolder(inspection, { kind: "promise", at: 900 });
});

test("a halted key holds, and says that it waits for an operator", async () => {
  const feed = new Feed();
  const during = () => {
    throw new Error("never");
  };
  const pipeline = onePipeline()
    .inject("feed", items, feed.injector())
    .compute("counter", () => new Counter(during), { attempts: 1, onFailure: "halt-key" });
  const inspection = await inspected(pipeline);
  feed.push("bad", 100);
  feed.promise(900);
  await expectHolder(inspection, { kind: "halted", participant: "counter", key: "bad", time: 100, attempts: 1 });
  const holder = await holderOf(inspection, "counter");
  expect(holder).not.toHaveProperty("retryAt");
  expect(holder?.text).toContain("operator");
});

test("a timer holds at its output timestamp, with key, name and tag, until it has fired", async () => {
  const feed = new Feed();
  const inspection = await inspected(
    counting(feed, (record, context, counter) => {
      context.setTimer(counter.closing.for("noon"), 500, { output: record.timestamp });
    }),
  );
  feed.push("a", 100);
  feed.promise(300);
  await expectHolder(inspection, { kind: "timer", participant: "counter", key: "a", timer: "closing", tag: "noon", time: 500, at: 100 });
  feed.promise(600);
  await expectHolder(inspection, { kind: "promise", at: 600 });
});

test("a key's own hold holds, until the key releases it", async () => {
  const feed = new Feed();
  const inspection = await inspected(
    counting(feed, (record, context) => {
      context.hold(record.timestamp < 200 ? record.timestamp : undefined);
    }),
  );
  feed.push("a", 100);
  feed.promise(300);
  await expectHolder(inspection, { kind: "hold", participant: "counter", key: "a", at: 100 });
  feed.push("a", 350);
  feed.promise(400);
  await expectHolder(inspection, { kind: "promise", at: 400 });
});

test("a commit that the store does not answer holds, until it does", async () => {
  const feed = new Feed();
  const store = new GatedStore(new MemoryStore());
  const inspection = await inspected(counting(feed), store);
  feed.promise(100);
  await expectOutput(inspection, 100);
  store.shut("commit");
  feed.promise(200);
  await expectHolder(inspection, { kind: "commit", participant: "feed", at: 100, commit: 2 }, "feed");
  store.release("commit");
  await expectHolder(inspection, { kind: "promise", at: 200 }, "feed");
});

test("a computation's batch holds until its commit is answered", async () => {
  const feed = new Feed();
  const store = new GatedStore(new MemoryStore());
  const inspection = await inspected(
    counting(feed, () => {
      store.shut("commit");
    }),
    store,
  );
  feed.push("a", 100);
  feed.promise(900);
  await expectHolder(inspection, { kind: "commit", participant: "counter", shard: 0 });
  store.release("commit");
  await expectHolder(inspection, { kind: "promise", at: 900 });
});

test("a watermark that has risen is about to be reported, until it is", async () => {
  const feed = new Feed();
  const store = new GatedStore(new MemoryStore());
  const inspection = await inspected(counting(feed), store);
  feed.promise(100);
  await expectOutput(inspection, 100);
  store.shut("report");
  feed.promise(200);
  await expectHolder(inspection, { kind: "report", participant: "feed", at: 100 }, "feed");
  store.release("report");
  await expectHolder(inspection, { kind: "promise", at: 200 }, "feed");
});

/** Leaves a record in the inbox of the counter, and one processed before it, so that there is state. */
async function crashedWithRecords(memory: MemoryStore, feed: Feed): Promise<void> {
  const before = await inspected(counting(feed), new GatedStore(memory));
  feed.push("first", 100);
  feed.promise(150);
  await expectOutput(before, 150);
  await before.crash();
  // The next owner's first record lies in the inbox before it is processed.
  const store = new GatedStore(memory);
  const crashed = await inspected(
    counting(feed, (record) => {
      if (record.key === "waiting") store.shut("commit");
    }),
    store,
  );
  feed.push("waiting", 200);
  feed.promise(900);
  await expectHolder(crashed, { kind: "commit", participant: "counter" });
  await crashed.crash();
}

test("unread records in an inbox hold, until they are read", async () => {
  const [memory, feed] = [new MemoryStore(), new Feed()];
  await crashedWithRecords(memory, feed);
  const store = new GatedStore(memory);
  store.shut("readInbox");
  const inspection = await inspected(counting(feed), store);
  await expectHolder(inspection, { kind: "unread", participant: "counter", shard: 0, records: 1 });
  store.release("readInbox");
  await expectHolder(inspection, { kind: "promise", at: 900 });
});

test("a record that was read and waits for its key's state holds, until it is processed", async () => {
  const [memory, feed] = [new MemoryStore(), new Feed()];
  await crashedWithRecords(memory, feed);
  const store = new GatedStore(memory);
  store.shut("readState");
  const inspection = await inspected(counting(feed), store);
  await expectHolder(inspection, { kind: "record", participant: "counter", shard: 0, key: "waiting", time: 200, records: 1 });
  store.release("readState");
  await expectHolder(inspection, { kind: "promise", at: 900 });
});

test("a full inbox downstream holds, and is named, until it is worked off", async () => {
  const feed = new Feed();
  const { passed, pass } = gate();
  const values: unknown[] = [];
  const pipeline = onePipeline()
    .inject("feed", items, feed.injector({ watermark: ascending() }))
    .compute("counter", () => new Counter(() => {}))
    .sink(
      "list",
      counts,
      kept(values, () => passed),
    );
  const inspection = await inspected(pipeline);
  for (let n = 0; n < 12_000; n++) feed.push(`key ${n % 100}`, n);
  await expectHolder(inspection, { kind: "back-pressure", participant: "counter", blockedBy: [{ participant: "list", shard: 0 }] });
  await expectHolder(inspection, { kind: "back-pressure", participant: "feed", blockedBy: [{ participant: "counter" }, { participant: "list" }] }, "feed");
  await expectHolder(inspection, { kind: "running", participant: "list", detail: "a list" }, "list");
  pass();
  await expectHolder(inspection, { kind: "promise", participant: "feed", at: 11_999, path: ["list", "counter", "feed"] }, "list");
  expect(values).toHaveLength(12_000);
});

test("a shard without an owner holds, and then one whose owner is reading it", async () => {
  const feed = new Feed();
  const store = new GatedStore(new MemoryStore());
  store.shut("acquire");
  store.shut("recover");
  const inspection = await inspected(counting(feed), store);
  feed.promise(100);
  await expectHolder(inspection, { kind: "unowned", participant: "counter", shard: 0, at: null });
  store.release("acquire");
  await expectHolder(inspection, { kind: "recovering", participant: "counter", shard: 0 });
  store.release("recover");
  await expectHolder(inspection, { kind: "promise", at: 100 });
});

test("a shard of another worker holds there, and says whose it is, until that one stops", async () => {
  const feed = new Feed();
  const memory = new MemoryStore({ exclusive: false });
  const first = await inspected(counting(feed), memory, { leaseMs: 200 });
  feed.promise(100);
  await expectOutput(first, 100);
  const second = await inspected(counting(feed), memory, { leaseMs: 200 });
  await expectHolder(second, { kind: "elsewhere", participant: "counter", shard: 0, worker: workerOf(first.running).name });
  await first.running.stop();
  await expectHolder(second, { kind: "promise", participant: "feed", at: 100 });
});

test("at the end of time nothing holds", async () => {
  const feed = new Feed();
  const inspection = await inspected(counting(feed).sink("list", counts, kept([])));
  feed.push("a", 100);
  feed.end();
  await inspection.running.finished;
  const { participants } = await inspection.endpoint.watermarks();
  expect(participants.map(({ output, outputIso, heldBy, lag }) => ({ output, outputIso, heldBy, clock: lag.clock }))).toEqual(
    ["feed", "counter", "list"].map(() => ({ output: "end", outputIso: null, heldBy: null, clock: 0 })),
  );
});

test("an injector that waits for another says for which, how far ahead it is, and what is allowed; a metric counts it", async () => {
  const [fast, slow] = [new Feed(), new Feed()];
  const pipeline = onePipeline()
    .inject("fast", items, fast.injector(), { maxSkew: 1_000 })
    .inject("slow", items, slow.injector())
    .compute("counter", () => new Counter(() => {}));
  const inspection = await inspected(pipeline);
  slow.promise(5_000);
  fast.promise(60_000);
  await expectHolder(inspection, { kind: "skew", participant: "fast", at: 60_000 }, "fast");
  await expect
    .poll(async () => (await holderOf(inspection, "fast"))?.text, POLL)
    .toMatch(/^injector "fast" waits, for .*, for injector "slow": it is 55\.0 s ahead; its maxSkew is 1\.0 s$/);
  await expectHolder(inspection, { kind: "promise", participant: "slow", at: 5_000 });
  expect(await (await fetch(`${inspection.running.url}/metrics`)).text()).toContain('millrace_injector_waits_for_others{participant="fast",kind="injector"} 1');
  slow.promise(60_000);
  await expectHolder(inspection, { kind: "promise" }, "fast");
});
