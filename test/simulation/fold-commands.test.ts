/** What the fold takes operators' commands on a key's timers to have done. */
import { expect, test } from "vitest";
import { KeyCommands } from "../../sim/oracle/fold-commands.ts";
import type { FoundCommand } from "../../sim/oracle/fold-input.ts";

const TIMER = "due:1";
const command = (time: number, action: FoundCommand["action"], to?: number): FoundCommand => ({ key: "k", timer: TIMER, time, action, to, output: undefined });
const set = { time: 3_290, output: undefined, inTime: true, droppable: false, poison: false };

test("a timer that was moved, set anew for its former time, moved elsewhere and deleted there was deleted", () => {
  const commands = new KeyCommands([command(3_290, "move", 3_260), command(3_290, "move", 5_290), command(5_290, "delete")]);
  expect(commands.takesDeleted(TIMER, set)).toBe(true);
  expect(commands.takesDeleted(TIMER, set)).toBe(false);
});

test("a move that explains one thing explains no other", () => {
  const commands = new KeyCommands([command(3_290, "move", 3_260)]);
  expect(commands.movedTo(TIMER, set, 3_260)?.time).toBe(3_260);
  expect(commands.movedTo(TIMER, set, 3_260)).toBeUndefined();
});

test("moves lead on from one another only in the order in which they were made", () => {
  const made = [command(3_290, "move", 3_260), command(3_260, "move", 5_290)];
  expect(new KeyCommands(made).movedTo(TIMER, set, 5_290)?.time).toBe(5_290);
  expect(new KeyCommands(made.toReversed()).movedTo(TIMER, set, 5_290)).toBeUndefined();
});

test("of settings for the same time the one that was fired is known by its output", () => {
  const fire = { ...command(3_290, "fire"), output: 1_010 };
  const settings = [1_000, 1_010, 1_020].map((output) => ({ ...set, output }));
  const commands = new KeyCommands([fire]);
  expect(commands.found(TIMER, 3_290, settings)).toBe(settings[1]);
  expect(commands.found(TIMER, 3_290, settings)).toBeUndefined();
});

test("where a timer that was fired is set anew just as it was, it may be set still", () => {
  const fire = { ...command(3_290, "fire"), output: 1_000 };
  const same = { ...set, output: 1_000 };
  expect(new KeyCommands([fire]).firedBefore(TIMER, same, [same])).toBeUndefined();
  const commands = new KeyCommands([fire]);
  expect(commands.firedBefore(TIMER, same, [same, same])).toEqual({ ...same, maybe: true });
  expect(commands.firedBefore(TIMER, same, [same, same])).toBeUndefined();
});

test("a timer that may have been dropped when it was set was not, where it was moved since", () => {
  const commands = new KeyCommands([command(3_290, "move", 9_000)]);
  expect(commands.movedTo(TIMER, { ...set, droppable: true }, 9_000)).toMatchObject({ time: 9_000, droppable: false });
});
