/** What a computation's shards still have of cells and timers that its code has lost is swept away, once and whole, through whatever happens meanwhile. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemoryStore, type Pipeline, StoreUnavailableError } from "../../src/index.ts";
import { audit, type AuditReport } from "../../src/inspect/index.ts";
import { copy } from "../../src/offline/copy.ts";
import { systemClock } from "../../src/clock.ts";
import { systemRandom } from "../../src/random.ts";
import { deadLetterView } from "../../src/inspect/stored-views.ts";
import { indexOf, participantOf, shardOf } from "../../src/key.ts";
import { DeadLetters } from "../../src/worker/dead-letters.ts";
import type { Commit } from "../../src/store/index.ts";
import { DROP, dropping, DUE, NEW, OLD, type Parts, type Visit } from "../support/dropping.ts";
import { Feed } from "./feed.ts";
import { type Line, Rig, type RigOptions } from "./rig.ts";

/** In each of two shards more than one page of them. */
const KEYS = 600;

let feed: Feed<Visit>;
let rig: Rig;
beforeEach(async () => {
  feed = new Feed<Visit>();
  rig = await Rig.start(code(OLD));
  feed.pushAll(
    Array.from({ length: KEYS }, (_, n) => ({ key: `k${n}` })),
    () => 1_000,
  );
  await rig.rest();
});
afterEach(() => rig.kill());

const code = (parts: Parts): Pipeline => dropping(feed.injector, parts);

/** Kills the worker, and starts another that may be cut off at any time. */
async function begin(parts: Parts, options: Pick<RigOptions, "drop" | "onLine">): Promise<void> {
  await rig.kill();
  rig = await Rig.start(code(parts), { store: rig.disk, mortal: true, ...options });
}
const holding = (line: Line): void => {
  line.onCall = (method) => (method === "readNames" ? new Promise<never>(() => {}) : undefined);
};

const broken = ({ invariants }: AuditReport) => invariants.filter(({ violations }) => violations > 0).map(({ invariant, examples }) => [invariant, examples]);

/** No invariant is violated; gives the notes. */
async function audited(store = rig.disk): Promise<readonly string[]> {
  const report = await audit(store, { pipeline: "dropping" });
  expect(broken(report)).toEqual([]);
  return report.notes;
}

/** Entries that are there, of state, timers by clock, and holds. */
async function left(store = rig.disk): Promise<readonly number[]> {
  const { entries } = await audit(store, { pipeline: "dropping" });
  return [entries.state, entries.watermark, entries.wall, entries.holds];
}

const ALL = [2 * KEYS, 2 * KEYS, 2 * KEYS, 2 * KEYS];
const SWEPT = [KEYS, KEYS, 0, 0];

/** Does this commit delete what was dropped, or say that nothing of it is left? */
const sweeps = ({ consumed, parcels, stateFields, timerDeletes }: Commit): boolean =>
  consumed === undefined && parcels.length === 0 && stateFields.length + timerDeletes.length > 0;

test("state, the timers of its expiry, timers and what they hold go, a page a commit; the rest of each key stays", async () => {
  expect(await left()).toEqual(ALL);
  await rig.crash(code(NEW), DROP);
  const commits = rig.line.commits.filter(sweeps);
  expect(await left()).toEqual(SWEPT);
  expect(await audited()).toEqual([]);
  expect(Math.max(...commits.map(({ stateFields, timerDeletes }) => stateFields.length + timerDeletes.length))).toBe(250);
  expect(commits.every(({ stateValues }) => stateValues.every((value) => value === undefined))).toBe(true);
  expect(await rig.state("visits", "count", "k7")).toBe(1);
});

