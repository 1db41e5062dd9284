/** LmdbStore: the conformance suite, and what only it has: its directory, its one process, its files. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { open as openLmdb } from "lmdb";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConfigError, IncompatibleDataError, LimitExceededError, StoreRefusedError, StoreUnavailableError } from "../../src/errors.ts";
import { shardRef } from "../../src/key.ts";
import { systemRandom } from "../../src/random.ts";
import { LmdbStore } from "../../src/store/lmdb-store.ts";
import type { PipelineStore } from "../../src/store/store.ts";
import { built } from "../support/built.ts";
import { COUNTER, GRAPH, LEASE, NOTHING, TestClock, append, bytes, counter, far, farther, joiner, nextGraph, report } from "./conformance/values.ts";
import { storeConformance } from "./conformance.ts";

storeConformance("lmdb", async () => {
  const directory = mkdtempSync(join(tmpdir(), "millrace-lmdb-"));
  const store = new LmdbStore(directory);
  return {
    clock: "ours",
    open: (pipeline, clock, random) => store.open({ pipeline, clock, random }),
    reopen: (pipeline, clock, random) => store.open({ pipeline, clock, random }),
    pipelines: () => store.pipelines(),
    read: (pipeline) => store.read({ pipeline, clock: new TestClock() }),
    dispose: async () => rmSync(directory, { recursive: true }),
  };
});

const CHILD = built("test/support/lmdb-process.ts");
const clock = new TestClock();
let directory = "";
let children: ChildProcess[] = [];
let stores: PipelineStore[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "millrace-lmdb-"));
});
afterEach(async () => {
  for (const store of stores) await store.close();
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  children = [];
  stores = [];
  rmSync(directory, { recursive: true });
});

async function open(at = directory, pipeline = "p"): Promise<PipelineStore> {
  const store = await new LmdbStore(at).open({ pipeline, clock, random: systemRandom });
  stores.push(store);
  return store;
}

/** A store with the graph in it, and a sequencer of `counter`. */
async function prepared(): Promise<{ store: PipelineStore; sequencer: string }> {
  const store = await open();
  if ((await store.readGraph()) === undefined) await store.init(GRAPH, undefined);
  const [outcome] = await store.acquire({ worker: "w1", shards: [counter], leaseMs: LEASE, steal: true });
  return { store, sequencer: outcome?.kind === "acquired" ? outcome.sequencer : "" };
}

