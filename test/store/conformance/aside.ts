/** What stands aside: held records, dead letters, and the client ids that an injector has taken. */
import { expect } from "vitest";
import { ID_BYTES } from "../../../src/limits.ts";
import { monotonicOf } from "../../../src/store/commit.ts";
import type { Bench, Define } from "./bench.ts";
import { bytes, consumed, append, counter, far, source, text } from "./values.ts";
import { STRANGE_KEYS } from "./state.ts";

type Entries = readonly { readonly id: number; readonly bytes: Uint8Array }[];
const plain = (entries: Entries): string[] => entries.map((entry) => `${entry.id}=${text(entry.bytes)}`);
const entry = (id: number, body = `body ${id}`) => ({ id, bytes: bytes(body) });
const held = async (bench: Bench): Promise<string[]> => plain((await bench.recover(counter)).held);
const dead = async (bench: Bench, limit = 100): Promise<string[]> => plain(await bench.store.readDeadLetters(counter, limit));

export function aside(define: Define): void {
  heldRecords(define);
  deadLetters(define);
  takenIds(define);
}

function heldRecords(define: Define): void {
  define("how far a shard is: what is consumed whole, the end, the image, what stands aside and what is not delivered", async (bench) => {
    const feeder = await bench.acquire(source);
    await feeder.commit({ parcels: [append(counter, "p1", 2)] });
    await feeder.commit({ parcels: [append(counter, "p2", 3)] });
    const owner = await bench.acquire(counter);
    const [fresh] = await bench.store.readProgress([counter]);
    expect([fresh!.position, fresh!.tail, fresh!.held, fresh!.outbox]).toEqual([0, 2, [], []]);
    const outbox = [{ target: far, n: 1, previous: undefined, records: 1, bytes: bytes("entry") }];
    await owner.commit({ consumed: consumed(1, 1, 3, "p2"), heldPuts: [entry(10), entry(9)], outbox });
    await owner.commit({ image: bytes("here") });
    await bench.unchanged(() => bench.store.readProgress([counter, far]));
    const [first, second] = await bench.store.readProgress([far, counter]);
    expect([first!.shard, first!.position, first!.tail]).toEqual([far, 0, 0]);
    expect([second!.shard, second!.position, second!.tail, second!.held, text(second!.image)]).toEqual([counter, 1, 2, [9, 10], "here"]);
    expect(second!.outbox).toEqual([`${far}:${monotonicOf(owner.sequencer)}.1`]);
    expect(await bench.store.readProgress([])).toEqual([]);
  });

  define("held records are recovered all, in the order of their ids as numbers", async (bench) => {
    const owner = await bench.acquire(counter);
    const ids = [10, 9, 100, 2, 2 ** 40, 1, 256, 255, 65_536];
    await owner.commit({ heldPuts: ids.map((id) => entry(id)) });
    expect(await held(bench)).toEqual([...ids].sort((x, y) => x - y).map((id) => `${id}=body ${id}`));
    expect((await bench.store.summarize([counter]))[0]!.held).toBe(ids.length);
  });

  define("a held record is replaced by another put of its id, as after a failed attempt", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ heldPuts: [entry(1, "attempt 1"), entry(2, "attempt 1")] });
    await owner.commit({ heldPuts: [entry(1, "attempt 2")] });
    expect(await held(bench)).toEqual(["1=attempt 2", "2=attempt 1"]);
    expect((await bench.store.countEntries(2, 4)).held).toBe(2);
  });

  define("held records are deleted by id; one that is not there is no matter", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ heldPuts: [1, 2, 3].map((id) => entry(id)) });
    await owner.commit({ heldDeletes: [2, 7] });
    expect(await held(bench)).toEqual(["1=body 1", "3=body 3"]);
    await owner.commit({ heldDeletes: [1, 3], heldPuts: [entry(4)] });
    expect(await held(bench)).toEqual(["4=body 4"]);
  });

  define("of held records too, deletes apply before puts", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ heldPuts: [entry(1, "old")] });
    await owner.commit({ heldDeletes: [1], heldPuts: [entry(1, "new")] });
    expect(await held(bench)).toEqual(["1=new"]);
    expect((await bench.store.summarize([counter]))[0]!.held).toBe(1);
  });

  define("the move of a record from the inbox to held is one commit", async (bench) => {
    await (await bench.acquire(source)).commit({ parcels: [append(counter, "p1", 2)] });
    const owner = await bench.acquire(counter);
    await owner.commit({ consumed: consumed(1, 0, 2, "p1"), heldPuts: [entry(1, "failed")], holdSets: [{ member: "h:1", time: 30 }] });
    const successor = await bench.recover(counter);
    expect([plain(successor.held), successor.holds, successor.queued]).toEqual([["1=failed"], [{ member: "h:1", time: 30 }], 0]);
  });

  define("a thousand held records of 1 kB are recovered", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ heldPuts: Array.from({ length: 1_000 }, (_, i) => entry(1_000 - i, "x".repeat(1_000))) });
    const ids = (await bench.recover(counter)).held.map(({ id }) => id);
    expect(ids).toEqual(Array.from({ length: 1_000 }, (_, i) => i + 1));
  });
}

