/** The commands that ask a running pipeline, as people type them, and what they end with. */
import { expect, test, vi } from "vitest";
import { Computation, type Context, input, MemoryStore, Pipeline, state, type StreamRecord, type Timer, timers } from "../../src/index.ts";
import { MASTER, POLL, Posting } from "../http/posting.ts";
import { Feed, type Item } from "../inspect/feed.ts";
import { items } from "../inspect/pipelines.ts";
import { type Ended, Workplace } from "./commands.ts";

/** Each command is a process that loads the sources anew, and the machine may be busy. */
vi.setConfig({ testTimeout: 300_000 });

const broken = { is: true };

class Alarms extends Computation {
  readonly items = input(items, { key: ({ key }) => key });
  readonly count = state("count", { initial: 0 });
  readonly closing = timers<string>("closing");

  override processRecord({ key, timestamp }: StreamRecord<Item>, context: Context): void {
    if (broken.is && key.startsWith("bad")) throw new Error("the handler is broken");
    context.state(this.count).update((count) => count + 1);
    context.setTimer(this.closing.for("noon"), timestamp + 1_000);
    context.setTimer(this.closing.for("night"), timestamp + 2_000);
  }

  override processTimer(_timer: Timer<string>, context: Context): void {
    context.state(this.count).set(100);
  }
}

async function running(feed: Feed): Promise<Posting> {
  broken.is = true;
  const pipeline = new Pipeline("alarms", { shards: 2 }).inject("feed", items, feed.injector()).compute("alarms", Alarms, { attempts: 1 });
  const posting = await Posting.ready(pipeline, new MemoryStore(), [MASTER]);
  for (const key of ["tea", "bad 1", "bad 2", "bad 3"]) feed.push(key, 5_000);
  const { deadLetters, state } = { deadLetters: "/v1/dead-letters", state: "/v1/computations/alarms/state/tea" };
  await expect.poll(async () => [(await posting.get(deadLetters)).json.total, (await posting.get(state)).status], POLL).toEqual([3, 200]);
  return posting;
}

function asking(workplace: Workplace, { running: { url = "" } }: Posting) {
  return async (...args: string[]): Promise<Ended> => await workplace.run([...args, "--url", url], { MILLRACE_TOKEN: MASTER.token });
}

test("a pipeline is inspected, its state read, and its timers moved, fired and deleted", async () => {
  const feed = new Feed();
  const posting = await running(feed);
  const ask = asking(new Workplace(), posting);
  const [state, inspected, moved, ambiguous] = await Promise.all([
    ask("state", "alarms", "tea"),
    ask("inspect"),
    ask("timers", "move", "alarms", "tea", "closing", "--tag", "night", "--to", "1970-01-01T01:00:00Z"),
    ask("timers", "fire", "alarms", "tea", "closing"),
  ]);
  expect([state.code, state.out]).toEqual([
    0,
    expect.stringMatching(/^alarms, key "tea": shard \d, as of its commit \d+\n\ncell {3}codec {2}expires {2}value\ncount {2}cbor {12}1\n$/),
  ]);
  expect(inspected.out).toMatch(/^pipeline alarms in memory: 2 shards a computation, 1 worker; asked \S+\nready\n\n[\s\S]*\nalarms +computation +live/);
  expect([moved.code, moved.out]).toEqual([0, "closing of key tea is moved\n"]);
  expect([ambiguous.code, ambiguous.errors]).toEqual([2, 'error: key "tea" has several of them: give --tag, one of noon, night\n']);
  const [fired, listed] = [await ask("timers", "fire", "alarms", "tea", "closing", "--tag", "noon"), await ask("timers", "alarms", "--key", "tea")];
  expect(fired.out).toBe("closing of key tea is fired\n");
  expect(listed.out).toContain("1970-01-01T01:00:00.000Z  watermark  alarms       tea  closing  night  at its time");
  const deleted = await ask("timers", "delete", "alarms", "tea", "closing", "--json");
  expect(JSON.parse(deleted.out)).toMatchObject({ computation: "alarms", outcome: "deleted" });
  const [again, keys] = await Promise.all([ask("timers", "delete", "alarms", "tea", "closing"), ask("state", "alarms", "--json")]);
  expect([again.code, again.errors]).toEqual([2, 'error: key "tea" of alarms has no timer closing that is set\n']);
  expect(JSON.parse(keys.out)).toMatchObject({ keys: [{ key: "tea", cells: ["count"] }], next: null });
  expect((await posting.get("/v1/computations/alarms/state/tea")).json.cells[0].value).toBe(100);
});

test("dead letters are listed and shown, tried again and discarded, one, some or all of them", async () => {
  const posting = await running(new Feed());
  const ask = asking(new Workplace(), posting);
  const letters = async (): Promise<string[]> => (await posting.get("/v1/dead-letters")).json.deadLetters.map(({ letter }: { letter: string }) => letter);
  const [first = "", second = ""] = await letters();
  const [listed, shown, mixed] = await Promise.all([
    ask("dead-letters"),
    ask("dead-letters", "show", "alarms", first),
    ask("dead-letters", "discard", "alarms", second, "0.99"),
  ]);
  expect(listed.out).toMatch(/^participant {2}letter {2}given up +key +tries {2}reason\nalarms +\d\.\d+ +\S+ +"?bad \d"? +1 {2}the handler is broken/m);
  expect(shown.out).toMatch(/^alarms \d\.\d+: a record\n {2}key {7}"bad \d"\n/);
  expect(shown.out).toContain('"at": 5000');
  expect([mixed.code, mixed.out]).toEqual([
    1,
    expect.stringMatching(/: discarded\nalarms 0\.99: NOT DONE: .*there is no dead letter "0\.99".*\n1 done, 1 not\n$/),
  ]);
  broken.is = false;
  const [retried, neither] = await Promise.all([ask("dead-letters", "retry", "alarms", "--all", "--json"), ask("dead-letters", "retry", "alarms")]);
  expect([retried.code, JSON.parse(retried.out).done.length]).toEqual([0, 2]);
  expect([neither.code, neither.errors]).toEqual([2, "error: give the letters to retry, or --all\n"]);
  expect(await letters()).toEqual([]);
});

test("a token that is missing, wrong or not good for it is a mistake that is told", async () => {
  const posting = await running(new Feed());
  const workplace = new Workplace();
  const url = posting.running.url ?? "";
  const [none, wrong, file, gone] = await Promise.all([
    workplace.run(["state", "alarms", "--url", url]),
    workplace.run(["state", "alarms", "--url", url], { MILLRACE_TOKEN: "no-such-token-no-such-token" }),
    workplace.run(["state", "alarms", "--url", url, "--token-file", workplace.write("token", `${MASTER.token}\n`)]),
    workplace.run(["inspect", "--url", "http://127.0.0.1:1"]),
  ]);
  for (const { code, errors } of [none, wrong]) expect([code, errors]).toEqual([2, expect.stringContaining("this needs a token that the endpoint knows")]);
  expect(wrong.errors).not.toContain("no-such-token");
  expect(file.code).toBe(0);
  expect([gone.code, gone.errors]).toEqual([1, expect.stringContaining("is it running, with this port?")]);
});
