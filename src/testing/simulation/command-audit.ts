/**
 * The part of the auditor that looks at what operators had done to timers.
 *
 * A11 What an operator has done to a timer is in the commit that the owner says it is in: the timer is set for the other
 *     time; or it is gone; or it is gone and stands aside.
 */
import { participantOf, type ShardRef } from "../../key.ts";
import { parseTimerMember } from "../../store/address.ts";
import type { Commit, Sequencer, TimerClock } from "../../store/commit.ts";
import type { TimerCommand } from "../../worker/computation-operated.ts";
import { parseHeld } from "../../worker/held.ts";
import type { Work } from "../../worker/work.ts";
import { name } from "./store-request.ts";
import { check } from "./violation.ts";

/** What an operator had done to a timer that was set for `time`. */
export interface OperatedTimer extends Pick<TimerCommand, "action" | "member" | "time"> {
  readonly participant: number;
  /** Where one that was fired stands. */
  readonly output: number | undefined;
  /** Calls of its key that were committed before. */
  readonly calls: number;
}

/** How many calls of a participant's key are committed. */
export type CallsOf = (participant: number, key: string) => number;

export class CommandAudit {
  /** What was asked, by shard and sequencer. */
  readonly #asked = new Map<string, TimerCommand[]>();
  readonly #callsOf: CallsOf;

  constructor(callsOf: CallsOf = () => 0) {
    this.#callsOf = callsOf;
  }

  asked(shard: ShardRef, sequencer: Sequencer, command: TimerCommand): void {
    const place = `${shard} ${sequencer}`;
    this.#asked.set(place, [...(this.#asked.get(place) ?? []), command]);
  }

  /** What the commit does of it. */
  done(commit: Commit): OperatedTimer[] {
    const commands = this.#asked.get(`${commit.shard} ${commit.sequencer}`) ?? [];
    const due = commands.filter(({ outcome }) => outcome?.kind === "done" && outcome.number === commit.number);
    const participant = participantOf(commit.shard);
    return due.map((command) => {
      const calls = this.#callsOf(participant, parseTimerMember(command.member).key);
      return { ...carriedOut(commit, command), participant, calls };
    });
  }
}

function carriedOut(commit: Commit, { action, clock, member, time }: TimerCommand): Omit<OperatedTimer, "participant" | "calls"> {
  const isIt = (each: { readonly clock: TimerClock; readonly member: string }): boolean => each.clock === clock && each.member === member;
  const isFiring = (work: Work): boolean => work.kind === "timer" && isIt(work) && work.time === time;
  const aside = commit.heldPuts.map((entry) => parseHeld(entry).work).find(isFiring);
  const isMoved = action.kind === "move" && commit.timerSets.find(isIt)?.time === action.to;
  const isGone = commit.timerDeletes.some(isIt) && (aside !== undefined) === (action.kind === "fire");
  const isDone = action.kind === "move" ? isMoved : isGone;
  check(isDone, "A11 not done", () => `${name(commit.shard)}#${commit.number} should ${action.kind} timer ${member} of ${time}, and does not`);
  return { action, member, time, output: aside?.kind === "timer" ? aside.output : undefined };
}
