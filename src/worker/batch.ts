/**
 * The open batch of a shard: what its calls have done and no commit holds yet. Only data and the rules of merging;
 * who runs what and when is the executor's business.
 *
 * I1  One net operation per timer, hold and held record, whatever was done in between.
 * I2  What the batch has taken away (timers fired or moved, holds released, records taken) goes on holding the
 *     watermarks, by `pendingHold` and `outputHold`, until its commit has been acknowledged.
 * I3  The effects of one key can be taken out again (`drop`) until the batch is sealed.
 */
import type { TimerQueue } from "../timers/timer-queue.ts";
import type { TimeIndex } from "../time-index.ts";
import { keyHold, timerHold } from "../store/address.ts";
import type { Commit, HoldSet, Numbered, TimerClock, TimerDelete, TimerSet } from "../store/commit.ts";
import { BEGINNING } from "../time.ts";
import type { KeyState } from "./key-state.ts";
import type { Production } from "./parcel.ts";
import type { Work } from "./work.ts";

export interface TimerChange {
  readonly clock: TimerClock;
  readonly member: string;
  /** undefined: deleted, or fired. */
  readonly time: number | undefined;
  /** What it holds, if that is not its time. */
  readonly output: number | undefined;
}

/** What one call has done, merged into the batch when it succeeded. State is written to the key's cells directly. */
export class CallEffects {
  productions: Production[] = [];
  timers: TimerChange[] = [];
  /** null: released. undefined: not touched. */
  hold: number | null | undefined = undefined;
  bytes = 0;

  clear(): void {
    if (this.productions.length > 0) this.productions = [];
    if (this.timers.length > 0) this.timers = [];
    this.hold = undefined;
    this.bytes = 0;
  }
}

/** The keys with cells that are still to be encoded, each once; a key remembers by `unencoded` that it is among them. */
class DirtyKeys {
  #keys: KeyState[] = [];

  has(key: KeyState): boolean {
    return key.unencoded === this;
  }

  add(key: KeyState): void {
    if (key.unencoded === this) return;
    key.unencoded = this;
    this.#keys.push(key);
  }

  delete(key: KeyState): void {
    if (key.unencoded === this) key.unencoded = undefined;
  }

  /** All of them, which are none from then on. */
  take(): readonly KeyState[] {
    const keys: KeyState[] = [];
    for (const key of this.#keys) {
      if (key.unencoded !== this) continue;
      key.unencoded = undefined;
      keys.push(key);
    }
    this.#keys = [];
    return keys;
  }
}

interface TimerOperation {
  change: TimerChange;
  readonly owner: KeyState;
  readonly time: number | undefined;
  readonly hold: number | undefined;
  /** The largest event time that it was set for in between. */
  last: number;
}
interface HoldOperation {
  hold: number | undefined;
  readonly owner: KeyState;
  readonly before: number | undefined;
}

/** The shard's memory that a batch changes as it goes. */
export interface BatchMemory {
  readonly watermark: TimerQueue;
  readonly wall: TimerQueue;
  readonly holds: TimeIndex;
}

export class Batch {
  readonly #memory: BatchMemory;
  readonly #timers = new Map<string, TimerOperation>();
  readonly #holds = new Map<string, HoldOperation>();
  readonly heldPuts = new Map<number, Uint8Array>();
  readonly heldDeletes = new Set<number>();
  deadPuts: Numbered[] = [];
  readonly deadDeletes: number[] = [];
  /** State encoded already, each field once. */
  readonly stateFields: string[] = [];
  readonly stateValues: (Uint8Array | undefined)[] = [];
  readonly dirty = new DirtyKeys();
  /** Work that succeeded, and firings that were parked, in order. */
  done: Work[] = [];
  /** By this keys and cells remember that they are in the batch; the batch itself, with all its work, they would keep alive. */
  readonly mark: object = {};
  /** Keys whose calls are encoded one by one in this batch. */
  readonly careful: KeyState[] = [];
  productions: Production[] = [];
  #owners: KeyState[] = [];
  /** Records taken from the inbox, and how many of these are not done yet. */
  taken = 0;
  unfinished = 0;
  finished = 0;
  pendingHold = Number.POSITIVE_INFINITY;
  outputHold = Number.POSITIVE_INFINITY;
  bytes = 0;
  /** The largest event time in it: of the records taken and, once it is sealed, of the timers set. */
  last = BEGINNING;
  /** When the first work finished, by the worker's clock. */
  since: number | undefined = undefined;
  /** A call that turned out to be asynchronous holds unsealed state: no commit before it has settled. */
  pinned = 0;
  /** Has something that was dropped been deleted in it, or is it known that nothing of that is left? */
  swept = false;
  readonly counted = { processed: 0, late: 0, timersFired: 0, failures: 0, deadLetters: 0, droppedTimers: 0, duplicates: 0 };

  constructor(memory: BatchMemory) {
    this.#memory = memory;
  }

  get empty(): boolean {
    return (
      this.taken === 0 &&
      this.finished === 0 &&
      !this.swept &&
      this.heldPuts.size === 0 &&
      this.heldDeletes.size === 0 &&
      this.deadPuts.length === 0 &&
      this.deadDeletes.length === 0 &&
      this.#timers.size === 0 &&
      this.#holds.size === 0
    );
  }

  /** Merges what a successful call has done. */
  merge(effects: CallEffects, key: KeyState): void {
    for (const production of effects.productions) {
      this.productions.push(production);
      this.#owners.push(key);
    }
    for (const change of effects.timers) this.changeTimer(change, key);
    if (effects.hold !== undefined) this.changeHold(key, effects.hold ?? undefined);
    this.bytes += effects.bytes;
  }

