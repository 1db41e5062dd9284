/** Entries of the user's streams, appended by commits (`Commit.entries`). */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { StoreRefusedError } from "../../../src/errors.ts";
import { shardRef } from "../../../src/key.ts";
import type { EntryAppend } from "../../../src/store/commit.ts";
import type { Bench } from "../conformance/bench.ts";
import { append, COUNTER, JOINER, joiner } from "../conformance/values.ts";
import { type Harness, startHarness } from "./harness.ts";

let harness: Harness;
let bench: Bench;
let used = 0;
beforeAll(async () => {
  harness = await startHarness();
  bench = await harness.bench();
});
afterAll(() => harness.dispose());

const fresh = (): string => `stream ${++used} €`;
const entry = (stream: string, ...texts: (string | Uint8Array)[]): EntryAppend => ({ stream, maxLength: undefined, texts, bytes: 0 });
const fieldsIn = async (stream: string): Promise<string[][]> => (await harness.admin.xrange(stream, "-", "+")).map(([, fields]) => fields);

describe("entries of commits", () => {
  test("are appended in the order of the list and of each commit, beside everything else that commits write", async () => {
    const [stream, other] = [fresh(), fresh()];
    const [a, b] = [await bench.acquire(shardRef(COUNTER, 0)), await bench.acquire(shardRef(COUNTER, 1))];
    const list = [
      a.seal({ entries: [entry(stream, "n", "1"), entry(other, "x", "ä €", "", ""), entry(stream, "n", "2")], parcels: [append(joiner, "p")] }),
      b.seal({ entries: [entry(stream, "n", Buffer.from([0xff, 0x00])), entry(stream, "n", "4")], stateFields: ["2:k"], stateValues: [Buffer.from("s")] }),
    ];
    expect((await bench.store.commit(list)).outcomes).toEqual(["committed", "committed"]);
    expect((await fieldsIn(stream)).map(([, value]) => value)).toEqual(["1", "2", "\ufffd\0", "4"]);
    expect(await fieldsIn(other)).toEqual([["x", "ä €", "", ""]]);
    expect(await bench.state(shardRef(COUNTER, 1), "2:k")).toEqual(["s"]);
    [a.number, b.number] = [1, 1];
  });

  test("of a commit that is sent again are there once", async () => {
    const stream = fresh();
    const owner = await bench.acquire(shardRef(COUNTER, 2));
    const commit = owner.seal({ entries: [entry(stream, "n", "1")] });
    const outcomes = [(await bench.store.commit([commit])).outcomes, (await bench.store.commit([commit])).outcomes];
    expect([outcomes, await fieldsIn(stream)]).toEqual([[["committed"], ["already"]], [["n", "1"]]]);
  });

  test("of a refused commit are left out, and those of others of its list are not", async () => {
    const stream = fresh();
    const [good, bad] = [await bench.acquire(shardRef(COUNTER, 3)), await bench.acquire(shardRef(JOINER, 1))];
    const list = [bad.seal({ entries: [entry(stream, "n", "lost")], sequencer: "1.other" }), good.seal({ entries: [entry(stream, "n", "kept")] })];
    expect((await bench.store.commit(list)).outcomes).toEqual(["fenced", "committed"]);
    expect(await fieldsIn(stream)).toEqual([["n", "kept"]]);
  });

  test("trim the stream where a length is given", async () => {
    const stream = fresh();
    const owner = await bench.acquire(shardRef(JOINER, 2));
    await owner.commit({ entries: Array.from({ length: 5_000 }, (_, i) => ({ stream, maxLength: 1_024, texts: ["n", String(i)], bytes: 0 })) });
    const left = await fieldsIn(stream);
    expect(left.length).toBeGreaterThanOrEqual(1_024);
    expect(left.length).toBeLessThan(2_048);
    expect(left.at(-1)).toEqual(["n", "4999"]);
  });

  test("may have as many fields, and be as many, as a call takes", async () => {
    const stream = fresh();
    const owner = await bench.acquire(shardRef(JOINER, 3));
    const texts = Array.from({ length: 1_000 }, (_, i) => String(i));
    await owner.commit({ entries: [entry(stream, ...texts), ...Array.from({ length: 20_000 }, () => entry(stream, "n", "v"))] });
    expect([(await fieldsIn(stream))[0], await harness.admin.xlen(stream)]).toEqual([texts, 20_001]);
  });
});

describe("a store asked whether commits can append", () => {
  test("says yes of a stream and of a key that is not there, and adds nothing to either", async () => {
    const [there, absent] = [fresh(), fresh()];
    await harness.admin.xadd(there, "*", "n", "1");
    await bench.store.checkStreams([there, absent]);
    expect([await harness.admin.xlen(there), await harness.admin.exists(absent)]).toEqual([1, 0]);
  });

  test("refuses a key that holds something else, by its name", async () => {
    await harness.admin.lpush("a list", "x");
    await expect(bench.store.checkStreams(["a list"])).rejects.toThrow(StoreRefusedError);
    await expect(bench.store.checkStreams(["a list"])).rejects.toThrow(/"a list" holds a list, not a stream; give the sink another key/);
  });
});