test("shards whose inboxes are never empty sweep too, a page a second of one of them", async () => {
  // A record a commit, and 20 ms for each commit.
  const answers: (() => void)[] = [];
  const onLine = (line: Line) => {
    line.onCommit = async (commits, apply) => {
      await new Promise<void>((resolve) => answers.push(resolve));
      return apply(commits);
    };
  };
  const goOn = async (ms: number) => {
    for (let left = ms; left > 0; left -= 20) {
      rig.clock.advance(20);
      for (const answer of answers.splice(0)) answer();
      await rig.turns(5);
    }
  };
  await rig.kill();
  const busy = Array.from({ length: KEYS }, (_, n) => ({ key: `k${n}` }));
  feed.pushAll(busy, () => 1_000);
  rig = await Rig.start(code(NEW), { store: rig.disk, mortal: true, batchRecords: 1, drop: DROP, onLine });
  await goOn(2_500);
  const pages = rig.line.count("readNames");
  const besides = rig.line.commits.filter(
    ({ consumed, stateValues, timerDeletes }) => consumed !== undefined && (timerDeletes.length > 0 || stateValues.includes(undefined)),
  );
  expect((await rig.stored("visits")).queued).toBeGreaterThan(KEYS / 2);
  expect(besides.length).toBeGreaterThan(0);
  expect(pages).toBeLessThanOrEqual(4);
  await goOn(60_000);
  expect(await left()).toEqual(SWEPT);
  expect(await audited()).toEqual([]);
  expect(await rig.state("visits", "count", "k7")).toBe(2);
});

test("it is done once: a later start reads no names", async () => {
  await rig.crash(code(NEW), DROP);
  await rig.crash();
  expect(rig.line.count("readNames")).toBe(0);
  feed.push({ key: "k7" }, 2_000);
  await rig.rest();
  expect(await rig.state("visits", "count", "k7")).toBe(2);
});

test("what a dropped timer held holds no longer", async () => {
  feed.promise(DUE - 1);
  await rig.rest();
  expect(rig.watermark("visits")).toMatchObject({ input: DUE - 1, output: 1_000 });
  await rig.crash(code(NEW), DROP);
  expect(rig.watermark("visits")).toMatchObject({ input: DUE - 1, output: DUE - 1 });
});

test("a dropped timer that stands aside, for its handler fails, is forgotten, and its key goes on", async () => {
  feed.push({ key: "bad", fail: true }, 2_000).promise(3_000);
  await rig.rest();
  expect(await rig.stored("visits")).toMatchObject({ held: 1 });
  await rig.crash(code(NEW), DROP);
  expect(await rig.stored("visits")).toMatchObject({ held: 0 });
  feed.push({ key: "bad" }, 4_000).promise(5_000);
  await rig.rest();
  expect(await rig.state("visits", "count", "bad")).toBe(2);
  expect(rig.watermark("visits").output).toBe(5_000);
  expect(await audited()).toEqual([]);
});

test("a dead letter of a dropped timer stays, is not tried again, and can be discarded", async () => {
  const parking = (parts: Parts): Pipeline => dropping(feed.injector, parts, 2, "park");
  await rig.crash(parking(OLD));
  feed.push({ key: "bad", fail: true }, 2_000).promise(3_000);
  await rig.rest();
  await rig.crash(parking(NEW), DROP);
  expect(await rig.stored("visits")).toMatchObject({ dead: 1 });
  const shard = rig.shards("visits")[shardOf("bad", 2)]!;
  const [letter] = await rig.line.store.readDeadLetters(shard, 10);
  const view = deadLetterView(rig.worker.engine.participant(participantOf(shard))!, shard, letter!);
  expect(view).toMatchObject({ kind: "timer", key: "bad", timer: null, reason: "it never works" });
  const operator = new DeadLetters(rig.worker, rig.line.store, rig.clock);
  const named = { shard, id: letter!.id };
  expect(await operator.act("retry", named)).toEqual({ kind: "refused", reason: "the code has its timer no more: discard it" });
  const discarded = operator.act("discard", named);
  await rig.advance(100);
  expect(await discarded).toEqual({ kind: "done" });
  expect(await rig.stored("visits")).toMatchObject({ dead: 0 });
  expect(await audited()).toEqual([]);
});

