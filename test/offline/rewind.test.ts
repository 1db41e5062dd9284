/** `reset` and `rewind`: what begins anew does so whole, what does not is left alone, and a kill in between leaves nothing half done. */
import { afterEach, expect, test } from "vitest";
import { Computation, type Context, fromHttp, input, MemoryStore, Pipeline, run, state, stream, type StreamRecord } from "../../src/index.ts";
import { audit } from "../../src/inspect/index.ts";
import { reset } from "../../src/offline/reset.ts";
import { rewind, type RewindOptions, type RewindTo } from "../../src/offline/rewind.ts";
import { Feed, Kept } from "../worker/feed.ts";
import { Trial, until } from "../worker/real-stores.ts";
import { surroundings } from "./bank.ts";
import { Killed, MortalStore } from "./mortal-store.ts";

const END = 2 ** 53 - 1;
const numbers = stream<number>("numbers");

/** What each key has added up so far, after every record. */
class Sum extends Computation {
  readonly numbers = input(numbers, { key: (n) => (n % 2 === 0 ? "even" : "odd") });
  readonly sum = state("sum", { initial: 0 });

  override processRecord(record: StreamRecord<number>, context: Context): void {
    context.state(this.sum).update((sum) => sum + record.value);
    seen.push(`${context.key} ${context.state(this.sum).get()}${record.late ? " late" : ""}`);
  }
}

let seen: string[] = [];
let trials: Trial[] = [];
afterEach(async () => {
  seen = [];
  for (const trial of trials) await trial.stop();
  trials = [];
});

/** Six numbers, at 1000 to 6000; to the end. */
const feedOf = (): Feed<number> => new Feed<number>().pushAll([1, 2, 3, 4, 5, 6], (n) => n * 1_000).end();
const pipelineOf = (feed: Feed<number>): Pipeline =>
  new Pipeline("p", { shards: 2 }).inject("feed", numbers, feed.injector).compute("sum", Sum).compute("other", Sum);

async function ran(store: MemoryStore, feed: Feed<number>): Promise<string[]> {
  seen = [];
  const trial = new Trial(() => store);
  trials.push(trial);
  await trial.start(pipelineOf(feed), { http: false });
  await until(() => Math.min(trial.output("sum"), trial.output("other")), END);
  await trial.stop();
  expect((await audit(store, { pipeline: "p" })).violations).toBe(0);
  return seen.sort((a, b) => (a < b ? -1 : 1));
}

const rewound = (store: MemoryStore | MortalStore, feed: Feed<number>, to: RewindTo, names: readonly string[], yes = true) => {
  const options: RewindOptions = { ...surroundings, store, pipeline: pipelineOf(feed), injector: "feed", to, reset: names, yes };
  return rewind(options);
};

const ONCE = ["even 12", "even 2", "even 6", "odd 1", "odd 4", "odd 9"];

test("what is reset begins anew with its injector, and what is not gets the records again, as late ones", async () => {
  const [store, feed] = [new MemoryStore(), feedOf()];
  expect(await ran(store, feed)).toEqual([...ONCE, ...ONCE].sort((a, b) => (a < b ? -1 : 1)));
  expect(await rewound(store, feed, { kind: "start" }, ["sum"], false)).toMatchObject({ done: false, again: [{ name: "other", kind: "computation" }] });
  expect(await ran(store, feed)).toEqual([]);
  const report = await rewound(store, feed, { kind: "start" }, ["sum"]);
  expect(report).toMatchObject({
    done: true,
    resumed: false,
    positions: [null],
    dropped: [
      { name: "feed", processed: 6 },
      { name: "sum", processed: 6, entries: { state: 2 } },
    ],
  });
  const late = ["even 14 late", "even 18 late", "even 24 late", "odd 10 late", "odd 13 late", "odd 18 late"];
  expect(await ran(store, feed)).toEqual([...ONCE, ...late].sort((a, b) => (a < b ? -1 : 1)));
});

