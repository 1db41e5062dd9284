/** Timers and holds: one net operation each, their order, and what a new owner finds of them. */
import { expect } from "vitest";
import { KEY_BYTES, TAG_BYTES } from "../../../src/limits.ts";
import { heldHold, keyHold, timerHold, timerMember } from "../../../src/store/address.ts";
import type { TimerClock, TimerSet } from "../../../src/store/commit.ts";
import { BEGINNING, END, LAST_TIMER, days } from "../../../src/time.ts";
import type { Bench, Define } from "./bench.ts";
import { counter, far } from "./values.ts";
import { STRANGE_KEYS } from "./state.ts";

const at = (member: string, time: number, clock: TimerClock = "watermark"): TimerSet => ({ clock, member, time });
const off = (member: string, clock: TimerClock = "watermark") => ({ clock, member });
const counts = async (bench: Bench): Promise<number[]> => {
  const { watermarkTimerCount, wallTimerCount, holdCount } = await bench.recover(counter);
  return [watermarkTimerCount, wallTimerCount, holdCount];
};

export function timers(define: Define): void {
  changes(define);
  order(define);
  reading(define);
  holds(define);
}

function changes(define: Define): void {
  define("a timer is set, moved by a later set, and deleted", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ timerSets: [at("3:0:k", 10)] });
    expect(await bench.timers(counter)).toEqual(["3:0:k@10"]);
    await owner.commit({ timerSets: [at("3:0:k", 5)] });
    expect(await bench.timers(counter)).toEqual(["3:0:k@5"]);
    await owner.commit({ timerSets: [at("3:0:k", 20)] });
    expect([await bench.timers(counter), await counts(bench)]).toEqual([["3:0:k@20"], [1, 0, 0]]);
    await owner.commit({ timerDeletes: [off("3:0:k")] });
    expect([await bench.timers(counter), await counts(bench)]).toEqual([[], [0, 0, 0]]);
  });

  define("setting a timer to the time it has, and deleting one that is not there, change nothing", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ timerSets: [at("3:0:k", 10)] });
    await owner.commit({ timerSets: [at("3:0:k", 10)], timerDeletes: [off("3:0:other"), off("3:0:k", "wall")] });
    expect([await bench.timers(counter), await counts(bench)]).toEqual([["3:0:k@10"], [1, 0, 0]]);
  });

  define("deletes apply before sets: a looping timer that fired and set itself again is there", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ timerSets: [at("3:0:loop", 10), at("3:0:once", 10)] });
    await owner.commit({ timerDeletes: [off("3:0:loop"), off("3:0:once")], timerSets: [at("3:0:loop", 20)] });
    expect([await bench.timers(counter), await counts(bench)]).toEqual([["3:0:loop@20"], [1, 0, 0]]);
  });

  define("deletes apply before sets at the same time too", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ timerSets: [at("4:0:loop", 10, "wall")] });
    await owner.commit({ timerDeletes: [off("4:0:loop", "wall")], timerSets: [at("4:0:loop", 10, "wall")] });
    expect([await bench.timers(counter, "wall"), await counts(bench)]).toEqual([["4:0:loop@10"], [0, 1, 0]]);
  });

  define("the two clocks are two sets, even for one member", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ timerSets: [at("3:0:k", 10), at("3:0:k", 99, "wall")] });
    await owner.commit({ timerDeletes: [off("3:0:k")] });
    expect([await bench.timers(counter), await bench.timers(counter, "wall"), await counts(bench)]).toEqual([[], ["3:0:k@99"], [0, 1, 0]]);
  });

  define("the same member of two shards is two timers", async (bench) => {
    const [here, there] = [await bench.acquire(counter), await bench.acquire(far)];
    await here.commit({ timerSets: [at("3:0:k", 10)] });
    await there.commit({ timerSets: [at("3:0:k", 20)] });
    await there.commit({ timerDeletes: [off("3:0:k")] });
    expect([await bench.timers(counter), await bench.timers(far)]).toEqual([["3:0:k@10"], []]);
  });
}