test("killed at any commit of the sweep, before it or behind, the next owner goes on; the data is sound at every step", async () => {
  const notes = new Set<string>();
  let steps = 0;
  for (let dead = true; dead; steps++) {
    dead = false;
    const isBehind = steps % 2 === 1;
    const onLine = (line: Line) => {
      line.onCommit = async (commits, apply) => {
        if (!dead && !commits.some(sweeps)) return apply(commits);
        if (!dead && isBehind) await apply(commits);
        dead = true;
        return new Promise<never>(() => {});
      };
    };
    await begin(NEW, { drop: DROP, onLine });
    for (const note of await audited()) notes.add(note.replace(/[\d,]+/, "#"));
    expect(steps).toBeLessThan(60);
  }
  expect(steps).toBeGreaterThan(6);
  expect([...notes]).toEqual(["# entries are of parts that were dropped: the workers delete them, by and by"]);
  expect(await left()).toEqual(SWEPT);
});

test("a commit of the sweep of which the answer is lost, and a page that is not answered, are asked for again", async () => {
  const failed = new Set<string>();
  const once = (what: string) => {
    if (failed.has(what)) return;
    failed.add(what);
    throw new StoreUnavailableError(`${what} is not answered`);
  };
  const onLine = (line: Line) => {
    line.onCall = (method) => (method === "readNames" ? once(method) : undefined);
    line.onCommit = async (commits, apply) => {
      const reply = await apply(commits);
      if (commits.some(sweeps)) once(`commit ${commits.map(({ number }) => number).join(" ")}`);
      return reply;
    };
  };
  await begin(NEW, { drop: DROP, onLine });
  await rig.advance(5_000);
  expect(failed.size).toBeGreaterThan(1);
  expect(await left()).toEqual(SWEPT);
});

test("what is renamed is not swept", async () => {
  await rig.crash(code({ seen: { name: "was", renamedFrom: "seen" }, due: { name: "at", renamedFrom: "due" }, alarm: { name: "alarm" } }));
  expect(await left()).toEqual(ALL);
  expect(rig.line.count("readNames")).toBe(0);
  await rig.crash(code({ seen: { name: "was" } }), ["visits/at", "visits/alarm"]);
  expect(await left()).toEqual([2 * KEYS, KEYS, KEYS, 0]);
  expect(await rig.state("visits", "was", "k7")).toBe("x");
});

describe("a name that is used again after a drop begins empty and keeps what is written from then on,", () => {
  test.each([
    ["also while the old one is being swept", OLD, true],
    ["also when the old one has been swept", OLD, false],
    ["also with another codec", { ...OLD, seen: { name: "seen", text: true } }, true],
  ] as const)("%s", async (_when, again, isUnswept) => {
    await begin(NEW, { drop: DROP, ...(isUnswept ? { onLine: holding } : {}) });
    expect(await left()).toEqual(isUnswept ? ALL : SWEPT);
    let answer = (): void => {};
    const answered = new Promise<void>((resolve) => (answer = resolve));
    await begin(again, { onLine: (line) => (line.onCall = (method) => (method === "readNames" ? answered : undefined)) });
    feed.push({ key: "k7" }, 2_000).push({ key: "k7" }, 2_001);
    await rig.turns(50);
    expect(await rig.state("visits", "seen", "k7")).toBe("xx");
    answer();
    await rig.rest();
    const own = [KEYS + 1, KEYS + 1, 2, 2];
    expect(await left()).toEqual(own);
    await begin(again, {});
    expect(await left()).toEqual(own);
    expect(await rig.state("visits", "seen", "k7")).toBe("xx");
    expect(await audited()).toEqual([]);
    const { retired = [], participants } = rig.worker.engine.options.plan.stored;
    const ids = [...participants, ...retired].flatMap(({ cells, timers }) => [...cells, ...timers].map((part) => (typeof part === "number" ? part : part.id)));
    expect(new Set(ids).size).toBe(ids.length);
  });
});