function deadLetters(define: Define): void {
  define("dead letters are read in the order of their ids, up to a limit", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ deadPuts: [11, 3, 200, 20].map((id) => entry(id)) });
    expect(await dead(bench)).toEqual(["3=body 3", "11=body 11", "20=body 20", "200=body 200"]);
    expect(await dead(bench, 2)).toEqual(["3=body 3", "11=body 11"]);
    expect(await dead(bench, 0)).toEqual([]);
    expect((await bench.recover(counter)).deadCount).toBe(4);
  });

  define("a held record is parked in dead letters by one commit", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ heldPuts: [entry(5)], holdSets: [{ member: "h:5", time: 1 }] });
    await owner.commit({ heldDeletes: [5], holdDeletes: ["h:5"], deadPuts: [entry(5)] });
    expect([await held(bench), await dead(bench), await bench.store.readHolds(counter, 5)]).toEqual([[], ["5=body 5"], []]);
  });

  define("a dead letter is taken out or replaced by its owner", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ deadPuts: [entry(1), entry(2), entry(3)] });
    await owner.commit({ deadDeletes: [1, 2, 9], deadPuts: [entry(2, "again")] });
    expect(await dead(bench)).toEqual(["2=again", "3=body 3"]);
    expect([(await bench.recover(counter)).deadCount, (await bench.store.summarize([counter]))[0]!.dead]).toEqual([2, 2]);
  });

  define("the dead letters of one shard are not those of another", async (bench) => {
    await (await bench.acquire(counter)).commit({ deadPuts: [entry(1)] });
    expect(await bench.store.readDeadLetters(far, 9)).toEqual([]);
  });
}

function takenIds(define: Define): void {
  define("an id is known once it was taken, and only by the shard that took it", async (bench) => {
    const owner = await bench.acquire(source);
    expect(await bench.store.readIds(source, ["x", "y"])).toEqual([false, false]);
    await owner.commit({ ids: [{ id: "x", timestamp: 10 }] });
    expect(await bench.store.readIds(source, ["x", "y", "x"])).toEqual([true, false, true]);
    expect(await bench.store.readIds(counter, ["x"])).toEqual([false]);
    expect(await bench.store.readIds(source, [])).toEqual([]);
  });

  define("ids are forgotten below the bound, not at it", async (bench) => {
    const owner = await bench.acquire(source);
    await owner.commit({ ids: [99, 100, 101].map((timestamp) => ({ id: `t${timestamp}`, timestamp })) });
    await owner.commit({ idsExpireBelow: 100 });
    expect(await bench.store.readIds(source, ["t99", "t100", "t101"])).toEqual([false, true, true]);
    expect((await bench.recover(source)).idCount).toBe(2);
  });

  define("an expiry forgets what the same commit takes too", async (bench) => {
    const owner = await bench.acquire(source);
    await owner.commit({
      ids: [
        { id: "old", timestamp: 5 },
        { id: "new", timestamp: 50 },
      ],
      idsExpireBelow: 10,
    });
    expect(await bench.store.readIds(source, ["old", "new"])).toEqual([false, true]);
  });

  define("an expiry below everything forgets nothing, one above everything forgets all", async (bench) => {
    const owner = await bench.acquire(source);
    await owner.commit({
      ids: [
        { id: "zero", timestamp: 0 },
        { id: "one", timestamp: 1 },
      ],
      idsExpireBelow: 0,
    });
    expect((await bench.recover(source)).idCount).toBe(2);
    await owner.commit({ idsExpireBelow: 2 ** 52 });
    expect([await bench.store.readIds(source, ["zero", "one"]), (await bench.recover(source)).idCount]).toEqual([[false, false], 0]);
    await owner.commit({ ids: [{ id: "zero", timestamp: 2 ** 52 }] });
    expect(await bench.store.readIds(source, ["zero"])).toEqual([true]);
  });

  define("an id that is taken again lives by its later timestamp", async (bench) => {
    const owner = await bench.acquire(source);
    await owner.commit({ ids: [{ id: "x", timestamp: 10 }] });
    await owner.commit({ ids: [{ id: "x", timestamp: 100 }] });
    await owner.commit({ idsExpireBelow: 50 });
    expect([await bench.store.readIds(source, ["x"]), (await bench.recover(source)).idCount]).toEqual([[true], 1]);
  });

  define("ids of any bytes, and of the largest size, are told apart", async (bench) => {
    const owner = await bench.acquire(source);
    const ids = [...STRANGE_KEYS, "i".repeat(ID_BYTES), `${"i".repeat(ID_BYTES - 1)}j`];
    await owner.commit({ ids: ids.filter((_, i) => i % 2 === 0).map((id) => ({ id, timestamp: 1 })) });
    expect(await bench.store.readIds(source, ids)).toEqual(ids.map((_, i) => i % 2 === 0));
  });

  define("5,000 ids of one commit are known, and half of them forgotten later", async (bench) => {
    const owner = await bench.acquire(source);
    const ids = Array.from({ length: 5_000 }, (_, i) => ({ id: `client-${i}`, timestamp: i }));
    await owner.commit({ ids });
    await owner.commit({ idsExpireBelow: 2_500 });
    expect(
      await bench.store.readIds(
        source,
        ids.map(({ id }) => id),
      ),
    ).toEqual(ids.map((_, i) => i >= 2_500));
    expect((await bench.recover(source)).idCount).toBe(2_500);
  });
}