/** Starts a process on the directory, and gives what it says, line by line. */
function start(...args: string[]): { child: ChildProcess; next: () => Promise<unknown> } {
  const child = spawn(process.execPath, [CHILD, directory, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return { child, next: async () => JSON.parse(((await lines.next()).value as string | undefined) ?? "null") as unknown };
}

test("nobody reads a parcel before the commit that appended it is answered: a kill could still undo it", async () => {
  const store = await open();
  await store.init(GRAPH, undefined);
  const [outcome] = await store.acquire({ worker: "w", shards: [counter], leaseMs: LEASE, steal: true });
  const sequencer = outcome?.kind === "acquired" ? outcome.sequencer : "";
  const order: string[] = [];
  const commit = store
    .commit([{ ...NOTHING, shard: counter, sequencer, number: 1, id: "first", parcels: [append(report, "a")] }])
    .then(() => order.push("committed"));
  const read = store.readInbox(report, 0, 10).then(({ parcels }) => order.push(`read ${parcels.length}`));
  await Promise.all([commit, read]);
  expect(order).toEqual(["committed", "read 1"]);
});

describe("one process at a time", () => {
  test("a second store of the same process is refused the directory, until the first is closed", async () => {
    const first = await open();
    const refusal = open();
    await expect(refusal).rejects.toThrow(StoreRefusedError);
    await expect(refusal).rejects.toThrow(`${join(directory, "p")} is open in process ${process.pid}`);
    await first.close();
    await open();
  });

  test("another pipeline of the same directory is no matter", async () => {
    const [one, other] = [await open(directory, "one"), await open(directory, "other")];
    await one.init(GRAPH, undefined);
    expect(await other.readGraph()).toBeUndefined();
    expect(readdirSync(directory).sort()).toEqual(["one", "other"]);
  });

  test("what another process has open is refused, naming it; once that is killed it is opened, with every commit", async () => {
    const { child, next } = start("hold", "50");
    expect([await next(), await next()]).toEqual(["opened", { committed: 50 }]);
    const refusal = open();
    await expect(refusal).rejects.toThrow(StoreRefusedError);
    await expect(refusal).rejects.toThrow(`is open in process ${child.pid}, which still runs`);

    child.kill("SIGKILL");
    await once(child, "exit");
    const store = await open();
    const [stored] = await store.recover([counter], { timers: 0, holds: 0 });
    expect(stored).toMatchObject({ number: 50, stateCount: 50 });
    expect((await store.readTails([report])).tails).toEqual([{ shard: report, tail: 50, queued: 50 }]);
    const values = await store.readState(
      counter,
      Array.from({ length: 50 }, (_, i) => `2:${i + 1}`),
    );
    expect(values.map((value) => Buffer.from(value!).toString().split(" ", 2).join(" "))).toEqual(values.map((_, i) => `value ${i + 1}`));
  });

  test("one that is killed amid its commits leaves every answered one, and no part of any other", async () => {
    const { child, next } = start("race");
    await next();
    for (let round = 0; round < 100; round++) await next();
    child.kill("SIGKILL");
    let answered: unknown = [];
    for (let line = await next(); line !== null; line = await next()) answered = line;
    const store = await open();
    const shards = await store.recover([counter, joiner, far], { timers: 0, holds: 0 });
    for (const [i, { number, stateCount }] of shards.entries()) {
      expect(number).toBeGreaterThanOrEqual((answered as number[])[i] ?? 100);
      expect(stateCount).toBe(number);
      const values = await store.readState(
        shards[i]!.shard,
        Array.from({ length: number + 1 }, (_, n) => `2:${n + 1}`),
      );
      expect(values.map((value) => value !== undefined)).toEqual([...Array.from({ length: number }, () => true), false]);
    }
    const committed = shards.reduce((sum, { number }) => sum + number, 0);
    expect((await store.readTails([report])).tails).toEqual([{ shard: report, tail: committed, queued: committed }]);
    expect((await store.readInbox(report, 0, committed)).parcels).toHaveLength(committed);
  });

  test("of processes that open at the same time one succeeds", async () => {
    const started = [1, 2, 3].map(() => start("hold", "0"));
    const said = (await Promise.all(started.map(({ next }) => next()))) as (string | { refused: string })[];
    expect(said.filter((line) => line === "opened")).toHaveLength(1);
    const owner = started[said.indexOf("opened")]!.child.pid;
    for (const line of said)
      if (typeof line === "object") expect(line.refused).toContain(`StoreRefusedError: ${join(directory, "p")} is open in process ${owner}`);
  });

  test("a stopped process still has it", async () => {
    const { child, next } = start("hold", "1");
    await next();
    await next();
    child.kill("SIGSTOP");
    await expect(open()).rejects.toThrow(`is open in process ${child.pid}`);
  });
});

describe("the directory", () => {
  test("it is made, with those above it", async () => {
    await open(join(directory, "not", "there", "yet"));
    expect(existsSync(join(directory, "not", "there", "yet", "p", "data.mdb"))).toBe(true);
  });

  test("a pipeline's name with a dot is a directory like any other; one that leads elsewhere is refused", async () => {
    await (await open(directory, "v1.2")).init(GRAPH, undefined);
    expect(existsSync(join(directory, "v1.2", "data.mdb"))).toBe(true);
    for (const name of ["..", ".", "a/b", ""]) await expect(open(directory, name)).rejects.toThrow(StoreRefusedError);
  });

  test("one that cannot be made is refused", async () => {
    writeFileSync(join(directory, "file"), "");
    await expect(open(join(directory, "file"))).rejects.toThrow(StoreRefusedError);
  });

  test("files that are no LMDB database are refused, and left as they are", async () => {
    mkdirSync(join(directory, "p"));
    writeFileSync(join(directory, "p", "data.mdb"), "something else ".repeat(1_000));
    await expect(open()).rejects.toThrow(/data.mdb is no LMDB database that this machine can read/);
    await expect(open()).rejects.toThrow(StoreRefusedError);
  });

  test("an LMDB database of something else is refused, and left as it is", async () => {
    const foreign = openLmdb({ path: join(directory, "p"), encoding: "binary", keyEncoding: "binary" });
    await foreign.put(Buffer.from("theirs"), Buffer.from("value"));
    await foreign.close();
    await expect(open()).rejects.toThrow(/holds an LMDB database that is not Millrace's/);
    const again = openLmdb({ path: join(directory, "p"), encoding: "binary", keyEncoding: "binary" });
    expect([...again.getKeys()].map(String)).toEqual(["theirs"]);
    await again.close();
  });

  test("data of another version is refused, and opens again with its own", async () => {
    await (await open()).close();
    const key = Buffer.from([255, 255, 255, 255, "f".charCodeAt(0)]);
    const database = openLmdb<Buffer, Buffer>({ path: join(directory, "p"), encoding: "binary", keyEncoding: "binary" });
    const format = database.get(key)!;
    await database.put(key, Buffer.from("millrace 999.1"));
    await database.close();
    await expect(open()).rejects.toThrow(IncompatibleDataError);
    await expect(open()).rejects.toThrow('has data of the format "millrace 999.1"');
    const repaired = openLmdb<Buffer, Buffer>({ path: join(directory, "p"), encoding: "binary", keyEncoding: "binary" });
    await repaired.put(key, format);
    await repaired.close();
    await open();
  });
});

describe("writing", () => {
  test("a disk that is full fails the commit and all that builds on it, and what was answered is there", () => {
    const printed = execFileSync("sh", ["-c", 'ulimit -f 4000; exec "$@"', "sh", process.execPath, CHILD, directory, "fill"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const outcome = JSON.parse(printed.trim().split("\n").at(-1)!) as { failures: string[]; answered: [number, number] };
    const [large, small] = outcome.answered;
    expect(outcome.failures).toHaveLength(2);
    for (const failure of outcome.failures) expect(failure).toMatch(/^StoreUnavailableError: lmdb:.* could not be written to \(.*\); see that its disk works/);
    expect(large).toBeGreaterThan(2);
    expect(outcome).toMatchObject({ generation: 1, numbers: [large, small], states: [large, small], tail: large + small, beyond: 0 });
  });

  test("a commit is answered when it is there, and a close waits for those under way", async () => {
    const { store, sequencer } = await prepared();
    const commits = Array.from({ length: 10 }, (_, i) => ({
      ...NOTHING,
      shard: counter,
      sequencer,
      number: i + 1,
      id: `id ${i}`,
      parcels: [append(report, `p${i}`)],
    }));
    const replies = commits.map((commit) => store.commit([commit]));
    await store.close();
    expect((await Promise.all(replies)).flatMap(({ outcomes }) => outcomes)).toEqual(commits.map(() => "committed"));
    const again = await open();
    expect((await again.recover([counter], { timers: 0, holds: 0 }))[0]!.number).toBe(10);
  });

  test("a read sees the commits that were called before it, answered or not", async () => {
    const { store, sequencer } = await prepared();
    const put = (number: number) =>
      store.commit([
        {
          ...NOTHING,
          shard: counter,
          sequencer,
          number,
          id: `id ${number}`,
          stateFields: ["2:k"],
          stateValues: [bytes(`v${number}`)],
          parcels: [append(report, `p${number}`)],
        },
      ]);
    const commits = [put(1), put(2), put(3)];
    expect(Buffer.from((await store.readState(counter, ["2:k"]))[0]!).toString()).toBe("v3");
    expect((await store.readInbox(report, 0, 9)).parcels).toHaveLength(3);
    await Promise.all(commits);
  });

  test("parcels are given out when their commit outlives the process, or early to who asks for it, who can consume them at once", async () => {
    const { store, sequencer } = await prepared();
    const [outcome] = await store.acquire({ worker: "w1", shards: [report], leaseMs: LEASE });
    const consumer = outcome?.kind === "acquired" ? outcome.sequencer : "";
    const feed = store.commit([{ ...NOTHING, shard: counter, sequencer, number: 1, id: "x", parcels: [append(report, "a"), append(report, "b")] }]);
    let answered = false;
    void feed.then(() => (answered = true));
    const { parcels } = await store.readInbox(report, 0, 9, true);
    expect(answered).toBe(false);
    const consumed = { position: 1, offset: 0, records: 1, identity: parcels[0]!.subarray(0, 24) };
    const eat = store.commit([{ ...NOTHING, shard: report, sequencer: consumer, number: 1, id: "y", consumed }]);
    expect((await store.readInbox(report, 0, 9)).parcels.map((each) => Buffer.from(each).toString())).toEqual([Buffer.from(parcels[1]!).toString()]);
    expect(answered).toBe(true);
    expect([(await feed).outcomes, (await eat).outcomes]).toEqual([["committed"], ["committed"]]);
  });

  test("reports and prolonged leases are there after a close, although nothing else was written", async () => {
    const { store, sequencer } = await prepared();
    const [registered] = await store.register("w1", [{ participant: COUNTER, shards: [0, 1, 2, 3], of: 4 }]);
    await store.report("w1", [{ participant: COUNTER, generation: registered!.generation, number: 1, output: 70, status: "live", last: 80 }]);
    clock.time += 1_000;
    await store.renew("w1", [{ shard: counter, sequencer }], LEASE);
    await store.close();
    const again = await open();
    expect((await again.report("w1", [])).watermarks.find(({ participant }) => participant === COUNTER)).toMatchObject({ output: 70, last: 80 });
    expect((await again.summarize([counter]))[0]!.leaseUntil).toBe(clock.time + LEASE);
  });

  test("an entry whose key has no room in LMDB is refused, and nothing of its list is stored", async () => {
    const { store, sequencer } = await prepared();
    const long = "é".repeat(1_000);
    const commit = { ...NOTHING, shard: counter, sequencer, number: 1, id: "x" };
    for (const parts of [
      { stateFields: [long], stateValues: [bytes("v")] },
      { ids: [{ id: long, timestamp: 1 }] },
      { holdSets: [{ member: long, time: 1 }] },
    ]) {
      await expect(store.commit([{ ...commit, ...parts }])).rejects.toThrow(LimitExceededError);
    }
    expect((await store.commit([commit])).outcomes).toEqual(["committed"]);
  });
});

describe("what was removed", () => {
  test("a participant's entries are removed from the disk, all of them, and no others", async () => {
    const { store, sequencer } = await prepared();
    const fields = Array.from({ length: 25_000 }, (_, i) => `2:${i}`);
    await store.commit([
      { ...NOTHING, shard: counter, sequencer, number: 1, id: "x", stateFields: fields, stateValues: fields.map(bytes), parcels: [append(joiner, "kept")] },
    ]);
    await store.deliver([{ from: far, to: farther, place: { monotonic: 1, n: 1 }, records: 1, bytes: bytes("kept too") }]);
    await store.init(nextGraph(2, { removed: [COUNTER] }), 1);
    await store.close();
    const database = openLmdb<Buffer, Buffer>({ path: join(directory, "p"), encoding: "binary", keyEncoding: "binary" });
    const shards = new Set([...database.getKeys()].map((key) => key.readUInt32BE(0)));
    await database.close();
    expect([...shards].sort((x, y) => x - y)).toEqual([joiner, farther, 0xffff_ffff]);
  });

  test("a removal that a crash interrupted is finished when the store is opened", async () => {
    await (await prepared()).store.close();
    const database = openLmdb<Buffer, Buffer>({ path: join(directory, "p"), encoding: "binary", keyEncoding: "binary" });
    const marker = Buffer.from([255, 255, 255, 255, "x".charCodeAt(0), 0, 0, 0, 9]);
    const left = Buffer.alloc(10, "s");
    left.writeUInt32BE(shardRef(9, 3));
    await database.put(marker, Buffer.alloc(8));
    await database.put(left, Buffer.from("left behind"));
    await database.close();
    await (await open()).close();
    const again = openLmdb<Buffer, Buffer>({ path: join(directory, "p"), encoding: "binary", keyEncoding: "binary" });
    expect([again.get(marker), again.get(left)]).toEqual([undefined, undefined]);
    await again.close();
  });
});

describe("an open store", () => {
  test("says what it is", async () => {
    const store = await open();
    expect([store.exclusive, store.description, store.generation]).toEqual([true, `lmdb:${join(directory, "p")}`, 0]);
    expect([store.domains, store.domainOf(far)]).toEqual([1, 0]);
  });

  test("once closed refuses every call, and may be closed again", async () => {
    const store = await open();
    await store.close();
    await store.close();
    await expect(store.readGraph()).rejects.toThrow(StoreUnavailableError);
    await expect(store.commit([])).rejects.toThrow(StoreUnavailableError);
    await expect(store.flushed()).rejects.toThrow(StoreUnavailableError);
  });
});

test.each([[undefined], [3], [""]])("%j is no directory, and the error says what to give", (given) => {
  expect(() => new LmdbStore(given as string)).toThrow(ConfigError);
  expect(() => new LmdbStore(given as string)).toThrow(/^LmdbStore: give the path of a directory, as in new LmdbStore\("\.\/data"\); it is (undefined|3|"")$/);
});
