/**
 * The part of the fold that carries out what operators had done to a key's timers. A command and calls of its key are never in
 * one commit, so it is known between which of them it was carried out.
 *
 * F9  A timer fires before its time, or at another than it was set for, or never, only where a command says so; and what a
 *     command says it was done to is set then, for that time. Whether each was carried out is the auditor's to see (A11).
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

  /** Carries out what was done when so many calls of the key were committed, or fewer; gives what is wrong. */
  obey(model: KeyModel, calls: number): string[] {
    const wrong: string[] = [];
    for (let next = this.#waiting[0]; next !== undefined && next.calls <= calls; next = this.#waiting[0]) {
      this.#waiting.shift();
      const why = carryOut(model, next);
      if (why !== undefined) wrong.push(`${model.key}, F9: ${next.action} ${next.timer} of ${next.time} after ${next.calls} calls: ${why}`);
    }
    return wrong;
  }
}

function carryOut(model: KeyModel, { timer, time, action, to = time, output }: FoundCommand): string | undefined {
  const set = model.timers.get(timer);
  if (set?.time !== time) return set === undefined ? "it is not set" : `it is set for ${set.time}`;
  // What was there had not been dropped.
  if (action === "move") model.timers.set(timer, { ...set, time: to, output: outputAt(timer, set, to), droppable: false });
  else model.timers.delete(timer);
  if (action !== "fire") return undefined;
  if (set.poison) model.doubtful.push(`${model.key} ${timer}:${time}`);
  else model.aside.push({ timer, set });
  return output === set.output ? undefined : `it is fired with the output timestamp ${output}, should be ${set.output}`;
}

/** A timer that holds at its own time goes on doing so; another one holds where it held, and not after its time. */
function outputAt(timer: string, { time, output }: SetTimer, to: number): number | undefined {
  if (timer.startsWith("wait")) return output;
  return output === undefined || output === time ? to : Math.min(output, to);
}

/** The setting that fires for this time: what a command has fired goes before what was set since. `asked`: it is of a command. */
export function settingOf({ timers, aside }: KeyModel, timer: string, time: number): (SetTimer & { readonly asked: boolean }) | undefined {
  const at = aside.findIndex((each) => each.timer === timer && each.set.time === time);
  const [fired] = at < 0 ? [] : aside.splice(at, 1);
  if (fired !== undefined) return { ...fired.set, droppable: false, asked: true };
  const set = timers.get(timer);
  return set?.time === time ? { ...set, asked: false } : undefined;
}
