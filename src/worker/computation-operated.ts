/**
 * What operators have done to timers of a computation's shard: moved, fired before their time, or deleted. Each is part of
 * a commit of the owner, so it happens once or not at all, and is fenced like all else.
 *
 * O1  A command names a timer with the time it is set for. If that is no longer so when the command's turn comes, nothing
 *     is done: asked for twice, it happens once.
 * O2  It is looked at when no call of its key runs and the open batch has nothing of its key; what was done of a key in a
 *     batch may be undone and done again, and a command may not be.
 * O3  From then on that batch takes no more work.
 * O4  A timer that is fired leaves the timers and stands aside in the same commit, as any firing does that must be tried again.
 */
import { END, isTimestamp } from "../time.ts";
import { parseTimerMember, timerHold } from "../store/address.ts";
import type { TimerClock } from "../store/index.ts";
import { ComputationHeld } from "./computation-held.ts";
import { heldBytes } from "./held.ts";
import type { KeyState } from "./key-state.ts";
import type { TimerWork } from "./work.ts";

export type TimerAction =
  | { readonly kind: "delete" }
  | { readonly kind: "fire" }
  /** To another time. */
  | { readonly kind: "move"; readonly to: number };

/** `done`: in the commit of that number, which may not have been applied yet. */
export type CommandOutcome =
  | { readonly kind: "done"; readonly number: number }
  /** There is no such timer, or it is set for another time. */
  | { readonly kind: "absent" }
  | { readonly kind: "refused"; readonly reason: string };

/** One thing asked for; `outcome` is undefined until it was looked at. */
export interface TimerCommand {
  readonly action: TimerAction;
  readonly clock: TimerClock;
  readonly member: string;
  /** Time that the timer is set for. */
  readonly time: number;
  outcome: CommandOutcome | undefined;
}

export { EARLY } from "./computation-held.ts";

export abstract class ComputationOperated extends ComputationHeld {
  readonly #commands = new Set<TimerCommand>();
  /** The mark of the batch that has something of them. */
  #operated: object | undefined = undefined;

  command(command: TimerCommand): void {
    this.#commands.add(command);
    this.host.wake(this);
  }

  /** Nobody waits for it any more. False: it was looked at. */
  withdraw(command: TimerCommand): boolean {
    return this.#commands.delete(command);
  }

  /** Looks at commands whose turn it is. May new work begin? */
  protected obeyed(): boolean {
    if (this.#commands.size > 0 && !this.#look()) return false;
    return this.#operated !== this.open.mark && !this.unreadTimers;
  }

  /** False: a command waits until the open batch has gone. */
  #look(): boolean {
    let open = true;
    for (const command of this.#commands) {
      const key = this.keyState(parseTimerMember(command.member).key);
      // What runs, or is being read, is not waited for by others.
      if (key === undefined || key.running !== undefined) continue;
      if (this.#inBatch(key, command)) open = false;
      else if (this.#known(command)) {
        this.#commands.delete(command);
        command.outcome = this.#obey(command, key);
      }
    }
    return open;
  }

  #inBatch(key: KeyState, { clock, member }: TimerCommand): boolean {
    return key.batch === this.open.mark || key.waiting.length > 0 || this.open.dirty.has(key) || this.open.changes(clock, member);
  }

  /** Is it known here whether the timer is set? Otherwise all timers are read before more work begins. */
  #known({ clock, member }: TimerCommand): boolean {
    return this[clock].timeOf(member) !== undefined || this[clock].horizon === Number.POSITIVE_INFINITY || this.timersOf("", true) !== undefined;
  }

  #obey({ action, clock, member, time }: TimerCommand, key: KeyState): CommandOutcome {
    if (this[clock].timeOf(member) !== time) return { kind: "absent" };
    const refused = this.#whyNot(action, clock, time);
    if (refused !== undefined) return { kind: "refused", reason: refused };
    const own = this[clock].outputOf(member) ?? this.holds.timeOf(timerHold(clock, member));
    if (action.kind === "move") {
      const { to } = action;
      const output = clock === "wall" ? own : Math.min(own ?? to, to);
      this.open.changeTimer({ clock, member, time: to, output }, key);
    } else {
      this.open.changeTimer({ clock, member, time: undefined, output: undefined }, key);
      if (action.kind === "fire") this.#fire({ clock, member, time, output: own ?? (clock === "watermark" ? time : undefined) }, key);
    }
    this.open.since ??= this.host.now;
    this.#operated = this.open.mark;
    this.host.wake(this);
    return { kind: "done", number: this.number + 1 };
  }

  #whyNot(action: TimerAction, clock: TimerClock, time: number): string | undefined {
    if (this.output === END) return "the pipeline has finished: its timers are as they are";
    if (action.kind !== "move") return undefined;
    // Nothing would change, and a batch that only has this would never go.
    if (action.to === time) return "it is set for that time already";
    if (!isTimestamp(action.to)) return "the time that it is moved to is not one that a timer can have";
    if (clock === "watermark" && action.to < this.input) return `the watermark has come to ${this.input} already: fire it instead`;
    return undefined;
  }

  #fire({ clock, member, time, output }: Pick<TimerWork, "clock" | "member" | "time" | "output">, key: KeyState): void {
    const held = this.image.nextHeld++;
    const hold = Math.max(output ?? this.input, 0);
    const address = parseTimerMember(member);
    const work: TimerWork = {
      kind: "timer",
      clock,
      member,
      address,
      time,
      output,
      hold,
      fired: undefined,
      key: undefined,
      attempts: 0,
      begun: 0,
      held,
      batch: undefined,
    };
    this.open.putHeld(held, heldBytes(work, false));
    this.heldHolds.set(String(held), hold);
    this.orphans.push({ work, halted: false });
    this.adopt(key);
  }
}
