/** Sizes beyond what one Lua call, one list or one request takes: cut into pieces, and nothing of it shows. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { shardRef } from "../../../src/key.ts";
import { cutByWeight } from "../../../src/store/redis/commit-request.ts";
import type { Bench } from "../conformance/bench.ts";
import { COUNTER, JOINER, append, bytes, consumed, counter, far, joiner, parcel } from "../conformance/values.ts";
import { startHarness, type Harness } from "./harness.ts";

/** More than `unpack` takes (about 8,000), and no multiple of any chunk. */
const MANY = 9_011;

let harness: Harness;
let bench: Bench;
beforeAll(async () => {
  harness = await startHarness();
  bench = await harness.bench();
});
afterAll(() => harness.dispose());

const each = <T>(make: (i: number) => T): T[] => Array.from({ length: MANY }, (_, i) => make(i));

test("a commit with very many entries in every structure, and one that deletes them all", async () => {
  const owner = await bench.acquire(counter);
  await owner.commit({
    stateFields: each((i) => `2:k${i}`),
    stateValues: each((i) => bytes(String(i))),
    timerSets: each((i) => [
      { clock: "watermark", member: `3:0:${i}`, time: i } as const,
      { clock: "wall", member: `3:0:${i}`, time: MANY - i } as const,
    ]).flat(),
    holdSets: each((i) => ({ member: `t:3:0:${i}`, time: i + 1 })),
    heldPuts: each((i) => ({ id: i, bytes: bytes(`h${i}`) })),
    deadPuts: each((i) => ({ id: i, bytes: bytes(`d${i}`) })),
    ids: each((i) => ({ id: `c${i}`, timestamp: i })),
    outbox: each((i) => ({ target: far, records: 1, bytes: bytes(`o${i}`), n: i + 1 })),
  });
  const stored = await bench.recover(counter);
  expect(stored).toMatchObject({ stateCount: MANY, watermarkTimerCount: MANY, wallTimerCount: MANY, holdCount: MANY, deadCount: MANY, idCount: MANY });
  expect(stored.watermarkTimers.map(({ hold }) => hold)).toEqual(each((i) => i + 1));
  expect(stored.wallTimers[0]).toEqual({ member: `3:0:${MANY - 1}`, time: 1, hold: undefined });
  expect([stored.held.length, stored.held.at(-1)?.id, stored.outbox.length, stored.outbox.at(-1)?.place.n]).toEqual([MANY, MANY - 1, MANY, MANY]);
  expect(await bench.state(counter, "2:k0", `2:k${MANY - 1}`)).toEqual(["0", String(MANY - 1)]);
  expect(
    (
      await bench.store.readIds(
        counter,
        each((i) => `c${i}`),
      )
    ).every(Boolean),
  ).toBe(true);
  expect((await bench.store.readDeadLetters(counter, MANY)).length).toBe(MANY);

  await owner.commit({
    stateFields: each((i) => `2:k${i}`),
    stateValues: each(() => undefined),
    timerDeletes: each((i) => [{ clock: "watermark", member: `3:0:${i}` } as const, { clock: "wall", member: `3:0:${i}` } as const]).flat(),
    holdDeletes: each((i) => `t:3:0:${i}`),
    heldDeletes: each((i) => i),
    deadDeletes: each((i) => i),
    idsExpireBelow: MANY,
    outboxDeletes: stored.outbox.map(({ target, place }) => ({ target, place })),
  });
  expect(await bench.recover(counter)).toMatchObject({
    stateCount: 0,
    watermarkTimerCount: 0,
    wallTimerCount: 0,
    holdCount: 0,
    deadCount: 0,
    idCount: 0,
    held: [],
    outbox: [],
  });
});

test("very many parcels for one inbox keep their order, also when a commit between them is refused", async () => {
  const owners = await Promise.all([0, 1, 2].map((index) => bench.acquire(shardRef(COUNTER, index))));
  const list = owners.map((owner, own) => owner.seal({ parcels: each((i) => ({ target: joiner, records: 2, bytes: parcel(`${own}:${i}`) })) }));
  const reply = await bench.store.commit([list[0]!, { ...list[1]!, number: 99 }, list[2]!]);
  expect(reply.outcomes).toEqual(["committed", "gap", "committed"]);
  expect(reply.tails).toEqual([{ shard: joiner, tail: 2 * MANY, queued: 4 * MANY }]);
  expect(await bench.inbox(joiner)).toEqual([...each((i) => `0:${i}`), ...each((i) => `2:${i}`)]);
  const reader = await bench.acquire(joiner);
  await reader.commit({ consumed: consumed(2 * MANY, 0, 4 * MANY, `2:${MANY - 1}`) });
  expect(await bench.recover(joiner)).toMatchObject({ position: 2 * MANY, queued: 0 });
});

test("very many deliveries", async () => {
  const to = shardRef(JOINER, 1);
  const outcomes = await bench.deliver(...each((i) => ({ from: far, to, place: { monotonic: 5, n: i + 1 }, records: 1, bytes: parcel(`d${i}`) })));
  expect(new Set(outcomes)).toEqual(new Set(["delivered"]));
  expect((await bench.inbox(to)).length).toBe(MANY);
});

test("a list that is too heavy for one call goes out in several, each commit whole, in order", async () => {
  const owners = await Promise.all([0, 1, 2, 3].map((index) => bench.acquire(shardRef(COUNTER, index))));
  const heavy = new Uint8Array(12 << 20).fill(65);
  const target = shardRef(JOINER, 2);
  const list = owners.map((owner, i) =>
    owner.seal({ number: owner.number + 1, parcels: [append(target, `${i}`)], stateFields: ["2:large"], stateValues: [heavy] }),
  );
  expect(cutByWeight(list).map((part) => part.length)).toEqual([2, 2]);
  const reply = await bench.store.commit(list);
  expect(reply.outcomes).toEqual(["committed", "committed", "committed", "committed"]);
  expect(reply.tails).toEqual([{ shard: target, tail: 4, queued: 4 }]);
  expect(await bench.inbox(target)).toEqual(["0", "1", "2", "3"]);
  const [stored] = await bench.store.readState(counter, ["2:large"]);
  expect(Buffer.compare(stored!, heavy)).toBe(0);
});

test("a list is never cut within a commit, nor where it is light", () => {
  const light = { image: new Uint8Array(1), stateValues: [], parcels: [], outbox: [], heldPuts: [], deadPuts: [], entries: [] };
  const of = (...megabytes: number[]) =>
    cutByWeight(megabytes.map((size) => ({ ...light, image: new Uint8Array(size << 20) })) as never).map((part) => part.length);
  expect([of(), of(1), of(40), of(40, 1), of(1, 40), of(16, 16, 1), of(1, 1, 1)]).toEqual([[0], [1], [1], [1, 1], [1, 1], [2, 1], [3]]);
});
