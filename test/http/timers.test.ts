/** Timers over HTTP: moved, fired before their time, and deleted, each once, in a commit of their shard's owner. */
import { beforeEach, describe, expect, test } from "vitest";
import { Computation, type Context, input, MemoryStore, Pipeline, state, type StreamRecord, type Timer, timer, timers } from "../../src/index.ts";
import { shardRef } from "../../src/key.ts";
import { workerOf } from "../../src/run.ts";
import { Feed, type Item } from "../inspect/feed.ts";
import { items } from "../inspect/pipelines.ts";
import { realStores, STORES } from "../worker/real-stores.ts";
import { MASTER, POLL, Posting } from "./posting.ts";

const storeOf = realStores();
const HOUR = 3_600_000;
const fired: string[] = [];
let gate: Promise<void> | undefined;
beforeEach(() => {
  fired.length = 0;
  gate = undefined;
});

class Alarms extends Computation {
  readonly items = input(items, { key: ({ key }) => key });
  readonly count = state("count", { initial: 0 });
  readonly closing = timers<string | number>("closing");
  readonly expiring = timer("expiring", { clock: "wall" });

  override async processRecord({ key, timestamp }: StreamRecord<Item>, context: Context): Promise<void> {
    context.state(this.count).update((count) => count + 1);
    if (key.startsWith("slow")) await gate;
    context.setTimer(this.closing.for("noon"), timestamp + 1_000);
    context.setTimer(this.closing.for(7), timestamp + 2_000, { output: timestamp });
    context.setTimer(this.expiring, Date.now() + HOUR);
  }

  override processTimer(timer: Timer<string | number | undefined>, context: Context): void {
    fired.push(timer.is(this.closing) ? `${context.key} ${timer.tag} ${timer.time}` : `${context.key} expiring`);
  }
}

const alarms = (feed: Feed): Pipeline => new Pipeline("alarms", { shards: 2 }).inject("feed", items, feed.injector()).compute("alarms", Alarms);
const started = (feed: Feed, store = new MemoryStore() as Parameters<typeof Posting.ready>[1]) => Posting.ready(alarms(feed), store, [MASTER]);

async function timersOf(posting: Posting, key: string): Promise<any[]> {
  return (await posting.get(`/v1/timers?computation=alarms&key=${key}`)).json.timers;
}

async function set(posting: Posting, key: string): Promise<any[]> {
  await expect.poll(async () => (await timersOf(posting, key)).length, POLL).toBe(3);
  return await timersOf(posting, key);
}

const path = ({ timer, time }: { readonly timer: string; readonly time: number }, action = "", to = "") =>
  `/v1/timers/alarms/${timer}${action && `/${action}`}?time=${time}${to && `&to=${to}`}`;

describe.each(STORES)("on %s", (name) => {
  test("a timer is fired before its time, once, and its handler sees the time that it was set for", async () => {
    const feed = new Feed();
    const posting = await started(feed, storeOf(name)());
    feed.push("a", 1_000);
    const [noon, seven, expiring] = await set(posting, "a");
    expect([noon, seven, expiring]).toMatchObject([
      { name: "closing", tag: "noon", time: 2_000, clock: "watermark" },
      { name: "closing", tag: 7, time: 3_000 },
      { name: "expiring", tag: null, clock: "wall" },
    ]);
    expect(await posting.ask("POST", path(seven, "fire"))).toMatchObject({
      status: 200,
      json: { computation: "alarms", timer: seven.timer, outcome: "fired" },
    });
    await expect.poll(() => fired, POLL).toEqual(["a 7 3000"]);
    expect(await posting.ask("POST", path(expiring, "fire"))).toMatchObject({ status: 200 });
    await expect.poll(() => fired, POLL).toEqual(["a 7 3000", "a expiring"]);
    expect((await posting.ask("POST", path(seven, "fire"))).status).toBe(404);
    feed.promise(10_000);
    await expect.poll(() => fired, POLL).toEqual(["a 7 3000", "a expiring", "a noon 2000"]);
    expect(await timersOf(posting, "a")).toEqual([]);
  });

  test("a timer is moved, keeps what it holds, and fires at its new time alone", async () => {
    const feed = new Feed();
    const posting = await started(feed, storeOf(name)());
    feed.push("a", 1_000);
    feed.promise(1_500);
    const [noon, seven] = await set(posting, "a");
    expect((await posting.ask("POST", path(noon, "move", "5000"))).json).toMatchObject({ outcome: "moved" });
    expect((await posting.ask("POST", path(seven, "move", "4000"))).json).toMatchObject({ outcome: "moved" });
    expect(await timersOf(posting, "a")).toMatchObject([{ tag: 7, time: 4_000, holds: 1_000 }, { tag: "noon", time: 5_000, holds: 5_000 }, {}]);
    // Asked for again, it is not what it was set for.
    expect((await posting.ask("POST", path(noon, "move", "6000"))).status).toBe(404);
    feed.promise(4_500);
    await expect.poll(() => fired, POLL).toEqual(["a 7 4000"]);
    feed.promise(5_000);
    await expect.poll(() => fired, POLL).toEqual(["a 7 4000", "a noon 5000"]);
  });

  test("a timer is deleted, holds nothing any more and never fires, also after a restart", async () => {
    const feed = new Feed();
    const store = storeOf(name);
    const opened = store();
    const posting = await started(feed, opened);
    feed.push("a", 1_000);
    const [noon, seven, expiring] = await set(posting, "a");
    for (const each of [noon, seven, expiring]) expect((await posting.ask("DELETE", path(each))).json).toMatchObject({ outcome: "deleted" });
    expect(await timersOf(posting, "a")).toEqual([]);
    await posting.running.stop();
    const again = await started(feed, opened);
    feed.promise(9_000);
    const output = async () => (await again.get("/v1/watermarks")).json.participants.find((each: { name: string }) => each.name === "alarms").output;
    await expect.poll(output, POLL).toBe(9_000);
    expect(fired).toEqual([]);
  });
});

