/**
 * What becomes of a computation's work that cannot finish with its batch: it stands aside in `held`, in order, is tried
 * again with back-off, and is parked in dead letters, halts its key, or stops the pipeline when that goes on failing.
 *
 * H1  What stands aside of a key goes before all else of that key, by ascending id; a new owner finds it so.
 * H2  Its attempts are stored with it, and it holds the watermark until it is done or parked.
 * H3  Nothing here calls user code.
 */
import { waitAfter } from "../computation/backoff.ts";
import { messageOf, NewerDataError, RecordFailedError } from "../errors.ts";
import { DEAD_LETTERS } from "../limits.ts";
import { parseTimerMember } from "../store/address.ts";
import type { Numbered, RecoveredShard, Sequencer } from "../store/index.ts";
import { END } from "../time.ts";
import { ComputationPercentiles } from "./computation-percentiles.ts";
import type { Keyed } from "./keyed.ts";
import { type DeadLetter, deadLetter, heldBytes, parseHeld, workOf } from "./held.ts";
import { add, type KeyState } from "./key-state.ts";
import type { ShardHost } from "./owned-shard.ts";
import type { PlannedComputation } from "./plan.ts";
import type { TimerWork, Work } from "./work.ts";

/** In place of an error: the call needed what is being read, and is made again soon. */
export const EARLY = Symbol("early");
/** ms until then. */
const SOON = 5;

export abstract class ComputationHeld extends ComputationPercentiles {
  /** Keys with work in `held`. */
  protected readonly heldKeys = new Set<KeyState>();
  /** None of them may be tried again before this, by the worker's clock; 0: look. */
  protected heldAt = 0;
  /** Dead letters that are no more, though the store may still show them. */
  readonly #revived = new Set<number>();

  constructor(host: ShardHost, planned: PlannedComputation, keyed: Keyed, sequencer: Sequencer, recovered: RecoveredShard, floor: number) {
    super(host, planned, keyed, sequencer, recovered, floor);
    for (const entry of recovered.held) this.#recover(entry);
  }

  /** Timers of a key stand aside while it runs other work, or has work that goes before them. */
  protected takeTimersBack(key: KeyState): void {
    if (key.held.length > 0) return;
    this.watermark.takeBack(key.key);
    this.wall.takeBack(key.key);
  }