function order(define: Define): void {
  define("timers are ordered by time, as numbers", async (bench) => {
    const owner = await bench.acquire(counter);
    const times = [100, 9, 10, 1_000_000_000_000, 99, 0, 255, 256, 65_536, 4_294_967_296, 4_294_967_295];
    await owner.commit({ timerSets: times.map((time) => at(`m${time}`, time)) });
    expect(await bench.timers(counter)).toEqual([...times].sort((x, y) => x - y).map((time) => `m${time}@${time}`));
  });

  define("timers of one time are ordered by the bytes of their members", async (bench) => {
    const owner = await bench.acquire(counter);
    const members = ["b", "a", "B", "ab", "a\u0000", "é", "z", "\uFF5E", "\u{1F600}", "aa", "~", ""].map((name) => `3:0:${name}`);
    await owner.commit({ timerSets: members.map((member) => at(member, 7)) });
    const sorted = members
      .map((member) => Buffer.from(member))
      .sort((x, y) => x.compare(y))
      .map(String);
    expect(await bench.timers(counter)).toEqual(sorted.map((member) => `${member}@7`));
  });

  define("times at the borders are kept exactly and in order: 0, 60 days ahead, the last timer, END", async (bench) => {
    const owner = await bench.acquire(counter);
    const ahead = 1_700_000_000_000 + days(60);
    const times = [END, LAST_TIMER, LAST_TIMER - 1, END - 1, ahead, ahead + 1, ahead - 1, 1, 0];
    for (const clock of ["watermark", "wall"] as const) {
      await owner.commit({ timerSets: times.map((time, i) => at(`m${i}`, time, clock)) });
      expect((await bench.store.readTimers(counter, clock, 20)).map(({ time }) => time)).toEqual([
        0,
        1,
        ahead - 1,
        ahead,
        ahead + 1,
        LAST_TIMER - 1,
        LAST_TIMER,
        END - 1,
        END,
      ]);
    }
  });

  define("members are read back whatever bytes they have, with keys and tags of the largest size", async (bench) => {
    const owner = await bench.acquire(counter);
    const long = timerMember(4_000_000, "🏷".repeat(TAG_BYTES / 4), "🔑".repeat(KEY_BYTES / 4));
    const members = [
      ...STRANGE_KEYS.map((key) => timerMember(3, key, key)),
      ...STRANGE_KEYS.map((key, i) => timerMember(3, i - 5.5, key)),
      long,
      `${long.slice(0, -2)}ab`,
    ];
    await owner.commit({
      timerSets: members.map((member) => at(member, 5)),
      holdSets: members.map((member) => ({ member: timerHold("watermark", member), time: 3 })),
    });
    const read = await bench.store.readTimers(counter, "watermark", 1_000);
    expect(read.map(({ member }) => member).sort()).toEqual([...members].sort());
    expect(read.every(({ time, hold }) => time === 5 && hold === 3)).toBe(true);
    await owner.commit({ timerDeletes: members.slice(1).map((member) => off(member)) });
    expect(await bench.timers(counter)).toEqual([`${members[0]}@5`]);
  });

  define("10,000 timers of one commit are read in order, by any page", async (bench) => {
    const owner = await bench.acquire(counter);
    const sets = Array.from({ length: 10_000 }, (_, i) => at(`3:0:${i}`, (i * 7_919) % 10_007));
    await owner.commit({ timerSets: sets });
    const sorted = sets.map(({ time }) => time).sort((x, y) => x - y);
    expect((await bench.store.readTimers(counter, "watermark", 10_000)).map(({ time }) => time)).toEqual(sorted);
    expect((await bench.store.readTimers(counter, "watermark", 300)).map(({ time }) => time)).toEqual(sorted.slice(0, 300));
    await owner.commit({ timerDeletes: sets.filter(({ time }) => time < 5_000).map(({ member }) => off(member)) });
    expect((await bench.store.readTimers(counter, "watermark", 1))[0]!.time).toBe(sorted.find((time) => time >= 5_000));
  });
}