test("an injector goes on after a position, or with the first record of a time", async () => {
  const [store, feed] = [new MemoryStore(), feedOf()];
  await ran(store, feed);
  expect(await rewound(store, feed, { kind: "position", position: 4 }, ["sum", "other"])).toMatchObject({ positions: [4], again: [] });
  expect(await ran(store, feed)).toEqual(["even 6", "even 6", "odd 5", "odd 5"]);
  await rewound(store, feed, { kind: "start" }, ["sum", "other"]);
  await ran(store, feed);
  expect(await rewound(store, feed, { kind: "time", time: 4_500 }, ["sum", "other"])).toMatchObject({ positions: [4] });
  expect(await ran(store, feed)).toEqual(["even 6", "even 6", "odd 5", "odd 5"]);
  await expect(rewound(store, feed, { kind: "time", time: 6_001 }, [])).rejects.toThrow(
    /injector "feed" has read no record of 1970-01-01T00:00:06.001Z or later/,
  );
});

test("a rewind that is killed at any of its writing calls has not happened, has happened, or goes on; workers never see it half done", async () => {
  let [deaths, goneOn] = [0, 0];
  for (let at = 1; ; at++) {
    const [store, feed] = [new MemoryStore(), feedOf()];
    await ran(store, feed);
    const dead = await rewound(new MortalStore(store, at, at % 2 === 0), feed, { kind: "position", position: 4 }, ["sum", "other"]).catch(
      (error: unknown) => error,
    );
    if (!(dead instanceof Killed)) break;
    deaths += 1;
    const refused = await run(pipelineOf(feed), { store, log: () => {} }).then(
      (running) => running.stop().then(() => undefined),
      (error: unknown) => error as Error,
    );
    if (refused === undefined) continue;
    expect(refused.message).toMatch(/is not complete: millrace rewind from injector feed was stopped before its end/);
    expect(await rewound(store, feed, { kind: "start" }, [])).toMatchObject({ resumed: true, positions: [4] });
    expect(await ran(store, feed)).toEqual(["even 6", "even 6", "odd 5", "odd 5"]);
    goneOn += 1;
  }
  expect([deaths > 4, goneOn > 1]).toEqual([true, true]);
});

test("a sink that is reset loses its checkpoint, a computation all that it has; an injector is refused, and so is a name that is none", async () => {
  const [store, feed, kept] = [new MemoryStore(), feedOf(), new Kept<number>()];
  const trial = new Trial(() => store);
  trials.push(trial);
  await trial.start(new Pipeline("p", { shards: 2 }).inject("feed", numbers, feed.injector).compute("sum", Sum).sink("kept", numbers, kept.sink), {
    http: false,
  });
  await until(() => Math.min(trial.output("sum"), trial.output("kept")), END);
  await trial.stop();
  const told = await reset({ ...surroundings, store, names: ["sum", "kept"], yes: false });
  expect(told).toMatchObject({
    done: false,
    downstream: [],
    dropped: [
      { name: "sum", entries: { state: 2 } },
      { name: "kept", processed: 6 },
    ],
  });
  expect((await reset({ ...surroundings, store, names: ["sum", "kept"], yes: true })).done).toBe(true);
  expect(await reset({ ...surroundings, store, names: ["sum", "kept"], yes: false })).toMatchObject({ dropped: [{ entries: { state: 0 } }, { processed: 0 }] });
  await expect(reset({ ...surroundings, store, names: ["feed"], yes: true })).rejects.toThrow(
    /"feed" of pipeline "p" is no computation or sink but an injector: millrace rewind/,
  );
  await expect(reset({ ...surroundings, store, names: ["summ"], yes: true })).rejects.toThrow(/has no computation or sink "summ"; there are sum, kept/);
});

test("a source without positions cannot be rewound, and the sentence says why", async () => {
  const pipeline = new Pipeline("p").inject("door", numbers, fromHttp()).compute("sum", Sum);
  const options: RewindOptions = { ...surroundings, store: new MemoryStore(), pipeline, injector: "door", to: { kind: "start" }, reset: [], yes: true };
  await expect(rewind(options)).rejects.toThrow(/injector "door" .* has no positions to go back to/);
});