  changeTimer(change: TimerChange, owner: KeyState): void {
    const { holds } = this.#memory;
    const queue = this.#memory[change.clock];
    const address = timerHold(change.clock, change.member);
    // An event timer holds at its own time by being set; a wall timer holds nothing by that.
    const output = change.clock === "watermark" && change.output === change.time ? undefined : change.output;
    const timeBefore = queue.timeOf(change.member);
    const holdBefore = queue.outputOf(change.member) ?? holds.timeOf(address);
    const known = this.#timers.get(address);
    if (known === undefined && timeBefore === change.time && holdBefore === output && (change.time !== undefined || queue.horizon === Number.POSITIVE_INFINITY))
      return;
    const next = { ...change, output };
    const last = change.clock === "watermark" ? (change.time ?? BEGINNING) : BEGINNING;
    if (known === undefined) this.#timers.set(address, { change: next, owner, time: timeBefore, hold: holdBefore, last });
    else {
      known.change = next;
      if (last > known.last) known.last = last;
    }
    if (holdBefore !== undefined) this.outputHold = Math.min(this.outputHold, holdBefore);
    else if (timeBefore !== undefined && change.clock === "watermark") this.outputHold = Math.min(this.outputHold, timeBefore);
    this.#remember(next, owner.key, address, next.time, output);
  }

  #remember({ clock, member }: TimerChange, key: string, address: string, time: number | undefined, hold: number | undefined): void {
    if (time === undefined) this.#memory[clock].delete(member, key);
    else this.#memory[clock].set(member, time, hold, key);
    if (hold === undefined) this.#memory.holds.delete(address);
    else this.#memory.holds.set(address, hold);
  }

  /** The largest event time for which calls of this key have set a timer in it. */
  lastOf(key: KeyState): number {
    let largest = BEGINNING;
    for (const { owner, last } of this.#timers.values()) if (owner === key && last > largest) largest = last;
    return largest;
  }

  /** Is a timer of this address set, moved, deleted or fired in it? */
  changes(clock: TimerClock, member: string): boolean {
    return this.#timers.has(timerHold(clock, member));
  }

  changeHold(key: KeyState, hold: number | undefined): void {
    if (key.hold === hold) return;
    const address = keyHold(key.key);
    const known = this.#holds.get(address);
    if (known === undefined) this.#holds.set(address, { hold, owner: key, before: key.hold });
    else known.hold = hold;
    if (key.hold !== undefined) this.outputHold = Math.min(this.outputHold, key.hold);
    key.hold = hold;
    if (hold === undefined) this.#memory.holds.delete(address);
    else this.#memory.holds.set(address, hold);
  }

  /** Takes out all that the key's calls have done in this batch, and gives their work; its cells go back to what was last sealed. */
  drop(key: KeyState): Work[] {
    const kept: Production[] = [];
    const owners: KeyState[] = [];
    this.productions.forEach((production, i) => {
      if (this.#owners[i] === key) return;
      kept.push(production);
      owners.push(this.#owners[i] as KeyState);
    });
    this.productions = kept;
    this.#owners = owners;
    for (const [address, operation] of this.#timers) {
      if (operation.owner !== key) continue;
      this.#timers.delete(address);
      this.#remember(operation.change, key.key, address, operation.time, operation.hold);
    }
    for (const [address, operation] of this.#holds) {
      if (operation.owner !== key) continue;
      this.#holds.delete(address);
      key.hold = operation.before;
      if (operation.before === undefined) this.#memory.holds.delete(address);
      else this.#memory.holds.set(address, operation.before);
    }
    for (const cell of key.cells) cell.revert();
    this.dirty.delete(key);
    const dropped = this.done.filter((work) => work.key === key);
    this.done = this.done.filter((work) => work.key !== key);
    return dropped;
  }

  putHeld(id: number, bytes: Uint8Array): void {
    this.heldDeletes.delete(id);
    this.heldPuts.set(id, bytes);
  }

  deleteHeld(id: number): void {
    this.heldPuts.delete(id);
    this.heldDeletes.add(id);
  }

  /** The batch has taken this work and holds for it until it is committed. */
  hold(work: Work): void {
    if (work.kind === "record") this.pendingHold = Math.min(this.pendingHold, work.hold);
    else this.outputHold = Math.min(this.outputHold, work.hold);
  }

  /** The operations on timers and holds, as a commit has them. */
  net(): Pick<Commit, "timerSets" | "timerDeletes" | "holdSets" | "holdDeletes"> & { keyHolds: Map<string, number | undefined> } {
    const timerSets: TimerSet[] = [];
    const timerDeletes: TimerDelete[] = [];
    const holdSets: HoldSet[] = [];
    const holdDeletes: string[] = [];
    const keyHolds = new Map<string, number | undefined>();
    for (const [address, { change, hold, last, owner: _ }] of this.#timers) {
      if (last > this.last) this.last = last;
      if (change.time === undefined) timerDeletes.push({ clock: change.clock, member: change.member });
      else timerSets.push({ clock: change.clock, member: change.member, time: change.time });
      if (change.time !== undefined && change.output !== undefined) holdSets.push({ member: address, time: change.output });
      else if (hold !== undefined || change.clock === "wall" || this.#memory.holds.horizon !== Number.POSITIVE_INFINITY) holdDeletes.push(address);
    }
    for (const [address, { hold, owner }] of this.#holds) {
      keyHolds.set(owner.key, hold);
      if (hold === undefined) holdDeletes.push(address);
      else holdSets.push({ member: address, time: hold });
    }
    return { timerSets, timerDeletes, holdSets, holdDeletes, keyHolds };
  }
}
