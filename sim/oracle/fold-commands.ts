/**
 * The part of the fold that knows what operators had done to a key's timers. When it was done among the key's calls is not
 * in its log, so a command is taken where something has happened that nothing else explains.
 *
 * F9  A timer fires before its time, or at another than it was set for, or never, only where a command says so; a command
 *     explains one such thing. Whether each was carried out is the auditor's to see (A11).
 */
import type { KeyModel, SetTimer } from "./fold-call.ts";
import type { FoundCommand } from "./fold-input.ts";

export class KeyCommands {
  readonly #waiting: FoundCommand[];
  readonly #all: readonly FoundCommand[];

  /** All commands of one key, in order. */
  constructor(commands: readonly FoundCommand[]) {
    this.#all = commands;
    this.#waiting = [...commands];
  }

  /** Was anything ever done to this timer, at whatever time? */
  concerned(timer: string): boolean {
    return this.#all.some((each) => each.timer === timer);
  }

  /** The largest event time that a timer was moved to. */
  get latest(): number {
    return Math.max(-1, ...this.#all.map(({ timer, to = -1 }) => (timer.startsWith("wait") ? -1 : to)));
  }

  /** The timer as commands have left it when it fires for `time`; undefined: they do not explain that. */
  movedTo(timer: string, set: SetTimer, time: number): SetTimer | undefined {
    const moves = this.#path(timer, set.time, time, 0);
    if (moves === undefined) return undefined;
    let at = set;
    for (const move of moves) {
      // What was there to be moved had not been dropped.
      at = { ...at, time: move.to, output: outputAt(timer, at, move.to), droppable: false };
      this.#take(move);
    }
    return at;
  }

  /** Moves, in order, that lead from one time to the other. Not every one that fits is of this setting: one may have moved another, for the same time, that was set anew since. */
  #path(timer: string, from: number, time: number, first: number): Move[] | undefined {
    if (from === time) return [];
    for (let i = first; i < this.#waiting.length; i++) {
      const move = this.#waiting[i] as FoundCommand;
      if (move.timer !== timer || move.time !== from || !isMove(move)) continue;
      const rest = this.#path(timer, move.to, time, i + 1);
      if (rest !== undefined) return [move, ...rest];
    }
    return undefined;
  }

  /**
   * The setting that was fired, where it was set anew for the same time since: what stands aside goes first. Of two that hold
   * at the same time as well nobody can tell which it was, so the one that there is may be there still.
   */
  firedBefore(timer: string, set: SetTimer, settings: readonly SetTimer[]): SetTimer | undefined {
    const fire = this.#waiting.find((each) => each.timer === timer && each.time === set.time && each.action === "fire");
    if (fire === undefined) return undefined;
    const [before, another] = settings.filter(({ time, output }) => time === set.time && output === fire.output);
    if (before === undefined || (fire.output === set.output && another === undefined)) return undefined;
    this.#take(fire);
    return fire.output === set.output ? { ...set, maybe: true } : before;
  }

  /** The setting for this time that was fired, known by its output. */
  found(timer: string, time: number, settings: readonly SetTimer[]): SetTimer | undefined {
    const fire = this.#waiting.find((each) => each.timer === timer && each.time === time && each.action === "fire");
    const setting = fire && settings.find((each) => each.time === time && each.output === fire.output);
    if (setting !== undefined) this.#take(fire as FoundCommand);
    return setting;
  }

  /** Was it fired, or deleted? Takes that. */
  takes(action: "fire" | "delete", timer: string, time: number): boolean {
    const command = this.#waiting.find((each) => each.timer === timer && each.time === time && each.action === action);
    if (command !== undefined) this.#take(command);
    return command !== undefined;
  }

  /** Takes it that the timer was deleted, wherever it had been moved to. */
  takesDeleted(timer: string, set: SetTimer): boolean {
    if (this.takes("delete", timer, set.time)) return true;
    for (const { action, time } of this.#waiting.filter((each) => each.timer === timer)) {
      if (action !== "delete" || this.movedTo(timer, set, time) === undefined) continue;
      return this.takes("delete", timer, time);
    }
    return false;
  }

  #take(command: FoundCommand): void {
    this.#waiting.splice(this.#waiting.indexOf(command), 1);
  }
}

type Move = FoundCommand & { readonly to: number };
const isMove = (command: FoundCommand): command is Move => command.action === "move" && command.to !== undefined;

/** A timer that holds at its own time goes on doing so; another one holds where it held, and not after its time. */
function outputAt(timer: string, { time, output }: SetTimer, to: number): number | undefined {
  if (timer.startsWith("wait")) return output;
  return output === undefined || output === time ? to : Math.min(output, to);
}

/** The setting that fires for this time, where commands have left it there. `asked`: it stood aside because one had fired it. */
export function settingOf({ timers, settings, commands }: KeyModel, timer: string, time: number): (SetTimer & { readonly asked: boolean }) | undefined {
  const set = timers.get(timer);
  const all = settings.get(timer) ?? [];
  const before = set?.time === time ? commands.firedBefore(timer, set, all) : undefined;
  if (before !== undefined) return { ...before, asked: true };
  const now = set === undefined || set.time === time ? set : commands.movedTo(timer, set, time);
  if (now !== undefined) return { ...now, asked: false };
  // Of settings for the same time, the one that the command found.
  const found = commands.found(timer, time, all);
  if (found !== undefined) return { ...found, asked: true };
  for (const each of all) {
    const then = each.time === time ? each : commands.movedTo(timer, each, time);
    if (then !== undefined && commands.takes("fire", timer, time)) return { ...then, asked: true };
  }
  return undefined;
}
