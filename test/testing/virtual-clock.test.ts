import { expect, test } from "vitest";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

test("a wake-up runs at its time, not at t - 1", () => {
  const clock = new VirtualClock(1_000);
  const seen: number[] = [];
  clock.after(50, () => seen.push(clock.now()));
  clock.advance(49);
  expect(seen).toEqual([]);
  expect(clock.next()).toBe(1_050);
  clock.advance(1);
  expect(seen).toEqual([1_050]);
  expect(clock.next()).toBeUndefined();
});

test("wake-ups run by time, those of one time in the order they were asked for, each seeing its own time", () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const note = (name: string) => () => seen.push(`${name}@${clock.now()}`);
  clock.after(30, note("c"));
  clock.after(10, note("a1"));
  clock.after(10, note("a2"));
  clock.after(20, note("b"));
  clock.advance(100);
  expect(seen).toEqual(["a1@10", "a2@10", "b@20", "c@30"]);
  expect(clock.now()).toBe(100);
});

test("a wake-up asked for by another runs within the same advance if its time is reached", () => {
  const clock = new VirtualClock();
  let ticks = 0;
  const tick = (): void => {
    ticks++;
    clock.after(10, tick);
  };
  clock.after(10, tick);
  clock.advance(35);
  expect(ticks).toBe(3);
  expect(clock.next()).toBe(40);
});

test("a cancelled wake-up never runs, and cancelling again does nothing", () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const cancel = clock.after(10, () => seen.push("cancelled"));
  clock.after(10, () => seen.push("kept"));
  cancel();
  cancel();
  clock.advance(10);
  expect(seen).toEqual(["kept"]);
});

test("a wake-up that cancels the next one of the same time stops it", () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  clock.after(5, () => cancel());
  const cancel = clock.after(5, () => seen.push("second"));
  clock.advance(5);
  expect(seen).toEqual([]);
});

test("the clock does not run back", () => {
  const clock = new VirtualClock(10);
  expect(() => clock.advance(-1)).toThrow(/0 or more/);
  expect(() => clock.advance(Number.NaN)).toThrow(/0 or more/);
  clock.after(-5, () => {});
  clock.advance(0);
  expect(clock.now()).toBe(10);
  expect(clock.next()).toBeUndefined();
});