  #recover(entry: Numbered): void {
    const { work, halted } = parseHeld(entry);
    if (work.kind === "timer" && !this.declares(work.address.timer)) {
      // A timer that the code has lost is forgotten, wherever it stands.
      this.open.deleteHeld(entry.id);
      return;
    }
    this.heldHolds.set(String(entry.id), work.hold);
    this.orphans.push({ work, halted });
  }

  protected override adopt(key: KeyState): void {
    for (const { work, halted } of this.orphansOf(key.key)) {
      work.key = key;
      key.held = add(key.held, work);
      if (halted) key.retryAt = Number.POSITIVE_INFINITY;
      this.heldKeys.add(key);
      this.heldAt = 0;
    }
  }

  /**
   * A dead letter is tried again, from its first attempt and behind all of its key that is under way or stands aside, and is
   * a dead letter no more; both in the next commit. What is under way stands aside from now on: it would come behind if it failed. What it produces may be late, as time has gone on. Why not; undefined: it is.
   */
  revive(id: number, letter: DeadLetter): string | undefined {
    if (this.input === END) return "the pipeline has finished: nothing is tried again";
    if (this.#revived.has(id)) return undefined;
    const key = this.keyState(letter.key);
    const underWay = [...(key?.running === undefined ? [] : [key.running]), ...(key?.waiting ?? [])].filter((work) => this.unfinished.has(work));
    if (key !== undefined && underWay.length > 0) this.#setUnderWayAside(key, underWay);
    const held = this.image.nextHeld;
    const hold = Math.max(letter.timestamp, this.input);
    const work = workOf(letter, held, hold, (timer) => this.declares(timer) && this.timerNode(timer).node.clock);
    if (typeof work === "string") return work;
    this.#revived.add(id);
    this.image.nextHeld += 1;
    this.deadCount--;
    this.open.deadDeletes.push(id);
    this.open.since ??= this.host.now;
    this.open.putHeld(held, heldBytes(work, false));
    this.heldHolds.set(String(held), hold);
    this.orphans.push({ work, halted: false });
    if (key !== undefined) this.adopt(key);
    this.host.wake(this);
    return undefined;
  }

  /** A dead letter is given up for good, with the next commit. */
  discard(id: number): void {
    if (this.#revived.has(id)) return;
    this.#revived.add(id);
    this.deadCount--;
    this.open.deadDeletes.push(id);
    this.open.since ??= this.host.now;
    this.host.wake(this);
  }

  /** A failed try: again later, or never. */
  protected giveBack(work: Work, key: KeyState, error: unknown): void {
    work.failure = undefined;
    if (error instanceof NewerDataError) this.host.ownership.decline(this.participant, error);
    // What it cannot read is not the record's fault: no attempt of it is counted.
    if (error === EARLY || error instanceof NewerDataError) {
      key.retryAt = this.host.now + SOON;
      this.setAside(work, key);
      return;
    }
    work.attempts++;
    const { attempts, onFailure } = this.planned.node.options;
    const log = this.host.logOf(this.name, key.key);
    if (work.attempts < attempts) {
      key.retryAt = this.host.now + waitAfter(work.attempts, this.planned.node.options, key.key);
      log.warn(`try ${work.attempts} of ${attempts} failed: ${messageOf(error)}`);
      this.setAside(work, key, error);
      return;
    }
    if (onFailure === "stop") {
      this.host.fail(new RecordFailedError(this.name, key.key, work.attempts, error));
      // Not as halted: a start with better code tries it again.
      this.setAside(work, key, error);
      key.retryAt = Number.POSITIVE_INFINITY;
      return;
    }
    if (onFailure === "park" && !this.deadLettersFull) {
      log.error(`failed ${work.attempts} times and goes to dead letters: ${messageOf(error)}`);
      this.park(work, key, error);
      return;
    }
    key.retryAt = Number.POSITIVE_INFINITY;
    log.error(`failed ${work.attempts} times; the key is halted${onFailure === "park" ? ", for the dead letters are full" : ""}: ${messageOf(error)}`);
    this.setAside(work, key, error);
  }

  get deadLettersFull(): boolean {
    return this.deadCount >= DEAD_LETTERS;
  }

  /** The call has done all it could, and says that its record is lost all the same. */
  protected parkDone(work: Work, { error, attempts }: { readonly error: unknown; readonly attempts: number }): void {
    this.host.logOf(this.name, work.key?.key).error(`failed for the last time and goes to dead letters: ${messageOf(error)}`);
    this.deadCount++;
    work.attempts = attempts;
    this.open.deadPuts.push({ id: this.image.nextDead++, bytes: deadLetter(work, error, this.wallTime()) });
    this.open.counted.deadLetters++;
  }

  protected park(work: Work, key: KeyState | undefined, error: unknown): void {
    const { open, image } = this;
    const id = image.nextDead++;
    this.deadCount++;
    open.deadPuts.push({ id, bytes: deadLetter(work, error, this.wallTime()) });
    open.counted.deadLetters++;
    open.finished++;
    open.since ??= this.host.now;
    if (key === undefined) return;
    if (work.kind === "timer") {
      if (work.held === undefined) this.open.changeTimer({ clock: work.clock, member: work.member, time: undefined, output: undefined }, key);
      if (work.fired === open.mark) {
        // If the key's work is done again its timer is set again, so that it has to be parked again.
        work.letter = id;
        work.failure = { error };
        open.done.push(work);
      }
    }
    if (work.held !== undefined) this.leaveHeld(work, key);
  }

  /** Its key's work of this batch is done again, and it with that. */
  protected unpark(work: TimerWork): void {
    const { open } = this;
    open.deadPuts = open.deadPuts.filter(({ id }) => id !== work.letter);
    work.letter = undefined;
    work.attempts--;
    this.deadCount--;
    open.counted.deadLetters--;
    open.finished--;
  }

  /** Moves work aside, behind what stands there of its key, with an id above theirs; the first of these stays where it is. */
  protected setAside(work: Work, key: KeyState, error?: unknown): void {
    if (work.held === undefined || key.held[0] !== work) {
      if (work.held === undefined && work.kind === "timer")
        this.open.changeTimer({ clock: work.clock, member: work.member, time: undefined, output: undefined }, key);
      if (work.held !== undefined && work.held < (key.held.at(-1)?.held ?? 0)) {
        this.#forgetHeld(work.held);
        work.held = undefined;
      }
      key.held = add(key.held, work);
      this.heldKeys.add(key);
    }
    this.heldAt = 0;
    work.held ??= this.image.nextHeld++;
    this.heldHolds.set(String(work.held), work.hold);
    this.open.putHeld(work.held, heldBytes(work, key.retryAt === Number.POSITIVE_INFINITY, error));
    this.open.since ??= this.host.now;
  }

  protected leaveHeld(work: Work, key: KeyState): void {
    const at = key.held.indexOf(work);
    if (at >= 0) key.held.splice(at, 1);
    this.open.hold(work);
    this.#forgetHeld(work.held as number);
    key.retryAt = 0;
    this.heldAt = 0;
    if (key.held.length === 0) this.noneHeld(key);
  }

  /** Nothing of the key stands aside any more. */
  protected noneHeld(key: KeyState): void {
    key.retryAt = 0;
    this.heldKeys.delete(key);
    this.takeTimersBack(key);
  }

  #forgetHeld(id: number): void {
    this.heldHolds.delete(String(id));
    this.open.deleteHeld(id);
  }

  /**
   * Called when the key's work of this batch is done again, at the work's turn. Is it a firing of a timer that is not set
   * any more, or not for that time, or not the key's next, now that what came before it in this batch has been done again?
   * One that still is due fires anew: its timer was set again with the rest, and nothing of it stands aside.
   */
  protected undone(work: Work): boolean {
    if (work.kind === "record" || work.fired !== this.open.mark) return false;
    if (work.held !== undefined) this.#forgetHeld(work.held);
    work.held = undefined;
    const timers = this[work.clock];
    if (timers.timeOf(work.member) !== work.time || this.timerOutput(work.clock, work.member, work.time) !== work.output) return true;
    for (const member of timers.ofKey(work.address.key)) {
      // One that no one is called for (the expiry of a cell, say) is never work that is done again.
      if ((timers.timeOf(member) ?? work.time) < work.time && this.declares(parseTimerMember(member).timer)) return true;
    }
    return false;
  }

  /** What stood aside before its key's earlier work was done again stands there again. */
  protected putBack(work: Work, key: KeyState, until: number): void {
    work.aside = undefined;
    this.heldAt = 0;
    if (key.held.length === 0) key.retryAt = until;
    if (work.held !== undefined && (key.held.at(-1)?.held ?? 0) < work.held) key.held = add(key.held, work);
    else this.setAside(work, key);
    this.heldKeys.add(key);
  }

  /** Work that the batch took and that is not done stands aside from now on, so that the batch can go. */
  protected override setUnfinishedAside(): void {
    if (this.unfinished.size === 0) return;
    const byKey = new Map<KeyState, Work[]>();
    for (const work of this.unfinished) {
      const known = byKey.get(work.key as KeyState);
      if (known === undefined) byKey.set(work.key as KeyState, [work]);
      else known.push(work);
    }
    for (const [key, works] of byKey) this.#setUnderWayAside(key, works);
  }

  /** `works`: all that the batch has taken of the key and not finished. */
  #setUnderWayAside(key: KeyState, works: readonly Work[]): void {
    if (key.running !== undefined && this.unfinished.has(key.running)) this.setAside(key.running, key);
    for (const work of key.waiting) {
      if (this.undone(work)) continue;
      if (work.aside === undefined) this.setAside(work, key);
      else this.putBack(work, key, work.aside.until);
    }
    key.waiting = [];
    for (const work of works) {
      work.batch = undefined;
      if (this.unfinished.delete(work)) this.open.unfinished--;
    }
  }

  /** What the open batch has begun and not finished: it may stand aside later. */
  get underWay(): ReadonlySet<Work> {
    return new Set(this.unfinished);
  }

  /** Does anything but these stand aside under an id from `first` up to `last`? */
  holdsAny(first: number, last: number, but: ReadonlySet<Work>): boolean {
    const counts = (work: Work): boolean => work.held !== undefined && work.held >= first && work.held < last && !but.has(work);
    for (const { held } of this.heldKeys) if (held.some(counts)) return true;
    return this.orphans.some(({ work }) => counts(work));
  }

  /** Keys that wait for an operator. */
  get halted(): readonly string[] {
    return [...this.heldKeys].filter((key) => key.retryAt === Number.POSITIVE_INFINITY).map((key) => key.key);
  }
}