function reading(define: Define): void {
  define("a read is limited to the earliest timers", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ timerSets: [30, 10, 20].map((time) => at(`m${time}`, time)) });
    expect((await bench.store.readTimers(counter, "watermark", 2)).map(({ member }) => member)).toEqual(["m10", "m20"]);
    expect(await bench.store.readTimers(counter, "watermark", 0)).toEqual([]);
    expect(await bench.store.readTimers(counter, "wall", 5)).toEqual([]);
  });

  define("a new owner gets the heads of both clocks and the counts of all", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ timerSets: [...[5, 4, 3, 2].map((time) => at(`e${time}`, time)), ...[9, 8, 7].map((time) => at(`w${time}`, time, "wall"))] });
    const stored = await bench.recover(counter, { timers: 2, holds: 2 });
    expect([stored.watermarkTimers, stored.wallTimers].map((list) => list.map(({ member, time }) => [member, time]))).toEqual([
      [
        ["e2", 2],
        ["e3", 3],
      ],
      [
        ["w7", 7],
        ["w8", 8],
      ],
    ]);
    expect([stored.watermarkTimerCount, stored.wallTimerCount]).toEqual([4, 3]);
  });

  define("a timer is read with its own hold, and not with that of the other clock", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({
      timerSets: [at("3:0:k", 10), at("3:0:k", 20, "wall"), at("3:0:plain", 11)],
      holdSets: [
        { member: timerHold("watermark", "3:0:k"), time: 4 },
        { member: timerHold("wall", "3:0:k"), time: 6 },
        { member: keyHold("3:0:plain"), time: 1 },
      ],
    });
    const { watermarkTimers, wallTimers } = await bench.recover(counter);
    expect(watermarkTimers).toEqual([
      { member: "3:0:k", time: 10, hold: 4 },
      { member: "3:0:plain", time: 11, hold: undefined },
    ]);
    expect(wallTimers).toEqual([{ member: "3:0:k", time: 20, hold: 6 }]);
    expect(await bench.store.readTimers(counter, "watermark", 5)).toEqual(watermarkTimers);
  });

  define("timers survive their owner, with their holds", async (bench) => {
    await (await bench.acquire(counter)).commit({ timerSets: [at("3:0:k", 10, "wall")], holdSets: [{ member: timerHold("wall", "3:0:k"), time: 2 }] });
    await bench.acquire(counter, "w2");
    expect((await bench.recover(counter)).wallTimers).toEqual([{ member: "3:0:k", time: 10, hold: 2 }]);
  });

  define("the summary counts timers of both clocks", async (bench) => {
    await (await bench.acquire(counter)).commit({ timerSets: [at("a", 1), at("b", 1), at("c", 1, "wall")] });
    expect((await bench.store.summarize([counter]))[0]).toMatchObject({ watermarkTimers: 2, wallTimers: 1 });
  });
}

function holds(define: Define): void {
  define("holds are ordered by time, then by the bytes of the member", async (bench) => {
    const owner = await bench.acquire(counter);
    const set = [
      [keyHold("b"), 5],
      [heldHold(9), 5],
      [keyHold("🔑"), 5],
      [keyHold("\uFF5E"), 5],
      [keyHold("z"), 1],
      [heldHold(10), 3],
      [keyHold("c"), END],
    ] as const;
    await owner.commit({ holdSets: set.map(([member, time]) => ({ member, time })) });
    expect((await bench.store.readHolds(counter, 9)).map(({ member }) => member)).toEqual(["k:z", "h:10", "h:9", "k:b", "k:\uFF5E", "k:🔑", "k:c"]);
  });

  define("a hold may stand at the beginning of time, before 0", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({
      holdSets: [
        { member: "k:zero", time: 0 },
        { member: "k:beginning", time: BEGINNING },
      ],
    });
    expect(await bench.store.readHolds(counter, 9)).toEqual([
      { member: "k:beginning", time: BEGINNING },
      { member: "k:zero", time: 0 },
    ]);
  });

  define("a hold is moved up and down, and deleted; deletes apply before sets", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({
      holdSets: [
        { member: "k:a", time: 5 },
        { member: "k:b", time: 6 },
      ],
    });
    await owner.commit({ holdSets: [{ member: "k:a", time: 7 }] });
    await owner.commit({ holdSets: [{ member: "k:b", time: 1 }] });
    expect(await bench.store.readHolds(counter, 9)).toEqual([
      { member: "k:b", time: 1 },
      { member: "k:a", time: 7 },
    ]);
    await owner.commit({ holdDeletes: ["k:b", "k:a", "k:none"], holdSets: [{ member: "k:a", time: 9 }] });
    expect([await bench.store.readHolds(counter, 9), await counts(bench)]).toEqual([[{ member: "k:a", time: 9 }], [0, 0, 1]]);
  });

  define("reads and recovery of holds are limited to the smallest, with the count of all", async (bench) => {
    const owner = await bench.acquire(counter);
    await owner.commit({ holdSets: Array.from({ length: 500 }, (_, i) => ({ member: `k:${i}`, time: 1_000 - i })) });
    const stored = await bench.recover(counter, { timers: 0, holds: 3 });
    expect([stored.holds.map(({ time }) => time), stored.holdCount]).toEqual([[501, 502, 503], 500]);
    expect((await bench.store.readHolds(counter, 2)).map(({ time }) => time)).toEqual([501, 502]);
    expect(await bench.store.readHolds(counter, 0)).toEqual([]);
  });

  define("the holds of one shard are not those of another", async (bench) => {
    await (await bench.acquire(counter)).commit({ holdSets: [{ member: "k:a", time: 5 }] });
    expect(await bench.store.readHolds(far, 9)).toEqual([]);
  });
}
