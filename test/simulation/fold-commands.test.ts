/** What operators' commands do to the timers of a key, as the fold carries them out. */
import { expect, test } from "vitest";
import type { KeyModel, SetTimer } from "../../sim/oracle/fold-call.ts";
import { KeyCommands, settingOf } from "../../sim/oracle/fold-commands.ts";
import type { FoundCommand } from "../../sim/oracle/fold-input.ts";
import { FUEL } from "../../sim/workload/program.ts";

const TIMER = "due:1";

/** One after so many calls of the key. */
function command(calls: number, time: number, action: FoundCommand["action"], { to, output = time }: { to?: number; output?: number } = {}): FoundCommand {
  return { calls, key: "k", timer: TIMER, time, action, to, output: action === "fire" ? output : undefined };
}
const setFor = (time: number, changes: Partial<SetTimer> = {}): SetTimer => ({ time, output: time, inTime: true, droppable: false, poison: false, ...changes });

/** A key with these commands. */
function keyWith(...commands: FoundCommand[]): KeyModel {
  const sums = { total: 0, fuel: FUEL, hold: -1 };
  const timers = new Map<string, SetTimer>();
  return {
    key: "k",
    sums,
    brief: undefined,
    hold: undefined,
    timers,
    aside: [],
    commands: new KeyCommands(commands),
    doubtful: [],
    watermark: -1,
    now: 0,
    largest: -1,
  };
}

/** Before the key's call of this number. */
function obey(model: KeyModel, calls: number): string[] {
  return model.commands.obey(model, calls);
}

test("a command is carried out between the calls where it was committed", () => {
  const model = keyWith(command(1, 3_290, "move", { to: 3_260 }), command(2, 3_260, "delete"));
  model.timers.set(TIMER, setFor(3_290));
  expect([obey(model, 0), model.timers.get(TIMER)?.time]).toEqual([[], 3_290]);
  expect([obey(model, 1), model.timers.get(TIMER)?.time]).toEqual([[], 3_260]);
  expect([obey(model, 2), model.timers.get(TIMER)?.time]).toEqual([[], undefined]);
});

test("what was done to a timer that is not set then, or for another time, is wrong", () => {
  const model = keyWith(command(0, 3_290, "delete"), command(1, 3_290, "move", { to: 3_260 }));
  expect(obey(model, 0)).toEqual(["k, F9: delete due:1 of 3290 after 0 calls: it is not set"]);
  model.timers.set(TIMER, setFor(3_300));
  expect(obey(model, 1)).toEqual(["k, F9: move due:1 of 3290 after 1 calls: it is set for 3300"]);
  expect(model.timers.get(TIMER)?.time).toBe(3_300);
});

test("one that was moved and then fired is another than the one that is set for its former time meanwhile", () => {
  const model = keyWith(command(3, 1_160, "move", { to: 1_161 }), command(4, 1_161, "fire"));
  model.timers.set(TIMER, setFor(1_160));
  expect(obey(model, 4)).toEqual([]);
  model.timers.set(TIMER, setFor(1_160));
  expect(settingOf(model, TIMER, 1_161)).toMatchObject({ time: 1_161, output: 1_161, asked: true });
  expect(settingOf(model, TIMER, 1_161)).toBeUndefined();
  expect(settingOf(model, TIMER, 1_160)).toMatchObject({ time: 1_160, asked: false });
});

test("one that was fired is called before the one that was set for the same time since, each with its own output", () => {
  const model = keyWith(command(1, 4_042, "fire", { output: 1_120 }));
  model.timers.set(TIMER, setFor(4_042, { output: 1_120 }));
  expect(obey(model, 1)).toEqual([]);
  model.timers.set(TIMER, setFor(4_042, { output: 1_271 }));
  expect(settingOf(model, TIMER, 4_042)).toMatchObject({ output: 1_120, asked: true });
  expect(settingOf(model, TIMER, 4_042)).toMatchObject({ output: 1_271, asked: false });
});

test("a timer is fired with the output timestamp that it was set with", () => {
  const model = keyWith(command(0, 3_290, "fire", { output: 3_000 }));
  model.timers.set(TIMER, setFor(3_290));
  expect(obey(model, 0)).toEqual([expect.stringMatching(/output timestamp 3000, should be 3290/)]);
});

test("a timer that was moved holds at its new time, or where it held before, and not after its time", () => {
  const own = keyWith(command(0, 3_290, "move", { to: 3_260 }));
  own.timers.set(TIMER, setFor(3_290));
  const earlier = keyWith(command(0, 3_290, "move", { to: 3_260 }));
  earlier.timers.set(TIMER, setFor(3_290, { output: 3_000 }));
  const later = keyWith(command(0, 3_290, "move", { to: 2_000 }));
  later.timers.set(TIMER, setFor(3_290, { output: 3_000 }));
  for (const model of [own, earlier, later]) expect(obey(model, 0)).toEqual([]);
  expect([own, earlier, later].map((model) => model.timers.get(TIMER)?.output)).toEqual([3_260, 3_000, 2_000]);
});

test("a timer that may have been dropped when it was set was not, where it was moved or fired since", () => {
  const model = keyWith(command(0, 3_290, "move", { to: 9_000 }), command(1, 9_000, "fire"));
  model.timers.set(TIMER, setFor(3_290, { droppable: true }));
  expect(obey(model, 0)).toEqual([]);
  expect(model.timers.get(TIMER)?.droppable).toBe(false);
  model.timers.set(TIMER, setFor(9_000, { droppable: true }));
  expect(obey(model, 1)).toEqual([]);
  expect(settingOf(model, TIMER, 9_000)?.droppable).toBe(false);
});

test("one that fails for ever goes to dead letters when it is fired, and is not waited for", () => {
  const model = keyWith(command(0, 3_290, "fire"));
  model.timers.set(TIMER, setFor(3_290, { poison: true }));
  expect(obey(model, 0)).toEqual([]);
  expect([model.aside, model.doubtful]).toEqual([[], ["k due:1:3290"]]);
});
