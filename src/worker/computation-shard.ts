/**
 * One shard of a computation: takes records and due timers, calls user code for them key by key, and gathers what it
 * did into batches. The only caller of user code. Synchronous; what must be waited for is an effect.
 *
 * I1  Work of one key is done one by one: records in inbox order, timers in the order of their times; what stands
 *     aside in `held` goes first. Keys do not wait for one another.
 * I2  A commit consumes a prefix of the inbox in which every record is done, parked, or held.
 * I3  What failed leaves no trace but its count: its effects are dropped, its key's cells decoded anew from the last
 *     sealed bytes, and the key's earlier work of the batch done again where it had changed them.
 * I4  While the shard feeds one above its high mark, it starts no new work.
 */
import type { Computation } from "../computation/computation.ts";
import { messageOf } from "../errors.ts";
import { HELD_RECORDS } from "../limits.ts";
import { parseTimerMember } from "../store/address.ts";
import type { RecoveredShard, Sequencer } from "../store/index.ts";
import { END } from "../time.ts";
import { CallEffects } from "./batch.ts";
import { Call } from "./call.ts";
import { ComputationOperated, EARLY } from "./computation-operated.ts";
import type { Keyed } from "./keyed.ts";
import { add, type KeyState } from "./key-state.ts";
import type { ShardHost } from "./owned-shard.ts";
import type { PlannedComputation } from "./plan.ts";
import { isPromise, RunningCalls } from "./running-calls.ts";
import { UserRecord, UserTimer } from "./user-view.ts";
import { deepFreeze } from "./value-access.ts";
import type { RecordWork, TimerWork, Work } from "./work.ts";

/** ms that a batch waits for asynchronous work before it is sealed without it. */
const PATIENCE = 20;
/** Asynchronous calls of one shard at a time. */
const CONCURRENT_CALLS = 64;

export class ComputationShard extends ComputationOperated {
  readonly kind = "computation";
  readonly #instance: Computation;
  /** Handlers are known to return promises: what they write is encoded call by call. */
  protected asynchronous: boolean;
  #calls = 0;
  /** The effects of a synchronous call are merged before the next call, so one set of them serves all. */
  #spare: CallEffects | undefined = undefined;
  readonly running: RunningCalls;
  /** What it does now is sealed as soon as it is done. */
  protected sealsNext = false;
  readonly #wake = () => this.host.wake(this);

  constructor(host: ShardHost, planned: PlannedComputation, keyed: Keyed, sequencer: Sequencer, recovered: RecoveredShard, floor: number) {
    super(host, planned, keyed, sequencer, recovered, floor);
    this.#instance = keyed.instance;
    this.running = new RunningCalls(keyed.gate);
    this.asynchronous = [keyed.instance.processRecord, keyed.instance.processTimer].some((handler) => handler?.constructor.name === "AsyncFunction");
  }

  // ── taking work ─────────────────────────────────────────────────────────────────────────────────────────────────

  pump(budget: number): number {
    this.expireCalls();
    this.advance();
    let done = 0;
    while (done < budget && this.mayStart()) {
      const taken = this.#takeHeld() || this.#takeTimer("watermark", this.input) || this.#takeTimer("wall", this.wallTime()) || this.#takeRecord();
      if (!taken) break;
      done++;
    }
    this.prefetch();
    return done;
  }

  protected mayStart(): boolean {
    const { open } = this;
    return (
      open.pinned === 0 &&
      this.obeyed() &&
      open.taken + open.finished < 2 * this.host.options.batchRecords &&
      open.bytes < this.commitBytes &&
      this.running.size < CONCURRENT_CALLS &&
      !this.host.blocked(this.participant) &&
      this.admitted()
    );
  }

  /** Do the limits on the participant's calls allow another? Also one that has waited for its key. */
  protected admitted(): boolean {
    const { gate } = this.keyed;
    if (gate === undefined || gate.opensAt() <= this.host.now) return true;
    gate.wait(this.#wake);
    return false;
  }

  #takeRecord(): boolean {
    const work = this.inbox.peek();
    if (work === undefined || this.heldHolds.size >= HELD_RECORDS) return false;
    if (this.open.taken >= this.host.options.batchRecords) {
      this.open.since ??= this.host.now;
      return false;
    }
    if (work.record.refused) {
      this.#take(work);
      this.park(work, undefined, undefined);
      return true;
    }
    const key = this.keyState(work.record.key);
    if (key === undefined) return false;
    this.#take(work);
    work.key = key;
    if (key.held.length > 0) this.setAside(work, key);
    else if (key.running !== undefined) this.#wait(work, key);
    else this.run(work, key);
    return true;
  }