test("what cannot be is refused, and changes nothing", async () => {
  const feed = new Feed();
  const posting = await started(feed);
  feed.push("a", 1_000);
  feed.promise(1_500);
  const [noon] = await set(posting, "a");
  const statusOf = async (method: string, path: string) => (await posting.ask(method, path)).status;
  expect(await statusOf("POST", path(noon, "move", "1499"))).toBe(409);
  expect(await statusOf("POST", path(noon, "move", "2000"))).toBe(409);
  expect(await statusOf("POST", path(noon, "move", String(Number.MAX_SAFE_INTEGER)))).toBe(409);
  expect(await statusOf("POST", path({ ...noon, time: 1_999 }, "fire"))).toBe(404);
  expect(await statusOf("POST", path({ ...noon, timer: "eA" }, "fire"))).toBe(404);
  expect(await statusOf("POST", path(noon, "fire").replace("/alarms/", "/nobody/"))).toBe(404);
  expect(await statusOf("POST", path(noon, "fire").replace("/alarms/", "/feed/"))).toBe(404);
  for (const query of ["", "?time=", "?time=-1", "?time=1e3", "?time=2000&when=now"])
    expect(await statusOf("DELETE", `/v1/timers/alarms/${noon.timer}${query}`)).toBe(400);
  expect(await statusOf("POST", path(noon, "move"))).toBe(400);
  expect(await statusOf("GET", path(noon, "fire"))).toBe(405);
  expect(await timersOf(posting, "a")).toMatchObject([{ time: 2_000 }, { time: 3_000 }, {}]);
  expect((await posting.get("/v1/timers?key=a")).status).toBe(400);
});

test("while a call of its key runs a command waits, and other keys do not", async () => {
  const feed = new Feed();
  const posting = await started(feed);
  feed.push("slow", 1_000);
  const [noon] = await set(posting, "slow");
  let open = (): void => {};
  gate = new Promise((resolve) => (open = resolve));
  feed.push("slow", 1_100);
  const running = () => [...workerOf(posting.running).engine.shards.values()].some((shard) => shard.busy);
  await expect.poll(running, POLL).toBe(true);
  const asked = posting.ask("DELETE", path(noon));
  feed.push("other", 1_000);
  await set(posting, "other");
  expect(await timersOf(posting, "slow")).toMatchObject([{ tag: "noon", time: 2_000 }, {}, {}]);
  open();
  // The call sets it for another time, so what was asked for is no more.
  expect((await asked).status).toBe(404);
  expect(await timersOf(posting, "slow")).toMatchObject([{ tag: "noon", time: 2_100 }, {}, {}]);
});

test("a worker that does not own the shard passes it on to the one that does", async () => {
  const feed = new Feed();
  const memory = new MemoryStore({ exclusive: false });
  const first = await started(feed, memory);
  feed.push("a", 1_000);
  const [noon] = await set(first, "a");
  const second = await Posting.ready(alarms(new Feed()), memory, [MASTER]);
  const { id } = workerOf(first.running).engine.options.plan.participants.find(({ name }) => name === "alarms") as { id: number };
  const owns = (posting: Posting, index: number) => workerOf(posting.running).engine.computation(shardRef(id, index)) !== undefined;
  // They share the shards out as soon as they know of each other.
  await expect.poll(() => [first, second].map((posting) => [0, 1].filter((index) => owns(posting, index)).length), POLL).toEqual([1, 1]);
  const stranger = owns(first, noon.shard) ? second : first;
  expect((await stranger.ask("DELETE", path(noon))).json).toMatchObject({ outcome: "deleted" });
  for (const each of [first, second]) expect((await each.ask("DELETE", path(noon))).status).toBe(404);
});

test("of many who ask for the same at once, one is served", async () => {
  const feed = new Feed();
  const posting = await started(feed);
  feed.push("a", 1_000);
  const [noon] = await set(posting, "a");
  const answers = await Promise.all(Array.from({ length: 8 }, () => posting.ask("POST", path(noon, "fire"))));
  expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, ...Array.from({ length: 7 }, () => 404)]);
  await expect.poll(() => fired, POLL).toEqual(["a noon 2000"]);
});