test("what changes its codec or clock and is dropped is new: nothing of the old one is read", async () => {
  await rig.crash(code({ ...OLD, seen: { name: "seen", text: true } }), ["visits/seen"]);
  expect(await left()).toEqual([KEYS, 2 * KEYS, KEYS, 2 * KEYS]);
  feed.push({ key: "k7" }, 2_000);
  await rig.rest();
  expect(await rig.state("visits", "seen", "k7")).toBe("x");
  expect(await audited()).toEqual([]);
});

test("two drops in a row are both swept, the first of them by whoever comes to it", async () => {
  await begin({ ...OLD, seen: undefined }, { drop: ["visits/seen"], onLine: holding });
  expect(await left()).toEqual(ALL);
  await begin(NEW, { drop: ["visits/due", "visits/alarm"] });
  await rig.rest();
  expect(await left()).toEqual(SWEPT);
  const { retired } = rig.worker.engine.options.plan.stored;
  expect(retired).toMatchObject([{ cells: [expect.any(Number)], timers: [expect.any(Number), expect.any(Number)] }]);
});

test("a pipeline that comes to its end sweeps first", async () => {
  await rig.kill();
  feed = new Feed<Visit>();
  feed.push({ key: "k" }, 1_000).end();
  let answer = (): void => {};
  const answered = new Promise<void>((resolve) => (answer = resolve));
  rig = await Rig.start(code({ seen: { name: "seen" } }));
  expect([rig.outcome, await left()]).toEqual(["finished", [2, 0, 1, 0]]);
  await begin(NEW, { drop: ["visits/seen"], onLine: (line) => (line.onCall = (method) => (method === "readNames" ? answered : undefined)) });
  expect(rig.outcome).toBeUndefined();
  answer();
  await rig.rest();
  expect([rig.outcome, await left()]).toEqual(["finished", [1, 0, 0, 0]]);
  expect(await audited()).toEqual([]);
});

test("records that come in meanwhile are done, and the sweep goes on behind them", async () => {
  await rig.kill();
  feed.pushAll(
    Array.from({ length: KEYS }, (_, n) => ({ key: `k${n}` })),
    () => 2_000,
  );
  rig = await Rig.start(code(NEW), { store: rig.disk, drop: DROP });
  expect(await rig.state("visits", "count", "k7")).toBe(2);
  expect(await left()).toEqual(SWEPT);
});

const copied = async (shards: number): Promise<MemoryStore> => {
  await rig.kill();
  const to = new MemoryStore();
  await copy({ from: rig.disk, to, shards, clock: systemClock, random: systemRandom, tell: () => {} });
  return to;
};

test.each([1, 2, 3])("half swept, in one of its two shards whole, and copied to %s shards, it is swept there", async (shards) => {
  let more = 2;
  const onLine = (line: Line) => {
    line.onCall = (method, [shard]) => (method === "readNames" && indexOf(shard as number) === 1 && more-- <= 0 ? new Promise<never>(() => {}) : undefined);
  };
  await begin(NEW, { drop: DROP, onLine });
  const to = await copied(shards);
  expect((await left(to))[1]).toBeGreaterThan(KEYS);
  rig = await Rig.start(dropping(feed.injector, NEW, shards), { store: to });
  expect(await left(to)).toEqual(SWEPT);
  expect(await audited(to)).toEqual([]);
});

test("one drop after the other is swept, also in a copy, whose graph counts its versions anew", async () => {
  await begin({ ...OLD, alarm: undefined }, { drop: ["visits/alarm"] });
  expect(await left()).toEqual([2 * KEYS, 2 * KEYS, KEYS, KEYS]);
  await begin({ seen: { name: "seen" } }, { drop: ["visits/due"] });
  expect(await left()).toEqual([2 * KEYS, KEYS, KEYS, 0]);
  const to = await copied(2);
  rig = await Rig.start(code(NEW), { store: to, drop: ["visits/seen"] });
  expect(await left(to)).toEqual(SWEPT);
});