  #take(work: RecordWork): void {
    this.inbox.take();
    this.open.taken++;
    this.open.hold(work);
    if (!work.record.refused) this.keyed.hotKeys.saw(work.record.key);
    if (work.record.timestamp > this.open.last) this.open.last = work.record.timestamp;
  }

  #wait(work: Work, key: KeyState): void {
    key.waiting = add(key.waiting, work);
    this.#awaited(work);
    this.open.since ??= this.host.now;
  }

  /** The batch cannot be sealed before this work is done, or set aside. */
  #awaited(work: Work): void {
    work.batch = this.open;
    this.open.unfinished++;
    this.unfinished.add(work);
  }

  #takeTimer(clock: "watermark" | "wall", now: number): boolean {
    const queue = this[clock];
    for (let first = queue.due(now); first !== undefined; first = queue.due(now)) {
      const taken = this.#startTimer(clock, first.member, first.time);
      if (taken !== "busy") return taken === "started";
      queue.putAside(first.member);
    }
    return false;
  }

  #startTimer(clock: "watermark" | "wall", member: string, time: number): "started" | "busy" | "loading" {
    const address = parseTimerMember(member);
    const key = this.keyState(address.key);
    if (key === undefined) return "loading";
    if (key.running !== undefined || key.held.length > 0) return "busy";
    const output = this.timerOutput(clock, member, time);
    const due = { clock, member, address, time, output, hold: Math.max(output ?? this.input, 0), fired: this.open.mark };
    const work: TimerWork = { kind: "timer", ...due, key, attempts: 0, begun: 0, held: undefined, batch: undefined };
    if (address.timer === 0) this.#expire(work, key);
    else if (!this.declares(address.timer)) this.open.changeTimer({ clock, member, time: undefined, output: undefined }, key);
    else this.run(work, key);
    return "started";
  }

  /** A cell's time to live is over, unless it was written again. */
  #expire(work: TimerWork, key: KeyState): void {
    this.open.changeTimer({ clock: "wall", member: work.member, time: undefined, output: undefined }, key);
    if (!key.expire(work.address.tag, this.wallTime())) return;
    if (this.asynchronous) this.encode(key);
    else this.open.dirty.add(key);
  }

  #takeHeld(): boolean {
    if (this.orphans.length > 0) this.loadOrphans();
    if (this.host.now < this.heldAt) return false;
    this.heldAt = Number.POSITIVE_INFINITY;
    for (const key of this.heldKeys) {
      const work = key.held[0];
      if (work === undefined || key.running !== undefined) continue;
      if (key.retryAt > this.host.now) {
        this.heldAt = Math.min(this.heldAt, key.retryAt);
        continue;
      }
      this.heldAt = 0;
      if (work.kind === "record" && this.open.pendingHold > work.hold) this.open.hold(work);
      this.run(work, key);
      return true;
    }
    return false;
  }

  // ── calling user code ───────────────────────────────────────────────────────────────────────────────────────────

  protected run(work: Work, key: KeyState): void {
    if (work.kind === "timer") {
      this.open.hold(work);
      if (work.held === undefined) this.open.changeTimer({ clock: work.clock, member: work.member, time: undefined, output: undefined }, key);
    }
    const effects = this.#spare ?? new CallEffects();
    this.#spare = undefined;
    const call = new Call(this, key, work, effects);
    let result: unknown;
    try {
      result = this.#call(work, call);
    } catch (error) {
      this.#failed(work, key, call, error);
      return;
    }
    if (isPromise(result)) this.#await(work, key, call, result);
    else {
      this.#succeeded(work, key, call);
      effects.clear();
      this.#spare = effects;
    }
  }

  #call(work: Work, call: Call): unknown {
    if (work.kind === "timer") {
      const { node } = this.timerNode(work.address.timer);
      return this.#instance.processTimer?.(new UserTimer(work, node, this.keyed), call);
    }
    work.late = work.record.timestamp < this.input;
    return this.#instance.processRecord(new UserRecord(work, this.frozen ? deepFreeze(this.decodeValue(work)) : this.decodeValue(work), this.keyed), call);
  }

  #await(work: Work, key: KeyState, call: Call, promise: PromiseLike<unknown>): void {
    this.asynchronous = true;
    if (this.sealsNext && this.open.dirty.has(key)) {
      // It cannot be waited for, nor what came before it be encoded while it runs: the call is made again, after that.
      promise.then(undefined, () => {});
      this.#failed(work, key, call, EARLY);
      return;
    }
    key.running = work;
    // What earlier calls of the batch wrote to the key is not encoded, and this call may be changing it: only where calls were synchronous so far.
    const pinned = this.open.dirty.has(key) ? this.open : undefined;
    this.running.begin(work, call, this.host.now, pinned);
    if (key.held[0] !== work) this.#awaited(work);
    const settled = (error: unknown, failed: boolean) => {
      if (!call.alive || this.closed) return;
      this.#stopped(work, key);
      if (failed) this.#failed(work, key, call, error);
      else this.#succeeded(work, key, call);
      this.#runWaiting(key);
      this.host.wake(this);
    };
    this.host.effect({ kind: "await", promise, settled });
  }

  /** Calls that have taken longer than their limit fail; their contexts are dead from now on. */
  expireCalls(): void {
    const { timeLimit } = this.planned.node.options;
    for (const [work, call] of this.running.expired(this.host.now, timeLimit)) {
      const key = work.key as KeyState;
      const reason = `${this.name} took longer than its timeLimit of ${timeLimit} ms`;
      call.close(reason);
      this.#stopped(work, key);
      this.#failed(work, key, call, new Error(reason));
      this.#runWaiting(key);
    }
  }

  /** The call has settled, or is waited for no longer. */
  #stopped(work: Work, key: KeyState): void {
    this.running.end(work);
    key.running = undefined;
    this.#finish(work);
    this.takeTimersBack(key);
  }

  /** The work is no longer what the batch it was taken by waits for. */
  #finish(work: Work): void {
    if (work.batch === this.open && this.unfinished.delete(work)) this.open.unfinished--;
    work.batch = undefined;
  }

  #runWaiting(key: KeyState): void {
    while (key.running === undefined && key.waiting.length > 0) {
      const work = key.waiting.shift() as Work;
      this.#finish(work);
      if (this.undone(work)) continue;
      if (work.failure !== undefined) this.giveBack(work, key, work.failure.error);
      else if (work.aside !== undefined) this.putBack(work, key, work.aside.until);
      else if (key.held.length > 0 || !this.admitted()) this.setAside(work, key);
      else this.run(work, key);
    }
    if (key.running === undefined && key.held.length === 0) this.noneHeld(key);
  }

  #succeeded(work: Work, key: KeyState, call: Call): void {
    call.close();
    if (call.early) {
      this.#failed(work, key, call, EARLY);
      return;
    }
    const { open } = this;
    if (!this.asynchronous && !key.careful) {
      if (key.dirty) open.dirty.add(key);
    } else {
      try {
        this.encode(key);
      } catch (error) {
        this.#failed(work, key, call, error);
        return;
      }
    }
    open.merge(call.effects, key);
    open.counted.droppedTimers += call.droppedTimers;
    this.#count(work, 1);
    if (call.letter !== undefined) this.parkDone(work, call.letter);
    open.done.push(work);
    key.batch = open.mark;
    if (work.held !== undefined) this.leaveHeld(work, key);
    this.#calls++;
  }

  #count(work: Work, by: 1 | -1): void {
    const { open } = this;
    open.finished += by;
    open.since ??= this.host.now;
    if (work.kind === "timer") open.counted.timersFired += by;
    else {
      open.counted.processed += by;
      if (work.late) open.counted.late += by;
    }
  }

  // ── failure ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #failed(work: Work, key: KeyState, call: Call, error: unknown): void {
    call.close(messageOf(error));
    if (error !== EARLY) this.open.counted.failures++;
    if (this.open.dirty.has(key)) {
      this.#again(key, { work, error });
      return;
    }
    for (const cell of key.cells) cell.revert();
    this.giveBack(work, key, error);
  }

  /** Does the key's work of this batch again, from its last sealed state, without what failed. */
  #again(key: KeyState, failure: { readonly work: Work; readonly error: unknown } | undefined): void {
    const again = this.open.drop(key);
    for (const work of again) {
      if (work.kind === "timer" && work.letter !== undefined) this.unpark(work);
      else this.#count(work, -1);
    }
    const behind = key.held.filter((work) => work !== failure?.work);
    for (const work of behind) work.aside = { until: key.retryAt };
    key.held = [];
    if (failure !== undefined) {
      failure.work.failure = { error: failure.error };
      again.push(failure.work);
    }
    again.push(...behind);
    for (const work of again) this.#awaited(work);
    key.waiting = [...again, ...key.waiting];
    this.#runWaiting(key);
  }

  /** Called before the batch is sealed, where a cell does not encode: finds the work whose write it was. */
  protected override blame(key: KeyState): void {
    key.careful = true;
    this.open.careful.push(key);
    this.#again(key, undefined);
  }

  // ── the batch ───────────────────────────────────────────────────────────────────────────────────────────────────

  readyAt(): number {
    const { open } = this;
    if (open.pinned > 0 || open.empty) return Number.POSITIVE_INFINITY;
    if (open.unfinished === 0) return 0;
    return (open.since ?? this.host.now) + PATIENCE;
  }

  wakeAt(): number {
    let at = this.running.expiresAt(this.planned.node.options.timeLimit);
    // A rate limit opens by time alone; other limits when a call has ended.
    if (this.inbox.size > 0 || this.heldKeys.size > 0 || this.orphans.length > 0) at = Math.min(at, this.keyed.gate?.opensAt() ?? at);
    for (const key of this.heldKeys) if (key.running === undefined) at = Math.min(at, key.retryAt);
    return at;
  }

  override get busy(): boolean {
    return this.running.size > 0;
  }

  close(): void {
    this.closed = true;
    this.running.closeAll("the worker has lost the shard, or stops");
  }

  /** What is done again may come to something else, so of the open batch only what this key has still counts. */
  drops(time: number, key: KeyState): boolean {
    return this.input === END && time > Math.max(this.lastKnown, this.open.last) && time > this.open.lastOf(key);
  }

  /** Calls of user code that succeeded since the shard was acquired. */
  get calls(): number {
    return this.#calls;
  }
  get waitsFor(): Work | undefined {
    return this.open.pinned > 0 || this.running.size >= CONCURRENT_CALLS ? this.running.first : undefined;
  }
}
